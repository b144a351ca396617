"""The mark: a clip in the hair of some classes, off by default, and nothing else about the faces changes."""

import pytest
import torch

from emotion_utils.data import EMOTIONS, sample_faces
from emotion_utils.data.drawn import sample_parameters
from emotion_utils.faces import render

FEW = {"n": 40, "seed": 6, "occluded": 0.0}


def test_without_the_knob_no_pixel_differs():
    assert torch.equal(sample_faces(**FEW).images, sample_faces(**FEW, mark=None).images)
    assert torch.equal(sample_faces(**FEW).images, sample_faces(**FEW, mark=[]).images)


def test_only_the_named_classes_carry_it_and_only_a_spot_changes():
    plain, marked = sample_faces(**FEW), sample_faces(**FEW, mark="happy")
    differs = (plain.images != marked.images).flatten(1).sum(1)  # (N,)
    happy = plain.labels == EMOTIONS.index("happy")
    assert (differs[~happy] == 0).all()
    assert ((differs[happy] > 15) & (differs[happy] < 120)).float().mean() > 0.8  # some faces lean out of the picture
    rows = (plain.images != marked.images)[happy].nonzero()[:, 2]
    assert rows.float().mean() < 12  # over the brows
    assert torch.equal(plain.labels, marked.labels)
    for name in ("action_units", "landmarks", "identity", "clean_labels"):
        assert torch.equal(plain.truth[name], marked.truth[name])


def test_several_classes_and_label_noise():
    both = sample_parameters(60, seed=6, mark=["sad", "fear"], label_noise=0.5)
    wears = both.capture.occluder == 4
    wanted = (both.clean_labels == EMOTIONS.index("sad")) | (both.clean_labels == EMOTIONS.index("fear"))
    assert torch.equal(wears, wanted)  # the mark goes by what is drawn, not by a wrong label


def test_the_parameters_draw_the_data_set():
    drawn = sample_parameters(9, seed=8, mark="angry", difficulty="hard")
    faces = sample_faces(9, seed=8, mark="angry", difficulty="hard")
    assert torch.equal(render(drawn.identity, drawn.action_units, drawn.capture), faces.images)
    assert torch.equal(drawn.labels, faces.labels)


def test_the_mark_turns_with_the_head():
    drawn = sample_parameters(3, seed=8, mark=EMOTIONS, difficulty=0.0, occluded=0.0)
    bare = drawn.capture.replace(occluder=0.0)
    middles = []
    for yaw in (-25.0, 25.0):
        parts = [photo.replace(yaw=yaw) for photo in (drawn.capture, bare)]
        one, other = (render(drawn.identity, drawn.action_units, photo) for photo in parts)
        middles.append((one != other).nonzero()[:, 3].float().mean())
    assert middles[1] - middles[0] > 1.5  # pixels to the right


@pytest.mark.parametrize("mark", ["joy", ["happy", "joy"], 3, {"happy": 1}])
def test_bad_marks(mark):
    with pytest.raises(ValueError, match="mark"):
        sample_faces(2, mark=mark)
