"""Draw the README's pictures of drawn faces: `python tests/tools/contact_sheet.py [folder]`.

`contact_sheet.png`: seven emotions (rows) on twelve people each, as the default data set has them, at 96 pixels.
`action_units.png`: one person at rest, with each action unit alone, then with a prototype of each emotion.
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from emotion_utils.data.drawn import sample_faces
from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces import (
    ACTION_UNITS,
    AU_DESCRIPTIONS,
    ActionUnits,
    prototype,
    render,
    sample_action_units,
    sample_capture,
    sample_identity,
)

FIGURES = Path(__file__).resolve().parents[2] / "notebooks" / "figures"


def tiles(images: torch.Tensor, columns: int, titles: list[str] | None = None) -> Image.Image:
    """Set uint8 images (N, 1, H, W) side by side, with a title under each if given."""
    side, foot = images.shape[-1], 14 if titles else 1
    rows = -(-len(images) // columns)
    sheet = Image.new("L", (columns * (side + 1), rows * (side + foot)), 255)
    pen = ImageDraw.Draw(sheet)
    for k, image in enumerate(images[:, 0].numpy()):
        left, top = k % columns * (side + 1), k // columns * (side + foot)
        sheet.paste(Image.fromarray(image), (left, top))
        if titles:
            pen.text((left + 3, top + side + 1), titles[k], fill=0)
    return sheet


def contact_sheet(people: int = 12, seed: int = 3) -> Image.Image:
    """Seven emotions in rows, `people` faces each."""
    faces = sample_faces(people * 30, seed=seed, size=96, truth=False)
    pick = [i for c in range(len(EMOTIONS)) for i in (faces.labels == c).nonzero()[:people, 0].tolist()]
    return tiles(faces.images[pick], people)


def action_unit_sheet(seed: int = 11) -> Image.Image:
    """One person: at rest, each unit alone at full strength, and the emotions."""
    shown = [ActionUnits.of(), *(ActionUnits.of(**{unit: 1.0}) for unit in ACTION_UNITS)]
    titles = ["at rest", *(f"{unit} {AU_DESCRIPTIONS[unit]}" for unit in ACTION_UNITS)]
    shown += [prototype(emotion) for emotion in EMOTIONS[:-1]]
    titles += list(EMOTIONS[:-1])
    units = ActionUnits(torch.cat([u.left for u in shown]))
    identity = sample_identity(1, seed)[[0] * len(shown)].replace(age=30.0, texture=0.45)  # few folds at rest
    capture = sample_capture(1, seed=2, difficulty=0.0, occluded=0.0)[[0] * len(shown)]
    capture = capture.replace(
        yaw=0.0, pitch=0.0, roll=0.0, light_azimuth=25.0, light_elevation=30.0, light_hardness=0.35, scale=1.0,
        shift_x=0.0, shift_y=0.0, gaze_x=0.0, gaze_y=0.0,
    )  # fmt: skip
    return tiles(render(identity, units, capture, size=144), 7, titles)


def shuffled_sheet(n: int = 70, seed: int = 77) -> tuple[Image.Image, list[str]]:
    """Ten faces per emotion in random order and without labels, for people to name; with the key."""
    faces = sample_faces(n * 6, seed=seed, size=96, truth=False)
    pick = torch.tensor([i for c in range(7) for i in (faces.labels == c).nonzero()[: n // 7, 0].tolist()])
    pick = pick.sort().values
    return tiles(faces.images[pick], 10), [EMOTIONS[label] for label in faces.labels[pick].tolist()]


def one_person(emotion: str, n: int = 8, seed: int = 5) -> Image.Image:
    """The same person with n drawings of one emotion."""
    labels = torch.full((n,), EMOTIONS.index(emotion))
    identity = sample_identity(1, seed)[[0] * n]
    return tiles(render(identity, sample_action_units(labels, seed=seed), sample_capture(n, seed), size=96), n)


def main(folder: Path = FIGURES) -> None:
    """Write both pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    contact_sheet().save(folder / "contact_sheet.png", optimize=True)
    action_unit_sheet().save(folder / "action_units.png", optimize=True)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
