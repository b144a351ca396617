"""A few drawn faces with all that is known about them, stored: does the drawing still draw what its version drew?

    python tests/tools/reference_sheet.py    # after raising DRAWING_VERSION in emotion_utils/data/drawn.py

(After a change of the sheet itself, such as another part, delete the stored file first; the version stays.)

Numbers and labels must be equal. Pictures may differ by rounding, because processors and versions of PyTorch round
differently: see `image_differences`.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import DEFAULT_SET, DRAWING_VERSION, sample_faces
from emotion_utils.faces import (
    ACTION_UNITS,
    ActionUnits,
    render,
    sample_action_units,
    sample_capture,
    sample_identity,
)

SHEET = Path(__file__).resolve().parents[1] / "data" / "reference_sheet.npz"

PARTS = {
    "easy": {"n": 21, "seed": 0},  # the first faces of the default set
    "hard": {"n": 21, "seed": 1, "difficulty": "hard", "occluded": 0.6},
    "knobs": {
        "n": 28, "seed": 2, "size": 32, "difficulty": 0.7, "first": 5000, "duplicates": 0.4, "label_noise": 0.4,
        "balance": "fer2013", "emotions": ["angry", "happy", "sad", "neutral"], "strength": 1.2, "faces_per_person": 3,
        "age": {"sad": (60, 80)}, "skin_tone": (0.2, 0.5),
    },
    "large": {"n": 3, "seed": 3, "size": 96},
}  # fmt: skip


def draw_part(part: str, **changes) -> dict[str, np.ndarray]:
    """Draw one part of the sheet, with some arguments of `sample_faces` changed: images, labels and truth by name."""
    faces = sample_faces(**PARTS[part] | changes)
    return {f"{part} {name}": value.numpy() for name, value in all_of(faces).items()}


def all_of(faces: FaceDataset) -> dict[str, torch.Tensor]:
    """Name everything that a data set holds."""
    return {"images": faces.images, "labels": faces.labels, **faces.truth}


def draw_extremes() -> np.ndarray:
    """Draw what is rare or small at random: every action unit at its most, beards, glasses, lettering, turned heads."""
    n = len(ACTION_UNITS)
    identity = sample_identity(n, seed=5, age=(30, 85)).replace(
        beard=(torch.arange(n) % 3 == 0) * 0.9, moustache=(torch.arange(n) % 2 == 0) * 0.8, lens_tint=0.4,
        glasses=torch.arange(n) % 4 == 1, freckles=0.5, hair_length=torch.linspace(0, 1, n), hair_curl=0.3,
    )  # fmt: skip
    units = torch.eye(n) + torch.eye(n).roll(7, 1)  # two units on each face
    capture = sample_capture(n, seed=5, difficulty=1.0, occluded=0.0).replace(
        occluder=(torch.arange(n) % 7 == 6) * 3, yaw=torch.linspace(-40, 40, n), noise=0.0
    )
    return render(identity, ActionUnits(units), capture).numpy()


def describe_many(n: int = 5000) -> dict[str, np.ndarray]:
    """Mean and standard deviation of every parameter of many faces: they tell where a rare thing got rarer."""
    units = sample_action_units(torch.arange(n) % 7, seed=4)
    parameters = vars(sample_identity(n, seed=4)) | vars(sample_capture(n, seed=4, difficulty=1.0)) | vars(units)
    return {
        f"many {name}": torch.stack([value.double().mean(0), value.double().std(0)]).numpy()
        for name, value in parameters.items()
    }


def draw_sheet() -> dict[str, np.ndarray]:
    """Draw all parts, and say which version drew them and which faces make up the default set."""
    sheet = {"version": np.array(DRAWING_VERSION)}
    for split, numbers in DEFAULT_SET.items():
        sheet[f"default set {split}"] = np.array([numbers.start, numbers.stop])
    for part in PARTS:
        sheet |= draw_part(part)
    return sheet | {"extremes images": draw_extremes()} | describe_many()


def read_sheet() -> dict[str, np.ndarray]:
    """Read the stored sheet."""
    with np.load(SHEET) as file:
        return dict(file)


def image_differences(before: np.ndarray, now: np.ndarray) -> str:
    """Say how pictures differ by more than rounding; "" if they do not.

    Rounding moves a value across the border between two grey levels in about 1 pixel of 4,000 (measured between two
    machines; 1 of 30,000 between the instruction sets of one), and none by two levels. Allowed in each picture is
    1 pixel of 200, and 1 of 1,000 by more than one level. A mouth that lies 0.005 pixels lower changes more.
    """
    if before.shape != now.shape:
        return f"shape {now.shape} instead of {before.shape}"
    levels = np.abs(before.astype(int) - now.astype(int)).reshape(len(before), -1)  # (N, pixels)
    some, more = (levels > 0).mean(1), (levels > 1).mean(1)
    changed = ((some > 5e-3) | (more > 1e-3)).sum()
    return f"{changed} of {len(before)} pictures, up to {some.max():.1%} of the pixels" if changed else ""


def differences(before: dict[str, np.ndarray], now: dict[str, np.ndarray]) -> list[str]:
    """List what differs between two sheets, or parts of them, by more than rounding."""
    found = [f"{name} is in one of them alone" for name in sorted(before.keys() ^ now.keys())]
    for name in sorted(before.keys() & now.keys()):
        a, b = before[name], now[name]
        if name.endswith("images"):
            how = image_differences(a, b)
        elif a.shape != b.shape or a.dtype != b.dtype:
            how = f"{b.dtype} {b.shape} instead of {a.dtype} {a.shape}"
        elif name.endswith("masks"):  # rounding may move the border of a region
            how = "other pixels" if (a != b).mean() > 1e-4 else ""
        elif a.dtype.kind == "f":
            how = "" if np.allclose(a, b, rtol=1e-4, atol=1e-5) else f"off by up to {np.abs(a - b).max():.2g}"
        else:
            how = "" if np.array_equal(a, b) else "other numbers"
        found += [f"{name}: {how}"] if how else []
    return found


def main() -> None:
    """Store the sheet of a new version."""
    now = draw_sheet()
    if SHEET.exists():
        before = read_sheet()
        found = differences(before, now)
        if not found:
            print("The drawing is that of the stored sheet; nothing to store.")
            return
        if before["version"] == now["version"]:
            sys.exit(
                f"The drawing changed, but not its version, {DRAWING_VERSION}: {'; '.join(found)}. If that is meant, "
                "raise DRAWING_VERSION in emotion_utils/data/drawn.py and run this again."
            )
    np.savez_compressed(SHEET, **now)
    print(f"Stored version {DRAWING_VERSION} in {SHEET}.")


if __name__ == "__main__":
    main()
