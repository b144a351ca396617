"""A picture and a square to drag, resize and turn; beside it what the network gets, and what it says, live.

`CropLab(picture)` as the last line of a cell shows it. The crop is cut by `emotion_utils.photos` from the picture as
it is, not from the copy that the browser shows, so it is the crop that `predict_photo` sees. Where widgets do not run,
the same output shows several crops of the picture instead.
"""

import io
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor, nn

from emotion_utils.device import one_thread
from emotion_utils.errors import brief, check_number, check_share
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import prototype
from emotion_utils.faces.people import sample_identity
from emotion_utils.models.priors import EQUAL, Frequencies
from emotion_utils.photos.boxes import Box, Face
from emotion_utils.photos.cropping import frame_of
from emotion_utils.photos.finding import finders
from emotion_utils.photos.prediction import Prediction, find_network, predict_photo
from emotion_utils.photos.reading import Photo, read_photo
from emotion_utils.plots.figures import PALETTE, WIDTH, png_of, short
from emotion_utils.widgets.settings import Setting
from emotion_utils.widgets.stand_in import show_with_stand_in

STATIC = Path(__file__).parent / "static"
PARTS = ("common", "sliders", "faces", "crop_lab")
SHOWN = 640  # pixels, the longer side of the copy that the browser shows
SMALLEST = 4  # pixels of the picture, along a side of the square
LARGEST = 3  # times the longer side of the picture
DRAWN = 192  # pixels, sides of the picture that is drawn where none is given
CAPTION = (
    "Drag the square to move it, a corner to change its size, the round handle to turn it; two fingers do all at once. "
    "With the keyboard: arrow keys move, + and − change the size, comma and full stop turn, Home begins again."
)
SHEET = (0.7, 1.0, 1.4, 2.0)  # sides of the squares that the stand-in shows, relative to the one of the lab


def _picture_to_browser(photo: Photo, _widget: Any) -> dict[str, Any]:
    small = photo.image.copy()
    small.thumbnail((SHOWN, SHOWN))
    file = io.BytesIO()
    small.convert("RGB").save(file, format="jpeg", quality=90)
    return {"width": photo.width, "height": photo.height, "jpeg": file.getvalue()}


