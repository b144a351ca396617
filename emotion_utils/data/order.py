"""The order in which an epoch visits the images of a data set."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from emotion_utils.errors import check_whole
from emotion_utils.randomness import permutation, stream_key


class EpochOrder(Sampler[int]):
    """A shuffled order that is a function of `(seed, dataset.epoch)`, so a resumed run sees what it would have seen.

    `dataset` is a `FaceDataset`, or anything else that has a length and an `epoch`.
    """

    def __init__(self, dataset: Any, seed: int = 0) -> None:
        self.dataset, self.seed = dataset, check_whole(seed=seed)

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        key = stream_key(self.seed, "order", self.dataset.epoch)
        return iter(permutation(key, len(self.dataset)).tolist())
