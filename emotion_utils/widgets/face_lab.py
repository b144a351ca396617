"""A face to play with: a slider for every action unit, and bars with what a network makes of it.

`FaceLab()` as the last line of a cell shows it. Where widgets do not run (GitHub, a stored notebook, a PDF) the same
output shows a sheet of the seven textbook expressions instead: both travel in one bundle and the viewer takes what it
can. The face is drawn at `SCREEN_SIZE` for the eye and at 48 by 48 for the network, from the same numbers.
"""

import html
import io
from typing import Any

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from emotion_utils.device import one_thread
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError, brief, check_whole
from emotion_utils.faces.action_units import ACTION_UNITS, AU_DESCRIPTIONS, AU_REGION, ActionUnits
from emotion_utils.faces.capture import Capture, sample_capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import EMOTION_TO_AUS, prototype
from emotion_utils.faces.people import Identity, sample_identity
from emotion_utils.faces.truth import REGIONS
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model
from emotion_utils.models.inference import predict_proba
from emotion_utils.plots.figures import PALETTE, WIDTH, short
from emotion_utils.tensors import as_tensor
from emotion_utils.widgets.stand_in import show_with_stand_in

SCREEN_SIZE = 192  # pixels
NETWORK_SIZE = 48  # pixels

_SLIDER = {"continuous_update": True, "readout_format": ".2f", "style": {"description_width": "190px"}}
_WIDE = widgets.Layout(width="440px")


