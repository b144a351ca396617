"""From a photograph to labels that deserve their numbers: several looks at each face, and reasons to say nothing.

A network answers whatever it is shown: a wall, a cat, a face of ten pixels. So each face is measured first, and the
answer counts only where nothing speaks against it. One look depends on how the crop happens to fall; the mean over a
few framings and their mirror images depends on it less (`tests/benchmarks/framing.py` measures by how much).
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.contents import check_flag
from emotion_utils.errors import brief, check_number, check_share, listed
from emotion_utils.files import as_path, is_file
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, unwrap
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.pictures import channels_of, image_size_of
from emotion_utils.models.pretrained import CHECKSUMS, load_pretrained
from emotion_utils.models.priors import EQUAL, LEARNT, Frequencies, adjust_priors, prior_change
from emotion_utils.models.weight_files import load_weights
from emotion_utils.photos.boxes import Box, Face
from emotion_utils.photos.cropping import cut, frame_of, tilt_of
from emotion_utils.photos.finding import find_faces
from emotion_utils.photos.levels import lit
from emotion_utils.photos.reading import Photo, read_photo
from emotion_utils.photos.turning import estimate_yaw
from emotion_utils.photos.upright import SIZE

# The cheapest of the means that were tried (`tests/benchmarks/framing.py`: 3, 4 or 5 framings). Validation images tell
# none of them from another, nor today from one look; a network that learnt one framing, as `synthetic` did, gains more.
SCALES = (0.9, 1.0, 1.1)
REASONS = ("no face", "too small", "too dark", "too pale", "turned too far", "cut off", "unsure")
SMALLEST = 24  # pixels of the photograph along a crop's side; with 16 a network is right 0.56 times as often as with 32
LEAST_SPREAD = 6.0  # standard deviation of a crop's grey levels, 0 to 255; below, noise is as strong as the face
DARK = 64  # mean grey level below which a crop of so little spread is dark, and not pale
MOST_TILT = 60  # degrees, as far as a head is turned upright
MOST_YAW = 45  # degrees to the side; of 3,000 faces of FER2013's Training part 2 % are, by estimate_yaw, turned further
MOST_OUTSIDE = 0.25  # share of a face's box that may lie outside the picture


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says about one face, and whether it should be heard.

    Attributes:
        face: where it is; None where the picture holds no face that was found.
        label: name of the most probable class, also where the prediction abstains; None without a face.
        probabilities: float32 `(C,)`, the mean over all looks, adjusted to `frequencies`; None without a face.
        classes: names, in the order of the probabilities.
        crop: uint8 `(1, size, size)`, the face at scale 1 as the network saw it, brightened where there was little
            light; None without a face.
        reasons: why it abstains, out of `REASONS`; empty where it answers.
        tilt: by how many degrees the head leant clockwise and was turned back.
        yaw: by how many degrees the head is turned to the right of the picture, roughly (`estimate_yaw`).
        frequencies: how common the probabilities take each class to be: "equal"; "learnt", as in what the network
            learnt from; or "given", as the caller said.
    """

    face: Face | None
    label: str | None
    probabilities: Tensor | None
    classes: tuple[str, ...]
    crop: Tensor | None
    reasons: tuple[str, ...]
    tilt: float = 0.0
    yaw: float = 0.0
    frequencies: str = LEARNT

    @property
    def abstains(self) -> bool:
        """Whether something speaks against the label."""
        return bool(self.reasons)

    @property
    def confidence(self) -> float:
        """The largest probability; 0 without a face."""
        return 0.0 if self.probabilities is None else float(self.probabilities.max())

    def __str__(self) -> str:
        if self.face is None:
            return "no face found"
        said = f"{self.label}, {self.confidence:.0%}"
        return f"no answer ({', '.join(self.reasons)}; most probable: {said})" if self.reasons else said


