"""Faces drawn by the package itself: nothing to download, and the truth about every picture is known.

Three groups of parameters make a face: who it is (`Identity`), what it does (`ActionUnits`) and how the picture was
taken (`Capture`). Only the action units depend on the emotion. The drawing is a height field with painted skin under
a lamp, computed for a whole batch at once:

    images = render(sample_identity(3, seed=1), ActionUnits.of(3, AU6=0.7, AU12=0.9), sample_capture(3, seed=1))

`emotion_utils.faces` draws; here are data sets with knobs, and the default set.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.std import tqdm

from emotion_utils import files
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn_cache import draw_once
from emotion_utils.data.knobs import Knobs
from emotion_utils.device import pick_device
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import check_whole
from emotion_utils.faces.action_units import ActionUnits
from emotion_utils.faces.capture import Capture, sample_capture
from emotion_utils.faces.drawing import batch_size, render_with_truth
from emotion_utils.faces.expressions import sample_action_units
from emotion_utils.faces.people import Identity, sample_identity
from emotion_utils.randomness import stream_key, uniform

# Raise this number whenever the same seeds give other faces, truth or labels, so that no cache is read that was drawn
# before. A test compares with a stored sheet of faces; `python tests/tools/reference_sheet.py` stores a new one.
DRAWING_VERSION = 2

# The faces that make up the default set, all of seed 0; the ranges share none, so no person is in two splits.
DEFAULT_SET = {"training": range(10_000), "validation": range(10_000, 12_000), "test": range(12_000, 14_000)}

PIXEL_STATISTICS = (0.51686, 0.24044)  # mean and standard deviation of its training split; a test holds it to that

ORIGINALS = 1000  # `duplicates` copies from the first so many faces


# What `truth` tells of the photograph; see `Capture`. `emotion_utils.evaluation.groups_of` makes groups of it.
PHOTOGRAPH = ("yaw", "pitch", "light_azimuth", "light_elevation", "light_hardness", "occluder")

CLIP = 4.0  # the kind of occluder that is a clip in the hair


@dataclass(frozen=True, eq=False)
class DrawnFrom:
    """Everything that n faces are drawn from, and what they are called."""

    identity: Identity
    action_units: ActionUnits
    capture: Capture
    person: Tensor  # int64 (n,), number of each person
    labels: Tensor  # int64 (n,)
    clean_labels: Tensor  # int64 (n,), before label noise


def sample_faces(
    n: int,
    seed: int = 0,
    size: int = 48,
    difficulty: str | float = "easy",
    *,
    first: int = 0,
    split: str = "training",
    truth: bool = True,
    device: torch.device | str = "cpu",
    progress: bool = False,
    **knobs: Any,
) -> FaceDataset:
    """Draw a data set; face i is a pure function of the seed, the knobs and `first + i`.

    Args:
        n: how many faces.
        seed: names all random numbers; other seeds are other people.
        size: side in pixels, 24 to 192.
        difficulty: "easy" (0.4), "hard" (1.0: faint expressions, strong pose and light, flaws) or 0 to 1.
        first: number of the first face; ranges that do not overlap share no identity.
        split: name of the split written into the data set.
        truth: also give landmarks and region masks.
        device: where to draw; the data set itself is on the CPU.
        progress: show a progress bar.
        knobs: those of `Knobs`: balance, emotions, label_noise, strength, occluded, skin_tone, age, masculine,
            duplicates, faces_per_person, mark.

    Raises:
        ValueError: n < 1, a negative seed, or a knob out of its range.
        TypeError: there is no such knob.
    """
    size, device = check_whole(24, 192, size=size), pick_device(device)
    drawn = sample_parameters(n, seed, difficulty, first=first, **knobs)
    return draw(drawn, size, split=split, truth=truth, device=device, progress=progress)


def draw(
    drawn: DrawnFrom,
    size: int = 48,
    *,
    split: str = "training",
    truth: bool = True,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> FaceDataset:
    """Draw what `sample_parameters` chose, changed or not; the other arguments are those of `sample_faces`.

    Where several faces show one person, the data set's `groups` say so, and `divide` keeps the person in one part.
    """
    size, device = check_whole(24, 192, size=size), pick_device(device)
    identity, units = drawn.identity, drawn.action_units
    images, where = _draw_all(identity, units, drawn.capture, size, truth, device, progress)
    known = {
        "action_units": units.mean, "identity": drawn.person, "skin_tone": identity.skin_tone, "age": identity.age,
        "clean_labels": drawn.clean_labels, "sex": identity.sex, "glasses": identity.glasses,
        **{name: getattr(drawn.capture, name) for name in PHOTOGRAPH}, **where,
    }  # fmt: skip
    groups = drawn.person if len(drawn.person.unique()) < len(drawn.person) else None
    return FaceDataset(images, drawn.labels, EMOTIONS, name="synthetic", split=split, groups=groups, truth=known)


def sample_parameters(
    n: int, seed: int = 0, difficulty: str | float = "easy", *, first: int = 0, **knobs: Any
) -> DrawnFrom:
    """Draw what the faces of `sample_faces` are drawn from: `render` of it gives the same pictures.

    Arguments and errors are those of `sample_faces`.
    """
    n, seed, first = check_whole(1, 10**8, n=n), check_whole(0, seed=seed), check_whole(0, 2**62, first=first)
    chosen = Knobs.of(difficulty=difficulty, **knobs)
    index = _with_copies(torch.arange(first, first + n), seed, chosen.duplicates)  # (N,) number of each face
    clean_labels = _sample_labels(chosen.class_shares(), seed, index)
    person = index // chosen.faces_per_person
    identity = sample_identity(
        n, seed, index=person, skin_tone=chosen.skin_tones(clean_labels), age=chosen.ages(clean_labels),
        masculine=chosen.masculine_shares()[clean_labels],
    )  # fmt: skip
    level = chosen.level
    units = sample_action_units(
        clean_labels, index, seed=seed, strength=chosen.strength,
        faint=0.60 - 0.32 * level, blend=0.12 + 0.17 * level, stray=0.08 + 0.17 * level,
    )  # fmt: skip
    capture = sample_capture(n, seed, index=index, difficulty=level, occluded=chosen.occluded)
    marked = chosen.marked()[clean_labels]  # (n,)
    capture = capture.replace(occluder=torch.where(marked, CLIP, capture.occluder))
    labels = _add_label_noise(clean_labels, seed, index, chosen.label_noise)
    return DrawnFrom(identity, units, capture, person, labels, clean_labels)


def _with_copies(index: Tensor, seed: int, share: float) -> Tensor:
    """Replace some faces, by their numbers int64 (N,), by copies of the first faces of this seed."""
    draw = uniform(stream_key(seed, "duplicate"), index, 2)  # (N, 2)
    copied = (draw[:, 0] < share) & (index >= ORIGINALS)
    return torch.where(copied, (draw[:, 1] * ORIGINALS).long(), index)


def _sample_labels(shares: Tensor, seed: int, index: Tensor) -> Tensor:
    """Draw a label per face with the given probabilities, int64 (N,); depends on seed and index alone."""
    edges = shares.cumsum(0)[:-1].float()
    return (uniform(stream_key(seed, "label"), index, 1) >= edges).sum(1)


def _add_label_noise(labels: Tensor, seed: int, index: Tensor, share: float) -> Tensor:
    """Replace a share of the labels by one of the six others."""
    draw = uniform(stream_key(seed, "label noise"), index, 2)  # (N, 2)
    wrong = (labels + 1 + (draw[:, 1] * (len(EMOTIONS) - 1)).long()) % len(EMOTIONS)
    return torch.where(draw[:, 0] < share, wrong, labels)


def _draw_all(
    identity: Identity, units: ActionUnits, capture: Capture, size: int, truth: bool, device: torch.device,
    progress: bool,
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Draw in batches, on the CPU one batch per core: many short operations gain little from sharing one."""
    step = batch_size(size)
    parts = [slice(start, start + step) for start in range(0, len(identity), step)]

    with tqdm(total=len(identity), desc="Drawing faces", unit=" faces", disable=not progress, leave=False) as bar:

        def draw(part: slice) -> tuple[Tensor, dict[str, Tensor]]:
            images, known = render_with_truth(
                identity[part].to(device), units[part].to(device), capture[part].to(device), size, truth=truth
            )
            bar.update(len(images))
            return images.cpu(), {key: value.cpu() for key, value in known.items() if key != "action_units"}

        threads = torch.get_num_threads()
        if device.type != "cpu" or threads == 1 or len(parts) == 1:
            done = [draw(part) for part in parts]
        else:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                done = list(pool.map(draw, parts))
            torch.set_num_threads(threads)
    where = {key: torch.cat([known[key] for _, known in done]) for key in done[0][1]}
    return torch.cat([images for images, _ in done]), where


