"""A look at the speed before anything is trained: which way of taking steps is the fastest here, and is it right?"""

from typing import Any

import torch
import torch.nn.functional as F

from .bench import Bench
from .networks import HALVING

AT_ONCE = (1, 2, 4)
ALIKE = 0.98  # cosine between two ways from the same start; between bfloat16 and float32, it was 0.9996


def look_at_speed(bench: Bench) -> None:
    """Choose on a GPU how steps are taken from now on, unless an earlier call has."""
    found = bench.ledger.found.get("speed")
    if found is None:
        found = speeds(bench) if bench.on_gpu else {"tuned": False, "graphs": False, "at_once": 1}
        bench.ledger.found["speed"] = found
        bench.ledger.save()
    torch.backends.cudnn.benchmark = found["tuned"]
    bench.graphs = found["graphs"] and bench.settings.graphs
    bench.at_once = bench.settings.at_once or found["at_once"]


def speeds(bench: Bench) -> dict[str, Any]:
    """Measure a small network step by step, as a CUDA graph, with tuned algorithms, and several at once.

    Each way has to lead where the plain one leads, or it is not used.

    Returns:
        Images a second of each way (0 if it led elsewhere); whether to let cuDNN try algorithms (`tuned`), whether to
        record graphs (`graphs`), and how many networks to train `at_once`.
    """
    torch.backends.cudnn.benchmark_limit = 5  # algorithms that are tried for each convolution
    trial = bench.trial("halving", HALVING)
    plain = bench.group([trial], graphs=False)
    found, reference = {"step by step": round(plain.prepare())}, plain.moved[0]

    def rate(way: str, count: int = 1, tuned: bool = False) -> int:
        torch.backends.cudnn.benchmark = tuned
        group = bench.group([trial] * count)
        found[way] = round(group.prepare())
        alike = min(float(F.cosine_similarity(moved, reference, dim=0)) for moved in group.moved)
        bench.say(f"speed: {way}: {found[way]:,} images/s, {group.how}; like step by step: {alike:.3f}")
        if not alike > ALIKE:  # also if it is no number
            found[way] = 0
        return found[way]

    graph, with_tuning = rate("graph"), rate("graph, tuned", tuned=True)
    tuned = with_tuning > 1.1 * graph
    rates = {1: max(graph, found["step by step"], with_tuning if tuned else 0)}
    for count in AT_ONCE[1:]:
        rates[count] = rate(f"{count} at once", count, tuned)
    best = max(rates, key=rates.get)
    return {"images_per_second": found, "tuned": tuned, "graphs": max(graph, with_tuning) > 0, "at_once": best}