def predict_photo(
    image: Any,
    model: str | Path | nn.Module = "fer2013",
    *,
    faces: Any = None,
    finder: str = "auto",
    scales: Sequence[float] = SCALES,
    mirror: bool = True,
    upright: bool | float = True,
    threshold: float = 0.5,
    frequencies: Frequencies = EQUAL,
) -> list[Prediction]:
    """Find the faces in a photograph and predict the emotion that each shows.

    Args:
        image: whatever `read_photo` takes.
        model: "fer2013", "ferplus" or "synthetic"; the path of a file of weights; or a network that knows how images
            are normalised and what its classes are called.
        faces: where the faces are, if you know: a `Face`, a `Box`, (left, top, width, height), or a list of these. No
            finder is needed then.
        finder: see `find_faces`.
        scales: framings to look at, relative to FER2013's; probabilities are averaged. (1.0,) looks once.
        mirror: also look at the mirror images.
        upright: turn heads upright, see `crop_face`.
        threshold: a label that is less probable is "unsure". 0.5 is more likely than all others together; notebook 05
            shows how to choose one for a share of answers.
        frequencies: how common each emotion is in what you ask about. A network takes for granted that it is as common
            as in training; FER2013 shows disgust on 1.5 % of its images, so it is seldom said. "equal" takes that out,
            as what your photographs show is not known beforehand. "learnt" leaves it in: better for many images of the
            mix that was learnt. Or your own shares by name, one for each class, `{"happy": 0.4, …}`. A network that
            does not know its training mix (`facts_of(model).frequencies`), or that never saw one of its classes, says
            with "equal" what it says with "learnt". So does "ferplus", which gives shares of votes: a stray vote for
            disgust is no face that shows it. See `adjust_priors`.

    Returns:
        One prediction for each face, the largest face first. Without a face one that says so, "no face".

    Raises:
        ValueError, TypeError, OSError: as `read_photo`, `find_faces` and `crop_face`; a model that is none, or that
            does not know its classes; scales outside 0.1 to 10; frequencies that are none of these, or shares for a
            network that does not know its training mix.
        WeightsError: a file of weights that cannot be used.
    """
    threshold, mirror = check_share(threshold=threshold), check_flag(mirror=mirror)
    scales = _check_scales(scales)
    network = find_network(model)
    classes = classes_of(network)
    change = prior_change(network, frequencies)
    taken = LEARNT if change is None else frequencies if isinstance(frequencies, str) else "given"
    photo = read_photo(image)
    found = find_faces(photo, finder=finder) if faces is None else _as_faces(faces)
    if not found:
        return [Prediction(None, None, None, tuple(classes), None, ("no face",), frequencies=taken)]
    size = image_size_of(network)
    looks = [_look(photo, face, scales, mirror, size, tilt_of(photo, face, upright)) for face in found]
    rows = predict_proba(network, torch.cat([look.views for look in looks])).cpu()  # (faces · views, C)
    if rows.shape[1] != len(classes):  # its last layer was replaced
        raise ValueError(
            f"{type(unwrap(network)).__name__} gives {rows.shape[1]} probabilities, and knows {len(classes)} classes "
            f"({listed(classes, 7, 90)}). Train it anew, or say which: model.classes, set_facts(model, …)."
        )
    means = rows.view(len(looks), -1, rows.shape[1]).mean(1)  # (faces, C)
    if change is not None:
        means = adjust_priors(means, *change)
    return [
        replace(_prediction(photo, face, look, mean, tuple(classes), threshold), frequencies=taken)
        for face, look, mean in zip(found, looks, means, strict=True)
    ]


def classes_of(network: nn.Module) -> tuple[str, ...]:
    """Return the names of a network's classes; raise a ValueError for a network that no photograph can be shown to."""
    name, classes = type(unwrap(network)).__name__, facts_of(network).classes
    if classes is None:
        raise ValueError(
            f"{name} does not know what its classes are called. train() tells it, or set_facts(model, (mean, std), "
            "classes) from emotion_utils.models."
        )
    size = image_size_of(network)
    if (channels := channels_of(network, size, size)) != 1:
        raise ValueError(
            f"{name} takes images of {channels} channels, and faces are cut out in grey: train one with colour=False, "
            "or give your own crops to predict_proba."
        )
    return classes


