"""What waiting threads cost: milliseconds a step, or seconds a notebook, on an idle machine and on one that is busy.

    python tests/benchmarks/threads.py                                   # the default of the runtime, and ours
    python tests/benchmarks/threads.py --settings default passive GOMP_SPINCOUNT=1000
    python tests/benchmarks/threads.py --network FaceNet --precision bf16 --predict
    python tests/benchmarks/threads.py --notebook 03 05 --rounds 1       # minutes

PyTorch shares a step out to all cores and waits for the slowest. OpenMP, which it does that with, lets a thread that
waits spin for a while, so that it loses no time when the next piece of work comes. Where something else wants the core,
the spinning thread takes it from the very thread that it waits for. Each setting is a process of its own, as the
environment is read when PyTorch is loaded. They take turns, in every round in another order; "busy" is with one
process beside them that counts for ever. Both memory layouts take turns within a process.

Times: median over the rounds, and their range. `x` beside a number is the ratio to the first setting.
"""

import argparse
import importlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
READ_BY_OPENMP = ("OMP_", "GOMP_", "KMP_")
NAMED = {
    "default": {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"},  # said aloud, so that the package leaves it alone
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "ours": {},
}
LAYOUTS = ("channels last", "channels first")
Times = dict[tuple[str, str, str], list[float]]  # (setting, idle or busy, what) to seconds, one for each round


def steps(network: str, precision: str, predict: bool, seconds: float = 1.0) -> dict[str, float]:
    """Measure one step on 128 images with each layout: the median in seconds. Runs in a process of its own."""
    sys.path.insert(0, str(REPOSITORY))
    importlib.import_module("emotion_utils")  # before PyTorch: it says how threads wait, unless the setting does
    import torch

    import emotion_utils.models as models

    torch.manual_seed(0)
    images, labels = torch.randn(128, 1, 48, 48), torch.arange(128) % 7
    runs, times = {}, defaultdict(list)
    for layout in LAYOUTS:
        form = torch.channels_last if layout == LAYOUTS[0] else torch.contiguous_format
        # Predicting, the weights stay as they were loaded: images alone decide how the network computes.
        model = getattr(models, network)().train(not predict)
        model = model if predict else model.to(memory_format=form)
        runs[layout] = model, images.to(memory_format=form)

    def step(model: torch.nn.Module, given: torch.Tensor) -> None:
        with torch.set_grad_enabled(not predict), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(model(given), labels)
        if predict:
            return
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.01 * parameter.grad
                parameter.grad = None

    for turn in range(4):  # the first one warms up
        for layout, run in runs.items():
            end = time.perf_counter() + seconds / 3
            while time.perf_counter() < end:
                begun = time.perf_counter()
                step(*run)
                times[layout] += [time.perf_counter() - begun] if turn else []
    return {layout: statistics.median(values) for layout, values in times.items()}


def notebook(number: str) -> dict[str, float]:
    """Run a notebook; give its seconds, the start of the kernel included. Runs in a process of its own."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "tools"))
    import nbformat
    from notebook import NOTEBOOKS, execute, find

    (path,) = find(NOTEBOOKS, number, "lessons", ".ipynb")
    book = nbformat.read(path, as_version=4)
    begun = time.perf_counter()
    execute(book, path.parent)
    return {path.stem: time.perf_counter() - begun}


def environment(setting: str) -> dict[str, str]:
    """Give the environment of a setting: a name of NAMED, or NAME=VALUE, several with commas between them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_OPENMP)}
    given = NAMED.get(setting)
    if given is None:
        given = dict(pair.split("=", 1) for pair in setting.split(","))
    return kept | given


@contextmanager
def load(busy: bool) -> Iterator[None]:
    """Keep one core busy for a while, or none."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        yield
    finally:
        if other is not None:
            other.kill()
            other.wait()


def measure(options: argparse.Namespace) -> Times:
    """Let the settings take turns."""
    times: Times = defaultdict(list)
    for turn in range(options.rounds):
        first = turn % len(options.settings)
        order = options.settings[first:] + options.settings[:first]
        for state, setting, task in itertools.product(options.states, order, options.notebook or [""]):
            child = [sys.executable, __file__, *sys.argv[1:], "--child", setting, task]
            with load(state == "busy"):
                done = subprocess.run(child, env=environment(setting), stdout=subprocess.PIPE, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(setting, state, found, file=sys.stderr, flush=True)
            for what, seconds in found.items():
                times[setting, state, what].append(seconds)
    return times


def show(times: Times, settings: list[str], unit: str) -> None:
    """Print a table: a row for each setting, columns for what was measured, idle and busy."""
    columns = list(dict.fromkeys((what, state) for _, state, what in times))
    print("| setting |", " | ".join(f"{what}, {state}, {unit}" for what, state in columns), "|")
    print("| --- |", " | ".join("---:" for _ in columns), "|")
    scale = 1000 if unit == "ms" else 1
    for setting in settings:
        cells = []
        for what, state in columns:
            values = [scale * value for value in times[setting, state, what]]
            first = scale * statistics.median(times[settings[0], state, what])
            middle = statistics.median(values)
            cells.append(f"{middle:.0f} ({min(values):.0f} to {max(values):.0f}) x{middle / first:.2f}")
        print(f"| {setting} |", " | ".join(cells), "|")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=["default", "ours"], help="names, or NAME=VALUE,NAME=VALUE")
    parser.add_argument("--states", nargs="+", choices=["idle", "busy"], default=["idle", "busy"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="EmotionCNN", help="a class of emotion_utils.models")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--predict", action="store_true", help="forwards only")
    parser.add_argument("--notebook", nargs="+", metavar="NN", help="seconds of these instead of steps")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        task = options.child[1]
        print(json.dumps(notebook(task) if task else steps(options.network, options.precision, options.predict)))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, {options.rounds} rounds\n")
    show(measure(options), options.settings, "s" if options.notebook else "ms")


if __name__ == "__main__":
    main()
