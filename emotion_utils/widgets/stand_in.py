"""A live widget and, in the same output, the picture and the sentence that stand in for it where nothing can move."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from emotion_utils.device import one_thread
from emotion_utils.plots.figures import show_bundle


def show_with_stand_in(widget: Any, sheet: Callable[[], tuple[bytes, str]], caption: str) -> None:
    """Show `widget` in the notebook.

    Args:
        widget: one of ipywidgets or anywidget.
        sheet: draws the picture that stands in, a PNG, and gives the sentence that describes it.
        caption: what stands below the live widget, in place of that sentence.
    """
    with one_thread():
        picture, description = sheet()
    view, live = widget._repr_mimebundle_(), widgets.HTML(f"<p><em>{caption}</em></p>")
    # anywidget gives a pair, of which the second part is metadata.
    bundle = dict(view[0] if isinstance(view, tuple) else view) | {"image/png": picture}
    show_bundle(bundle, description, live=dict(live._repr_mimebundle_()))
