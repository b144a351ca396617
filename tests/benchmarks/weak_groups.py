"""How often the blind search finds a planted weakness, and how often it "finds" one where there is none.

    python tests/benchmarks/weak_groups.py [--runs 40]

Each run draws people with their truth (no pictures are needed) and a stand-in for a network, which is right with a
chance that depends on that truth: 85 %, and less for the faces of one condition, or of a pair, picked at random. A
planted weakness counts as found where a confirmed group shares more than half of its faces with it (their intersection
over their union). Without a weakness, any confirmed group is a false one.

The last line asks the same of a real network on the 4,000 drawn faces of validation and test. Its weaknesses are real
there, so the truth is shuffled among the faces of each class: whatever is found then is false.
"""

import argparse
from itertools import combinations

import torch
from torch import Tensor

from emotion_utils.data import FaceDataset, join, load
from emotion_utils.data.drawn import PHOTOGRAPH, sample_parameters
from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation import Report, evaluate, find_weak_groups, groups_of
from emotion_utils.models import load_pretrained

USUAL = 0.85


def people(count: int, seed: int) -> FaceDataset:
    """Draw people and photographs; the pictures stay empty."""
    drawn = sample_parameters(count, seed)
    who = {name: getattr(drawn.identity, name) for name in ("age", "sex", "skin_tone", "glasses")}
    truth = {"identity": drawn.person, **who, **{name: getattr(drawn.capture, name) for name in PHOTOGRAPH}}
    images = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    return FaceDataset(images, drawn.labels, EMOTIONS, truth=truth, mean=0.5, std=0.25, split="test")


def stand_in(faces: FaceDataset, chance: Tensor, seed: int) -> Report:
    """Report on a network that is right with these chances."""
    generator = torch.Generator().manual_seed(1000 + seed)
    right = torch.rand(len(faces), generator=generator) < chance
    other = (faces.labels + torch.randint(1, 7, (len(faces),), generator=generator)) % 7
    logits = 3 * torch.nn.functional.one_hot(torch.where(right, faces.labels, other), 7).float()
    return Report(logits.softmax(1), logits, faces.labels, EMOTIONS, "stand-in", (0.0, 1.0))


def plant(faces: FaceDataset, low: float, high: float, seed: int) -> Tensor:
    """Pick a condition, or a pair, that holds between these shares of the faces: bool (N,)."""
    groups = list(groups_of(faces).values())
    pool = groups + [a & b for a, b in combinations(groups, 2)]
    pool = [mask for mask in pool if low <= float(mask.double().mean()) < high]
    return pool[int(torch.randint(len(pool), (1,), generator=torch.Generator().manual_seed(seed)))]


def found(faces: FaceDataset, mask: Tensor, drop: float, seed: int) -> bool:
    """Plant a weakness and say whether it is found."""
    report = stand_in(faces, torch.where(mask, USUAL - drop, USUAL), seed)
    shares = [float((g.mask & mask).sum() / (g.mask | mask).sum()) for g in find_weak_groups(report, faces, seed=seed)]
    return max(shares, default=0.0) > 0.5


def false_finds(report: Report, faces: FaceDataset, runs: int) -> int:
    """Shuffle the truth within each class, and count the runs in which something is found all the same."""
    wrong = 0
    for seed in range(runs):
        generator, order = torch.Generator().manual_seed(seed), torch.arange(len(faces))
        for c in range(len(faces.classes)):
            members = (faces.labels == c).nonzero()[:, 0]
            order[members] = members[torch.randperm(len(members), generator=generator)]
        groups = {name: mask[order] for name, mask in groups_of(faces).items()}
        wrong += len(find_weak_groups(report, faces, groups, seed=seed)) > 0
    return wrong


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    for count in (2000, 4000):
        sets = [people(count, seed) for seed in range(runs)]
        usual = torch.full((count,), USUAL)
        clean = sum(not len(find_weak_groups(stand_in(f, usual, s), f, seed=s)) for s, f in enumerate(sets))
        print(f"{count:,} faces, no weakness: nothing found in {clean} of {runs}", flush=True)
        for low, high in ((0.03, 0.06), (0.06, 0.15), (0.15, 0.35)):
            for drop in (0.1, 0.2, 0.3):
                hits = sum(found(f, plant(f, low, high, s), drop, s) for s, f in enumerate(sets))
                print(
                    f"{count:,} faces, {100 * low:.0f} to {100 * high:.0f} % of them {100 * drop:.0f} points weaker: "
                    f"found in {hits} of {runs}",
                    flush=True,
                )
    faces = join(load("synthetic", "validation", verbose=False), load("synthetic", "test", verbose=False))
    report = evaluate(load_pretrained("synthetic"), faces)
    print("the shipped network on drawn faces:", find_weak_groups(report, faces))
    print(f"with the truth shuffled: nothing found in {runs - false_finds(report, faces, runs)} of {runs}")


if __name__ == "__main__":
    main()
