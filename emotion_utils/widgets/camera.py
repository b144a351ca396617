"""A camera in the notebook: frames go from the browser to the kernel, and face, bars and a map come back.

`Camera()` as the last line of a cell shows it; nothing starts before a click. The browser asks for the camera
(`getUserMedia`), so browser and kernel may be different machines. Frames travel as messages and never as a widget's
state, which would be saved along with the notebook. At most two are on their way, so none wait in a row: a slow kernel
sees fewer frames, not older ones. Where widgets do not run, the same output shows what smoothing does to a drawn film.
"""

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor, nn

from emotion_utils.data.contents import check_flag
from emotion_utils.errors import reason
from emotion_utils.models.priors import EQUAL, Frequencies
from emotion_utils.plots.figures import PALETTE, WIDTH, png_of, short
from emotion_utils.widgets.film import drawn_film
from emotion_utils.widgets.frames import FrameAnswer, FrameReader, check_smoothing
from emotion_utils.widgets.settings import Setting
from emotion_utils.widgets.stand_in import show_with_stand_in

STATIC = Path(__file__).parent / "static"
PARTS = ("common", "sliders", "faces", "camera")
MOST_BYTES = 8_000_000  # of a frame; the browser sends some 10,000
HEAT_EVERY = 0.2  # seconds; computing where the network looks takes longer than all the rest
FILM_RATE = 10  # frames a second at which the drawn film plays
CAPTION = (
    "Nothing is recorded. Start the camera, choose a picture, or play the drawn film; Escape stops. For adults, on "
    "their own machine."
)


