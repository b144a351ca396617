"""Our own entry in the challenge: found by a random search on validation faces, entered once. Notebook 07 shows it.

    python tests/benchmarks/our_entry.py    # some minutes on one core; writes notebooks/results/league.json

Six designs are drawn at random and rehearsed for four epochs each. The best of them by validation accuracy is
trained for three times as long with gentle augmentation, and entered; nothing else was tried. Beside it stands a plain
entry, notebook 07's base with eight epochs. The best of six by 1,000 faces is cursed a little; and four epochs favour
designs that learn fast. Both are ways to beat it.
"""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

from emotion_utils.challenge import League, Rules, enter, merge_files, rehearse
from emotion_utils.data import Augment
from emotion_utils.models import EmotionCNN
from emotion_utils.training import TrainConfig, seed_everything

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "league.json"
EPOCHS, DESIGNS = 4, 6


def draw(dice: random.Random) -> tuple[dict, dict]:
    """Draw a network and its training."""
    width = dice.choice((8, 10, 12))
    network = {
        "widths": (width, 2 * width, 4 * width),
        "kernel": dice.choice((3, 5)),
        "activation": dice.choice(("relu", "gelu")),
        "hidden": dice.choice((0, 16)),
        "dropout": dice.choice((0.0, 0.2)),
    }
    training = {
        "batch_size": dice.choice((16, 32)),
        "learning_rate": float(f"{10 ** dice.uniform(-2.2, -1.4):.2g}"),
        "label_smoothing": dice.choice((0.0, 0.1)),
    }
    return network, training


def build(network: dict) -> EmotionCNN:
    """Build a network with seed 0."""
    seed_everything(0)
    return EmotionCNN(**network)


def main() -> None:
    """Search, then enter."""
    dice, found = random.Random(0), []
    while len(found) < DESIGNS:
        network, training = draw(dice)
        if sum(each.numel() for each in build(network).parameters()) > Rules().parameters:
            continue
        plan = TrainConfig(epochs=EPOCHS, **training, progress=False)
        rehearsal = rehearse(build(network), plan)
        print(network, training, rehearsal, sep="\n  ", flush=True)
        found.append((rehearsal.accuracy, network, plan))
    accuracy, network, plan = max(found, key=lambda one: one[0])
    print(f"best by validation: {accuracy:.1%}", network)
    longer = replace(plan, epochs=3 * EPOCHS, augment=Augment(rotate=5, shift=0.05))
    plain = {"widths": (8, 16, 32), "hidden": 16, "dropout": 0.0}
    usual = TrainConfig(epochs=8, batch_size=32, learning_rate=0.03, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        enter(build(network), "our entry", longer, folder=folder)
        enter(build(plain), "plain", usual, folder=folder)
        league, _ = merge_files([Path(folder) / "league.json"])
    print(League(league.entries).write(RESULTS), league, sep="\n")


if __name__ == "__main__":
    main()
