"""A network to look into: its blocks to scale, and behind each of them the feature maps of a face.

`NetworkView(model)` as the last line of a cell shows it; run the cell again after an edit of the layers, and the
drawing follows. Where widgets do not run, the same output shows the drawing alone, that of `plot_network`.
"""

import functools
import io
from collections.abc import Sequence
from typing import Any

import anywidget
import torch
import traitlets
from matplotlib import pyplot as plt
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.data.pixels import as_images, normalise, pixel_statistics
from emotion_utils.device import one_thread
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, check_whole, reason
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import prototype
from emotion_utils.faces.people import sample_identity
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import as_input, check_model
from emotion_utils.models.pictures import input_shape_of
from emotion_utils.models.wiring import follow_steps
from emotion_utils.plots.figures import short
from emotion_utils.plots.network import Block, describe_network, draw_blocks, headline_of, network_blocks
from emotion_utils.widgets.convolution_lab import STATIC
from emotion_utils.widgets.stand_in import show_with_stand_in

MOST_MAPS = 64  # are shown of a layer
MOST_FACES = 24
LONGEST_SIDE = 64  # pixels of a map that is sent to the browser
CAPTION = "Choose a block, by mouse or with Tab and the arrow keys: its feature maps of the chosen face appear."


class NetworkView(anywidget.AnyWidget):
    """A network as blocks to scale; a click on one shows what that layer makes of a face.

    Args:
        model: any network that `trace_shapes` can follow. The view asks it again at each click, so maps change as it
            learns; after an edit of its layers run the cell again.
        images: faces to choose from, at most 24: whatever `emotion_utils.data.as_images` takes; None draws the seven
            textbook expressions. They are brought to the size that `input_shape` says.
        input_shape: shape of a batch, `(N, channels, height, width)`; None takes the network's `image_size`, or 48,
            and as many channels as it takes.
        titles: a name for each face; without them the drawn ones bear their emotion, others a number.

    Attributes:
        blocks: what is drawn, the image first.
        selected: number of the chosen block; 0 is the image.
        step: number of the chosen step inside of that block.
        face: number of the chosen face.

    Raises:
        TypeError: no network, or no images.
        ShapeError: a layer cannot take what it gets.
        ValueError: images that cannot be used, too many of them, or not as many titles.
    """

    _esm = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("common.js", "network.js"))
    _css = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("common.css", "network.css"))

    selected = traitlets.Any(0).tag(sync=True)
    step = traitlets.Any(0).tag(sync=True)
    face = traitlets.Any(0).tag(sync=True)
    _blocks = traitlets.List().tag(sync=True)
    _faces = traitlets.Dict().tag(sync=True)
    _maps = traitlets.Dict().tag(sync=True)
    _headline = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        images: Any = None,
        input_shape: tuple[int, ...] | None = None,
        titles: Sequence[str] | None = None,
    ) -> None:
        check_model(model, values=True)
        shape = input_shape_of(model) if input_shape is None else input_shape
        if isinstance(shape, tuple | list) and len(shape) != 4:
            raise ValueError(f"input_shape={brief(shape)}: give (N, channels, height, width), such as (1, 1, 48, 48).")
        self.blocks, self.trace = network_blocks(model, shape)
        self.model, (_, channels, height, width) = model, self.trace.input_shape
        pixels, names = _faces(images, titles, height, width)  # uint8 (F, 1, H, W)
        self.classes = facts_of(model).classes
        self._images = _normalised(model, pixels).expand(-1, channels, -1, -1)  # (F, C, H, W)
        self._steps = follow_steps(model, as_input(self._images[:1], model))
        thumbs = pixels if max(height, width) <= LONGEST_SIDE else functional.interpolate(pixels.float(), LONGEST_SIDE)
        thumbs = thumbs.round().to(torch.uint8)
        super().__init__(
            selected=min(1, len(self.blocks) - 1),
            _blocks=[self._told(number) for number in range(len(self.blocks))],
            _faces={"names": names, "height": thumbs.shape[2], "width": thumbs.shape[3],
                    "values": thumbs.contiguous().numpy().tobytes()},
            _headline=headline_of(model, self.trace),
        )  # fmt: skip
        self.step = max(0, len(self.blocks[self.selected].steps) - 1)
        self._show_maps()

    def _told(self, number: int) -> dict[str, Any]:
        """Say about a block what the browser has to know."""
        block: Block = self.blocks[number]
        steps = [self._steps[step] for step in block.steps]
        return {
            "label": block.label, "name": short(block.name, 80), "kind": short(block.kind, 80), "sort": block.sort,
            "size": block.size, "side": block.side, "depth": block.depth, "parameters": block.parameters,
            "work": block.multiply_adds, "sources": list(block.sources),
            "steps": [{"name": short(step.name or step.kind, 60), "kind": short(step.kind, 40),
                       "size": " × ".join(map(str, step.output_shape[1:]))} for step in steps],
        }  # fmt: skip

    @traitlets.validate("selected", "step", "face")
    def _check_number(self, proposal: Any) -> int:
        name = proposal.trait.name
        most = {"selected": len(self.blocks) - 1, "face": len(self._images) - 1}.get(name)
        return check_whole(0, most, **{name: proposal.value})

    @traitlets.observe("selected", "step", "face")
    def _follow(self, _change: dict) -> None:
        if self._maps and self._shown != (self.selected, self.step, self.face):
            self._show_maps()

    @property
    def feature_maps(self) -> Tensor:
        """What the chosen step of the chosen block makes of the chosen face, float32: (K, h, w) of a convolution.

        Raises:
            ShapeError: the network's layers have changed and no longer fit.
            ValueError: they have changed in another way; make a new view.
        """
        block, image = self.blocks[self.selected], self._images[self.face : self.face + 1]
        if not block.steps:
            return image[0].clone()
        number = block.steps[min(self.step, len(block.steps) - 1)]
        with one_thread():
            steps = follow_steps(self.model, as_input(image, self.model), keep=number)
        was = [(step.name, step.output_shape) for step in self._steps]
        if [(step.name, step.output_shape) for step in steps] != was:
            raise ValueError("The network has other layers than when it was drawn: run the cell again.")
        return steps[number].output[0]

    def _show_maps(self) -> None:
        """Send the chosen maps to the browser, or the sentence that says why there are none."""
        self._shown = (self.selected, self.step, self.face)
        try:
            maps = self.feature_maps
        except (ValueError, RuntimeError) as error:
            self._maps = {"error": reason(error, 300)}
            return
        self._maps = self._packed(maps)

    def _packed(self, maps: Tensor) -> dict[str, Any]:
        """Pack maps (K, h, w), or numbers (K,), as bytes: each value in 256 steps of the common scale."""
        total, is_map = maps.shape[0] if maps.ndim else 1, maps.ndim == 3
        shown = maps[:MOST_MAPS] if is_map else maps.reshape(1, 1, -1)[..., :4096]
        if is_map and max(shown.shape[1:]) > LONGEST_SIDE:
            shown = functional.adaptive_avg_pool2d(shown[None], [min(s, LONGEST_SIDE) for s in shown.shape[1:]])[0]
        finite = shown.nan_to_num(0, 0, 0)
        limit, signed = float(finite.abs().max()), bool((finite < 0).any())
        levels = (finite / (limit or 1.0) * (127.5 if signed else 255) + (127.5 if signed else 0)).round()
        classes = self.classes if not is_map and self.classes and len(self.classes) == total else ()
        return {
            "count": shown.shape[0] if is_map else 0, "total": total, "height": shown.shape[-2],
            "width": shown.shape[-1], "limit": limit, "signed": signed, "names": [short(name) for name in classes],
            "low": float(maps.min()), "high": float(maps.max()), "shape": list(maps.shape),
            "values": levels.to(torch.uint8).contiguous().numpy().tobytes(),
            "selected": self.selected, "step": self.step, "face": self.face,
        }  # fmt: skip

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG of the drawing, and the sentence that describes it."""
        picture = io.BytesIO()
        fig = draw_blocks(self.blocks, headline_of(self.model, self.trace))
        try:
            fig.savefig(picture, format="png", metadata={"Software": None})
        finally:
            plt.close(fig)
        told = describe_network(self.model, self.blocks, self.trace)
        return (
            picture.getvalue(),
            f"{told} Where the notebook runs, a click on a block shows its feature maps of a face.",
        )

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)


def _faces(images: Any, titles: Any, height: int, width: int) -> tuple[Tensor, list[str]]:
    """Return faces of the size that the network takes, uint8 (F, 1, H, W), and a name for each."""
    if images is None:
        pixels, names = _drawn_faces(min(height, width, 192)).clone(), list(EMOTIONS)
    else:
        pixels = as_images(images).cpu()
        names = [f"face {number}" for number in range(len(pixels))]
    if not 1 <= len(pixels) <= MOST_FACES:
        raise ValueError(f"images holds {len(pixels):,}: give 1 to {MOST_FACES} faces, such as images[:8].")
    if titles is not None:
        names = [short(title) for title in titles]
    if len(names) != len(pixels):
        raise ValueError(f"{len(names)} titles for {len(pixels)} faces: give one for each.")
    if pixels.shape[2:] != (height, width):
        resized = functional.interpolate(pixels.float(), (height, width), mode="bilinear", antialias=True)
        pixels = resized.round().clamp(0, 255).to(torch.uint8)
    return pixels, names


@functools.cache
def _drawn_faces(size: int) -> Tensor:
    """Draw one person with each expression, uint8 (7, 1, size, size); every view without images shows them."""
    person, capture = sample_identity(1, seed=0, index=torch.tensor([1])), sample_capture(1, seed=0, difficulty=0.0)
    with one_thread():
        return torch.cat([render(person, prototype(emotion), capture, size=size) for emotion in EMOTIONS])


def _normalised(model: nn.Module, pixels: Tensor) -> Tensor:
    """Normalise as the network is used to; one that does not know gets the faces' own mean and deviation."""
    mean, std = facts_of(model).normalisation or pixel_statistics(pixels)
    return normalise(pixels, mean, std)
