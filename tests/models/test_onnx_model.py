"""Files of ONNX behind the door of the networks: what is none of ours is named."""

import numpy as np
import pytest
import torch

from emotion_utils.errors import ShapeError, WeightsError
from emotion_utils.models.export import export_onnx
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.onnx_model import OnnxModel
from emotion_utils.widgets import FaceLab

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = LinearModel(classes=("a", "b, c"), image_size=8)
    model.set_normalisation(0.5, 0.25)
    return export_onnx(model, tmp_path_factory.mktemp("onnx") / "linear.onnx", pixels="uint8")


def foreign(folder, shape, kind=onnx.TensorProto.FLOAT):
    """Write a file that gives back what it gets."""
    ends = [onnx.helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "same", [ends[0]], [ends[1]])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(proto, folder / "foreign.onnx")
    return folder / "foreign.onnx"


def test_names_with_commas_arrive(path):
    assert OnnxModel(path, threads=1).classes == ("a", "b, c")


def test_names_that_are_no_list_are_left_out(path, tmp_path):
    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {"names": "{"})
    onnx.save(proto, tmp_path / "odd.onnx")
    assert OnnxModel(tmp_path / "odd.onnx").classes is None


@pytest.mark.parametrize("images", [torch.zeros(2, 1, 9, 9, dtype=torch.uint8), np.zeros((5, 4), np.uint8)])
def test_images_of_another_size_are_named(path, images):
    with pytest.raises(ShapeError, match="8 × 8"):
        OnnxModel(path).predict_proba(images)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder / "none.onnx", FileNotFoundError, r"none\.onnx"),
        (lambda folder: folder, IsADirectoryError, "folder"),
        (lambda folder: foreign(folder, ["n", 3, 8, 8]), WeightsError, r"foreign\.onnx.*3, 8, 8"),
        (lambda folder: foreign(folder, [1, 1, 8, 8]), WeightsError, r"foreign\.onnx.*1, 1, 8, 8"),
        (lambda folder: foreign(folder, ["n", 8]), WeightsError, r"foreign\.onnx"),
        (lambda folder: foreign(folder, ["n", 1, 8, 8], onnx.TensorProto.INT64), WeightsError, "int64"),
        (lambda folder: 5, TypeError, "path=5"),
    ],
)
def test_what_is_no_file_of_ours_is_named(make, error, message, tmp_path):
    with pytest.raises(error, match=message) as caught:
        OnnxModel(make(tmp_path))
    assert len(str(caught.value)) <= 400


def test_the_face_lab_takes_a_file_in_a_networks_place(tmp_path):
    model = LinearModel(classes=("a", "b"))
    model.set_normalisation(0.5, 0.25)
    lab = FaceLab(OnnxModel(export_onnx(model, tmp_path / "lab.onnx")))
    assert lab.classes == ("a", "b")
    torch.testing.assert_close(lab.probabilities(), FaceLab(model).probabilities(), atol=1e-5, rtol=0)


def test_threads_are_a_number(path):
    with pytest.raises(ValueError, match="threads=0"):
        OnnxModel(path, threads=0)
