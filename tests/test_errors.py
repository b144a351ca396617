"""Errors that name the thing and the value."""

import pytest

from emotion_utils.errors import check_at_least


def test_what_is_too_small_is_named():
    check_at_least(1, n=1, size=48)
    check_at_least(0, noise=0.0)
    with pytest.raises(ValueError, match=r"^size=0: "):
        check_at_least(1, n=1, size=0)
    with pytest.raises(ValueError, match=r"limit=-2: .*None"):
        check_at_least(1, ", or None for all", limit=-2)
