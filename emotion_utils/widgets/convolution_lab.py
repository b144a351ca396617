"""A convolution to play with: a window over a face, its weights, their products and sum, and the map that fills.

`ConvolutionLab()` as the last line of a cell shows it. The browser does the arithmetic itself, so the window follows
the hand without asking Python. Where widgets do not run, the same output shows a picture of one step instead. The idea
of showing every product is that of the demo in the notes of cs231n (Karpathy) and of CNN Explainer (Wang et al. 2020,
arXiv 2004.15004).
"""

from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from emotion_utils.data.pixels import as_images, to_unit
from emotion_utils.device import one_thread
from emotion_utils.errors import brief, check_whole
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import prototype
from emotion_utils.faces.people import sample_identity
from emotion_utils.widgets.convolution_sheet import draw_step
from emotion_utils.widgets.sliding import KERNEL_SIZES, Sliding, check_sliding, presets
from emotion_utils.widgets.stand_in import show_with_stand_in

STATIC = Path(__file__).parent / "static"
LARGEST_SIDE = 64  # pixels; the squares of larger images could not be told apart
FACE_SIZE = 48  # pixels
SETTINGS = ("kernel", "bias", "relu", "stride", "padding", "dilation", "mode", "pool_size")
CAPTION = (
    "Drag the orange window, or choose the face with Tab and press the arrow keys. Each weight can be changed: type a "
    "number such as -1 or 1/9."
)


def _weights_to_browser(kernel: Tensor, _widget: Any) -> list[list[float]]:
    return kernel.tolist()


def _image_to_browser(image: Tensor, _widget: Any) -> dict[str, Any]:
    height, width = image.shape
    return {"height": height, "width": width, "values": image.numpy().astype("<f4").tobytes()}


class ConvolutionLab(anywidget.AnyWidget):
    """A window that slides over a face; its pixels, weights, products and sum; the feature map that they fill.

    All arguments are attributes too, which follow what is done in the browser and can be set: `lab.kernel = "blur"`,
    `lab.observe(function, "position")`.

    Args:
        image: a face: `(H, W)` as an array or a tensor, the path of an image file, a Pillow image, or whatever else
            `emotion_utils.data.as_images` takes; None draws one. Sides of up to 64 pixels are kept; of a larger image
            the middle square is brought to 48 × 48. The attribute is float32 `(H, W)`, 0 black and 1 white.
        kernel: the weights, 3 × 3 or 5 × 5, or the name of a preset (identity, blur, sharpen, horizontal edges,
            vertical edges, outline, emboss, bright line). The attribute is float32 `(k, k)`.
        bias: the number that is added to each sum.
        relu: set negative results to zero.
        stride: pixels from one place of the window to the next, 1 to 4.
        padding: rings of zeros around the image, 0 to 4.
        dilation: distance between two pixels of the window, 1 to 3.
        mode: "convolution"; or "max" or "average", which pool and use no weights.
        pool_size: side of the window that pools, 2 to 5 pixels.
        position: row and column, in the feature map, of the number that is being computed; None takes the middle.

    Raises:
        ValueError, TypeError, OSError: no image, or a setting that cannot be; afterwards all is as it was.
    """

    _esm = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("common.js", "convolution_lab.js"))
    _css = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("common.css", "convolution_lab.css"))

    image = traitlets.Any().tag(sync=True, to_json=_image_to_browser)
    kernel = traitlets.Any().tag(sync=True, to_json=_weights_to_browser)
    bias = traitlets.Any(0.0).tag(sync=True)
    relu = traitlets.Any(False).tag(sync=True)
    stride = traitlets.Any(1).tag(sync=True)
    padding = traitlets.Any(0).tag(sync=True)
    dilation = traitlets.Any(1).tag(sync=True)
    mode = traitlets.Any("convolution").tag(sync=True)
    pool_size = traitlets.Any(2).tag(sync=True)
    position = traitlets.Any((0, 0)).tag(sync=True)
    _presets = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: Any = None,
        kernel: Any = "horizontal edges",
        bias: float = 0.0,
        relu: bool = False,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        mode: str = "convolution",
        pool_size: int = 2,
        position: tuple[int, int] | None = None,
    ) -> None:
        face = _drawn_face() if image is None else _as_face(image)
        sliding = check_sliding(
            *face.shape, kernel=kernel, bias=bias, relu=relu, stride=stride, padding=padding, dilation=dilation,
            mode=mode, pool_size=pool_size,
        )  # fmt: skip
        height, width = sliding.output_size(*face.shape)
        place = (2 * height // 3, width // 2) if position is None else _check_position(position, height, width)
        offered = {str(size): {name: k.tolist() for name, k in presets(size).items()} for size in KERNEL_SIZES}
        self._ready = False  # while the settings arrive one by one, they need not go together
        super().__init__(
            image=face, position=place, _presets=offered, **{name: getattr(sliding, name) for name in SETTINGS}
        )
        self._ready = True

    @traitlets.validate("image")
    def _check_image(self, proposal: Any) -> Tensor:
        if not self._ready:
            return proposal.value
        image = _as_face(proposal.value)
        check_sliding(*image.shape, **self._settings())
        return image

    @traitlets.validate(*SETTINGS)
    def _check_setting(self, proposal: Any) -> Any:
        if not self._ready:
            return proposal.value
        name = proposal.trait.name
        return getattr(check_sliding(*self.image.shape, **self._settings() | {name: proposal.value}), name)

    @traitlets.validate("position")
    def _check_place(self, proposal: Any) -> tuple[int, int]:
        if not self._ready:
            return proposal.value
        return _check_position(proposal.value, *self.sliding.output_size(*self.image.shape))

    @traitlets.observe("image", *SETTINGS)
    def _stay_inside(self, _change: dict) -> None:
        """Move the window back onto a feature map that has become smaller."""
        if self._ready:
            height, width = self.sliding.output_size(*self.image.shape)
            row, column = self.position
            self.position = (min(row, height - 1), min(column, width - 1))

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SETTINGS}

    @property
    def sliding(self) -> Sliding:
        """All settings of the window together."""
        return check_sliding(*self.image.shape, **self._settings())

    @property
    def feature_map(self) -> Tensor:
        """What the window computes at all places, by PyTorch: float32 (h, w)."""
        return self.sliding.apply(self.image)

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG of the step that the window stands at, and the sentence that describes it."""
        return draw_step(self.image, self.sliding, self.position)

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)


def _drawn_face() -> Tensor:
    """Draw a face that smiles: float32 (48, 48)."""
    person = sample_identity(1, seed=0, index=torch.tensor([1]))
    with one_thread():
        face = render(person, prototype("happy"), sample_capture(1, seed=0, difficulty=0.0), size=FACE_SIZE)
    return to_unit(face)[0, 0]


def _as_face(image: Any) -> Tensor:
    """Turn whatever holds one image into grey values, float32 (H, W), 0 to 1."""
    images = as_images(image)  # (N, 1, H, W)
    if len(images) != 1:
        raise ValueError(f"image holds {len(images):,} images: give one, such as images[0].")
    if max(images.shape[2:]) > LARGEST_SIDE:
        images = as_images(image, FACE_SIZE)
    return to_unit(images)[0, 0].cpu().contiguous()


def _check_position(position: Any, height: int, width: int) -> tuple[int, int]:
    if not isinstance(position, tuple | list) or len(position) != 2:
        raise ValueError(f"position={brief(position)}: give row and column, such as (20, 16).")
    row, column = position
    return check_whole(0, height - 1, position=row), check_whole(0, width - 1, position=column)
