"""How often do FER2013's labels agree with the crowd of FER+, class by class?

    EMOTION_DATA_DIR=… python tests/benchmarks/label_noise.py

Ten people voted on each image (Barsoum et al. 2016). Writes notebooks/results/label_noise.json, which notebook 09
reads: for Training and for PublicTest, the share of images whose label got most votes (a tie counts as agreement), and
of each class of FER2013's labels as well. Votes for contempt, "unknown" and "no face" count: where they are the most,
no label of the seven agrees.
"""

import json
from pathlib import Path

import torch

from emotion_utils.data import FaceDataset, load
from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.data.ferplus import FERPLUS_COLUMNS, load_ferplus_votes
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.files import atomic_write

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "label_noise.json"


def agreement(dataset: FaceDataset) -> dict:
    """Compare the labels with the votes' winner: shares, over all images and for each class."""
    votes = load_ferplus_votes(dataset)  # (N, 10)
    columns = torch.tensor([[label_of(name) for name in FERPLUS_COLUMNS].index(label) for label in range(7)])
    agrees = votes.gather(1, columns[dataset.labels][:, None])[:, 0] == votes.max(1).values
    by_class = {name: agrees[dataset.labels == label].float().mean().item() for label, name in enumerate(EMOTIONS)}
    return {"images": len(dataset), "agree": agrees.float().mean().item(), "by_class": by_class}


def main() -> None:
    """Measure both parts and write the file."""
    found = {"Training": agreement(load_all_training()), "PublicTest": agreement(load("fer2013", "test"))}
    with atomic_write(RESULTS) as part:
        part.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
