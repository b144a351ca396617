"""Intervals, calibration and temperature against theory, plain loops and sums by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from emotion_utils.evaluation.confidence import bootstrap_interval, calibration, fit_temperature


def test_calibration_by_hand():
    """Two bins, four images: the error is worked out by hand."""
    confidence = torch.tensor([0.55, 0.75, 0.9, 1.0])
    probabilities = torch.stack([confidence, 1 - confidence], 1)
    labels = torch.tensor([0, 1, 0, 0])
    result = calibration(probabilities, labels, bins=5)
    # Bins end at 0.2, 0.4, 0.6, 0.8 and 1.
    assert result.count.tolist() == [0, 0, 1, 1, 2]
    torch.testing.assert_close(result.accuracy, torch.tensor([0, 0, 1.0, 0, 1]))
    assert result.ece == pytest.approx((0.45 + 0.75 + 0.1) / 4, abs=1e-6)


def test_calibration_against_a_loop():
    """The sums over bins equal those of a plain loop."""
    generator = torch.Generator().manual_seed(3)
    probabilities = (2 * torch.randn(700, 7, generator=generator)).softmax(1)
    labels = torch.randint(7, (700,), generator=generator)
    sure, guess = probabilities.max(1)
    total = 0.0
    for i in range(15):
        inside = (sure > i / 15) & (sure <= (i + 1) / 15)
        if inside.any():
            right = (guess == labels)[inside].double().mean()
            total += float(inside.sum() * (sure[inside].double().mean() - right).abs())
    assert calibration(probabilities, labels).ece == pytest.approx(total / len(sure), abs=1e-6)


VALUES = {
    "right or wrong": torch.arange(400) % 4 > 0,
    "two numbers": torch.where(torch.arange(400) % 3 > 0, 2.5, -1.0),
    "differences of two models": torch.arange(400) % 3 - 1,
    "any numbers": torch.rand(400, generator=torch.Generator().manual_seed(0)),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_bootstrap_interval_has_the_width_of_theory(values):
    """For a mean of 400 values it is about 1.96 standard errors either way; the same seed gives the same interval."""
    low, high = bootstrap_interval(values, draws=4000, seed=1)
    mean, error = values.double().mean().item(), values.double().std().item() / 20
    assert low == pytest.approx(mean - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.3 * error)
    assert bootstrap_interval(values, draws=4000, seed=1) == (low, high)
    assert bootstrap_interval(values, draws=4000, seed=2) != (low, high)


def test_bootstrap_interval_edges():
    """All right is an interval of a point; no values are refused."""
    assert bootstrap_interval(torch.ones(10, dtype=torch.bool)) == (1.0, 1.0)
    assert bootstrap_interval(torch.zeros(10, dtype=torch.bool)) == (0.0, 0.0)
    assert bootstrap_interval(torch.tensor([0.25])) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": torch.zeros(0)}, "values"),
        ({"values": torch.ones(3), "draws": 0}, "draws=0"),
        ({"values": torch.ones(3), "level": 1.0}, r"level=1\.0"),
        ({"values": torch.ones(3), "level": 0}, "level=0"),
    ],
)
def test_bootstrap_interval_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**arguments)


def test_a_higher_level_is_a_wider_interval():
    for values in VALUES.values():
        (low, high), (lower, higher) = (bootstrap_interval(values, level=level) for level in (0.5, 0.99))
        assert lower < low < high < higher


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_is_found(temperature):
    """Labels drawn from softmax(z), logits z times T: the fit finds T, and it is the minimum of the loss."""
    z = torch.randn(20_000, 7, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.multinomial(z.softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    logits = z * temperature
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    loss = [float(nn.functional.cross_entropy(logits / t, labels)) for t in (found * 0.95, found, found * 1.05)]
    assert loss[1] == min(loss)


def test_temperature_halves_an_interval_no_better():
    """The minimum equals the zero of the slope against 1/T, found by bisection, to a ten-thousandth."""
    generator = torch.Generator().manual_seed(5)
    logits, labels = 3 * torch.randn(300, 7, generator=generator), torch.randint(7, (300,), generator=generator)
    logits[torch.arange(300), labels] += 4
    logits, low, high = logits.double(), 0.01, 100.0
    right = logits.gather(1, labels[:, None]).mean()
    while high / low > 1 + 1e-7:
        scale = (low * high) ** 0.5
        slope = ((scale * logits).softmax(1) * logits).sum(1).mean() - right
        low, high = (low, scale) if slope > 0 else (scale, high)
    assert fit_temperature(logits, labels) == pytest.approx(1 / low, rel=1e-4)


def test_temperature_stays_within_its_bounds():
    """Logits that say nothing want no confidence at all; a model without errors wants to be ever surer."""
    logits = torch.eye(7).repeat(10, 1)
    assert fit_temperature(logits, (torch.arange(70) + 1) % 7) == pytest.approx(100, rel=1e-3)
    surest = fit_temperature(logits, torch.arange(70) % 7)
    assert 0.01 <= surest < 0.1
    assert float(nn.functional.cross_entropy(logits.double() / surest, torch.arange(70) % 7)) == pytest.approx(0)
    assert math.isfinite(surest)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.tensor([1.0, NAN, 2.0]), "1 that are not finite"),
        (torch.tensor([1.0, INF, -INF]), "2 that are not finite"),
        (torch.zeros(3, 2), r"shape \(3, 2\)"),
        (torch.tensor(1.0), r"shape \(\)"),
        (torch.zeros(3, dtype=torch.complex64), "values"),
    ],
)
def test_bootstrap_of_what_is_no_list_of_numbers_is_refused(values, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bootstrap_interval(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": -1}, "draws=-1"),
        ({"draws": 2.5}, r"draws=2\.5"),
        ({"draws": 10**12}, "draws=10"),
        ({"draws": NAN}, "draws=nan"),
        ({"draws": "many"}, "draws='many'"),
        ({"level": NAN}, "level=nan"),
        ({"level": "0.9"}, "level='0.9'"),
        ({"seed": 0.5}, r"seed=0\.5"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_bootstrap_settings_that_cannot_be_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(torch.ones(3), **arguments)


def test_numbers_of_numpy_draw_the_same():
    values = torch.arange(50) % 2
    assert bootstrap_interval(values, np.int64(100), seed=np.int64(3)) == bootstrap_interval(values, 100, seed=3)
    assert bootstrap_interval(values.numpy(), 100) == bootstrap_interval(values.tolist(), 100)


GOOD = torch.full((4, 2), 0.5)
LABELS = torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (GOOD[:0], LABELS[:0], r"\(0, 2\)"),
        (GOOD[:, 0], LABELS, r"\(4,\)"),
        (GOOD.long(), LABELS, "int64"),
        (GOOD, LABELS[:3], r"labels have shape \(3,\) for 4"),
        (GOOD, LABELS[:, None], r"labels have shape \(4, 1\)"),
        (GOOD, LABELS.float(), r"labels.*float32.*long\(\)"),
        (GOOD, LABELS > 0, "labels.*bool"),
        (GOOD, LABELS + 1, "labels run from 1 to 2.*2 columns"),
        (GOOD, LABELS - 1, "labels run from -1"),
        (GOOD * torch.tensor([[1.0], [NAN], [1], [1]]), LABELS, "1 of 4 images are not finite, first of image 1"),
        (GOOD * torch.tensor([[INF], [NAN], [1], [1]]), LABELS, "2 of 4 images are not finite, first of image 0"),
    ],
)
@pytest.mark.parametrize("function", [calibration, fit_temperature])
def test_scores_and_labels_that_do_not_fit_are_refused(function, scores, labels, message):
    with pytest.raises(ValueError, match=message) as caught:
        function(scores, labels)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("scores", [3 * GOOD, GOOD - 1, torch.tensor([[1.5, -0.5]] * 4)])
def test_calibration_of_logits_is_refused(scores):
    with pytest.raises(ValueError, match=r"adds up to|softmax"):
        calibration(scores, LABELS)


@pytest.mark.parametrize("bins", [0, -1, 1.5, NAN, "15", None, 10**9])
def test_bins_that_cannot_be_are_refused(bins):
    with pytest.raises(ValueError, match="bins="):
        calibration(GOOD, LABELS, bins)


def test_calibration_takes_half_precision():
    rough = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)).softmax(1).half()
    assert 0 <= calibration(rough, torch.arange(50) % 7).ece <= 1


def test_temperature_of_probabilities_is_noticed():
    with pytest.warns(UserWarning, match="softmax"):
        fit_temperature(GOOD, LABELS)


def test_labels_may_be_unsigned():
    probabilities = torch.eye(3)
    assert calibration(probabilities, np.arange(3, dtype=np.uint64)).ece == 0
    with pytest.raises(ValueError, match="labels run from"):
        calibration(probabilities, np.arange(1, 4, dtype=np.uint64))
