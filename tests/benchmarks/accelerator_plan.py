"""What a quarter of an hour on a GPU is spent on: the best network under two million parameters, found and trained.

    python tests/benchmarks/accelerator_plan.py --data data/fer2013 --out runs/plan --minutes 13
    … --minutes 9.3 --later 3                              # now 9.3 minutes; another call of 3 will go on
    … --device cpu --limit 420 --epochs 1 --shrink 8 --batch 32 --views 2       # a rehearsal, two minutes on one core

It learns FER2013's Training images, and is judged on the tenth of them that the package's loader carves off as
validation. PublicTest is not looked at. `--data` holds `training.webp` and `training-labels.u8` (Training as one grey
mosaic, and a byte for each label), or FER2013 as the package's loader takes it.

Stages, in this order, each with its share of the time. A share that is not used goes to the stages after it.

1. `shapes` (13 %, at most 100 epochs). Networks whose first layers see all 48 × 48 pixels, of residual and plain (VGG)
   blocks. *Rule*: the best accuracy with the mirror image on the held-out tenth; of those within half a standard
   error of it (paired, on the same images), the fewest multiply-adds.
2. `teachers` (42 %, at most 60 epochs). The chosen shape, three times as wide, five times, each without a fifth of the
   nine tenths. A teacher judges 32 views of the images that it has not learnt. *Rule*: none, all five are used.
3. `students` (20 %, at most 250 epochs). The chosen shape: alone, with 70 % of the teachers' probabilities in the
   targets, and so with more kinds of framing (scale 0.75 to 1.3). *Rule*: of the first two, the best mean of the
   accuracies with one view and with the mirror image on the held-out tenth; if that is the second, the third takes its
   place where it costs no more than half a standard error and raises the mean accuracy on zoomed faces.
4. `final` (25 %, at most 250 epochs). The winner with three seeds on all of Training, held-out tenth included, with a
   fixed schedule; the last averaged weights count. *Rule*: the first seed ships, and all three are reported.

The recipe is that of `train fer2013 --preset first`; only epochs, shape, targets and framing change. Images a second
are measured before each stage, and decide its epochs; nothing else does. On a GPU, the script first trains a small
network for a few steps: one kernel after the other, as a CUDA graph, and with several networks at once. It goes on in
the fastest way that leads to the same weights; `--no-graphs` keeps to the first.

Each network is written as soon as it is done; called again with the same folder, the script goes on with what is
missing. It ends before its minutes are over, counted from the moment when everything is loaded. In `--out`:

* `results.json`: settings, speeds, a row for each network (arguments of `StemNet`, epochs, images a second, accuracies,
  the class predicted for each held-out image), what was chosen, and the log.
* `shape.safetensors`, `student.safetensors`, `final-0.safetensors` and so on: weights, 8 MB each. They are read by
  `load_weights(path, factory=StemNet)`, with `StemNet` from `tests/benchmarks/accelerator/networks.py`.
* `teachers.npz`: the teachers' probabilities for all of Training, float16 `(28709, 7)`, each by teachers that had not
  learnt the image; which fold it was in (-1: held out, judged by all); and what each said of the held-out tenth.
"""

import argparse
import hashlib
from pathlib import Path

from accelerator.bench import Bench, Settings
from accelerator.faces import read_faces
from accelerator.ledger import Ledger
from accelerator.stages import run


def main() -> None:
    """Read the images and run what is missing; exit status 3 if another call is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with training.webp, or with FER2013")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is found, and to go on from")
    parser.add_argument("--minutes", type=float, default=13, help="that this call may take")
    parser.add_argument("--later", type=float, default=0, help="minutes that later calls will have")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-graphs", action="store_true", help="record no CUDA graphs")
    parser.add_argument("--at-once", type=int, help="networks that train together (default: the fastest number)")
    parser.add_argument("--limit", type=int, help="so many images only, for a rehearsal")
    parser.add_argument("--epochs", type=int, help="at most so many in each stage")
    parser.add_argument("--batch", type=int, default=128, help="images per step")
    parser.add_argument("--shrink", type=float, default=1, help="divide all channels, for a rehearsal")
    parser.add_argument("--views", type=int, default=32, help="of each image, for teachers to judge")
    options = parser.parse_args()
    settings = Settings(
        minutes=options.minutes,
        later=options.later,
        epochs=options.epochs,
        batch=options.batch,
        shrink=options.shrink,
        views=options.views,
        at_once=options.at_once,
        device=options.device,
        graphs=not options.no_graphs,
    )
    faces = read_faces(options.data, options.limit)
    content = hashlib.sha256(faces.images.numpy().tobytes()).hexdigest()[:16]
    ledger = Ledger(options.out, settings.deciding() | {"images": len(faces.images), "content": content})
    raise SystemExit(0 if run(Bench(faces, ledger, settings)) is None else 3)


if __name__ == "__main__":
    main()
