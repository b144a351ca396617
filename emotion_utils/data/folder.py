"""A folder of your own images, one sub-folder for each class, as a data set."""

from collections.abc import Sequence
from pathlib import Path

import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.pixels import load_image
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import check_at_least


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
    check_at_least(1, size=size)
    path = Path(path).expanduser()
    folders = _class_folders(path)
    classes = _classes(path, folders) if classes is None else tuple(classes)
    images, labels, names, skipped = [], [], [], []
    for label, title in enumerate(classes):
        for file in sorted(folders[title].iterdir()) if title in folders else []:
            if file.is_dir() or file.name.startswith("."):
                continue
            try:
                images.append(load_image(file, size))  # (1, 1, size, size)
            except (OSError, ValueError) as error:
                skipped.append(f"{title}/{file.name} ({error.__cause__ or error})")
                continue
            labels.append(label)
            names.append(f"{title}/{file.name}")
    if not images:
        raise ValueError(
            f"{path} holds no readable image in its sub-folders {', '.join(folders)}"
            + (f"; the first of {len(skipped)} files that were skipped: {skipped[0]}." if skipped else ".")
        )
    notes = []
    if skipped:
        notes.append(f"{len(skipped)} files could not be read and were skipped: {'; '.join(skipped)}")
    if ignored := [name for name in folders if name not in classes]:
        notes.append(f"sub-folders that are no class were skipped: {', '.join(ignored)}")
    if empty := [title for label, title in enumerate(classes) if label not in set(labels)]:
        notes.append(f"classes without images: {', '.join(empty)}")
    return FaceDataset(torch.cat(images), torch.tensor(labels), classes, name=path.name, names=names, notes=notes)


def _class_folders(path: Path) -> dict[str, Path]:
    """List the sub-folders by name, in alphabetical order; hidden ones and those of systems are left out."""
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
    return folders


def _classes(path: Path, folders: dict[str, Path]) -> tuple[str, ...]:
    """Choose the classes that the sub-folders stand for."""
    if len(folders) < 2:
        raise ValueError(
            f"{path} has only one class, {', '.join(folders)!r}; a classifier needs two. Add a sub-folder, or name "
            "all classes, as in load_folder(path, classes=EMOTIONS)."
        )
    return EMOTIONS if set(folders) <= set(EMOTIONS) else tuple(folders)
