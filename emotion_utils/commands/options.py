"""Options that several commands take: values that argparse alone would refuse in its own words."""

import argparse
from pathlib import Path

from emotion_utils.errors import brief
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
