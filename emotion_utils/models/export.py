"""From PyTorch to ONNX, a format that other programs run: phones, browsers, servers without Python.

The exported graph takes pixels and gives probabilities. Normalisation and softmax are inside, so nobody who uses the
file can get them wrong.
"""

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import check_whole, reason
from emotion_utils.files import as_path, atomic_write
from emotion_utils.models.arguments import check_image_size
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, copied, place_of, undisturbed, unwrap
from emotion_utils.models.pictures import channels_of
from emotion_utils.models.shapes import trace_shapes


class PixelsToProbabilities(nn.Module):
    """A network with normalisation before and softmax after: grey levels 0 to 255 in, probabilities out."""

    def __init__(self, model: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.model, self.mean, self.std = model, mean, std
        self.precision = place_of(model)[1]

    def forward(self, pixels: Tensor) -> Tensor:
        """Map float32 `(N, 1, H, W)`, 0 to 255, to float32 `(N, C)`; each row adds up to 1."""
        images = (pixels / 255 - self.mean) / self.std
        return self.model(images.to(self.precision)).float().softmax(1)


def export_onnx(
    model: nn.Module, path: str | Path, *, image_size: int | None = None, in_channels: int | None = None
) -> Path:
    """Write `model` as an ONNX file: input `pixels`, float32 `(N, 1, H, W)`, 0 to 255; output `probabilities` `(N, C)`.

    N is free. The class names are in the file's metadata, as a JSON list under "names" and separated by commas under
    "classes".

    Args:
        model: any network that knows how its images are normalised; `train` and `load_weights` tell it.
        path: where to write; `~` is the home folder.
        image_size: height and width in pixels; None takes those that the model was built for, else 48.
        in_channels: 1 for grey images; None takes what the model was built for, else 1.

    Raises:
        ImportError: the packages onnx and onnxscript are not installed.
        TypeError: no network.
        ShapeError: it does not take such images.
        ValueError: the model does not know how its images are normalised, or does something that ONNX cannot say, or
            not for any number of images.
        OSError: the file cannot be written; an older one at `path` is untouched.
    """
    check_model(model)
    path, network, known = as_path(path), unwrap(model), facts_of(model)
    own = getattr(network, "image_size", None)
    side = check_image_size((own if isinstance(own, int) else 48) if image_size is None else image_size)
    channels = check_whole(1, 1024, in_channels=channels_of(model) if in_channels is None else in_channels)
    mean, std = known.normalisation or _first_guess(network)
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
    proto = _export(PixelsToProbabilities(network, mean, std), channels, side)
    names = list(known.classes or [])
    onnx.helper.set_model_props(proto, {"classes": ",".join(names), "names": json.dumps(names)})
    with atomic_write(path) as part:
        part.write_bytes(proto.SerializeToString())
    return path


def _first_guess(network: nn.Module) -> tuple[float, float]:
    if hasattr(network, "known_facts"):  # one of ours, which begins with a guess
        return float(network.mean), float(network.std)
    raise ValueError(
        f"{type(network).__name__} does not know how its images are normalised, and the file has to say that: train() "
        "tells it, or set_facts(model, (mean, std), classes) from emotion_utils.models."
    )


def _export(network: PixelsToProbabilities, channels: int, side: int):
    """Give the network as ONNX's message, without the progress that PyTorch prints."""
    example = torch.zeros(2, channels, side, side, device=place_of(network)[0])
    batch, name = {"pixels": {0: torch.export.Dim("batch")}}, type(network.model).__name__
    names = {"input_names": ["pixels"], "output_names": ["probabilities"], "dynamo": True, "verbose": False}
    try:
        with undisturbed(network), _quiet(), _without_fast_path():
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
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Let attention be computed as it is written, step by step, which ONNX can say."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
