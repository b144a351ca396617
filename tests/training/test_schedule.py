"""What changes from step to step and from epoch to epoch."""

import pytest

from emotion_utils.training.config import TrainConfig
from emotion_utils.training.schedule import image_size_at, learning_rate_at


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_the_rate_rises_in_the_warm_up_then_falls_to_nearly_nothing_or_stays(schedule):
    config = TrainConfig(learning_rate=0.4, schedule=schedule)
    rates = [learning_rate_at(step, 100, config) for step in range(100)]
    assert all(0 < rate <= 0.4 for rate in rates)
    if schedule == "constant":
        assert set(rates) == {0.4}
    else:
        assert rates[:20] == sorted(rates[:20])
        assert rates[20:] == sorted(rates[20:], reverse=True)
        assert max(rates) > 0.39
        assert rates[-1] < 0.01


def test_each_size_has_its_share_of_the_epochs():
    config = TrainConfig(epochs=5, sizes=(8, 12, 16))
    assert [image_size_at(epoch, config) for epoch in range(1, 6)] == [8, 12, 12, 16, 16]
    assert image_size_at(1, TrainConfig()) is None
    assert image_size_at(1, TrainConfig(epochs=1, sizes=(8, 12, 16))) == 16, "a short trial sees full images"
