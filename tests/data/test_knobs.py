"""Knobs check themselves, and turn into numbers per class."""

import pytest
import torch

from emotion_utils.data.knobs import FER2013_COUNTS, Knobs


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"difficulty": "brutal"}, "difficulty='brutal'.*easy"),
        ({"difficulty": 2.0}, "difficulty=2.0"),
        ({"label_noise": 1.2}, "label_noise=1.2"),
        ({"duplicates": -0.1}, "duplicates=-0.1"),
        ({"strength": 9.0}, "strength=9.0.* 1.5"),
        ({"strength": float("nan")}, "strength=nan"),
        ({"occluded": 1.1}, "occluded=1.1"),
        ({"faces_per_person": 0}, "faces_per_person=0"),
        ({"balance": "odd"}, "balance='odd'.*fer2013"),
        ({"balance": (1, 2)}, r"balance=\(1, 2\).* 7 "),
        ({"balance": (1, 1, 1, 1, 1, 1, -1)}, "balance=.*-1"),
        ({"balance": (0,) * 7}, "balance=.*0"),
        ({"emotions": ["bored"]}, "emotions.*'bored'.*angry"),
        ({"emotions": []}, r"emotions=\[\]"),
        ({"emotions": ["sad"], "balance": (1, 1, 1, 1, 0, 1, 1)}, r"emotions=\['sad'\].*balance"),
        ({"skin_tone": {"bored": (0.1, 0.2)}}, "skin_tone.*'bored'.*angry"),
        ({"skin_tone": 0.3}, "skin_tone=0.3"),
        ({"skin_tone": (0.1, 0.95)}, r"skin_tone=\(0.1, 0.95\).*0.9"),
        ({"age": (50, 20)}, r"age=\(50, 20\)"),
        ({"age": {"sad": (2, 20)}}, r"age=\(2, 20\).* 4 "),
        ({"masculine": 1.5}, "masculine=1.5"),
        ({"masculine": {"bored": 0.5}}, "masculine.*'bored'"),
    ],
)
def test_knobs_check_themselves(values, words):
    with pytest.raises(ValueError, match=words):
        Knobs(**values)


def test_unknown_knobs_are_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"emotion='sad'.*emotions.*faces_per_person"):
        Knobs.of(emotion="sad")


def test_knobs_stay_as_they_were_set():
    with pytest.raises(AttributeError):
        Knobs().strength = 2.0


def test_difficulty_is_a_word_or_a_number():
    assert [Knobs(difficulty=d).level for d in ("easy", "hard", 0, 0.7)] == [0.4, 1.0, 0.0, 0.7]


def test_shares_of_classes_add_up_to_one():
    assert torch.allclose(Knobs().class_shares(), torch.full((7,), 1 / 7, dtype=torch.float64))
    real = torch.tensor(FER2013_COUNTS, dtype=torch.float64)
    assert torch.allclose(Knobs(balance="fer2013").class_shares(), real / real.sum())
    some = Knobs(balance=(1, 1, 1, 3, 1, 1, 1), emotions=("happy", "sad")).class_shares()
    assert some.tolist() == pytest.approx([0, 0, 0, 0.75, 0.25, 0, 0])


def test_bounds_are_for_all_classes_or_for_some():
    labels = torch.tensor([4, 0, 4])
    assert Knobs(age=(20, 30)).ages(labels).tolist() == [[20, 30]] * 3
    assert Knobs(age={"sad": (60, 80)}).ages(labels).tolist() == [[60, 80], [4, 85], [60, 80]]
    assert Knobs().skin_tones(labels).flatten().tolist() == pytest.approx([0.15, 0.85] * 3)
