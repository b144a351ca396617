"""The commands by name; each is a module of this room with `add_arguments(parser)` and `run(options)`."""

import argparse
import sys

from emotion_utils.commands import average, check, fetch, train_recipe
from emotion_utils.errors import (
    CheckpointError,
    DivergedError,
    DownloadError,
    FolderInUseError,
    ShapeError,
    ValleyError,
    WeightsError,
)

COMMANDS = {"check": check, "fetch": fetch, "train": train_recipe, "average": average}
# What a user can do something about: one sentence, not a traceback. ShapeError and ValleyError are ValueErrors.
KNOWN_ERRORS = (
    CheckpointError, DivergedError, DownloadError, FolderInUseError, OSError, ShapeError, ValleyError, ValueError,
    WeightsError,
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Build the parser: one sub-command for each module in `COMMANDS`."""
    main_parser = argparse.ArgumentParser(prog="python -m emotion_utils", description="Tools of the notebook series.")
    commands = main_parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0].split(": `")[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return main_parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; give its exit status: 0, 1 after an error, 130 when interrupted."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except KNOWN_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "Interrupted. What was finished is kept: the same command goes on (train: with --resume).", file=sys.stderr
        )
        return 130
    return 0
