"""Expressions: every recipe has a source, strengths spread, some faces blend or stray."""

import pytest
import torch

from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces import ACTION_UNITS, AU_INDEX, EMOTION_TO_AUS, prototype, sample_action_units

MANY = 2000


def labels_of(emotion: str) -> torch.Tensor:
    return torch.full((MANY,), EMOTIONS.index(emotion))


def test_every_variant_names_a_source_and_real_units():
    assert tuple(EMOTION_TO_AUS) == EMOTIONS
    for emotion in EMOTIONS:
        for number, variant in enumerate(EMOTION_TO_AUS[emotion]):
            assert variant.source
            assert set(variant.units) <= set(ACTION_UNITS)
            shown = prototype(emotion, 1.0, variant.name).mean[0]
            assert torch.equal(shown, prototype(emotion, 1.0, number).mean[0])
            assert (shown > 0).sum() == len(variant.units)


def test_a_prototype_is_weaker_on_demand():
    assert torch.allclose(prototype("fear", 0.5).mean, 0.5 * prototype("fear").mean)


def test_expressions_run_from_faint_to_strong_and_overlap():
    smile = sample_action_units(labels_of("happy"), seed=3).mean[:, AU_INDEX["AU12"]]
    assert smile.quantile(0.02) < 0.4
    assert smile.quantile(0.98) > 0.85
    neutral = sample_action_units(labels_of("neutral"), seed=3).mean
    assert (neutral.max(1).values > 0.1).float().mean() > 0.1, "stray units and blends"


def test_variants_are_as_common_as_they_weigh():
    units = sample_action_units(labels_of("surprise"), seed=4, blend=0.0, stray=0.0).mean
    agape = (units[:, AU_INDEX["AU27"]] > 0).float().mean().item()  # one of three variants, weight 2 of 7
    assert agape == pytest.approx(2 / 7, abs=0.03)


def test_blends_and_strays_are_what_is_not_in_the_recipe():
    recipe = {name for variant in EMOTION_TO_AUS["happy"] for name in variant.units}
    others = [AU_INDEX[name] for name in ACTION_UNITS if name not in recipe]
    plain = sample_action_units(labels_of("happy"), seed=5, blend=0.0, stray=0.0).mean[:, others]
    assert plain.max() == 0
    blended = sample_action_units(labels_of("happy"), seed=5, blend=0.5, stray=0.0).mean[:, others]
    # Six of seven second emotions bring units of their own (neutral has none, happy the same).
    assert (blended.max(1).values > 0).float().mean().item() == pytest.approx(0.5 * 5 / 7, abs=0.04)
    strayed = sample_action_units(labels_of("happy"), seed=5, blend=0.0, stray=0.2).mean[:, others]
    assert (strayed.max(1).values > 0).float().mean() > 0.99


def test_strong_units_stay_within_bounds_and_weaken_their_opposites():
    units = sample_action_units(labels_of("sad"), seed=6, strength=1.5, blend=1.0, stray=0.3)
    assert units.left.min() >= 0
    assert units.left.max() == 1
    mouth_open, pressed = (
        sample_action_units(labels_of("angry"), seed=6).mean[:, AU_INDEX[n]] for n in ("AU25", "AU24")
    )
    assert torch.corrcoef(torch.stack([mouth_open, pressed]))[0, 1] < -0.5


def test_halves_differ_a_little_and_on_few_faces_a_lot():
    units = sample_action_units(labels_of("happy"), seed=7, strength=0.7)
    left, right = units.left[:, AU_INDEX["AU12"]], units.right[:, AU_INDEX["AU12"]]
    tilt = (left - right) / (left + right)
    assert tilt.abs().median() < 0.1
    assert (tilt.abs() > 0.3).float().mean().item() == pytest.approx(0.06, abs=0.02)
    assert (tilt > 0.3).any()
    assert (tilt < -0.3).any()


def test_each_face_is_a_function_of_its_number():
    labels = torch.arange(70) % 7
    all_faces = sample_action_units(labels, seed=8)
    some = sample_action_units(labels[20:30], torch.arange(20, 30), seed=8)
    assert torch.equal(all_faces.left[20:30], some.left)
    assert torch.equal(all_faces.right[20:30], some.right)
    assert not torch.equal(all_faces.left, sample_action_units(labels, seed=9).left)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: prototype("bored"), "emotion='bored'"),
        (lambda: prototype("happy", 2.0), "strength=2"),
        (lambda: prototype("happy", 1.0, "grin"), "variant='grin'.*laugh"),
        (lambda: prototype("happy", 1.0, 3), "variant=3"),
        (lambda: prototype("happy", 1.0, -1), "variant=-1"),
    ],
)
def test_clear_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
