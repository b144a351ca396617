"""From PyTorch to ONNX, a format that other programs run: phones, browsers, servers without Python.

The exported graph takes pixels and gives probabilities. Normalisation and softmax are inside, so nobody who uses the
file can get them wrong.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from emotion_utils.files import atomic_write
from emotion_utils.models.base import FaceModel, eval_mode


class PixelsToProbabilities(nn.Module):
    """A network with normalisation before and softmax after: grey levels 0 to 255 in, probabilities out."""

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """Map float32 `(N, 1, H, W)`, 0 to 255, to float32 `(N, C)`; each row adds up to 1."""
        return self.model((pixels / 255 - self.model.mean) / self.model.std).softmax(1)


def export_onnx(model: FaceModel, path: str | Path) -> Path:
    """Write `model` as an ONNX file: input `pixels`, float32 `(N, 1, H, W)`, 0 to 255; output `probabilities` `(N, C)`.

    N is free. The class names are in the file's metadata, separated by commas, under "classes".

    Raises:
        ImportError: the packages onnx and onnxscript are not installed.
        OSError: the file cannot be written; an older one at `path` is untouched.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch.onnx needs it and says so less clearly)
    except ImportError as error:
        raise ImportError('Exporting needs two more packages: python -m pip install "onnx" "onnxscript".') from error
    network, size = PixelsToProbabilities(model), model.image_size
    example = torch.zeros(2, model.in_channels, size, size, device=model.mean.device)
    batch = {"pixels": {0: torch.export.Dim("batch")}}
    with eval_mode(network):
        program = torch.onnx.export(
            network, (example,), input_names=["pixels"], output_names=["probabilities"], dynamic_shapes=batch,
            dynamo=True, verbose=False,
        )  # fmt: skip
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"classes": ",".join(model.classes or [])})
    with atomic_write(path) as part:
        part.write_bytes(proto.SerializeToString())
    return Path(path)
