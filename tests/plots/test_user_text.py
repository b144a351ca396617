"""Text of users is text: no sign in the name of a class, a file or a title is read as markup, and none is too long."""

import re
import warnings

import matplotlib.text
import pytest
import torch
from every_figure import EDGES, FACE, MAPS, RATES, history, report
from matplotlib import pyplot as plt
from small_faces import small_faces

from emotion_utils import plots
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.receptive import Field
from emotion_utils.plots.figures import show_bundle

TEXTS = {
    "a formula": "$x^2$",
    "no formula": r"$\frac{1$ and $\nosuch$",
    "one dollar": "5$",
    "three dollars": "$a$ costs 5$",
    "escaped": r"\$a\$ \\$b$",
    "a file": r"C:\new_faces\test_set_1.png",
    "HTML": "<b>bold</b> & <script>alert(1)</script>",
    "braces": "{name} %s %d {0}",
    "line breaks": "one\ntwo\r\nthree\tfour",
    "control codes": "a\x1b[1mb\x00c\x07",
    "emoji": "😀 笑顔 سعيد",
    "nothing": "",
    "spaces": "   ",
    "long": "x" * 10_000,
    "many words": "word " * 3000,
    "many lines": "line\n" * 5000,
    "a surrogate": "\udc80",
}


def classes(text):
    return [f"{text} {number}" for number in range(7)]


def named_report(text):
    torch.manual_seed(0)
    model = LinearModel(image_size=16)
    torch.nn.init.normal_(model.classifier[1].weight, std=0.06)
    return evaluate(model, small_faces(70).with_labels(small_faces(70).labels, classes(text)))


def named_network(text):
    """Name a layer by a text, as far as PyTorch lets one: without full stops, and not empty."""
    model = torch.nn.Sequential()
    model.add_module(text.replace(".", "") or " ", torch.nn.Flatten())
    return model


FIGURES = {
    "faces": lambda t: plots.show_faces(small_faces(2).images, [t, t], title=t),
    "histories": lambda t: plots.plot_history({f"{t} 1": history(), f"{t} 2": history()}, title=t),
    "confusion": lambda t: plots.plot_confusion(named_report(t)),
    "confusion, title": lambda t: plots.plot_confusion(report(), title=t),
    "bars": lambda t: plots.plot_bars([t, t], [1, 2], xlabel=t, title=t, reference=(t, 1)),
    "class counts": lambda t: plots.plot_class_counts(small_faces(8).with_labels(small_faces(8).labels, classes(t))),
    "calibration": lambda t: plots.plot_calibration({t + "1": report(), t + "2": report()}, title=t),
    "learning rates": lambda t: plots.plot_lr_range(RATES, title=t),
    "network": lambda t: plots.plot_network(named_network(t), (1, 1, 16, 16), title=t),
    "maps": lambda t: plots.show_maps(MAPS[:2], [t, t], title=t, label=t),
    "window": lambda t: plots.show_window_sum(FACE, EDGES, 1, 1, title=t),
    "fields": lambda t: plots.show_fields(FACE, [Field(t, 3, 1, -1), Field(t, 5, 1, -2)], title=t, note=t),
    "pairs": lambda t: plots.show_pairs([t, t], {t + "1": [1, 2], t + "2": [2, 1]}, xlabel=t, title=t),
}


# Every figure with the worst texts, and every text in one figure.
PAIRS = [(figure, text) for figure in FIGURES for text in TEXTS if figure == "bars" or text in ("no formula", "long")]


@pytest.mark.parametrize(("figure", "text"), PAIRS)
def test_text_is_drawn_as_it_is(figure, text, drawn, saved, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FIGURES[figure](TEXTS[text])
    (fig,), (png,) = drawn, saved
    width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
    assert width <= 1600
    assert height <= 1600
    assert len(capsys.readouterr().out) < 8000
    shown = [t for t in fig.findobj(matplotlib.text.Text) if t.get_text()]
    powers = re.compile(r"\$\\mathdefault.*\$")
    assert not any(t.get_parse_math() for t in shown if not powers.fullmatch(t.get_text()))
    if len(TEXTS[text]) < 25 and TEXTS[text].isprintable() and TEXTS[text].strip():
        assert any(TEXTS[text] in t.get_text() for t in shown)


def test_powers_of_ten_beside_an_axis_stay_powers(drawn):
    plots.plot_lr_range(RATES)
    labels = drawn[0].axes[0].get_xticklabels()
    assert any(label.get_parse_math() and "10^" in label.get_text() for label in labels)


def test_ones_own_figures_may_hold_formulas(drawn):
    fig, axis = plt.subplots()
    axis.set_title("$x^2$")
    plots.show_figure(fig, "A formula.")
    assert axis.title.get_parse_math()


def test_a_figure_that_cannot_be_drawn_is_closed_all_the_same():
    fig, axis = plt.subplots()
    axis.set_title(r"$\nosuch$")
    with pytest.raises(ValueError, match="nosuch"):
        plots.show_figure(fig, "No formula.")
    assert not plt.get_fignums()


def test_in_a_notebook_no_text_becomes_markup(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    show_bundle({}, "Bars of <i>: <b>$a_1$</b> 1, &amp; 2.")
    (_, options), (sentence, _) = shown
    assert options["metadata"]["image/png"]["alt"] == sentence["text/plain"]
    assert sentence["text/html"] == "<p><em>Bars of &lt;i&gt;: &lt;b&gt;$a_1$&lt;/b&gt; 1, &amp;amp; 2.</em></p>"
