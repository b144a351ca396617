"""What do live curves cost? Seconds within the watcher, as a share of a training run in a notebook's kernel.

    python tests/benchmarks/watching.py            # about 30 s of training in each round, three rounds
    python tests/benchmarks/watching.py --epochs 2 --rounds 1

A small network learns drawn faces, with live curves and without, in turns. Counted are the seconds of all calls while
the run goes on (those of the frames are the larger part) and, apart, the finished figure, which a notebook would draw
anyway. The difference of whole runs stands beside it: on a busy machine it varies by more than the curves cost.
"""

import argparse
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

REPOSITORY = Path(__file__).resolve().parents[2]
CELL = """
import time
from emotion_utils.data import load_splits
from emotion_utils.models import EmotionCNN
from emotion_utils.training import TrainConfig, train
from emotion_utils.widgets import LiveCurves

class Timed:
    shows_progress = True
    def __init__(self):
        self.live, self.seconds, self.calls = LiveCurves(), {"step": 0.0, "epoch": 0.0, "end": 0.0}, 0
    def __call__(self, moment):
        begun = time.perf_counter()
        self.live(moment)
        self.seconds[moment.kind] += time.perf_counter() - begun
        self.calls += 1

train_set, val_set, _ = load_splits("synthetic", limit=2000)
for number in range(ROUNDS):
    seconds = {}
    for name in ("without", "with"):
        timed = Timed() if name == "with" else None
        begun = time.perf_counter()
        train(EmotionCNN(), train_set, val_set, TrainConfig(epochs=EPOCHS, progress=False, watch=timed))
        seconds[name] = time.perf_counter() - begun
    end = timed.seconds.pop("end")
    during = sum(timed.seconds.values())
    print(f"round {number + 1}: {seconds['without']:.1f} s without, {seconds['with'] - end:.1f} s with; "
          f"{timed.live.frames} frames, {timed.calls} calls, {1000 * during:.0f} ms = "
          f"{during / seconds['with']:.2%} of the run; the finished figure {end:.2f} s")
"""


def main() -> None:
    """Run the rounds in a kernel and print what they print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="how many times both ways take turns")
    options = parser.parse_args()
    source = CELL.replace("ROUNDS", str(options.rounds)).replace("EPOCHS", str(options.epochs))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    NotebookClient(notebook, timeout=3600, kernel_name="python3").execute(env=env)
    print("".join(output.get("text", "") for output in notebook.cells[0].outputs if output.get("name") == "stdout"))


if __name__ == "__main__":
    main()
