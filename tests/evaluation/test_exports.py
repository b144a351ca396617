"""Network and files side by side: the figures equal a count by hand."""

import pytest
import torch
from small_faces import small_faces

from emotion_utils.errors import WeightsError
from emotion_utils.evaluation.exports import compare_exports
from emotion_utils.models.deployment import quantise_onnx
from emotion_utils.models.export import export_onnx
from emotion_utils.models.facts import facts_of, remember, set_facts
from emotion_utils.models.networks import MLP, LinearModel
from emotion_utils.models.onnx_model import OnnxModel

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
FACES = small_faces(70)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    model = MLP((16,), image_size=16)
    remember(model, FACES)
    files = {"float": export_onnx(model, folder / "a.onnx", temperature=3.0)}
    files["int8"] = quantise_onnx(files["float"], folder / "b.onnx", FACES.images)
    return model, files


def test_figures_equal_a_count_by_hand(made):
    model, files = made
    found = compare_exports(model, files, FACES, repeats=2)
    assert [row.name for row in found.rows] == ["PyTorch", "float", "int8"]
    said, own = OnnxModel(files["int8"]).predict_proba(FACES.images), model.predict_proba(FACES.images)
    whole, exact, small = found.rows
    assert whole.accuracy == pytest.approx(float((own.argmax(1) == FACES.labels).float().mean()))
    assert small.accuracy == pytest.approx(float((said.argmax(1) == FACES.labels).float().mean()))
    assert small.difference == pytest.approx(small.accuracy - whole.accuracy)
    assert small.agreement == pytest.approx(float((said.argmax(1) == own.argmax(1)).float().mean()))
    cooled = (own.log() / 3).softmax(1)
    assert small.largest_change == pytest.approx(float((said - cooled).abs().max()), abs=1e-5)
    assert exact.largest_change < 1e-5 < small.largest_change
    assert small.bytes == files["int8"].stat().st_size < exact.bytes
    assert all(row.milliseconds > 0 for row in found.rows)
    assert "int8" in str(found)
    assert "70 faces" in str(found)


def test_a_file_for_other_frequencies_is_held_against_the_network_at_these(made, tmp_path):
    model, _ = made
    known = facts_of(model)
    try:
        set_facts(model, known.normalisation, known.classes, None, (1, 1, 1, 1, 1, 1, 30))
        files = {"equal": export_onnx(model, tmp_path / "equal.onnx", frequencies="equal", temperature=2.0)}
        files["int8"] = quantise_onnx(files["equal"], tmp_path / "int8.onnx", FACES.images)
        _, row, small = compare_exports(model, files, FACES, repeats=1).rows
        assert row.largest_change < 1e-5 < small.largest_change < 0.1
        assert (row.agreement, row.difference) == (1, 0)
        turned = FACES.with_labels(6 - FACES.labels, FACES.classes[::-1])
        assert compare_exports(model, files, turned, repeats=1).rows[1].largest_change < 1e-5
        set_facts(model, known.normalisation, known.classes)
        with pytest.raises(ValueError, match=r"equal\.onnx.*MLP"):
            compare_exports(model, files, FACES, repeats=1)
    finally:
        remember(model, FACES)


def test_classes_in_another_order_are_brought_together(made):
    model, files = made
    turned = FACES.with_labels(6 - FACES.labels, FACES.classes[::-1])
    plain, other = (compare_exports(model, files, faces, repeats=1) for faces in (FACES, turned))
    assert [row.accuracy for row in other.rows] == [row.accuracy for row in plain.rows]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": LinearModel}, TypeError, r"LinearModel\(\)"),
        ({"model": LinearModel(image_size=16)}, ValueError, "LinearModel.*normalised"),
        ({"files": {}}, ValueError, "files is empty"),
        ({"files": "a.onnx"}, TypeError, r"files='a\.onnx'"),
        ({"files": {"a": "none.onnx"}}, FileNotFoundError, r"none\.onnx"),
        ({"files": {"a": __file__}}, WeightsError, r"test_exports\.py"),
        ({"dataset": 5}, TypeError, "dataset=.int"),
        ({"dataset": small_faces(30, classes=3)}, ValueError, "3"),
        ({"faces": 0}, ValueError, "faces=0"),
        ({"repeats": 0}, ValueError, "repeats=0"),
    ],
)
def test_bad_input_is_named(made, change, error, message):
    arguments = {"model": made[0], "files": made[1], "dataset": FACES, "faces": 1, "repeats": 1} | change
    with pytest.raises(error, match=message) as caught:
        compare_exports(
            arguments["model"], arguments["files"], arguments["dataset"],
            faces=arguments["faces"], repeats=arguments["repeats"],
        )  # fmt: skip
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("names", "message"), [(("PyTorch",), "'PyTorch' twice"), ((1, "1"), "'1' twice")], ids=["network", "number"]
)
def test_a_name_that_is_taken_is_refused(names, message, made):
    model, files = made
    with pytest.raises(ValueError, match=message):
        compare_exports(model, dict.fromkeys(names, files["int8"]), FACES, repeats=1)
