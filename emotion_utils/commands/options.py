"""Options that several commands take: values that argparse alone would refuse in its own words."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from emotion_utils.errors import brief, show
from emotion_utils.files import as_path


def path_option(text: str) -> Path:
    """Take the path of a file or folder; argparse puts the option's name before the sentence.

    Raises:
        argparse.ArgumentTypeError: no path, such as a variable of the shell that is not set.
    """
    try:
        return as_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{brief(text)}: {str(error).partition(': ')[2]}") from error


def check_output(
    option: str, path: Path, is_ours: Callable[[Path], bool], what: str, sources: Sequence[Path] = ()
) -> None:
    """Refuse to write over anything but what the same command has written there before.

    A shell makes the first of many files the value of an option, as in `--output runs/*/weights.safetensors`.

    Args:
        option: its name.
        path: its value.
        is_ours: says whether the file that is there may be written again; it may raise what reading a file raises.
        what: the command writes, in words.
        sources: files that the command reads.

    Raises:
        OSError: a folder, one of the sources, or something else than such a file.
    """
    shown = f"--{option} {show(path)}"
    if path.is_dir():
        raise IsADirectoryError(f"{shown}: that is a folder; name a file in it.")
    if not os.path.lexists(path):
        return
    if any(source.exists() and path.exists() and source.samefile(path) for source in sources):
        raise FileExistsError(f"{shown}: that is one of the files to be read. Name another.")
    try:
        good = is_ours(path)
    except (OSError, ValueError, RuntimeError, RecursionError):
        good = False
    if not good:
        raise FileExistsError(f"{shown}: a file is there already, and it is no {what}. Name another, or delete it.")
