"""From PyTorch to ONNX, a format that other programs run: phones, browsers, servers without Python.

The exported graph takes pixels and gives probabilities. Normalisation and softmax are inside, so nobody who uses the
file can get them wrong.
"""

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import brief, check_number, check_whole, reason
from emotion_utils.files import as_path, atomic_write
from emotion_utils.models.arguments import check_image_size
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import (
    check_model,
    copied,
    is_face_model,
    place_of,
    undisturbed,
    unwrap,
    without_fast_path,
)
from emotion_utils.models.pictures import channels_of, image_size_of
from emotion_utils.models.priors import LEARNT, Change, Frequencies, prior_change
from emotion_utils.models.shapes import trace_shapes

OPSET = 18  # the version of ONNX's vocabulary, whichever PyTorch writes: ONNX Runtime has known it since 1.14 (2023)
KINDS_OF_PIXELS = {"float32": torch.float32, "uint8": torch.uint8}
LONGEST_LICENCE = 1000  # characters


class PixelsToProbabilities(nn.Module):
    """A network with normalisation before and softmax after: grey levels 0 to 255 in, probabilities out.

    With a `change`, as `prior_change` gives it, they are adjusted to how common the classes are to be.
    """

    def __init__(
        self, model: nn.Module, mean: float, std: float, temperature: float = 1.0, change: Change | None = None
    ) -> None:
        super().__init__()
        self.model, self.mean, self.std, self.temperature = model, mean, std, temperature
        self.precision, self.ratio = place_of(model)[1], None
        if change is not None:
            learnt, expected = (torch.tensor(shares, device=place_of(model)[0]) for shares in change)  # (C,) each
            self.ratio = expected / learnt

    def forward(self, pixels: Tensor) -> Tensor:
        """Map uint8 or float32 `(N, 1, H, W)`, 0 to 255, to float32 `(N, C)`; each row adds up to 1."""
        images = (pixels.float() / 255 - self.mean) / self.std
        logits = self.model(images.to(self.precision)).float()
        # Left out where it is 1, so that the graph is as it was without one.
        probabilities = (logits if self.temperature == 1 else logits / self.temperature).softmax(1)
        if self.ratio is None:
            return probabilities
        # After the softmax, and not as a shift of the logits, so that int8 has nothing to round there.
        adjusted = probabilities * self.ratio
        return adjusted / adjusted.sum(1, keepdim=True)


def export_onnx(
    model: nn.Module,
    path: str | Path,
    *,
    image_size: int | None = None,
    in_channels: int | None = None,
    pixels: str = "float32",
    temperature: float = 1.0,
    frequencies: Frequencies = LEARNT,
    licence: str | None = None,
) -> Path:
    """Write `model` as an ONNX file: input `pixels` `(N, 1, H, W)`, 0 to 255; output `probabilities` `(N, C)`.

    N is free. The file's metadata name the classes, as a JSON list under "names" and separated by commas under
    "classes"; and "image_size", "pixels", "mean", "std", "temperature", "frequencies", "opset", "licence".
    `write_runner` writes the few lines of Python that ask such a file without PyTorch; `quantise_onnx` makes it
    smaller.

    Args:
        model: any network that knows how its images are normalised; `train` and `load_weights` tell it.
        path: where to write; `~` is the home folder.
        image_size: height and width in pixels; None takes those that the model was built for, else 48.
        in_channels: 1 for grey images; None takes what the model was built for, and 1 wherever it takes that.
        pixels: type of the input: "uint8" takes images as files and cameras give them, a quarter of the bytes;
            "float32" is what more programs accept.
        temperature: the logits are divided by it before the softmax, see `emotion_utils.evaluation.fit_temperature`.
        frequencies: how common the file is to take each class to be: "learnt", as the network does; "equal", as
            `predict_photo` does; or shares by name.
        licence: under what terms the weights may be used, a line or two; None writes that none is stated.

    Raises:
        ImportError: the packages onnx and onnxscript are not installed.
        TypeError: no network.
        ShapeError: it does not take such images.
        ValueError: another kind of pixels, a temperature that is not above 0, a licence that is no text; the model
            does not know how its images are normalised, or how common its classes were where other frequencies are
            asked for; or it does something that ONNX cannot say, or not for any number of images.
        OSError: the file cannot be written; an older one at `path` is untouched.
    """
    check_model(model)
    path, network, known = as_path(path), unwrap(model), facts_of(model)
    side = check_image_size(image_size_of(model) if image_size is None else image_size)
    channels = check_whole(1, 1024, in_channels=channels_of(model, side, side) if in_channels is None else in_channels)
    mean, std = known.normalisation or _first_guess(network)
    if not isinstance(pixels, str) or pixels not in KINDS_OF_PIXELS:
        raise ValueError(f"pixels={brief(pixels)}: choose {' or '.join(KINDS_OF_PIXELS)}.")
    temperature, licence = float(check_number(above=0, temperature=temperature)), _check_licence(licence)
    change = prior_change(model, frequencies)
    if change is None and frequencies != LEARNT:
        raise ValueError(
            f"frequencies={brief(frequencies)}: {type(network).__name__} does not know how common its classes were in "
            f"training, or never learnt one. Tell it, set_facts(model, …, frequencies=…), or choose {LEARNT!r}."
        )
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch.onnx needs it and says so less clearly)
    except ImportError as error:
        raise ImportError(
            "Exporting needs the packages onnx and onnxscript: `python start.py add onnx`, or in an environment of "
            "your own `python -m pip install onnx onnxscript`. Then restart the kernel."
        ) from error
    trace_shapes(network, (2, channels, side, side))  # says which layer does not fit
    if place_of(network)[1] in (torch.float16, torch.bfloat16):  # which other programs hardly compute with
        network = copied(network).float()
    example = torch.zeros(2, channels, side, side, dtype=KINDS_OF_PIXELS[pixels], device=place_of(network)[0])
    proto = _export(PixelsToProbabilities(network, mean, std, temperature, change), example)
    _strip(proto)
    names = list(known.classes or [])
    told = {"names": json.dumps(names), "image_size": side, "pixels": pixels, "mean": mean, "std": std}
    told |= {"classes": ",".join(names), "temperature": temperature, "licence": licence, "opset": _opset(proto)}
    told["frequencies"] = LEARNT if change is None else json.dumps(dict(zip(names, change[1], strict=True)))
    onnx.helper.set_model_props(proto, {name: str(value) for name, value in told.items()})
    with atomic_write(path) as part:
        part.write_bytes(proto.SerializeToString())
    return path


