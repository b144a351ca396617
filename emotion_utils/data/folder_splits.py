"""Ready-made splits: a folder with `train`, `val` and `test` in it is read as three data sets that fit together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.duplicates import identical
from emotion_utils.data.folder import Asked, asked, list_folder, made_of, name_of_folder, tell
from emotion_utils.data.folder_plan import in_order, make_plan, refuse_other_floors
from emotion_utils.data.layouts import Meaning, PersonOf
from emotion_utils.data.reading import read_entries
from emotion_utils.data.splits import SPLITS, split_of
from emotion_utils.data.tree import sub_folders
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, check_number, check_whole, listed, show
from emotion_utils.files import as_path

MOST_SHARE = 0.5  # of the training images that a missing split may take


def load_folder_splits(
    path: str | Path,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
    share: float = 0.1,
    seed: int = 0,
    verbose: bool = True,
) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Read a folder that holds splits, each with a sub-folder for each class: training, validation and test set.

    Splits may be called `train`, `Training`, `val`, `valid`, `dev`, `test` and so on. All three get the same classes
    in the same order, and the mean and standard deviation of the training set. A validation or test split that is
    missing is cut from the training images. Images of validation and test that are in training, too, are marked in
    `twins` and noted, and so are persons: the splits are somebody else's, and stay as they are.

    Args:
        path: the folder.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; None: `EMOTIONS` where all are emotions, else sorted names.
        colour: keep red, green and blue; False turns all grey.
        meaning: what names of sub-folders stand for; see `load_folder`.
        person_of: a function from a file's path to the person it shows; see `load_folder`.
        share: of the training images, for each split that is missing.
        seed: of that cut.
        verbose: print the notes.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: no such folder, or it may not be read.
        ValueError: no training split, two folders for one split, or what `load_folder` raises for one of them.
    """
    path, how = as_path(path), asked(size, classes, colour, None, meaning, person_of)
    share, seed = check_number(0, MOST_SHARE, above=0, share=share), check_whole(seed=seed)
    folders = _folders_of(path)
    made = _read_each(path, folders, how)
    return finish(name_of_folder(path), made, share, seed, verbose)


def _folders_of(path: Path) -> dict[str, str]:
    """Find the folder of each split."""
    found: dict[str, list[str]] = {}
    names = sub_folders(path).found
    for name in names:
        if split := split_of(name):
            found.setdefault(split, []).append(name)
    if "training" not in found:
        if len(names) == 1 and any(map(split_of, sub_folders(path / names[0]).found)):
            raise ValueError(f"{show(path)}: the splits lie in {show(path / names[0], 100)}. Give that instead.")
        raise ValueError(
            f"{show(path)} holds no split for training among {listed(names, length=120) or 'its folders (none)'}. "
            "Call the folder train, or read a folder of classes by load_folder(path)."
        )
    for split, folders in found.items():
        if len(folders) > 1:
            raise ValueError(f"{show(path)} holds {listed(folders)}, all for {split}: keep one, or merge them.")
    return {split: _innermost(path, found[split][0], split) for split in SPLITS if split in found}


def _innermost(path: Path, folder: str, split: str) -> str:
    """Give the folder in a split's folder that is called as it, as when train.zip is unpacked to train/train; or it."""
    inside = sub_folders(path / folder).found
    if [split_of(name) for name in inside] != [split]:
        return folder
    return _innermost(path, f"{folder}/{inside[0]}", split)


def _read_each(path: Path, folders: dict[str, str], how: Asked) -> dict[str, FaceDataset]:
    """Read each split, with the classes that any of them has."""
    if how.classes is None:
        trees = {folder: sub_folders(path / folder) for folder in folders.values()}
        for folder, tree in trees.items():
            refuse_other_floors(path / folder, tree)
        plans = [make_plan(tree.found, None, how.meaning) for tree in trees.values()]
        titles = {title for plan in plans for title in plan.class_of.values()}
        if len(titles) < 2:
            raise ValueError(
                f"{show(path)}: its splits hold {f'only one class, {brief(min(titles))}' if titles else 'no classes'}; "
                "a classifier needs two, each in a sub-folder of train."
            )
        how = replace(how, classes=EMOTIONS if titles <= set(EMOTIONS) else in_order(titles))
    made = {}
    for split, folder in folders.items():
        listing = list_folder(path / folder, how)
        reading = read_entries(path / folder, listing.entries, how.size, how.colour)
        made[split] = made_of(path / folder, listing, reading, how, verbose=False).subset(slice(None), split=split)
    return made


def finish(
    name: str, made: dict[str, FaceDataset], share: float, seed: int, verbose: bool
) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Cut what is missing from training, give all the statistics of training, and look for what they share."""
    missing = [split for split in SPLITS if split not in made]
    notes: list[str] = [f"{split}: {note}" for split, each in made.items() for note in each.notes]
    if missing:
        cut = made["training"].divide((1 - share * len(missing), *[share] * len(missing)), seed)
        made |= dict(zip(("training", *missing), cut, strict=True))
        notes.append(f"no {' and no '.join(missing)} split, so {share:.0%} of the training images each were set aside")
    training = made["training"]
    notes += _shared(made)
    sets = []
    for split in SPLITS:
        twins = None if split == "training" else identical(made[split].images, training.images)
        part = made[split].subset(slice(None), split=split).with_normalisation(training.mean, training.std)
        sets.append(part.with_twins(twins).renamed(name, notes))
    if verbose:
        tell(name, notes)
    return tuple(sets)


def _shared(made: dict[str, FaceDataset]) -> list[str]:
    """Say how many images, and how many persons, lie in two splits."""
    notes = []
    for one, other in (("validation", "training"), ("test", "training"), ("test", "validation")):
        here, there = made[one], made[other]
        if count := int(identical(here.images, there.images).sum()):
            cure = "; twins marks them, and subset(~twins) leaves them out" if other == "training" else ""
            notes.append(f"{count:,} images of {one} are in {other}, too{cure}")
        if here.groups is not None and there.groups is not None:
            both = torch.isin(here.groups, there.groups)
            if count := len(here.groups[both].unique()):
                notes.append(
                    f"{count:,} persons of {one} are in {other}, too, so accuracy says nothing of people who are new; "
                    "join all three and divide anew"
                )
    return notes
