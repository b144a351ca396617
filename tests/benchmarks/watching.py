"""What do live curves cost? Seconds within the watcher, as a share of a training run in a notebook's kernel.

    python tests/benchmarks/watching.py            # three rounds, each printed when it ends
    python tests/benchmarks/watching.py --epochs 2 --rounds 1

A small network learns drawn faces, with live curves and without, in turns. Counted are the seconds of all calls while
the run goes on (those of the frames are the larger part) and, apart, the finished figure, which a notebook would draw
anyway. The difference of whole runs stands beside it: on a busy machine it varies by more than the curves cost.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from jupyter_client.manager import run_kernel

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
train(EmotionCNN(), val_set, val_set, TrainConfig(epochs=1, progress=False))  # what is measured and loaded once
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


def pass_on(message: dict) -> None:
    """Print at once what the kernel prints; the frames of the curves are not for a terminal."""
    content = message["content"]
    if message["msg_type"] == "stream":
        print(content["text"], end="", flush=True)
    elif message["msg_type"] == "error":
        print(*content["traceback"], sep="\n", file=sys.stderr)


def main() -> None:
    """Run the rounds in a kernel. One that is stopped, by Ctrl-C or a time limit, has printed the rounds before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="how many times both ways take turns")
    options = parser.parse_args()
    source = CELL.replace("ROUNDS", str(options.rounds)).replace("EPOCHS", str(options.epochs))
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    with run_kernel(kernel_name="python3", env=env) as client:
        reply = client.execute_interactive(source, output_hook=pass_on)
    if reply["content"]["status"] != "ok":
        sys.exit("The run failed; the lines above say where.")


if __name__ == "__main__":
    main()
