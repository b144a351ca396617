"""The package from a shell: `python -m emotion_utils fetch fer2013`."""

import argparse
import sys
from pathlib import Path

from emotion_utils.fetch import DownloadError, fetch_fer2013


def _fetch(options: argparse.Namespace) -> None:
    print(f"FER2013 is at {fetch_fer2013(options.into)}. Use it with EMOTION_DATA=fer2013 in the environment.")


def parser() -> argparse.ArgumentParser:
    """Build the parser: a sub-command is a parser of its own with a default `run`, a function of the options."""
    main = argparse.ArgumentParser(prog="python -m emotion_utils", description="Tools of the notebook series.")
    commands = main.add_subparsers(title="commands", required=True, metavar="COMMAND")

    fetch = commands.add_parser("fetch", help="download a data set (90 MB)")
    fetch.add_argument("name", choices=["fer2013"])
    fetch.add_argument("--into", type=Path, metavar="FOLDER", help="where to put it (default: the data folder)")
    fetch.set_defaults(run=_fetch)
    return main


def main(arguments: list[str] | None = None) -> int:
    """Run a command; an error that the user can do something about is one sentence, not a traceback."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (DownloadError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; nothing half done was kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
