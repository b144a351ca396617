"""The plan itself: a look at the speed, then four stages. Each returns whether it is done."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.data.splits import split
from emotion_utils.emotions import EMOTIONS
from emotion_utils.training.distillation import mix_targets

from .bench import FRAMING, Bench, Record, Trial
from .judging import choose_shape, choose_student, framing_pays, judge, over_views
from .networks import SHAPES, StemNet
from .speed import look_at_speed

WIDER = {"stem": 2, "widths": 3}  # a teacher: nine times the weights, ten times the arithmetic
TAUGHT = 0.7  # the teachers' share of the targets
ALONE, PLAIN, FRAMED = "alone", "taught", "taught, framing"  # the last two differ in their augmentation alone


def run(bench: Bench) -> str | None:
    """Go through the stages that are not done; return the first that wants another call, None after the last."""
    gpu = torch.cuda.get_device_name(bench.device) if bench.on_gpu else "CPU"
    bench.say(f"{gpu}, torch {torch.__version__}; {len(bench.images):,} images, {len(bench.held_out):,} held out")
    look_at_speed(bench)
    for stage in (shapes, teachers, students, final):
        done = stage(bench)
        if not done:
            bench.say(f"{stage.__name__}: not done; call again with the same folder")
        bench.ledger.save()
        if not done:
            return stage.__name__
    bench.say("all done")
    bench.ledger.save()
    return None


def shapes(bench: Bench) -> bool:
    """Compare shapes on the held-out tenth, and choose one."""
    trials = [bench.trial(name, shape) for name, shape in SHAPES.items()]
    labels, rows = bench.held_out_labels.tolist(), bench.ledger.rows("shapes")
    record = _judged(bench, "shapes", "shape", lambda: choose_shape(rows, labels))
    if not bench.train("shapes", trials, record):
        return False
    if "shape" not in bench.ledger.found:
        bench.ledger.found["shape"] = choose_shape(rows, labels)["name"]
        bench.say(f"shapes: {bench.ledger.found['shape']!r} goes on")
    return True


def teachers(bench: Bench) -> bool:
    """Train a wide network without each fold, and let it judge that fold and the held-out tenth."""
    faces, count = bench.faces, bench.settings.folds
    parts = split(faces.labels[faces.training], [1 / count] * count, faces.groups[faces.training])
    folds = [faces.training[part] for part in parts]
    wide = bench.trial("", SHAPES[bench.ledger.found["shape"]].times(**WIDER))
    trials = [
        replace(wide, name=str(number), rows=faces.training[~torch.isin(faces.training, fold)], seed=number)
        for number, fold in enumerate(folds)
    ]

    def record(trial: Trial, network: StemNet) -> dict[str, Any]:
        fold = folds[int(trial.name)]
        seen = torch.cat([fold, faces.held_out])
        images = bench.images[seen.to(bench.device)]
        said = over_views(network, images, trial.augment, bench.settings.views, half=bench.on_gpu).cpu()
        _keep_probabilities(bench, int(trial.name), fold, said)
        right = (said.argmax(1) == faces.labels[seen]).float()
        return {"fold": float(right[: len(fold)].mean()), "held_out": float(right[len(fold) :].mean())}

    # Looking at an image is a third of the work of learning it. A teacher is large enough to fill a GPU alone.
    judged = (len(folds[0]) + len(faces.held_out)) * bench.settings.views / len(trials[0].rows)
    return bench.train("teachers", trials, record, at_once=1, extra=judged / 3)


def _keep_probabilities(bench: Bench, number: int, fold: Tensor, said: Tensor) -> None:
    """Store what a teacher said of its fold and, below it in `said`, of the held-out tenth."""
    faces, classes = bench.faces, len(EMOTIONS)
    arrays = bench.ledger.arrays() or {
        "probabilities": np.full((len(faces.labels), classes), np.nan, np.float16),
        "held_out": np.full((bench.settings.folds, len(faces.held_out), classes), np.nan, np.float16),
        "fold": np.full(len(faces.labels), -1, np.int8),  # -1: held out
    }
    arrays["probabilities"][fold] = said[: len(fold)].half().numpy()
    arrays["fold"][fold] = number
    arrays["held_out"][number] = said[len(fold) :].half().numpy()
    # No teacher learnt the held-out images, so all judge them; while one is missing, the mean is NaN.
    arrays["probabilities"][faces.held_out] = arrays["held_out"].astype(np.float32).mean(0)
    bench.ledger.save_arrays(arrays)


def _taught(bench: Bench) -> Tensor:
    """Mix the teachers' probabilities into the labels: float32 `(N, C)`."""
    said = torch.from_numpy(bench.ledger.arrays()["probabilities"]).float()
    return mix_targets(said / said.sum(1, keepdim=True), bench.faces.labels, TAUGHT)


def students(bench: Bench) -> bool:
    """Train the shape without teachers, with them, and with more kinds of framing as well, on the nine tenths."""
    alone = bench.trial(ALONE, SHAPES[bench.ledger.found["shape"]])
    taught = replace(alone, name=PLAIN, targets=_taught(bench))
    framed = replace(taught, name=FRAMED, augment=FRAMING)
    rows, labels = bench.ledger.rows("students"), bench.held_out_labels.tolist()
    record = _judged(bench, "students", "student", lambda: choose_student(rows))
    if not bench.train("students", [alone, taught, framed], record):
        return False
    found, row = bench.ledger.found, bench.ledger.row
    if "student" not in found:
        found["framing"] = framing_pays(row("students", FRAMED), row("students", PLAIN), labels)
        best = choose_student([row("students", ALONE), row("students", PLAIN)])["name"]
        found["student"] = FRAMED if best == PLAIN and found["framing"] else best
        bench.say(f"students: {found['student']!r} goes on")
    return True


def final(bench: Bench) -> bool:
    """Train the winner on all of Training, with several seeds; the last averaged weights count."""
    how = bench.ledger.found["student"]
    base = replace(bench.trial("", SHAPES[bench.ledger.found["shape"]]), rows=torch.arange(len(bench.images)))
    if how != ALONE:
        base = replace(base, targets=_taught(bench), augment=FRAMING if how == FRAMED else base.augment)
    trials = [replace(base, name=f"final-{seed}", seed=seed) for seed in bench.settings.seeds]

    def record(trial: Trial, network: StemNet) -> dict[str, Any]:
        learnt = judge(network, bench.held_out, bench.held_out_labels)["mirror"]  # on images that it learnt
        row = {"seed": trial.seed, "student": how, "learnt": learnt}
        bench.ledger.save_weights(trial.name, network, row)
        return row

    return bench.train("final", trials, record)


def _judged(bench: Bench, stage: str, file: str, best: Callable[[], dict[str, Any]]) -> Record:
    """Measure a network on the held-out tenth, and keep its weights while it is the best of the stage."""

    def record(trial: Trial, network: StemNet) -> dict[str, Any]:
        row = {"name": trial.name, **trial.shape.cost(), **judge(network, bench.held_out, bench.held_out_labels)}
        rows = bench.ledger.rows(stage)
        rows.append(row)
        if best()["name"] == trial.name:
            bench.ledger.save_weights(file, network, {"stage": stage, "name": trial.name})
        rows.remove(row)
        return row

    return record
