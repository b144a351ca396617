"""Widgets in headless Chromium: on a bare page with a stand-in for the kernel, and in JupyterLab with a real one."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from places import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
PATIENCE = 90_000  # milliseconds; a busy machine takes long to start a browser and a kernel
# Their modules, and where a notebook opens. Both are the same application, `window.jupyterapp`, with another shell.
FRONT_ENDS = {"jupyterlab": ("LabApp", "lab/tree"), "notebook": ("JupyterNotebookApp", "notebooks")}
# What anywidget gives to a widget's JavaScript, without a kernel behind it.
STAND_IN = """
window.standIn = (state) => {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) { state[name] = value; },
    async save_changes() {
      this.saves = (this.saves ?? 0) + 1;
      if (window.kernelHearsState) this.arrive(await kernelHearsState(state));
    },
    say(content, parts = []) {
      listeners["msg:custom"]?.forEach((act) => act(content, revive(parts)));
    },
    async send(content, _callbacks, buffers = []) {
      (this.sent ??= []).push(content);
      const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (c) => String.fromCharCode(c)).join(""));
      if (!window.kernelHears) return;
      for (const [said, parts] of await kernelHears(content, buffers.map(text))) this.say(said, parts);
    },
    on(name, act) { (listeners[name] ??= new Set()).add(act); },
    off(name, act) { listeners[name]?.delete(act); },
    arrive(values) {
      Object.assign(state, revive(values));
      for (const name of Object.keys(values)) listeners[`change:${name}`]?.forEach((act) => act());
    },
    listeners: () => Object.values(listeners).reduce((sum, set) => sum + set.size, 0),
  };
};
window.revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (!value || typeof value !== "object") return value;
  if (value.__bytes !== undefined) {
    return new DataView(Uint8Array.from(atob(value.__bytes), (letter) => letter.charCodeAt(0)).buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, revive(part)]));
};
"""
OPEN = """async ([source, state]) => {
  window.made = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  window.model = standIn(revive(state));
  window.close_widget = made.default.render({ model, el: document.getElementById("widget") });
}"""


def as_json(value: Any) -> Any:
    """Turn a widget's state to what JSON can hold; bytes are marked as such."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"__bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dict):
        return {str(name): as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value


@contextmanager
def bare_page(browser: Any, widget: Any, width: int = 1000, kernel: bool = False, **context: Any) -> Iterator[Any]:
    """Open a widget on a page of its own; errors of its JavaScript fail the test.

    With `kernel`, the widget itself hears what the browser says, and its answers arrive. `context` is what Playwright
    takes for a new page, such as `permissions=["camera"]`.
    """
    page, errors = browser.new_page(viewport={"width": width, "height": 900}, **context), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE)
    blank = "<!doctype html><div id='widget'></div>"
    page.route("https://widget.test/", lambda route: route.fulfill(body=blank, content_type="text/html"))
    page.goto("https://widget.test/")  # nowhere; browsers ask for cameras only where a page has a safe address
    if kernel:
        _connect(page, widget)
    page.add_style_tag(content=str(widget._css))
    page.evaluate(STAND_IN)
    page.evaluate(OPEN, [str(widget._esm), as_json(widget.get_state())])
    yield page
    page.close()
    assert not errors


def _connect(page: Any, widget: Any) -> None:
    """Let a widget hear what the page says, as a kernel would, and the page what it answers."""
    changed, said = {}, []
    names = [
        name for name in widget.keys if not name.startswith(("_model", "_view", "_dom", "_esm", "_css", "_anywidget"))
    ]
    widget.observe(lambda change: changed.update({change["name"]: True}), names=names)
    widget.send = lambda content, buffers=None: said.append([content, as_json(list(buffers or []))])

    def hear_state(state: dict[str, Any]) -> dict[str, Any]:
        changed.clear()
        widget.set_state({name: state[name] for name in names if _is_plain(state.get(name))})
        return as_json(widget.get_state(list(changed)))

    def hear(content: Any, texts: list[str]) -> list:
        said.clear()
        widget._handle_custom_msg(content, [memoryview(base64.b64decode(text)) for text in texts])
        return list(said)

    page.expose_function("kernelHearsState", hear_state)
    page.expose_function("kernelHears", hear)


def _is_plain(value: Any) -> bool:
    """Whether a part of the state can come back from the browser: bytes, which are not changed there, do not."""
    return isinstance(value, bool | int | float | str) or (isinstance(value, list) and all(map(_is_plain, value)))


@contextmanager
def jupyterlab(home: Path, cells: list[str], front_end: str = "jupyterlab") -> Iterator[str]:
    """Start JupyterLab, or Notebook 7, on the folder `home/work` with one notebook; yield that notebook's address."""
    application, place = FRONT_ENDS[front_end]
    work = home / "work"
    work.mkdir()
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [nbformat.v4.new_code_cell(source.strip()) for source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernelspec}), work / "lab.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests"))),
        "IPYTHONDIR": str(home / "ipython"),
        "OMP_NUM_THREADS": "1",
        **{f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [
        "--IdentityProvider.token=test",
        f"--{application}.expose_app_in_browser=True",
        "--LabApp.news_url=None",
    ]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (home / "jupyter.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", front_end, *options],
            cwd=work, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token=test", server, home / "jupyter.log")
            yield f"http://127.0.0.1:{port}/{place}/lab.ipynb?token=test"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(PATIENCE // 250):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()}")


def run_all(page: Any, address: str) -> None:
    """Open the notebook and run all of its cells."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def until(page: Any, holds: Callable[[], bool]) -> None:
    """Wait until something holds in Python, while the page goes on working."""
    for _ in range(PATIENCE // 25):
        if holds():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it never holds")


def take(page: Any, name: str) -> None:
    """Keep a screenshot in the folder that `WIDGET_SCREENSHOTS` names, to be looked at."""
    folder = os.environ.get("WIDGET_SCREENSHOTS")
    if folder:
        page.screenshot(path=os.path.join(folder, f"{name}.png"))
