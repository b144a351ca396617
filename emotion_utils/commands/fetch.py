"""Download a data set: `python -m emotion_utils fetch fer2013`."""

import argparse
from pathlib import Path

from emotion_utils.data.download import fetch_fer2013


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("name", choices=["fer2013"])
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="where to put it (default: the data folder)")


def run(options: argparse.Namespace) -> None:
    """Download unless it is there already, and say where it is."""
    print(f"FER2013 is at {fetch_fer2013(options.into)}. Use it with EMOTION_DATA=fer2013 in the environment.")