class CropLab(anywidget.AnyWidget):
    """A square over a picture that is dragged, resized and turned; its crop and a network's probabilities follow.

    Args:
        picture: the path of an image file, its content, a Pillow image, an array, or whatever else
            `emotion_utils.photos.read_photo` takes; None draws one.
        model: "fer2013", "ferplus" or "synthetic"; the path of a file of weights; or a network that knows how images
            are normalised and what its classes are called.
        box: where the square is first, see the attribute; None takes the largest face that is found, else the middle.
        threshold: a label that is less probable is called unsure.
        frequencies: how common each emotion is taken to be: "equal", "learnt", or shares by name; see `predict_photo`.

    Attributes:
        box: (x and y of the centre, side, degrees clockwise), in pixels of the picture, upright as one sees it. It
            follows what is done in the browser, and can be set. Its centre lies in the picture; its corners need not.
        photo: the picture.
        prediction: what `predict_photo` says of the square, one look at it.

    Raises:
        ValueError, TypeError, OSError: no picture, no network, or a box that cannot be.
        WeightsError: a file of weights that cannot be used.
    """

    _esm = "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
    _css = "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in PARTS[:-1])

    box = Setting().tag(sync=True)
    _start = traitlets.Any().tag(sync=True)
    _photo = traitlets.Any().tag(sync=True, to_json=_picture_to_browser)
    _answer = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        picture: Any = None,
        model: str | Path | nn.Module = "fer2013",
        *,
        box: Any = None,
        threshold: float = 0.5,
        frequencies: Frequencies = EQUAL,
    ) -> None:
        self.frequencies = frequencies
        self.model, self.threshold = find_network(model), check_share(threshold=threshold)
        self.photo = _drawn_picture() if picture is None else read_photo(picture)
        first, said = (_check_box(box, self.photo), "") if box is not None else self._first_box()
        self.prediction = self._ask(first)
        super().__init__(box=first, _start=first, _photo=self.photo, _answer=self._told(first) | {"said": said})

    @traitlets.validate("box")
    def _check(self, proposal: Any) -> tuple[float, float, float, float]:
        return _check_box(proposal.value, self.photo)

    @traitlets.observe("box")
    def _follow(self, change: dict) -> None:
        if change["old"] is not traitlets.Undefined and change["old"] is not None:
            self.prediction = self._ask(change["new"])
            self._answer = self._told(change["new"])

    @property
    def crop(self) -> Tensor:
        """What the network gets: uint8 (1, 1, 48, 48), or of the size that it was built for."""
        return self.prediction.crop[None]

    @property
    def probabilities(self) -> Tensor:
        """What the network makes of it: float32 (C,)."""
        return self.prediction.probabilities

    @property
    def face(self) -> Face:
        """The square as `predict_photo` and `crop_face` take it; they turn it by `upright=lab.box[3]`."""
        x, y, side, _ = self.box
        return Face(Box.around(x, y, side))

    def _first_box(self) -> tuple[tuple[float, float, float, float], str]:
        """Put the square where a face is, turned as it leans, or in the middle; say which."""
        photo, there = self.photo, finders()
        if there:
            with one_thread():
                found = predict_photo(photo, self.model, scales=(1.0,), mirror=False)[0]
            frame = found.face and frame_of(found.face, tilt=found.tilt)
            if frame and 0 <= frame.centre[0] <= photo.width and 0 <= frame.centre[1] <= photo.height:
                box = (*frame.centre, max(frame.width, SMALLEST), found.tilt)
                return _check_box(box, photo), f"The square starts at a face that {found.face.finder} has found."
        why = "No face was found" if there else "No face finder is installed here"
        side = float(max(min(photo.width, photo.height), SMALLEST))
        return (photo.width / 2, photo.height / 2, side, 0.0), f"{why}: the square starts in the middle."

    def _ask(self, box: tuple[float, float, float, float]) -> Prediction:
        x, y, side, degrees = box
        with one_thread():
            return predict_photo(
                self.photo, self.model, faces=Face(Box.around(x, y, side)), scales=(1.0,), mirror=False,
                upright=degrees, threshold=self.threshold, frequencies=self.frequencies,
            )[0]  # fmt: skip

    def _told(self, box: tuple[float, float, float, float]) -> dict[str, Any]:
        """Put the prediction into what the browser shows; it bears the box that it belongs to."""
        crop = self.prediction.crop[0].numpy()
        return {
            "box": list(box), "size": crop.shape[0], "crop": crop.tobytes(), "classes": list(self.prediction.classes),
            "probabilities": [round(value, 4) for value in self.prediction.probabilities.tolist()],
            "reasons": list(self.prediction.reasons),
        }  # fmt: skip

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG of the picture with squares of several sizes, the crop of each, and the sentence on it."""
        x, y, side, degrees = self.box
        boxes = [(x, y, side * scale, degrees) for scale in SHEET]
        fig = Figure(figsize=(WIDTH, 2.6), layout="none")
        axes = fig.subplots(1, 1 + len(boxes), gridspec_kw={"wspace": 0.08, "width_ratios": [2.2] + [1] * len(boxes)})
        colours = [PALETTE[name] for name in ("sky", "vermilion", "yellow", "green")]
        axes[0].imshow(np.asarray(self.photo.image), extent=(0, self.photo.width, self.photo.height, 0))
        for axis, box, colour in zip(axes[1:], boxes, colours, strict=True):
            _outline(axes[0], box, colour)
            self._show_crop(axis, box, colour)
        axes[0].set(xlim=(0, self.photo.width), ylim=(self.photo.height, 0))
        for axis in axes:
            axis.set(xticks=[], yticks=[])
        description = (
            "A picture with four squares around one place, and beside it the crop that each cuts out, with what the "
            "network says of it. Where the notebook runs, this is the crop lab: a square to drag, resize and turn."
        )
        return png_of(fig), description

    def _show_crop(self, axis: Axes, box: tuple[float, float, float, float], colour: str) -> None:
        found = self._ask(box)
        axis.imshow(found.crop[0].numpy(), vmin=0, vmax=255, cmap="gray")
        axis.set_title(f"{short(found.label, 12)} {found.confidence:.2f}", fontsize=9)
        for spine in axis.spines.values():
            spine.set(visible=True, color=colour, linewidth=3)

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)


def _outline(axis: Axes, box: tuple[float, float, float, float], colour: str) -> None:
    x, y, side, degrees = box
    axis.add_patch(
        Rectangle(
            (x - side / 2, y - side / 2), side, side, angle=degrees, rotation_point="center",
            fill=False, edgecolor=colour, linewidth=2,
        )
    )  # fmt: skip


def _check_box(box: Any, photo: Photo) -> tuple[float, float, float, float]:
    """Return a box as four plain numbers."""
    try:
        numbers = [float(value) for value in box]
    except (TypeError, ValueError):
        numbers = []
    if isinstance(box, str | bytes) or len(numbers) != 4:
        raise ValueError(f"box={brief(box)}: give (x and y of the centre, side, degrees clockwise), in pixels.")
    x, y, side, degrees = numbers
    x = float(check_number(0, photo.width, **{"box's x": x}))
    y = float(check_number(0, photo.height, **{"box's y": y}))
    most = LARGEST * max(photo.width, photo.height, SMALLEST)
    side = float(check_number(min(SMALLEST, most), most, **{"box's side": side}))
    return x, y, side, float(check_number(-180, 180, **{"box's degrees": degrees}))


def _drawn_picture() -> Photo:
    """Draw a face that smiles, leans, and fills a part of the picture."""
    person = sample_identity(1, seed=0, index=torch.tensor([1]))
    capture = sample_capture(1, seed=0, difficulty=0.0).replace(scale=0.6, shift_x=0.15, shift_y=0.1, roll=14.0)
    with one_thread():
        face = render(person, prototype("happy"), capture, size=DRAWN)[0, 0]  # (H, W)
    return read_photo(Image.fromarray(face.numpy()))