@dataclass(frozen=True, eq=False)
class _Look:
    crop: Tensor  # uint8 (1, size, size), as it is in the photograph
    views: Tensor  # uint8 (V, 1, size, size)
    tilt: float
    yaw: float


def _look(photo: Photo, face: Face, scales: Sequence[float], mirror: bool, size: int, tilt: float) -> _Look:
    views = torch.stack([cut(photo, face, scale, size, tilt) for scale in scales])  # (S, 1, size, size)
    crop = views[scales.index(1.0)] if 1.0 in scales else cut(photo, face, 1.0, size, tilt)
    yaw = float(estimate_yaw((crop if size == SIZE else cut(photo, face, 1.0, SIZE, tilt))[None]))
    views = lit(views)
    return _Look(crop, torch.cat([views, views.flip(3)]) if mirror else views, tilt, yaw)


def _prediction(
    photo: Photo, face: Face, look: _Look, mean: Tensor, classes: tuple[str, ...], threshold: float
) -> Prediction:
    label, crop = classes[int(mean.argmax())], lit(look.crop[None])[0]
    made = Prediction(face, label, mean, classes, crop, (), look.tilt, look.yaw)
    grey, box, frame = look.crop.float(), face.box, frame_of(face)
    outside = 1 - box.overlap(Box(0, 0, photo.width, photo.height)) / (box.width * box.height)
    flat, dark = float(grey.std()) < LEAST_SPREAD, float(grey.mean()) < DARK
    against = {
        "too small": frame.width < SMALLEST,
        "too dark": flat and dark,
        "too pale": flat and not dark,
        "turned too far": abs(look.tilt) > MOST_TILT or abs(look.yaw) > MOST_YAW,
        "cut off": outside > MOST_OUTSIDE,
        "unsure": bool(mean.max() < threshold),  # at the precision of the probabilities
    }
    return replace(made, reasons=tuple(reason for reason, holds in against.items() if holds))


def _as_faces(faces: Any) -> list[Face]:
    """Take one face or several, as `Face`, `Box` or four numbers."""
    if isinstance(faces, Face | Box):
        return [Face.of(faces)]
    if isinstance(faces, str | bytes) or not hasattr(faces, "__iter__"):
        raise ValueError(f"faces={brief(faces)}: give a Face, a Box, (left, top, width, height), or a list of these.")
    items = faces.tolist() if hasattr(faces, "tolist") else list(faces)  # of NumPy or PyTorch
    if items and not any(isinstance(item, Face | Box) or hasattr(item, "__len__") for item in items):
        return [Face.of(items)]
    return [Face.of(item) for item in items]


def _check_scales(scales: Any) -> tuple[float, ...]:
    values = list(scales) if isinstance(scales, Sequence | Tensor) and not isinstance(scales, str) else [scales]
    if not values:
        raise ValueError("scales=(): give one or more, such as (1.0,).")
    return tuple(float(check_number(0.1, 10, scales=value)) for value in values)


def find_network(model: Any) -> nn.Module:
    """Give the network that `model` names or is; those that ship, and files, are read once.

    Raises:
        ValueError: a text that is neither a name nor a file.
        TypeError: no network.
        WeightsError: a file that cannot be used.
    """
    if isinstance(model, str) and model in CHECKSUMS:
        return _shipped(model)
    if isinstance(model, str | os.PathLike):
        path = as_path(model, "model")
        if not is_file(path):
            raise ValueError(
                f"model={brief(os.fspath(model))}: choose one of {', '.join(CHECKSUMS)}, or give the path of a file of "
                "weights."
            )
        return _from_file(path, path.stat().st_mtime_ns)
    check_model(model, values=True)
    return model


@functools.lru_cache(maxsize=4)
def _shipped(name: str) -> nn.Module:
    return load_pretrained(name).eval()


@functools.lru_cache(maxsize=4)
def _from_file(path: Path, _: int) -> nn.Module:
    return load_weights(path).eval()