def load_split(split: str, *, data_dir: str | Path | None = None, progress: bool = True) -> FaceDataset:
    """Return a split of the default set: 10,000 training, 2,000 validation or 2,000 test faces, drawn once and cached.

    All splits are seed 0, "easy", uniform; their faces are of different people. All carry the training split's `mean`
    and `std`. The cache is one file per split with `DRAWING_VERSION` in its name; a file of another version or a
    damaged one is never read.

    Args:
        split: "training", "validation" or "test".
        data_dir: folder of the cache; if not given, `EMOTION_DATA_DIR` or `data/`. Where it takes no files, the user's
            cache folder stands in.
        progress: show a progress bar while drawing.

    Raises:
        ValueError: an unknown split.
    """
    if split not in DEFAULT_SET:
        raise ValueError(f"split={split!r}: choose one of {', '.join(DEFAULT_SET)}.")
    numbers = DEFAULT_SET[split]
    mean, std = PIXEL_STATISTICS
    return draw_once(
        cache_name(split),
        lambda: sample_faces(len(numbers), seed=0, first=numbers.start, progress=progress),
        files.as_path(data_dir, "data_dir") if data_dir else files.data_dir(),
        name="synthetic", split=split, mean=mean, std=std,
    )  # fmt: skip


def cache_name(split: str) -> str:
    """Give the name of the file that keeps a split of the default set."""
    return f"synthetic-v{DRAWING_VERSION}-{split}.npz"
