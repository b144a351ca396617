"""What the commands print about a network's accuracy."""

import torch
from small_faces import small_faces

from emotion_utils.commands.reporting import print_accuracy
from emotion_utils.models.networks import EmotionCNN


def test_both_views_are_named_and_twins_where_there_are_any(capsys):
    faces = small_faces(20)
    model = EmotionCNN((4,), hidden=8, image_size=16).eval()
    print_accuracy(model, faces, "test")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["test, single view", "test, with mirror image"]
    assert not any("twins" in line for line in lines)
    print_accuracy(model, faces.with_twins(torch.arange(20) < 5), "test")
    assert "; without twins " in capsys.readouterr().out
    print_accuracy(model, faces.with_twins(torch.ones(20, dtype=torch.bool)), "test")
    text = capsys.readouterr().out
    assert "; twins " in text
    assert "without twins" not in text, "there is no such image"
