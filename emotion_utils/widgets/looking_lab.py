"""Where does the network look while the face moves? The face lab, with a map over the face, and the truth.

`LookingLab(model)` as the last line of a cell shows it. A stored notebook shows the seven textbook expressions instead,
each with its map and its truth. The map is computed for the 48 by 48 pixels that the network gets.
"""

import io
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from emotion_utils.device import one_thread
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief
from emotion_utils.explain.asking import question
from emotion_utils.explain.gradients import grad_cam, integrated_gradients, resized, saliency, smooth_grad
from emotion_utils.explain.hiding import occlusion
from emotion_utils.explain.layers import layers_with_maps
from emotion_utils.explain.scores import energy_inside, pointing_game
from emotion_utils.explain.truth import VISIBLE, difference, expression_map
from emotion_utils.faces.action_units import ActionUnits
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import prototype
from emotion_utils.faces.people import Identity
from emotion_utils.models.handling import check_model
from emotion_utils.plots.figures import WIDTH
from emotion_utils.widgets.face_lab import NETWORK_SIZE, SCREEN_SIZE, FaceLab

PREDICTED = "the predicted class"
HEAT = (213, 94, 0)  # vermilion, as in the figures
STRONGEST = 0.8  # how much of the face the strongest place of a map hides

# Few samples and steps: a redraw has to keep up with a slider.
METHODS: dict[str, Callable[[nn.Module, Tensor, int | None, str | None], Tensor]] = {
    "Grad-CAM": lambda model, face, target, layer: grad_cam(model, face, target, layer),
    "gradient": lambda model, face, target, _: saliency(model, face, target),
    "averaged gradient": lambda model, face, target, _: smooth_grad(model, face, target, samples=6),
    "integrated gradients": lambda model, face, target, _: integrated_gradients(model, face, target, steps=8),
    "occlusion (slow)": lambda model, face, target, _: occlusion(model, face, target, size=8, stride=4),
}


