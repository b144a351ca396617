"""Convolution lab and network in headless Chromium: on bare pages, and once in JupyterLab with a kernel."""

import pytest
import torch
from torch import nn
from widget_pages import CHROMIUM, FLAGS, as_json, bare_page, jupyterlab, run_all, take

from emotion_utils.models.networks import EmotionCNN
from emotion_utils.widgets.convolution_lab import ConvolutionLab
from emotion_utils.widgets.network import NetworkView

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")
FACE = torch.rand(14, 11, generator=torch.Generator().manual_seed(0))
SETTINGS = [
    {"kernel": torch.randn(3, 3, generator=torch.Generator().manual_seed(1)), "bias": 0.3},
    {"kernel": torch.randn(5, 5, generator=torch.Generator().manual_seed(2)), "relu": True, "stride": 2, "padding": 3},
    {"kernel": "emboss", "dilation": 3, "padding": 2, "stride": 3},
    {"kernel": "blur", "padding": 4, "stride": 4},
    {"mode": "max", "pool_size": 3, "stride": 2, "padding": 1, "dilation": 2},
    {"mode": "max", "pool_size": 2, "stride": 2},
    {"mode": "average", "pool_size": 5, "stride": 3, "padding": 2},
]
MAP = "() => { const m = document.querySelector('.eu-lab').featureMap; return [m.height, m.width, [...m.values]]; }"
CELLS = [
    "from emotion_utils.models import EmotionCNN\nfrom emotion_utils.widgets import ConvolutionLab, NetworkView",
    "lab = ConvolutionLab()\nlab",
    "ConvolutionLab(mode='max', stride=2)",
    "view = NetworkView(EmotionCNN(widths=(4, 8)))\nview",
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def test_the_browser_computes_what_pytorch_does(browser):
    with bare_page(browser, ConvolutionLab(FACE)) as page:
        for settings in SETTINGS:
            lab = ConvolutionLab(FACE, **settings)
            names = ("bias", "relu", "stride", "padding", "dilation", "mode", "pool_size", "position")
            page.evaluate(
                "(values) => model.arrive(values)",
                {"kernel": lab.kernel.tolist()} | {name: getattr(lab, name) for name in names},
            )
            height, width, values = page.evaluate(MAP)
            torch.testing.assert_close(torch.tensor(values).view(height, width), lab.feature_map, atol=1e-4, rtol=0)


def test_the_lab_listens_to_keys_and_hands(browser):
    lab = ConvolutionLab(FACE, kernel="identity", position=(3, 3))
    with bare_page(browser, lab) as page:
        face, status = page.locator("canvas.eu-face"), page.locator(".eu-status")
        face.focus()
        face.press("ArrowRight")
        face.press("Shift+ArrowDown")
        assert "Row 8, column 4" in status.inner_text()
        face.press("Home")
        assert "column 0" in status.inner_text()
        page.wait_for_function("() => document.querySelector('.eu-spoken').textContent.includes('column 0')")
        box = face.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1, steps=3)
        page.mouse.up()
        assert "Row 0," in status.inner_text()
        page.wait_for_function("() => model.get('position')[0] === 0")


def test_the_lab_takes_weights_and_says_what_is_none(browser):
    with bare_page(browser, ConvolutionLab(FACE, kernel="identity")) as page:
        weight = page.get_by_label("weight in row 1, column 1", exact=True)
        weight.fill("1/4")
        weight.press("Enter")
        page.wait_for_function("() => model.get('kernel')[0][0] === 0.25")
        weight.press("ArrowDown")
        page.wait_for_function("() => Math.abs(model.get('kernel')[0][0] - 0.2) < 1e-6")
        weight.fill("<b>x")
        weight.press("Enter")
        assert "“<b>x” is no number" in page.locator(".eu-status").inner_text()
        assert page.get_by_role("button", name="your own").get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="blur").click()
        page.wait_for_function("() => Math.abs(model.get('kernel')[2][2] - 1 / 9) < 1e-6")
        page.get_by_role("button", name="your own").click()
        page.wait_for_function("() => Math.abs(model.get('kernel')[0][0] - 0.2) < 1e-6")
        page.get_by_label("Max pooling").check(force=True)
        page.wait_for_function("() => model.get('mode') === 'max' && model.get('stride') === 2")


def test_the_window_moves_by_itself_and_a_closed_lab_is_silent(browser):
    with bare_page(browser, ConvolutionLab(FACE, position=(0, 0)), width=380) as page:
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("() => !document.querySelector('.eu-status').textContent.includes('Row 0, column 0')")
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
        page.evaluate("() => close_widget()")
        saves = page.evaluate("() => model.saves")
        page.wait_for_timeout(400)
        assert page.evaluate("() => [model.listeners(), model.saves, document.querySelector('.eu-lab')]") == [
            0, saves, None,
        ]  # fmt: skip


def test_the_network_shows_names_as_text_and_follows_the_keyboard(browser):
    model = nn.Sequential()
    model.add_module("<img src=x onerror=alert(1)>", nn.Conv2d(1, 3, 3))
    model.add_module("pool", nn.MaxPool2d(2))
    model.add_module("flat", nn.Flatten())
    model.add_module("out", nn.Linear(3 * 23 * 23, 4))
    view = NetworkView(model, titles=[f"<i>{number}</i>" for number in range(7)])
    with bare_page(browser, view, width=420) as page:
        assert page.locator(".eu-lab img, .eu-lab i:not(.eu-bar i)").count() == 0
        blocks = page.get_by_role("listbox", name="blocks of the network").get_by_role("option")
        assert blocks.count() == 5
        assert "3 × 46 × 46" in blocks.nth(1).inner_text()
        blocks.nth(1).focus()
        blocks.nth(1).press("ArrowRight")
        assert page.evaluate("() => [model.get('selected'), model.get('step')]") == [2, 0]
        view.selected = 2
        page.evaluate("(maps) => model.arrive({ _maps: maps })", as_json(view.get_state("_maps")["_maps"]))
        assert "3 maps of 23 × 23 of <i>0</i>" in page.locator(".eu-status").inner_text()
        page.evaluate("() => close_widget()")
        assert page.evaluate("() => model.listeners()") == 0


def test_both_in_jupyterlab(browser, tmp_path):
    with jupyterlab(tmp_path, CELLS) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 3000})
        run_all(page, address)
        page.wait_for_selector(".eu-network .eu-block")
        assert page.locator(".eu-lab:not(.eu-network)").count() == 2
        face = page.locator("canvas.eu-face").first
        face.focus()
        face.press("Home")
        assert "column 0" in page.locator(".eu-status").first.inner_text()
        view = page.locator(".eu-network")
        view.get_by_role("option").nth(2).click()
        page.wait_for_function("() => document.querySelector('.eu-network').innerText.includes('4 maps of 24 × 24')")
        take(page, "windows_light")
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
        page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
        page.wait_for_timeout(500)
        take(page, "windows_dark")
        assert "Drag the orange window" in page.inner_text(".jp-Notebook")
        assert "One step of a convolution" not in page.inner_text(".jp-Notebook")
        assert (
            page.evaluate("""async () => {
            const context = window.jupyterapp.shell.currentWidget.context;
            await context.save();
            return Object.keys(context.model.toJSON().metadata).includes("widgets");
        }""")
            is False
        )
        page.close()


def test_the_first_network_of_the_series_opens(browser):
    with bare_page(browser, NetworkView(EmotionCNN())) as page:
        assert page.get_by_role("listbox", name="blocks of the network").get_by_role("option").count() == 10