class Camera(anywidget.AnyWidget):
    """What a network makes of the face before the camera: a square around it, bars smoothed over time, and a map.

    The first click asks the browser for its camera. Small pictures go to the kernel, which forgets each as soon as it
    has answered. Without a camera: a picture from a file, or a drawn film.

    Args:
        model: "fer2013", "ferplus" or "synthetic"; the path of a file of weights; or a network that knows how images
            are normalised and what its classes are called.
        smoothing: seconds after which a frame weighs 1/e of a new one in the mean, 0 to 60.
        overlay: lay Grad-CAM over the face. Networks without feature maps have none.
        mirror: show the camera's picture as a mirror would; the network gets it as it is.
        threshold: a label whose mean is less probable is called unsure.
        frequencies: how common each emotion is taken to be: "equal", "learnt", or shares by name; see `predict_photo`.

    Attributes:
        smoothing, overlay, mirror: follow what is done in the browser, and can be set.
        reader: the `FrameReader` that does the work.

    Raises:
        ValueError, TypeError, WeightsError: no network, or settings that cannot be.
    """

    _esm = "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
    _css = "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in PARTS[:-1])

    smoothing = Setting(0.5).tag(sync=True)
    overlay = Setting(False).tag(sync=True)
    mirror = Setting(True).tag(sync=True)
    _can_explain = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        model: str | Path | nn.Module = "fer2013",
        smoothing: float = 0.5,
        overlay: bool = False,
        mirror: bool = True,
        threshold: float = 0.5,
        frequencies: Frequencies = EQUAL,
    ) -> None:
        self.reader = FrameReader(model, smoothing, overlay, threshold, frequencies)
        self._viewed: str | None = None  # the view whose frames make up the mean
        self._explained = float("-inf")  # when a map was last computed
        super().__init__(smoothing=smoothing, overlay=overlay, mirror=mirror, _can_explain=self.reader.can_explain)
        self.on_msg(self._hear)

    @traitlets.validate("smoothing")
    def _check_smoothing(self, proposal: Any) -> float:
        return check_smoothing(proposal.value)

    @traitlets.validate("overlay", "mirror")
    def _check_flag(self, proposal: Any) -> bool:
        return check_flag(**{proposal.trait.name: proposal.value})

    @traitlets.observe("smoothing", "overlay")
    def _follow(self, change: dict) -> None:
        setattr(self.reader, change["name"], change["new"])

    def read(self, frame: Any, seconds: float | None = None) -> FrameAnswer:
        """Do with one frame what the kernel does; see `FrameReader.read`."""
        return self.reader.read(frame, seconds)

    def _hear(self, _widget: Any, content: Any, buffers: Sequence[Any]) -> None:
        """Answer a message of the browser; whatever is wrong with it becomes a sentence there."""
        if not isinstance(content, Mapping) or content.get("kind") not in ("frame", "film"):
            return
        sign = {"view": content.get("view"), "number": content.get("number")}
        try:
            told, parts = self._film() if content["kind"] == "film" else self._answer(content, buffers)
        except Exception as error:  # a message may hold anything, and nobody would see what is raised here
            told, parts = {"kind": "error", "note": reason(error, 300)}, []
        self.send(sign | told, parts)

    def _answer(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> tuple[dict[str, Any], list[bytes]]:
        if len(buffers) != 1 or not 0 < len(buffers[0]) <= MOST_BYTES:
            raise ValueError(f"A frame has 1 to {MOST_BYTES:,} bytes; this one came in {len(buffers)} parts.")
        if content.get("first") or content.get("view") != self._viewed:
            self.reader.forget()
            self._viewed, self._explained = content.get("view"), float("-inf")
        due = time.monotonic() - self._explained >= HEAT_EVERY
        frame = Image.open(io.BytesIO(bytes(buffers[0])), formats=["JPEG", "PNG"])
        explain = self.overlay and (due or bool(content.get("still")))
        seen = self.reader.read(frame, content.get("seconds"), overlay=explain)
        parts = []
        if seen.heat is not None:
            self._explained = time.monotonic()
            parts = [(255 * seen.heat).round().byte().numpy().tobytes()]
        x, y = seen.box.centre
        answer = {
            "kind": "answer", "size": list(frame.size), "square": [x, y, seen.box.width, seen.tilt],
            "found": seen.found, "classes": list(seen.classes), "probabilities": _rounded(seen.smoothed),
            "reasons": list(seen.reasons), "note": seen.note, "milliseconds": round(sum(seen.milliseconds.values()), 1),
            "heat": seen.heat.shape[0] if parts else 0,
        }  # fmt: skip
        return answer, parts

    def _film(self) -> tuple[dict[str, Any], list[bytes]]:
        """Draw the film that plays where there is no camera."""
        return {"kind": "film", "rate": FILM_RATE}, [_jpeg(frame) for frame in drawn_film()]

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG with frames of a drawn film and a probability over time, smoothed and not; and a sentence."""
        film, rate = drawn_film(), FILM_RATE
        asked = self.reader
        reader = FrameReader(asked.network, self.smoothing, False, asked.threshold, asked.frequencies)
        seen = [reader.read(frame.numpy(), number / rate) for number, frame in enumerate(film)]
        column = int(sum(answer.probabilities for answer in seen).argmax())
        fig = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        left, right = fig.subfigures(1, 2, width_ratios=(3, 4))
        axis = right.subplots()
        for place, number in zip(
            left.subplots(2, 2).flat, (0, len(film) // 3, len(film) // 2, 5 * len(film) // 6), strict=True
        ):
            _show_frame(place, film[number], seen[number], f"{number / rate:.1f} s")
        seconds = np.arange(len(film)) / rate
        axis.plot(
            seconds, [float(each.probabilities[column]) for each in seen], color=PALETTE["sky"], label="each frame"
        )
        axis.plot(seconds, [float(each.smoothed[column]) for each in seen], color=PALETTE["vermilion"], label="mean")
        name = short(self.reader.classes[column], 14)
        axis.set(xlabel="time (seconds)", ylabel=f"probability of {name}", ylim=(0, 1.02))
        axis.legend()
        description = (
            f"Frames of a drawn film, each with the square that the network looks at, and its probability of {name} "
            f"over time: frame by frame, and as a mean that forgets within {self.smoothing:g} seconds. Where the "
            "notebook runs, this is a camera; it starts after a click."
        )
        return png_of(fig), description

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)


def _show_frame(axis: Any, frame: Tensor, seen: FrameAnswer, title: str) -> None:
    """Show a frame (H, W) with the square that was looked at."""
    axis.imshow(frame.numpy(), vmin=0, vmax=255, cmap="gray")
    box = seen.box
    axis.add_patch(
        Rectangle(
            (box.left, box.top), box.width, box.height, angle=seen.tilt, rotation_point="center",
            fill=False, edgecolor=PALETTE["vermilion"], linewidth=1.5, linestyle="-" if seen.found else "--",
        )
    )  # fmt: skip
    axis.set(xlim=(0, frame.shape[1]), ylim=(frame.shape[0], 0), xticks=[], yticks=[])
    axis.set_title(title, fontsize=9)


def _jpeg(frame: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame.numpy()).save(file, format="jpeg", quality=90)
    return file.getvalue()


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
