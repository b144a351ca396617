"""For tests that read data: places of their own."""

import pytest


@pytest.fixture
def own_places(tmp_path, monkeypatch):
    """Keep the user's own data and cache out of a test."""
    for variable in ("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "user"))
    monkeypatch.delenv("EMOTION_DATA_DIR", raising=False)