class FaceLab:
    """Sliders for action units, person and light; a face that follows them; the model's probabilities as bars.

    Args:
        model: a network that takes faces of 48 × 48 pixels and knows how they are normalised, or anything with
            `predict_proba(uint8 images (N, 1, 48, 48)) -> (N, C)`; without one there are no bars. The bars bear its own
            names of the classes. One that knows none and tells seven apart is taken to know `EMOTIONS`.
        person: number of the person drawn first, 0 to 99.

    Attributes:
        units: the slider of each action unit, by its name ("AU12").
        settings: the sliders of person, light and pose, by their names.
        face: the image widget; `face.value` are the bytes of a PNG.
        small: beside it, where there is a model, the 48 × 48 pixels that the model gets.
        bars: the HTML widget with one bar per class.
        variant: what the last emotion button has set, such as "happy: toothy smile".

    Raises:
        TypeError: no network.
        ShapeError, ValueError: a network that does not take such faces; see `emotion_utils.models.predict_proba`.
    """

    caption = "Move a slider, or press a button: the face follows."

    def __init__(self, model: nn.Module | None = None, person: int = 1) -> None:
        if model is not None and not hasattr(model, "predict_proba"):
            check_model(model)
        person = check_whole(0, 99, person=person)
        self.model, self.variant = model, ""
        self._presses = dict.fromkeys(EMOTIONS, 0)
        self._paused = False
        self.units = {
            name: widgets.FloatSlider(
                0.0, min=0, max=1, step=0.05, description=f"{name} {text}", layout=_WIDE, **_SLIDER
            )
            for name, text in AU_DESCRIPTIONS.items()
        }
        self.settings = {
            "person": widgets.IntSlider(person, 0, 99, description="person", layout=_WIDE, style=_SLIDER["style"]),
            "age": _setting("age (years)", 35, 4, 85, 1),
            "skin tone": _setting("skin tone", 0.5, 0.15, 0.85, 0.05),
            "one-sided": _setting("one-sided", 0, -1, 1, 0.1),
            "turn": _setting("turn (degrees)", 0, -30, 30, 1),
            "light from": _setting("light from (degrees)", 20, -60, 60, 5),
            "light height": _setting("light height (degrees)", 30, -30, 70, 5),
            "light hardness": _setting("light hardness", 0.5, 0, 1, 0.05),
        }
        self.face = widgets.Image(format="png", layout=widgets.Layout(width="288px", height="288px"))
        self.small = widgets.Image(format="png", layout=widgets.Layout(width="96px", height="96px"))
        self.shown = widgets.HTML()
        self.bars = widgets.HTML()
        self._meet(person)
        for slider in self.units.values():
            slider.observe(self._redraw, names="value")
        for name, slider in self.settings.items():
            slider.observe(self._change_person if name == "person" else self._redraw, names="value")
        self.classes = self._name_classes()
        self.widget = self._arrange()
        self._redraw()

    def _arrange(self) -> widgets.Widget:
        buttons = []
        for emotion in EMOTIONS:
            tooltip = ", ".join(variant.name for variant in EMOTION_TO_AUS[emotion])
            button = widgets.Button(description=emotion, tooltip=tooltip, layout=widgets.Layout(width="74px"))
            button.on_click(lambda _, emotion=emotion: self.press(emotion))
            buttons.append(button)
        groups = []
        for region in REGIONS:
            sliders = [self.units[name] for name in ACTION_UNITS if AU_REGION[name] == region]
            groups.append(widgets.VBox([widgets.HTML(f"<b>{region}</b>"), *sliders]))
        tabs = widgets.Tab([widgets.VBox(groups[:-1]), groups[-1], widgets.VBox(list(self.settings.values()))])
        tabs.titles = ["brows, eyes, nose", "mouth", "person, light"]
        faces: list[widgets.Widget] = [self.face]
        if self.model is not None:
            caption = widgets.HTML("<p>What the network<br>gets: 48 × 48 pixels</p>")
            faces.append(widgets.VBox([self.small, caption]))
        left = widgets.VBox([widgets.HBox(faces), self.bars], layout=widgets.Layout(min_width="300px"))
        presets = widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap"))
        right = widgets.VBox([presets, self.shown, tabs])
        return widgets.HBox([left, right])

    def press(self, emotion: str) -> None:
        """Set the sliders to a textbook expression; pressed again, to the next variant of that emotion."""
        variants = EMOTION_TO_AUS[emotion]
        number = self._presses[emotion] % len(variants)
        self._presses = dict.fromkeys(EMOTIONS, 0) | {emotion: number + 1}
        units = prototype(emotion, variant=number).left[0]
        self._paused = True
        for name, value in zip(ACTION_UNITS, units.tolist(), strict=True):
            self.units[name].value = value
        self._paused = False
        self.variant = f"{emotion}: {variants[number].name}"
        self._redraw()

    def _meet(self, person: int) -> None:
        """Give the sliders of age and skin the values of a person."""
        identity = sample_identity(1, seed=0, index=torch.tensor([person]))
        self.settings["age"].value = round(identity.age.item())
        self.settings["skin tone"].value = round(identity.skin_tone.item(), 2)

    def _change_person(self, change: dict) -> None:
        self._paused = True
        self._meet(change["new"])
        self._paused = False
        self._redraw()

    def parameters(self) -> tuple[Identity, ActionUnits, Capture]:
        """Return what the sliders say, as `render` takes it: one face."""
        value = {name: slider.value for name, slider in self.settings.items()}
        identity = sample_identity(
            1,
            seed=0,
            index=torch.tensor([value["person"]]),
            age=(value["age"], value["age"]),
            skin_tone=(value["skin tone"], value["skin tone"]),
        )
        strength = torch.tensor([[slider.value for slider in self.units.values()]])
        lean = value["one-sided"]
        units = ActionUnits(strength * min(1, 1 + lean), strength * min(1, 1 - lean))
        capture = sample_capture(1, seed=0, difficulty=0.0).replace(
            yaw=value["turn"],
            light_azimuth=value["light from"],
            light_elevation=value["light height"],
            light_hardness=value["light hardness"],
        )
        return identity, units, capture

    def draw(self, size: int = SCREEN_SIZE) -> Tensor:
        """Draw the face of the sliders: uint8 (1, 1, size, size)."""
        return render(*self.parameters(), size=size)

    def probabilities(self) -> Tensor | None:
        """Return the model's float32 (C,) for the face at 48 by 48, or None without a model."""
        return None if self.model is None else self._ask(self.draw(NETWORK_SIZE))

    def _ask(self, face: Tensor) -> Tensor:
        """Return what the model makes of one face, uint8 `(1, 1, 48, 48)`: float32 `(C,)`."""
        own = getattr(self.model, "predict_proba", None)
        return _probabilities_of_one(own(face)) if own else predict_proba(self.model, face)[0].cpu()

    def _name_classes(self) -> tuple[str, ...]:
        if self.model is None:
            return EMOTIONS
        count = len(self.probabilities())
        known = (
            facts_of(self.model).classes if isinstance(self.model, nn.Module) else getattr(self.model, "classes", None)
        )
        if known is not None and len(known) == count:
            return tuple(known)
        return EMOTIONS if count == len(EMOTIONS) else tuple(f"class {number}" for number in range(count))

    def _redraw(self, _change: dict | None = None) -> None:
        if self._paused:
            return
        active = ", ".join(f"{name} {slider.value:.2f}" for name, slider in self.units.items() if slider.value)
        self.shown.value = f"<p aria-live='polite'>Shown: {active or 'no action unit, a face at rest'}</p>"
        with one_thread():
            self.face.value = png(self.draw()[0, 0])
            if self.model is not None:
                face = self.draw(NETWORK_SIZE)  # (1, 1, 48, 48)
                self.small.value = png(face[0, 0].repeat_interleave(4, 0).repeat_interleave(4, 1))
                self.bars.value = bars_html(self.classes, self._ask(face).tolist())

    def _ipython_display_(self) -> None:
        show_with_stand_in(self.widget, self.sheet, self.caption)

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG with the seven textbook expressions of this person, and the sentence that describes it."""
        identity, _, capture = self.parameters()
        fig = Figure(figsize=(WIDTH, 1.8), layout="none")
        axes = fig.subplots(1, len(EMOTIONS), gridspec_kw={"wspace": 0.06})
        for axis, emotion in zip(axes, EMOTIONS, strict=True):
            units = prototype(emotion)
            face = render(identity, units, capture, size=96)[0, 0]  # (96, 96)
            axis.imshow(face.numpy(), vmin=0, vmax=255, cmap="gray")
            axis.set_axis_off()
            axis.set_title(emotion, fontsize=10)
            note = self._note(identity, units, capture)
            axis.text(0.5, -0.05, note, fontsize=6.5, ha="center", va="top", transform=axis.transAxes, parse_math=False)
        picture = io.BytesIO()
        fig.savefig(picture, format="png", metadata={"Software": None})
        seen = ", and what the network sees in each" if self.model is not None else ""
        description = (
            f"The seven textbook expressions of one drawn person with the numbers of their action units{seen}. "
            "Where the notebook runs, this is the face lab, with a slider for each action unit."
        )
        return picture.getvalue(), description

    def _note(self, identity: Identity, units: ActionUnits, capture: Capture) -> str:
        """Say what the network sees in a face, and which action units it shows, four in a line."""
        names = [name[2:] for name, value in zip(ACTION_UNITS, units.left[0].tolist(), strict=True) if value]
        lines = ["+".join(names[start : start + 4]) for start in range(0, len(names), 4)]
        note = "AU " + "\n+".join(lines) if names else "no AU"
        if self.model is None:
            return note
        seen = self._ask(render(identity, units, capture, size=NETWORK_SIZE))  # (C,)
        return f"{short(self.classes[int(seen.argmax())], 14)} {seen.max():.2f}\n{note}"


def _probabilities_of_one(answer: Any) -> Tensor:
    """Return what a stranger's `predict_proba` gave for one face as float32 `(C,)`, if it can be that."""
    told = as_tensor(answer, "predict_proba").cpu().float()
    if told.ndim != 2 or len(told) != 1 or not told.numel():
        raise ShapeError(f"predict_proba gave shape {tuple(told.shape)} for one face: give probabilities, (1, C).")
    if not (told.isfinite().all() and (told >= 0).all() and abs(float(told.sum()) - 1) < 0.01):
        raise ValueError(f"predict_proba gave {brief(told[0].tolist())}: give probabilities, which add up to 1.")
    return told[0]


def _setting(name: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    style = _SLIDER | {"readout_format": ".0f" if step >= 1 else ".2f"}
    return widgets.FloatSlider(value, min=low, max=high, step=step, description=name, layout=_WIDE, **style)


def png(image: Tensor) -> bytes:
    """Encode a uint8 image (H, W) as PNG, fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(image.cpu().numpy()).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def bars_html(names: tuple[str, ...], probabilities: list[float]) -> str:
    """Return HTML with a bar and a number for each class; the largest stands out by colour and weight."""
    rows = []
    best = max(probabilities)
    for name, value in zip(names, probabilities, strict=True):
        colour, weight = (PALETTE["vermilion"], "bold") if value == best else (PALETTE["blue"], "normal")
        bar = f"<div style='background:{colour};height:12px;width:{150 * value:.0f}px'></div>"
        rows.append(
            f"<tr style='font-weight:{weight}'><td>{html.escape(short(name))}</td>"
            f"<td style='width:150px'>{bar}</td><td>{value:.2f}</td></tr>"
        )
    return f"<table class='emotion-bars'>{''.join(rows)}</table>"
