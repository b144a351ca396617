"""Look at what was drawn: figures are closed when they have been shown, and remain to be read here."""

import io

import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Collect the figures that are closed during a test, and see that none stays open."""
    figures, close = [], plt.close
    monkeypatch.setattr(plt, "close", lambda fig: figures.append(fig) or close(fig))
    yield figures
    assert not plt.get_fignums()


@pytest.fixture
def saved(monkeypatch) -> list[bytes]:
    """Collect the pictures that are made of figures during a test."""
    pictures, save = [], Figure.savefig

    def spy(fig: Figure, file: io.BytesIO, **options) -> None:
        save(fig, file, **options)
        pictures.append(file.getvalue())

    monkeypatch.setattr(Figure, "savefig", spy)
    return pictures
