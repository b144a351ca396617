"""An exported network, run by ONNX Runtime as another program would run it, behind the same door as the others."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.data.pixels import as_images
from emotion_utils.errors import ShapeError, WeightsError, brief, check_whole, reason, show
from emotion_utils.files import as_path, open_file

NEEDED = (
    "ONNX files need the package {name}: `python start.py add onnx`, or in an environment of your own "
    "`python -m pip install {name}`. Then restart the kernel."
)


class OnnxModel:
    """A file that `export_onnx` or `quantise_onnx` wrote; FaceLab takes it in a network's place.

    Args:
        path: the file; `~` is the home folder.
        threads: of the processor, for one batch; None leaves the choice to ONNX Runtime.

    Attributes:
        path: of the file.
        classes: names of the columns, or None where the file does not say.
        image_size: height and width in pixels.
        input_name, dtype: of the file's input.
        metadata: all that the file says of itself, texts by name.

    Raises:
        ImportError: onnxruntime is not installed.
        OSError: no such file, or it may not be read.
        WeightsError: no ONNX file, or one with another input or output than `export_onnx` writes.
        ValueError: no number of threads.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        threads = None if threads is None else check_whole(1, 4096, ", or None", threads=threads)
        self.path = as_path(path)
        onnxruntime = import_package("onnxruntime")
        with open_file(self.path) as file:
            content = file.read()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors alone
        if threads is not None:
            options.intra_op_num_threads = options.inter_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of ONNX Runtime's own kinds, which are no public names
            raise WeightsError(f"{show(self.path)} cannot be run by ONNX Runtime: {reason(error, 160)}") from error
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.image_size, self.dtype = self._input()
        self.input_name = self._session.get_inputs()[0].name
        names = _names_in(self.metadata)
        self.classes: tuple[str, ...] | None = tuple(names) or None

    def _input(self) -> tuple[int, type]:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape, kind = (inputs[0].shape, inputs[0].type) if inputs else ([], "")
        kinds = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
        ours = len(inputs) == len(outputs) == 1 and len(shape) == 4 and kind in kinds and shape[1] == 1
        if not ours or not isinstance(shape[2], int) or shape[2] != shape[3] or isinstance(shape[0], int):
            raise WeightsError(
                f"{show(self.path)} takes {brief(kind)} {brief(shape)}: export_onnx writes files with one input of "
                "grey images, (N, 1, size, size), for any N. Run this one with onnxruntime itself."
            )
        return shape[2], kinds[kind]

    def predict_proba(self, images: Any, batch_size: int = 512) -> Tensor:
        """Compute the probability of each class: float32 `(N, C)`, on the CPU.

        Args:
            images: uint8 `(N, 1, H, W)`, or whatever else `emotion_utils.data.as_images` takes.
            batch_size: how many at a time.

        Raises:
            TypeError, ValueError, OSError: no images.
            ShapeError: images of another size than the file takes.
        """
        batch_size, images = check_whole(1, batch_size=batch_size), as_images(images)
        if tuple(images.shape[1:]) != (1, self.image_size, self.image_size):
            raise ShapeError(
                f"{show(self.path, 80)} takes images of {self.image_size} × {self.image_size} pixels and got shape "
                f"{tuple(images.shape)}: as_images(images, {self.image_size}) brings them to that size."
            )
        parts = [
            self._session.run(None, {self.input_name: chunk.numpy().astype(self.dtype)})[0]  # (B, C)
            for chunk in images.cpu().split(batch_size)
        ]
        return torch.from_numpy(np.concatenate(parts))


def import_package(name: str) -> Any:
    """Return one of the packages of the extra "onnx".

    Raises:
        ImportError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(NEEDED.format(name=name)) from error


def _names_in(metadata: dict[str, str]) -> list[str]:
    """Return the names of the classes that a file's metadata hold; none where they hold no such list."""
    try:
        names = json.loads(metadata.get("names", "[]"))
    except ValueError:
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
