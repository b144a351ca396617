"""What goes with an exported network: a smaller form of the file, and the few lines of Python that ask either."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from emotion_utils.data.pixels import as_images
from emotion_utils.errors import ShapeError, reason, show
from emotion_utils.files import as_path, atomic_write, open_file
from emotion_utils.models.onnx_model import OnnxModel, import_package

RUNNER = Path(__file__).with_name("run_onnx.py")
FEWEST = 32  # images to calibrate with; fewer say too little about how large numbers get
CHUNK = 64
# Where most of the arithmetic is. What stands between two of them is quantised along with them, so that the numbers
# stay whole; normalisation before the first and the softmax after the last are left as they are.
KINDS = (
    "Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool",
    "Reshape", "Transpose",
)  # fmt: skip


def quantise_onnx(path: str | Path, target: str | Path, images: Any) -> Path:
    """Write an exported network again with whole numbers of 8 bits in place of floats: about a quarter of the bytes.

    Weights become whole numbers from -64 to 64, with a scale for each channel. (-127 to 127 would do on most
    processors; on older ones without VNNI sums of such products overflow, in silence, and the file is to give the same
    answers everywhere.) The numbers between the layers become whole numbers from 0 to 255, spread over what was seen
    on `images`: static quantisation (Jacob et al., CVPR 2018, arXiv 1712.05877), by ONNX Runtime. Input, output and
    metadata stay. What is lost is to be measured: `emotion_utils.evaluation.compare_exports`.

    Args:
        path: a file that `export_onnx` wrote.
        target: where to write, another file; `~` is the home folder.
        images: at least 32 faces as the network will see them, such as training faces: uint8 `(N, 1, H, W)`, or
            whatever else `emotion_utils.data.as_images` takes.

    Raises:
        ImportError: the packages onnx and onnxruntime are not installed.
        OSError, WeightsError: no file of `export_onnx`; or `target` cannot be written.
        ShapeError: images of another size.
        ValueError: too few images, `target` is `path`, a file that has been quantised, or a network that ONNX Runtime
            cannot quantise.
    """
    path, target = as_path(path), as_path(target, "target")
    onnx = import_package("onnx")
    exported, images = OnnxModel(path), as_images(images)
    if len(images) < FEWEST:
        raise ValueError(
            f"images holds {len(images)}: give at least {FEWEST}, the more alike to those to come the better."
        )
    if images.shape[2:] != (exported.image_size, exported.image_size):
        raise ShapeError(
            f"images have shape {tuple(images.shape)}: {show(path, 80)} takes {exported.image_size} pixels."
        )
    if exported.metadata.get("weights") == "int8":
        raise ValueError(f"path={show(path, 80)}: its weights are int8 already. Give the file that export_onnx wrote.")
    if target.exists() and target.samefile(path):
        raise ValueError(f"target={show(target, 80)} is the file to read: choose another name.")
    try:
        content = _quantised(onnx, path, images, exported)
    except Exception as error:  # of many kinds
        raise ValueError(f"{show(path, 80)} cannot be quantised: {reason(error, 160)}") from error
    with atomic_write(target) as part:
        part.write_bytes(content)
    return target


def _quantised(onnx: Any, path: Path, images: Tensor, exported: OnnxModel) -> bytes:
    """Prepare and quantise a file; give the new file's content."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Faces(quantization.CalibrationDataReader):
        """Hands images to the quantiser, some at a time."""

        def __init__(self) -> None:
            self.batches = iter(images.cpu().split(CHUNK))

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Return the next batch, None at the end."""
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.numpy().astype(exported.dtype)}

    name = exported.input_name
    with tempfile.TemporaryDirectory() as folder:
        prepared, small = Path(folder) / "prepared.onnx", Path(folder) / "small.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)  # that would need SymPy, and adds nothing here
        quantization.quantize_static(
            prepared, small, Faces(), per_channel=True, reduce_range=True, op_types_to_quantize=list(KINDS),
            weight_type=quantization.QuantType.QInt8, activation_type=quantization.QuantType.QUInt8,
        )  # fmt: skip
        proto = onnx.load(small)
    onnx.helper.set_model_props(proto, exported.metadata | {"weights": "int8"})
    return proto.SerializeToString()


def write_runner(folder: str | Path) -> Path:
    """Write `run_onnx.py` into a folder: some thirty lines that ask an exported network about pictures of faces.

    They need onnxruntime, numpy and Pillow, not PyTorch: `python run_onnx.py model.onnx face.png`.

    Raises:
        TypeError, ValueError: no path.
        OSError: the file cannot be written, or one of that name is there and says something else.
    """
    path, content = as_path(folder, "folder") / RUNNER.name, RUNNER.read_bytes()
    if path.exists():
        with open_file(path) as file:
            same = file.read(len(content) + 1) == content
        if not same:  # somebody may have changed it, as it is there to be read
            raise FileExistsError(
                f"{show(path)}: a file is there already, and it says something else than would be written. Rename or "
                "delete it, or name another folder."
            )
    with atomic_write(path) as part:
        part.write_bytes(content)
    return path
