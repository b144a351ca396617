"""The table of explanations: the truth itself wins, baselines stand beside it, photographs are refused."""

import pytest
import torch

from emotion_utils.data import sample_faces
from emotion_utils.explain import KnownFaces, known_faces, saliency, score_explanations


@pytest.fixture
def table(faces, face_model):
    visible = faces[faces.visible]
    methods = {
        "the truth": lambda images: visible.truth,
        "gradient": lambda images: saliency(face_model, images),
        "nothing": lambda images: torch.zeros(len(images), 48, 48),
    }
    return score_explanations(methods, faces, face_model)


def test_the_truth_scores_best_and_nothing_scores_chance(table, faces):
    best = table.methods["the truth"]
    assert best.mean("pointing") == 1
    assert best.mean("correlation") == pytest.approx(1)
    assert all(best.mean("energy") >= scores.mean("energy") for scores in table.methods.values())
    nothing = table.methods["nothing"]
    assert nothing.mean("correlation") == 0
    assert 0 < nothing.mean("energy") < 0.2
    assert table.faces + table.left_out == len(faces)
    assert list(table.methods)[-3:] == ["random map", "blob in the centre", "edges of the image"]
    assert table.measures == ("pointing", "energy", "correlation", "deletion", "insertion")


def test_intervals_and_paired_differences(table):
    for scores in table.methods.values():
        for measure in table.measures:
            low, high = scores.interval(measure)
            assert low <= scores.mean(measure) <= high
    gap, (low, high) = table.difference("the truth", "random map", "energy")
    assert 0 < low <= gap <= high
    assert table.difference("gradient", "gradient", "energy") == (0, (0, 0))
    with pytest.raises(KeyError):
        table.difference("gradient", "no such method", "energy")


def test_it_prints_a_row_for_each_method(table):
    lines = str(table).splitlines()
    assert len(lines) == 1 + len(table.methods)
    assert "ms a face" in lines[0]
    assert lines[1].startswith("the truth")


def test_without_a_model_there_are_no_curves(faces):
    table = score_explanations({"zeros": lambda images: torch.zeros(len(images), 48, 48)}, faces)
    assert table.measures == ("pointing", "energy", "correlation")


def test_photographs_and_other_images_have_no_truth(faces):
    methods = {"zeros": lambda images: torch.zeros(len(images), 48, 48)}
    with pytest.raises(TypeError, match=r"FaceDataset.*photographs and other images have none"):
        score_explanations(methods, sample_faces(3))
    with pytest.raises(TypeError, match="Tensor"):
        score_explanations(methods, faces.images)


def test_bad_methods(faces):
    for methods in ({}, [saliency], {"one": "gradient"}):
        with pytest.raises(TypeError, match="methods="):
            score_explanations(methods, faces)
    with pytest.raises(ValueError, match="random map"):
        score_explanations({"random map": lambda images: images[:, 0].float()}, faces)
    with pytest.raises(ValueError, match=r"'flat' gives \(\d+, 2304\)"):
        score_explanations({"flat": lambda images: images.flatten(1).float()}, faces)


def test_faces_without_expression():
    calm = known_faces(4, seed=1, emotions=["neutral"], strength=0.0)
    assert isinstance(calm, KnownFaces)
    with pytest.raises(ValueError, match="None of the 4 faces"):
        score_explanations({"zeros": lambda images: torch.zeros(len(images), 48, 48)}, calm)
