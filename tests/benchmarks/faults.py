"""What survives a kill? Processes are ended by SIGKILL at random moments, started again, and compared bit for bit.

    python tests/benchmarks/faults.py                    # 50 kills, some three minutes, offline
    python tests/benchmarks/faults.py --kills 500 --seed 1

Six kinds of work are killed in turn: training with checkpoints, drawing faces into the cache, reading FER2013's table
into the cache, downloading (from a slow server on this machine), saving weights again and again, and exporting to ONNX.
PyTorch takes some seconds to turn a network into a graph, and no file is open meanwhile. So exports are killed in the
second in which the first one writes its file, which its temporary folder tells. A trial kills a process once to three
times, each time going on from what the one before has left, then lets it end. After each kill,
what bears a final name must be whole; in the end, the result must have the same bits as that of an undisturbed run, and
nothing half-written may be left. Everything else is a loss, and printed. Unix only: processes are forked.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import onnx
import torch
import torch._dynamo  # PyTorch imports it with the first optimizer, which would be most of a short run

from emotion_utils.data import Augment, FaceDataset, load, sample_faces
from emotion_utils.data.download import fetch_fer2013
from emotion_utils.data.drawn_cache import draw_once
from emotion_utils.models import EmotionCNN, export_onnx
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.randomness import seed_everything
from emotion_utils.training import TrainConfig, train
from emotion_utils.training.checkpoint import load_checkpoint
from emotion_utils.training.history import History

WRITING = 0.04  # seconds in which an export writes its file
BODY = random.Random(0).randbytes(400_000)  # what the server sends


@dataclass
class Work:
    """One kind of work.

    Attributes:
        do: works in a folder, from the beginning or from what is left there; returns a text that tells the result.
        whole: raises an error if a file under its final name is not whole.
        begun: says whether it is at what is to be killed; the time to a kill counts from there, or from the start.
        kills, trials: how many there were.
        lost: what went wrong, a line each.
    """

    name: str
    do: Callable[[Path], str]
    whole: Callable[[Path], None]
    begun: Callable[[Path, set[Path]], bool] | None = None
    kills: int = 0
    trials: int = 0
    lost: list[str] = field(default_factory=list)


def digest(weights: dict[str, torch.Tensor]) -> str:
    """Tell weights apart by their bits."""
    return hashlib.sha256(b"".join(value.contiguous().numpy().tobytes() for value in weights.values())).hexdigest()


def learn(folder: Path) -> str:
    """Train a small network with all that has a state, or go on."""
    data = sample_faces(120, size=24, truth=False).divide((0.75, 0.25))
    seed_everything(0)
    model = EmotionCNN(widths=(4, 8), hidden=16, image_size=24)
    settings = {"average": 0.9, "augment": Augment(erase=0.5), "progress": False, "device": "cpu"}
    config = TrainConfig(epochs=8, batch_size=16, **settings)
    history = train(model, *data, config, run_dir=folder / "run", resume=True, checkpoint_every=2)
    written = History.from_csv(folder / "run" / "history.csv")
    best = load_checkpoint(folder / "run" / "best.pt")
    assert written.rows == history.rows, "history.csv is another history"
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return f"{digest(model.state_dict())} {digest(best['weights'])} {rows}"


def checkpoints_are_whole(folder: Path) -> None:
    """Read what is there."""
    for name in ("last.pt", "best.pt"):
        if (folder / "run" / name).exists():
            load_checkpoint(folder / "run" / name)
    if (folder / "run" / "history.csv").exists():
        History.from_csv(folder / "run" / "history.csv")


def draw(folder: Path) -> str:
    """Draw faces once, or read them from the cache."""
    drawn = draw_once("faces.npz", lambda: sample_faces(400), folder, name="faces", split="training")
    again = draw_once("faces.npz", not_needed, folder, name="faces", split="training")
    assert again.digest() == drawn.digest(), "the cache holds other faces"
    return drawn.digest()


def not_needed() -> FaceDataset:
    """Stand for work that a cache has spared."""
    raise AssertionError("the cache was not read")


def faces_are_whole(folder: Path) -> None:
    """Read what is there without drawing."""
    if (folder / "faces.npz").exists():
        draw_once("faces.npz", not_needed, folder, name="faces", split="training")


def write_table(folder: Path) -> None:
    """Write noise in the layout of fer2013.csv."""
    noise = random.Random(0)
    with open(folder / "fer2013.csv", "w") as file:
        file.write("emotion,pixels,Usage\n")
        for row in range(1500):
            usage = "Training" if row < 1200 else "PublicTest" if row < 1350 else "PrivateTest"
            file.write(f"{row % 7},{' '.join(map(str, noise.randbytes(48 * 48)))},{usage}\n")


def read_table(folder: Path) -> str:
    """Read a table, the second time from the cache that the first has made."""
    if not (folder / "fer2013.csv").exists():
        os.link(folder.parent / "fer2013.csv", folder / "fer2013.csv")
    return " ".join(load("fer2013", "training", data_dir=folder, verbose=False).digest() for _ in range(2))


def table_is_whole(folder: Path) -> None:
    """See that what was copied has its size; the cache is checked by what is read from it."""


def download(folder: Path) -> str:
    """Fetch what the server has."""
    path = fetch_fer2013(folder, os.environ["FAULTS_URL"], hashlib.md5(BODY).hexdigest(), verbose=False)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download_is_whole(folder: Path) -> None:
    """See that the file under its final name is the server's."""
    path = folder / "fer2013.tar.gz"
    assert not path.exists() or path.read_bytes() == BODY, "half a download bears the final name"