class LookingLab(FaceLab):
    """The face lab with a map of where the network looks, laid over the face, and the truth beside it.

    Args:
        model: a network that takes faces of 48 × 48 pixels, gives logits, and knows how images are normalised.
        person: number of the person drawn first, 0 to 99.
        method: the first one shown, a key of `METHODS`; None takes Grad-CAM, or the gradient where there are no maps.

    Attributes:
        method, layer, asked: the lists to choose from: method, layer of Grad-CAM, class that is explained.
        looking: the image widget with the map over the face.
        truth: the image widget with the pixels that change when the expression is dropped.
        verdict: how much of the map lies inside the truth, in words.
        and those of `FaceLab`.

    Raises:
        TypeError: no network.
        ValueError: no such method, or Grad-CAM of a network without maps.
        ShapeError: a network that does not take such faces.
    """

    caption = "Move a slider, or choose a method: face, map and truth follow."

    def __init__(self, model: nn.Module, person: int = 1, method: str | None = None) -> None:
        check_model(model, values=True)
        face = torch.full((1, 1, NETWORK_SIZE, NETWORK_SIZE), 128, dtype=torch.uint8)
        with question(model, face, 0) as asked:
            self.layers = layers_with_maps(asked.model, asked.images)
        possible = [name for name in METHODS if self.layers or name != "Grad-CAM"]
        if method is not None and method not in possible:
            raise ValueError(f"method={brief(method)}: choose one of {', '.join(possible)}.")
        style = {"description_width": "60px"}
        self.method = widgets.Dropdown(options=possible, value=method or possible[0], description="method", style=style)
        self.layer = widgets.Dropdown(options=self.layers[::-1] or ["none"], description="layer", style=style)
        self.asked = widgets.Dropdown(options=[PREDICTED], description="class", style=style)
        self.looking, self.truth = (
            widgets.Image(format="png", layout=widgets.Layout(width=f"{SCREEN_SIZE}px", height=f"{SCREEN_SIZE}px"))
            for _ in range(2)
        )
        self.verdict = widgets.HTML()
        self._ready = False
        super().__init__(model, person)
        self.asked.options = [PREDICTED, *self.classes]
        for choice in (self.method, self.layer, self.asked):
            choice.observe(self._look_again, names="value")
        self._ready = True
        self._redraw()

    def _arrange(self) -> widgets.Widget:
        over = widgets.VBox([widgets.HTML("Where the network looks"), self.looking])
        truth = widgets.VBox([widgets.HTML("What the expression changes"), self.truth])
        choices = widgets.VBox([self.method, self.layer, self.asked, self.verdict])
        return widgets.VBox([widgets.HBox([over, truth, choices]), super()._arrange()])

    def map(self) -> Tensor:
        """Return the map of the face shown, by the chosen method: float32 (48, 48)."""
        with one_thread():
            return self._map_of(self.draw(NETWORK_SIZE))

    def _map_of(self, face: Tensor) -> Tensor:
        """Explain one face, uint8 (1, 1, 48, 48): float32 (48, 48)."""
        target = None if self.asked.value == PREDICTED else self.classes.index(self.asked.value)
        return METHODS[self.method.value](self.model, face, target, self.layer.value)[0].cpu()

    def _redraw(self, change: dict | None = None) -> None:
        super()._redraw(change)
        if self._ready and not self._paused:
            self._look_again()

    def _look_again(self, _change: dict | None = None) -> None:
        self.layer.disabled = self.method.value != "Grad-CAM"
        with one_thread():
            identity, units, capture = self.parameters()
            small = render(identity, units, capture, size=NETWORK_SIZE)  # (1, 1, 48, 48)
            seen = self._map_of(small)  # (48, 48)
            truth = difference(small, render(identity, ActionUnits.of(1), capture, size=NETWORK_SIZE))[0]
            # The large face has been drawn for the slider already, which takes longer than all the rest.
            face = torch.from_numpy(np.array(Image.open(io.BytesIO(self.face.value))))  # (192, 192)
            self.looking.value = _encode(lay_over(face, seen))
            self.truth.value = _encode(lay_over(face, truth))
            self.verdict.value = f"<p aria-live='polite'>{judge(seen, truth)}</p>"

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG with the textbook expressions of this person, their maps and truths, and a sentence on it."""
        identity, _, capture = self.parameters()
        fig = Figure(figsize=(WIDTH, 3.7), layout="none")
        rows = ("drawn", self.method.value.split(" (")[0], "truth")
        axes = fig.subplots(3, len(EMOTIONS), gridspec_kw={"wspace": 0.06, "hspace": 0.06})
        for column, emotion in enumerate(EMOTIONS):
            for axis, picture in zip(axes[:, column], self._three(identity, prototype(emotion), capture), strict=True):
                axis.imshow(picture, interpolation="nearest", aspect="auto")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            axes[0, column].set_title(emotion, fontsize=10)
        for axis, name in zip(axes[:, 0], rows, strict=True):
            axis.set_ylabel(name, fontsize=9)
        file = io.BytesIO()
        fig.savefig(file, format="png", metadata={"Software": None})
        description = (
            f"The seven textbook expressions of one drawn person; below each, where the network looks, by {rows[1]}, "
            "and what the expression changes in the picture. Where the notebook runs, this is the looking lab: the "
            "face moves with sliders, and the map follows."
        )
        return file.getvalue(), description

    def _three(self, identity: Identity, units: ActionUnits, capture: Capture) -> list[np.ndarray]:
        """Draw a face, the same under its map, and under its truth, (96, 96, 3) each."""
        large = render(identity, units, capture, size=96)[0, 0]
        seen = self._map_of(render(identity, units, capture, size=NETWORK_SIZE))
        truth = expression_map(identity, units, capture, size=NETWORK_SIZE)[0]
        return [lay_over(large, torch.zeros_like(seen)), lay_over(large, seen), lay_over(large, truth)]


def lay_over(face: Tensor, heat: Tensor) -> np.ndarray:
    """Colour a face, uint8 (H, W), where a map (h, w) of any sign is large: uint8 (H, W, 3); zeros colour nothing."""
    size = heat.detach().float().abs()
    strength = resized((size / size.max().clamp(min=1e-12))[None], face.shape)[0].clamp(0, 1) * STRONGEST
    grey = face.float()[:, :, None]  # (H, W, 1)
    coloured = grey + (torch.tensor(HEAT, dtype=torch.float32) - grey) * strength[:, :, None]
    return coloured.round().to(torch.uint8).numpy()


def judge(seen: Tensor, truth: Tensor) -> str:
    """Say how much of a map (H, W) lies where the picture changes."""
    if float(truth.max()) <= VISIBLE:
        return "The face shows hardly any expression: there is nothing to find."
    inside = float(energy_inside(seen[None], truth[None])[0])
    hit = "inside" if float(pointing_game(seen[None], truth[None])[0]) > 0.5 else "outside"
    return f"{inside:.0%} of the map lies inside the truth; its strongest pixel lies {hit}."


def _encode(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
