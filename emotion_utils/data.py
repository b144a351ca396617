"""One door to all data sets: drawn faces, FER2013, and your own folder of images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from emotion_utils import fer2013
from emotion_utils.dataset import EMOTIONS, FaceDataset, split

NAMES = ("synthetic", "fer2013")
SPLITS = ("training", "validation", "test")


def load(
    name: str | None = None,
    split: str = "training",
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> FaceDataset:
    """Load one split of a data set.

    Args:
        name: "synthetic" (drawn faces) or "fer2013" (photographs); None takes `EMOTION_DATA`, else "synthetic".
        split: "training", "validation" or "test".
        data_dir: where data lies; None takes `EMOTION_DATA_DIR`, else the repository's `data/`.
        limit: at most so many images, with the class balance of the whole split.
        seed: decides which images `limit` and the carving of FER2013 choose.
        verbose: show progress, and print the loader's notes.

    Raises:
        ValueError: an unknown name or split, or data that cannot be used.
        FileNotFoundError: FER2013 is not there; the message says how to get it.
    """
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
    name = _name(name)
    if name == "fer2013":
        dataset = fer2013.read_splits(_folder(data_dir), seed, verbose)[split]
    else:
        dataset = _load_synthetic(split, data_dir, verbose)
    return _finish(dataset, limit, seed, verbose)


def load_splits(name: str | None = None, **options: Any) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Load training, validation and test split; `options` are those of `load` (but for `split`)."""
    name = _name(name)
    if name != "fer2013":
        return tuple(load(name, split, **options) for split in SPLITS)
    unknown = set(options) - {"data_dir", "limit", "seed", "verbose"}
    if unknown:
        raise TypeError(f"load_splits does not know the option {', '.join(sorted(unknown))}; see load.")
    limit, seed, verbose = options.get("limit"), options.get("seed", 0), options.get("verbose", True)
    made = fer2013.read_splits(_folder(options.get("data_dir")), seed, verbose)  # one reading for all three
    return tuple(_finish(made[split], limit, seed, verbose and split == "training") for split in SPLITS)


def _name(name: str | None) -> str:
    name = name or os.environ.get("EMOTION_DATA") or "synthetic"
    if name not in NAMES:
        raise ValueError(
            f"There is no data set {name!r}; choose one of {', '.join(NAMES)} (as `name`, or in the environment "
            "variable EMOTION_DATA). For a folder of your own images use load_folder(path)."
        )
    return name


def _folder(data_dir: str | Path | None) -> Path | None:
    return None if data_dir is None else Path(data_dir).expanduser()


def _load_synthetic(split: str, data_dir: str | Path | None, verbose: bool) -> FaceDataset:
    from emotion_utils import synthetic  # here, because drawing faces needs imports that FER2013 does not

    return synthetic.load_split(split, data_dir=_folder(data_dir), progress=verbose)


def _finish(dataset: FaceDataset, limit: int | None, seed: int, verbose: bool) -> FaceDataset:
    if limit is not None:
        if limit < 1:
            raise ValueError(f"limit={limit} leaves no images; choose 1 or more, or None for all.")
        if limit < len(dataset):
            share = limit / len(dataset)
            dataset = dataset.subset(split(dataset.labels, [share, 1 - share], seed=seed)[0])
    if verbose:
        for note in dataset.notes:
            print(f"{dataset.name}: {note}.")
    return dataset


def to_grey(image: Image.Image, size: int | None = None) -> np.ndarray:
    """Turn a Pillow image of any mode into grey levels, uint8 `(size, size)`; None keeps the size.

    The photo is turned upright as its EXIF data says, the middle square is cut out, and transparent pixels become
    white. 16-bit images are scaled to 8 bits; Pillow's own conversion would cut them off at 255.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float32)
        white = 65535 if image.mode.startswith("I") else 1 if values.max() <= 1 else 255
        image = Image.fromarray((values / white * 255).clip(0, 255).astype(np.uint8))
    elif image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L")
    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def load_image(path: str | Path, size: int = 48) -> Tensor:
    """Read one image of any size, mode and format that Pillow knows: grey, uint8 `(1, 1, size, size)`.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ValueError: the file is not an image, or is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path.absolute()}. Check the name and the folder.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; load_image reads one file. load_folder reads folders.")
    try:
        with Image.open(path) as image:
            pixels = to_grey(image, size)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read. Change its permissions, or copy it elsewhere.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} is not a readable image ({error}). Open and save it anew, or leave it out."
        ) from error
    return torch.from_numpy(pixels.copy())[None, None]


def load_folder(path: str | Path, size: int = 48, classes: Sequence[str] | None = None) -> FaceDataset:
    """Read a folder with one sub-folder for each class, named as the class, into a data set.

    If all sub-folders have names of emotions, the classes are `EMOTIONS`, so that labels agree with those of trained
    models. Otherwise the classes are the sub-folders' names, sorted. Files that cannot be read are skipped and listed
    in `notes`. `divide` cuts the result into splits.

    Args:
        path: the folder.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; a sub-folder with another name is skipped.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        ValueError: no sub-folders, only one class, or not one readable image.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no folder {path.absolute()}. Check the name.")
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; load_folder wants a folder with one sub-folder for each class.")
    folders = {child.name: child for child in sorted(path.iterdir()) if child.is_dir() and child.name[0] not in "._"}
    if not folders:
        raise ValueError(
            f"{path} has no sub-folders. Make one for each class, such as {path / 'happy'}, with its images."
        )
    if set(folders) <= {"train", "training", "val", "valid", "validation", "test"}:
        raise ValueError(
            f"{path} holds splits ({', '.join(folders)}). Load each, as in load_folder({str(path)!r} + '/…')."
        )
    if classes is None:
        classes = EMOTIONS if len(folders) > 1 and set(folders) <= set(EMOTIONS) else tuple(folders)
        if len(classes) < 2:
            raise ValueError(
                f"{path} has only one class, {classes[0]!r}; a classifier needs two. Add a sub-folder, or name "
                "all classes, as in load_folder(path, classes=EMOTIONS)."
            )
    ignored = [name for name in folders if name not in classes]
    images, labels, names, skipped = [], [], [], []
    for label, title in enumerate(classes):
        for file in sorted(folders[title].iterdir()) if title in folders else []:
            if file.is_dir() or file.name.startswith("."):
                continue
            try:
                images.append(load_image(file, size))
            except (OSError, ValueError) as error:
                skipped.append(f"{title}/{file.name} ({error.__cause__ or error})")
                continue
            labels.append(label)
            names.append(f"{title}/{file.name}")
    notes = []
    if skipped:
        notes.append(f"{len(skipped)} files could not be read and were skipped: {'; '.join(skipped)}")
    if ignored:
        notes.append(f"sub-folders that are no class were skipped: {', '.join(ignored)}")
    if not images:
        raise ValueError(f"{path} holds no readable image in {', '.join(folders)}. {' '.join(notes)}")
    empty = [title for label, title in enumerate(classes) if label not in set(labels)]
    if empty:
        notes.append(f"classes without images: {', '.join(empty)}")
    return FaceDataset(torch.cat(images), torch.tensor(labels), classes, name=path.name, names=names, notes=notes)
