"""Images per second of the loader, beside the usual way, on 5,000 JPEGs; augmentation included.

    python tests/benchmarks/loader.py            # 5,000 images, both with the same changes to each image

The usual way is `ImageFolder`, torchvision's transforms image by image and PyTorch's DataLoader, with 0 and 2 workers.
Ours decodes each file once (`load_folder`, timed apart) and then cuts augmented batches from memory. A round is a
whole epoch; rounds of all ways take turns and the best of each counts, so that other work on the machine hurts all
alike. One thread computes (a worker never has more), unless you ask for others. If kornia is installed, its batched
augmentation stands beside ours.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from emotion_utils.data import EMOTIONS, Augment, FaceDataset, load_folder
from emotion_utils.data.pixels import to_unit

BATCH = 128


def write_faces(folder: Path, count: int) -> None:
    """Write blurred noise, 48×48 grey JPEGs of about the size of a FER2013 export, into a folder per emotion."""
    noise = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    smooth = (torch.nn.functional.interpolate(noise, size=48, mode="bicubic") * 255).clamp(0, 255).to(torch.uint8)
    for number, image in enumerate(smooth[:, 0].numpy()):
        place = folder / EMOTIONS[number % len(EMOTIONS)]
        place.mkdir(exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.jpg", quality=90)


def usual(folder: Path, workers: int) -> DataLoader:
    """Build the loader that most tutorials use, with the changes that `Augment()` makes."""
    change = v2.Compose(
        [
            v2.Grayscale(),
            v2.PILToTensor(),
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(10, translate=(0.08, 0.08), scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5], [0.25]),
        ]
    )
    return DataLoader(
        ImageFolder(folder, change), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


def epoch(loader: DataLoader) -> None:
    """Run through all batches."""
    for images, _ in loader:
        assert images.shape[1:] == (1, 48, 48)


def kornia_epoch(dataset: FaceDataset) -> Callable[[], None] | None:
    """Return an epoch with kornia's augmentation in the place of ours, or None without kornia."""
    try:
        import kornia.augmentation as kornia
    except ImportError:
        return None
    change = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(10.0, translate=(0.08, 0.08), scale=(0.9, 1.1), padding_mode="border", p=1.0),
        kornia.RandomBrightness((0.8, 1.2), p=1.0),
        kornia.RandomContrast((0.8, 1.2), p=1.0),
        data_keys=["input"],
    )

    class Kornia(FaceDataset):
        def __init__(self) -> None:
            self.__dict__.update(dataset.__dict__)
            self.augment = lambda images, *_: change(images)

    loader = Kornia().loader(BATCH, shuffle=True)
    return lambda: epoch(loader)


def main() -> None:
    """Print the speed of each way, and how many times as fast ours is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_faces(folder, options.images)
        start = time.perf_counter()
        dataset = load_folder(folder)
        once = time.perf_counter() - start
        ours = dataset.with_augment(Augment()).loader(BATCH, shuffle=True)
        plain = dataset.loader(BATCH, shuffle=True)
        ways: dict[str, Callable[[], None]] = {
            "ours": lambda: epoch(ours),
            "ours, not augmented": lambda: epoch(plain),
        }
        if kornia := kornia_epoch(dataset):
            ways["ours, augmented by kornia"] = kornia
        for workers in (0, 2):
            loader = usual(folder, workers)
            ways[f"ImageFolder, {workers} workers"] = lambda loader=loader: epoch(loader)
        seconds = {name: float("inf") for name in ways}
        for _ in range(options.rounds):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    print(f"{options.images:,} JPEGs of 48×48, batches of {BATCH}, {torch.get_num_threads()} threads")
    print(f"decoding all files once: {once:.2f} s ({options.images / once:,.0f} images/s)")
    print(f"{'epoch':28}{'images/s':>12}{'ours is … times as fast':>26}")
    for name, value in seconds.items():
        print(f"{name:28}{options.images / value:>12,.0f}{value / seconds['ours']:>26.1f}")
    images, index = to_unit(dataset.images[:BATCH]), torch.arange(BATCH)
    start = time.perf_counter()
    for number in range(20):
        Augment()(images, index, 0, number)
    print(f"augmentation alone: {20 * BATCH / (time.perf_counter() - start):,.0f} images/s")


if __name__ == "__main__":
    main()
