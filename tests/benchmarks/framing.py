"""How FER2013 frames faces, how finders draw their boxes, and what another framing, size, light or angle costs.

    EMOTION_DATA_DIR=… python tests/benchmarks/framing.py --parts frames --images 400
    … --parts drawn finders                                                         # the shipped weights
    … --weights SIBLING --called "fer2013's sibling" --parts validation drawn --images 2871
    … --weights SIBLING --called "fer2013's sibling" --parts limits --images 300
    … --weights SIBLING --called "fer2013's sibling" --parts frequencies --images 2871
    … --parts votes --images 2871

1. Frames. Images of FER2013's Training part, enlarged to 96 pixels and put onto grey, are given to each finder that is
installed; the medians of its boxes say which share of a box's side FER2013's frame has. What is cut off at the frame
makes boxes smaller than on a whole photograph. Drawn faces tell by how much: they are drawn on a large picture, found
there, and found again after the frame was cut out and put onto grey like FER2013's.
2. Accuracy against the framing, one look against means over framings: on FER2013's validation images, where what lies
beyond the frame is not known and its border pixels go on, and on drawn faces, where everything is known.
3. Accuracy against the size in pixels, the light and the angle of the head, which gives the limits of prediction.py.
4. What the network takes for granted about how common each class is: `predict_photo`'s looks as it learnt them, and as
if every class were equally common; on the validation images as they are, and with each class counting the same. The
same for `ferplus` with the mean of its votes ("votes"), on images that it has learnt, as it has no sibling: so the
shares of right answers are too high there, and what matters is how they differ.

Validation images are carved from Training, and the shipped weights have learnt them all. So they are put to a sibling,
the student of `accelerator_plan.py`: of the shipped network's shape, recipe and teachers, but it learnt the other nine
tenths alone. (Its file there is a `StemNet`'s; SIBLING holds the same weights as a `FaceVGG`, with the shipped
temperature; `store_frequencies.py` has told it how common its classes were.) `predict_photo`'s framings, threshold and
limits are judged by it.
Results go into notebooks/results/framing.json, part by part; each set of pictures says whose weights were asked, and
what a call does not measure stays.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.std import tqdm

from emotion_utils.data import EMOTIONS, FaceDataset, load
from emotion_utils.data.drawn import sample_parameters
from emotion_utils.data.ferplus import with_votes
from emotion_utils.evaluation import answer_above, calibration
from emotion_utils.faces import LANDMARKS, render_with_truth
from emotion_utils.files import atomic_write
from emotion_utils.models import FaceModel, adjust_priors, facts_of, load_pretrained, load_weights, predict_proba
from emotion_utils.photos import crop_face, find_faces, finders, predict_photo, read_photo
from emotion_utils.photos.levels import lit
from emotion_utils.photos.prediction import SCALES
from emotion_utils.photos.upright import estimate_tilt

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "framing.json"
STEP = math.sqrt(1.25)  # from one framing to the next: 0.8 and 1.25, 1 and two between
FRAMINGS = {k: STEP**k for k in range(-5, 7)}  # 0.57 to 1.95
ZOOMS = range(-3, 5)  # 0.72 to 1.56
NEAR = range(-2, 3)  # 0.8 to 1.25, about as far as finders are off
# Which framings are averaged; predict_photo's own SCALES are nearly the mean of 3.
WAYS = {"one look": (0,), "mean of 3": (-1, 0, 1), "mean of 5": (-2, -1, 0, 1, 2), "mean of 4": (-2, -1, 0, 1)}
THRESHOLD = 0.5  # of predict_photo
PARTS = ("frames", "validation", "drawn", "finders", "limits", "frequencies", "votes")
SIDE = 96  # pixels of a frame on the large picture
TRUE_FRAME = (112, 112, 96, 96)  # of a drawn face in the middle of that grey
CANVAS = 320  # pixels of the grey that a finder sees around it; this size finders see as it is
GREY = 128


def main() -> None:
    """Measure the parts that are asked for, and store each as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="a file of weights (default: the shipped fer2013)")
    parser.add_argument("--called", default="fer2013", help="what the results call these weights")
    parser.add_argument("--parts", nargs="+", choices=PARTS, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = json.loads(options.results.read_text()) if options.results.exists() else {}
    for part in options.parts:
        measure(part, found, options)
        store(found, options.results)
    print(json.dumps(found, indent=1))


def measure(part: str, found: dict, options: argparse.Namespace) -> None:
    """Put one part's results into `found`."""
    model = load_weights(options.weights) if options.weights else load_pretrained("fer2013")
    accuracy, count = found.setdefault("accuracy", {}), options.images
    if part == "frames":
        found["frames"] = measure_frames(fer2013("training", count))
    elif part == "validation":
        scenes = as_scenes(fer2013("validation", count))
        accuracy["validation"] = {"weights": options.called, **against_framing(model, *scenes)}
    elif part == "drawn":
        scenes, labels, _ = drawn_scenes(min(500, count))
        for name, network in ((options.called, model), ("synthetic", load_pretrained("synthetic"))):
            row = {"weights": name, **against_framing(network, scenes, labels)}
            accuracy[f"drawn faces, network {name}"] = row
    elif part == "finders":
        accuracy["drawn faces, found"] = {"weights": "synthetic", **through_finders(min(200, count))}
    elif part == "frequencies":
        shares = facts_of(model).frequencies
        found[part] = {"weights": options.called, **with_frequencies(model, fer2013("validation", count), shares)}
    elif part == "votes":
        learnt, votes = with_votes(fer2013("validation", count))
        shares = votes.double().mean(0).tolist()
        found[part] = {"weights": "ferplus", **with_frequencies(load_pretrained("ferplus"), learnt, shares)}
    else:
        found["limits"] = {"weights": options.called, **measure_limits(model, fer2013("validation", count))}


def fer2013(split: str, count: int) -> FaceDataset:
    """Give the first so many images of a split; FER2013 is in no order."""
    dataset = load("fer2013", split, verbose=False)
    return dataset.subset(torch.arange(min(count, len(dataset))))


def store(found: dict, path: Path) -> None:
    """Write the results."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(found, indent=1) + "\n")


# --- Scenes: pictures of which the frame is known --------------------------------------------------------------------

Scene = tuple[np.ndarray, tuple[float, float, float, float]]  # grey levels, and the frame: left, top, width, height


def as_scenes(dataset: FaceDataset) -> tuple[list[Scene], Tensor]:
    """Give images as pictures that are their own frame, and their labels."""
    return [(image.numpy(), (0, 0, 48, 48)) for image in dataset.images[:, 0]], dataset.labels


def drawn_scenes(count: int) -> tuple[list[Scene], Tensor, Tensor]:
    """Draw validation people of the default set on pictures of twice the frame; labels, and tilts by the eyes."""
    drawn = sample_parameters(count, 0, "easy", first=10_000)
    half = {name: getattr(drawn.capture, name) / 2 for name in ("scale", "shift_x", "shift_y", "blur")}
    images, truth = render_with_truth(drawn.identity, drawn.action_units, replace(drawn.capture, **half), 2 * SIDE)
    right, left = (truth["landmarks"][:, LANDMARKS.index(f"pupil_{side}")] for side in ("right", "left"))
    tilts = torch.atan2(left[:, 1] - right[:, 1], left[:, 0] - right[:, 0]) * 180 / math.pi
    frame = (SIDE / 2, SIDE / 2, SIDE, SIDE)
    return [(image.numpy(), frame) for image in images[:, 0]], drawn.labels, tilts


# --- 1. Frames -------------------------------------------------------------------------------------------------------


def measure_frames(training: FaceDataset) -> dict:
    """Measure where finders draw boxes around faces whose frame is known."""
    scenes = drawn_scenes(200)[0]
    cut = [on_grey(picture[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]) for picture, _ in scenes]
    pasted = [on_grey(enlarged(image)) for image in training.images[:, 0].numpy()]
    made = {}
    for finder in finders():
        limit = len(pasted) if finder != "scikit-image" else 100  # which takes a second for each
        rows = {
            "FER2013 on grey": boxes(finder, pasted[:limit]),
            "drawn faces, frame on grey": boxes(finder, cut),
            "drawn faces, whole": boxes(finder, [on_grey(picture) for picture, _ in scenes]),
        }
        fer, lone, whole = rows.values()
        side = fer["side"] * whole["side"] / lone["side"]
        down = fer["down"] + whole["down"] - lone["down"]
        made[finder] = {**rows, "frame side": round(side, 3), "frame down": round(down, 3)}
    return made


def enlarged(image: np.ndarray) -> np.ndarray:
    """Enlarge an image to the side of a frame."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def on_grey(frame: np.ndarray) -> np.ndarray:
    """Put a square into the middle of a grey picture."""
    return np.pad(frame, (CANVAS - len(frame)) // 2, constant_values=GREY)


def boxes(finder: str, pictures: Sequence[np.ndarray]) -> dict:
    """Find the one face of each picture; give medians, in units of the frame's side or of the box's (see `Framing`)."""
    rows = []
    for picture in tqdm(pictures, finder, disable=None):
        found = [face.box for face in find_faces(picture, finder=finder)]
        if len(found) == 1:
            box, (x, y) = found[0], found[0].centre
            root = math.sqrt(box.width * box.height)
            rows.append(
                (SIDE / root, (CANVAS / 2 - y) / SIDE, (CANVAS / 2 - x) / SIDE, SIDE / box.width, SIDE / box.height)
            )
    names = ("side", "down", "right", "per width", "per height")
    middle, spread = np.median(rows, 0), np.std(rows, 0)
    return {
        "pictures": len(pictures), "one face": len(rows),
        **{name: round(float(value), 3) for name, value in zip(names, middle, strict=True)},
        "spread of side": round(float(spread[0]), 3),
    }  # fmt: skip


# --- 2. Accuracy against the framing ---------------------------------------------------------------------------------


def looks(model: FaceModel, scenes: Sequence[Scene], scale: float, change: Callable | None = None, **options) -> Tensor:
    """Predict each scene at one framing, as it is and mirrored: (2, N, C)."""
    crops = torch.stack(
        [crop_face(picture, box, scale=scale, **{"upright": False, **options}) for picture, box in scenes]
    )
    crops = crops if change is None else change(crops)
    return torch.stack([predict_proba(model, crops), predict_proba(model, crops.flip(3))])


def against_framing(model: FaceModel, scenes: Sequence[Scene], labels: Tensor) -> dict:
    """Give the share of right answers for each zoom: one look, its mirror image with it, and means over framings."""
    seen = {k: looks(model, scenes, scale) for k, scale in tqdm(FRAMINGS.items(), "framings", disable=None)}
    made = {"images": len(labels), "zoom": [round(STEP**k, 3) for k in ZOOMS]}
    made["one look, not mirrored"] = [right(seen[k][0], labels) for k in ZOOMS]
    found = {
        way: {k: hits(sum(seen[k + step].mean(0) for step in around), labels) for k in ZOOMS}
        for way, around in WAYS.items()
    }
    made |= {way: [share(hit[k]) for k in ZOOMS] for way, hit in found.items()}
    near = {way: torch.stack([hit[k] for k in NEAR]).double().mean(0) for way, hit in found.items()}  # (N,) each
    three = near["mean of 3"]
    made["from 0.8 to 1.25"] = {
        way: {"mean": share(mean), "over mean of 3": share(mean - three), "margin": margin(mean - three)}
        for way, mean in near.items()
    }
    made["confidence at 1"] = {
        way: confidence(sum(seen[step].mean(0) for step in around) / len(around), labels)
        for way, around in WAYS.items()
    }
    return made


def confidence(probabilities: Tensor, labels: Tensor) -> dict:
    """Say how far probabilities (N, C) can be believed, and what `predict_photo`'s threshold leaves."""
    sure = answer_above(probabilities, labels, THRESHOLD)
    return {
        "mean": share(probabilities.amax(1)),
        "calibration error": round(calibration(probabilities, labels).ece, 4),
        f"answers from {THRESHOLD} on": round(sure.coverage, 4),
        "right of these": round(sure.accuracy, 4),
    }


def through_finders(count: int) -> dict:
    """Compare the true frame of drawn faces with that from each finder's box: the share of right answers, all looks."""
    scenes, labels, _ = drawn_scenes(count)
    model, made = load_pretrained("synthetic"), {"images": count, "found": {}}
    for finder in ("true frame", *finders()):
        known = finder == "true frame"
        answers = [
            predict_photo(
                on_grey(picture), model, faces=TRUE_FRAME if known else None, finder="auto" if known else finder
            )[0]
            for picture, _ in tqdm(scenes, finder, disable=None)
        ]
        names = [answer.label for answer in answers]
        made["found"][finder] = sum(answer.face is not None for answer in answers)
        made[finder] = round(
            sum(name == EMOTIONS[i] for name, i in zip(names, labels.tolist(), strict=True)) / count, 4
        )
    return made


def hits(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Say for each face whether its answer is right: bool (N,)."""
    return probabilities.argmax(1).cpu() == labels


def right(probabilities: Tensor, labels: Tensor) -> float:
    """Give the share of right answers."""
    return share(hits(probabilities, labels))


def share(values: Tensor) -> float:
    """Give the mean of one value for each face, to four places."""
    return round(float(values.double().mean()), 4)


def margin(values: Tensor) -> float:
    """Give the 95 % margin of such a mean."""
    return round(1.96 * float(values.std()) / len(values) ** 0.5, 4)


# --- 3. Limits -------------------------------------------------------------------------------------------------------


def measure_limits(model: FaceModel, dataset: FaceDataset) -> dict:
    """Give the share of right answers for faces of fewer pixels, in the dark, and of heads that lean."""
    scenes, labels = as_scenes(dataset)
    made: dict = {"images": len(labels), "pixels": {}, "light": {}, "degrees": {}}
    for pixels in (8, 12, 16, 20, 24, 32, 48):
        shrunk = [
            (
                np.asarray(Image.fromarray(image).resize((pixels, pixels), Image.Resampling.LANCZOS)),
                (0, 0, pixels, pixels),
            )
            for image, _ in scenes
        ]
        made["pixels"][pixels] = right(looks(model, shrunk, 1.0).mean(0), labels)
    for light in (0.02, 0.05, 0.1, 0.2, 0.4):
        dim = looks(model, scenes, 1.0, lambda crops, light=light: (crops * light).round().to(torch.uint8))
        raised = looks(model, scenes, 1.0, lambda crops, light=light: lit((crops * light).round().to(torch.uint8)))
        made["light"][light] = {"as it is": right(dim.mean(0), labels), "brightened": right(raised.mean(0), labels)}
    for degrees in (0, 10, 20, 30, 45):
        leaning = [
            (
                np.asarray(Image.fromarray(np.pad(image, 24, mode="edge")).rotate(-degrees, Image.Resampling.BICUBIC)),
                (24, 24, 48, 48),
            )
            for image, _ in scenes
        ]
        crops = torch.stack([crop_face(picture, box, upright=False) for picture, box in leaning])
        tilts = estimate_tilt(crops).tolist()
        made["degrees"][degrees] = {"as it is": right(looks(model, leaning, 1.0).mean(0), labels)}
        for least in (0, 10):
            turned = torch.stack([crop_face(read_photo(picture), box, upright=tilt if abs(tilt) > least else False)
                                  for (picture, box), tilt in zip(leaning, tilts, strict=True)])  # fmt: skip
            mean = (predict_proba(model, turned) + predict_proba(model, turned.flip(3))) / 2
            made["degrees"][degrees][f"turned from {least} on"] = right(mean, labels)
    _, _, tilts = drawn = drawn_scenes(300)
    crops = torch.stack([crop_face(picture, box, upright=False) for picture, box in drawn[0]])
    off = estimate_tilt(crops) - tilts
    made["tilt of drawn faces"] = {"spread": round(float(tilts.std()), 2), "error": round(float(off.std()), 2)}
    return made


# --- 4. How common each class is taken to be -------------------------------------------------------------------------


def with_frequencies(model: FaceModel, dataset: FaceDataset, shares: Sequence[float]) -> dict:
    """Compare `predict_photo`'s mean of looks with the frequencies that the network learnt, and with equal ones."""
    scenes, labels = as_scenes(dataset)
    seen = [looks(model, scenes, scale).mean(0) for scale in tqdm(SCALES, "looks", disable=None)]
    mean = sum(seen).cpu() / len(SCALES)  # (N, C)
    rows = {"learnt": mean, "equal": adjust_priors(mean, shares)}
    learnt, equal = (hits(row, labels).double() for row in rows.values())
    change = equal - learnt
    by_class = [change[labels == label] for label in range(len(shares))]
    spread = sum(float(each.var()) / len(each) for each in by_class) ** 0.5 / len(shares)
    return {
        "images": len(labels),
        "shares": {name: round(value, 4) for name, value in zip(dataset.classes, shares, strict=True)},
        **{name: by_mix(row, labels, dataset.classes) for name, row in rows.items()},
        "equal over learnt": {
            "accuracy": {"difference": share(change), "margin": margin(change)},
            "balanced accuracy": {"difference": balanced(change, labels), "margin": round(1.96 * spread, 4)},
        },
    }


def by_mix(probabilities: Tensor, labels: Tensor, classes: Sequence[str]) -> dict:
    """Say how good probabilities (N, C) are on these faces as they are, and with each class counting the same."""
    hit, sure = hits(probabilities, labels), probabilities.amax(1) >= THRESHOLD
    answered = balanced(sure, labels)
    return {
        "accuracy": share(hit),
        "balanced accuracy": balanced(hit, labels),
        "recall": {name: share(hit[labels == label]) for label, name in enumerate(classes)},
        "said": {name: share(probabilities.argmax(1) == label) for label, name in enumerate(classes)},
        "mean probability": {name: share(probabilities[:, label]) for label, name in enumerate(classes)},
        "as they are": confidence(probabilities, labels),
        "each class counting the same": {
            "mean": balanced(probabilities.amax(1), labels),
            f"answers from {THRESHOLD} on": answered,
            "right of these": round(balanced(hit & sure, labels) / answered, 4),
        },
    }


def balanced(values: Tensor, labels: Tensor) -> float:
    """Give the mean over the classes of one value's mean over the faces of a class, to four places."""
    return round(float(torch.stack([values[labels == k].double().mean() for k in labels.unique()]).mean()), 4)


if __name__ == "__main__":
    main()
