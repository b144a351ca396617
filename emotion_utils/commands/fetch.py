"""Download a data set: `python -m emotion_utils fetch fer2013`."""

import argparse

from emotion_utils.commands.options import path_option
from emotion_utils.data.download import MD5, MIRROR, fetch_fer2013
from emotion_utils.errors import say, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("name", choices=["fer2013"])
    parser.add_argument("--into", type=path_option, metavar="FOLDER", help="where to put it (default: the data folder)")
    parser.add_argument("--url", default=MIRROR, help="another address of fer2013.tar.gz (default: %(default)s)")
    parser.add_argument("--md5", default=MD5, help="the checksum that the file must have (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Download unless it is there already, and say where it is."""
    path = fetch_fer2013(options.into, options.url, options.md5)
    say(f"FER2013 is at {show(path)}. Use it with EMOTION_DATA=fer2013 in the environment.")