def _strip(proto: Any) -> None:
    """Take out what PyTorch notes for whoever looks for a fault: lines of code with the paths of this computer."""
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for function in proto.functions:
        for part in (function, *function.node):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")


def _check_licence(licence: Any) -> str:
    if licence is None:
        return "not stated"
    if not isinstance(licence, str) or not licence.strip() or len(licence) > LONGEST_LICENCE:
        raise ValueError(f"licence={brief(licence)}: give a text of 1 to {LONGEST_LICENCE:,} characters, or None.")
    return licence.strip()


def _opset(proto: Any) -> int:
    """Say which version of ONNX's own vocabulary the graph is written in."""
    return next(each.version for each in proto.opset_import if each.domain in ("", "ai.onnx"))


def _first_guess(network: nn.Module) -> tuple[float, float]:
    if is_face_model(network):  # one of ours, which begins with a guess
        return float(network.mean), float(network.std)
    raise ValueError(
        f"{type(network).__name__} does not know how its images are normalised, and the file has to say that: train() "
        "tells it, or set_facts(model, (mean, std), classes) from emotion_utils.models."
    )


def _export(network: PixelsToProbabilities, example: Tensor) -> Any:
    """Give the network as ONNX's message, without the progress that PyTorch prints; `example` are two images."""
    batch, name = {"pixels": {0: torch.export.Dim("batch")}}, type(network.model).__name__
    names = {"input_names": ["pixels"], "output_names": ["probabilities"], "dynamo": True, "verbose": False}
    names["opset_version"] = OPSET
    try:
        with undisturbed(network), _quiet(), without_fast_path():
            proto = torch.onnx.export(network, (example,), dynamic_shapes=batch, **names).model_proto
            if _fixed_number(proto):  # the other way to read a network's code, which sees through more of it
                program = torch.export.export(network, (example,), dynamic_shapes=batch, strict=True)
                proto = torch.onnx.export(program, **names).model_proto
    except Exception as error:  # torch.onnx raises many kinds, with pages of text
        raise ValueError(
            f"{name} cannot be written as ONNX: {reason(error.__cause__ or error, 140)}. It does something that ONNX "
            "has no word for, or that depends on the number of images or the values of pixels."
        ) from error
    if _fixed_number(proto):
        raise ValueError(
            f"{name} cannot be written as ONNX for any number of images, only for {_fixed_number(proto)}: something in "
            "its code depends on how many there are."
        )
    return proto


def _fixed_number(proto: Any) -> int:
    """Say how many images the graph takes; 0 if any number."""
    (pixels,) = proto.graph.input
    return pixels.type.tensor_type.shape.dim[0].dim_value


@contextmanager
def _quiet() -> Iterator[None]:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