def save_often(folder: Path) -> str:
    """Save forty networks under one name, one after another."""
    for number in range(40):
        torch.manual_seed(number)
        save_weights(EmotionCNN(widths=(16, 32)), folder / "weights.safetensors", {"number": number})
    return digest(load_weights(folder / "weights.safetensors").state_dict())


def weights_are_whole(folder: Path) -> None:
    """Read the network that is there, and see that its weights are those of its number."""
    if (folder / "weights.safetensors").exists():
        load_weights(folder / "weights.safetensors")


def export(folder: Path) -> str:
    """Export a network with 7 million weights under a name that another network may bear."""
    model = EmotionCNN(widths=(64, 256), hidden=192)
    torch.manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_()
    return digest(weights_in(export_onnx(model, folder / "network.onnx")))


def weights_in(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights from an ONNX file, after ONNX's own check of it."""
    network = onnx.load(path)
    onnx.checker.check_model(network)
    return {each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in network.graph.initializer}


def export_is_whole(folder: Path) -> None:
    """Read the file that is there."""
    if (folder / "network.onnx").exists():
        weights_in(folder / "network.onnx")


def export_is_being_written(folder: Path, kept: set[Path]) -> bool:
    """Say whether a temporary folder is there that was not `kept` from before: for a few hundredths of a second."""
    return any(path.name.endswith(".part") for path in set(folder.iterdir()) - kept)


class Slowly(BaseHTTPRequestHandler):
    """Sends the file in small pieces, half a second long."""

    def do_GET(self) -> None:  # the name that the library wants
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        for start in range(0, len(BODY), 8192):
            try:
                self.wfile.write(BODY[start : start + 8192])
            except OSError:
                return  # the other side was killed
            time.sleep(0.01)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def slow_server() -> Iterator[None]:
    """Serve on this machine alone, and name the address in the environment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slowly)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["FAULTS_URL"] = f"http://127.0.0.1:{server.server_port}/fer2013.tar.gz"
    try:
        yield
    finally:
        server.shutdown()


def start(work: Callable[[Path], object], folder: Path) -> tuple[int, int]:
    """Fork a process that works in a folder; give its number and the end of a pipe from which its result comes."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    os.close(reading)
    try:
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        torch.set_num_threads(1)
        text = str(work(folder))
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
    os.write(writing, text.encode()[:60_000])
    os._exit(0)


def lives(process: int) -> bool:
    """Say whether a process still works; its end stays to be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def finish(process: int, reading: int) -> str:
    """Wait for a process, and give its result."""
    with open(reading, "rb") as file:
        text = file.read().decode()
    os.waitpid(process, 0)
    return text


def half_written(folder: Path) -> list[str]:
    """List what killed processes left and nobody removed."""
    return [
        path.name for path in folder.rglob("*") if path.name.endswith((".part", ".tmp")) or ".previous" in path.name
    ]


def trial(work: Work, folder: Path, wanted: str, seconds: float, most: int, dice: random.Random) -> None:
    """Kill a process up to three times, let the last one end, and compare."""
    for _ in range(min(dice.randint(1, 3), most)):
        kept = set(folder.iterdir())  # what an earlier kill has left is no sign of this one's work
        process, reading = start(work.do, folder)
        while work.begun and not work.begun(folder, kept) and lives(process):
            time.sleep(0.0005)
        time.sleep(dice.uniform(0, WRITING if work.begun else seconds))
        ended, _ = os.waitpid(process, os.WNOHANG)
        if ended:  # before its time; the next one finds a finished work
            os.close(reading)
            continue
        os.kill(process, signal.SIGKILL)
        finish(process, reading)
        work.kills += 1
        if (seen := finish(*start(work.whole, folder))) != "None":
            work.lost.append(f"after kill {work.kills}: {seen[:200]}")
            return
    result = finish(*start(work.do, folder))
    if result != wanted:
        work.lost.append(f"after kill {work.kills}: the result is {result[:200]}")
    elif left := half_written(folder):
        work.lost.append(f"after kill {work.kills}: left {left}")


def main() -> int:
    """Measure the undisturbed runs, kill, compare, and print a line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how many, over all kinds of work (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    options = parser.parse_args()
    dice, begun = random.Random(options.seed), time.perf_counter()
    works = [
        Work("training", learn, checkpoints_are_whole),
        Work("drawing into the cache", draw, faces_are_whole),
        Work("FER2013's table into the cache", read_table, table_is_whole),
        Work("downloading", download, download_is_whole),
        Work("saving weights", save_often, weights_are_whole),
        Work("exporting to ONNX", export, export_is_whole, export_is_being_written),
    ]
    with tempfile.TemporaryDirectory() as scratch, slow_server():
        write_table(Path(scratch))
        export(Path(scratch))  # so that no process has to import all that PyTorch needs for it
        undisturbed = {}
        for work in works:
            folder = Path(tempfile.mkdtemp(dir=scratch))
            since = time.perf_counter()
            undisturbed[work.name] = finish(*start(work.do, folder)), time.perf_counter() - since
        while (left := options.kills - sum(work.kills for work in works)) > 0:
            work = min(works, key=lambda work: work.trials * (4 if work.begun else 1))  # exports take long
            work.trials += 1
            folder = Path(tempfile.mkdtemp(dir=scratch))
            trial(work, folder, *undisturbed[work.name], left, dice)
            shutil.rmtree(folder)
    for work in works:
        survived = work.trials - len(work.lost)
        print(
            f"{work.name:32} {work.kills:3} kills in {work.trials:2} trials: {survived} survived, {len(work.lost)} lost"
        )
        print("".join(f"    {line}\n" for line in work.lost), end="")
    print(f"{sum(work.kills for work in works)} kills, {time.perf_counter() - begun:.0f} s, seed {options.seed}")
    return int(any(work.lost for work in works))


if __name__ == "__main__":
    sys.exit(main())
