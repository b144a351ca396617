"""The commands by name; each is a module of this room with `add_arguments(parser)` and `run(options)`."""

import argparse
import importlib.metadata
import os
import re
import sys
from contextlib import suppress

from emotion_utils.commands import average, bundle, check, fetch, league, predict, train_recipe
from emotion_utils.errors import reason

COMMANDS = {
    "check": check,
    "fetch": fetch,
    "train": train_recipe,
    "average": average,
    "bundle": bundle,
    "league": league,
    "predict": predict,
}


def parser() -> argparse.ArgumentParser:
    """Build the parser: one sub-command for each module in `COMMANDS`."""
    main_parser = argparse.ArgumentParser(prog="python -m emotion_utils", description="Tools of the notebook series.")
    main_parser.add_argument("--version", action="version", version=f"emotion_utils {_version()}")
    commands = main_parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0].split(": `")[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return main_parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; give its exit status: 0, 1 after an error, 130 when interrupted.

    What goes wrong is one sentence. `EMOTION_TRACEBACK=1` in the environment shows where it went wrong as well.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may know neither × nor the name of a file
    options = parser().parse_args(arguments)
    try:
        try:
            options.run(options)
        except SystemExit:  # a command's own exit status; what it printed may still have nowhere to go
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError:
        return _say("error: nobody reads the output any more, so the command ended here.", 1)
    except KeyboardInterrupt:
        what = "Interrupted. What was finished is kept: the same command goes on (train: with --resume)."
        return _say(what, 130)
    except Exception as error:
        if os.environ.get("EMOTION_TRACEBACK"):
            raise
        return _say(f"error: {_sentence(error)}", 1)
    return 0


def _say(text: str, status: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _silence_output()
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
    return status


def _sentence(error: Exception) -> str:
    """Put an error into words; of one that this package did not expect, the kind belongs to them."""
    expected = isinstance(error, OSError | ValueError | ModuleNotFoundError) or type(error).__module__.startswith(
        "emotion_utils"
    )
    text = re.sub(r"^\[(Errno|WinError) \d+\] ", "", reason(error, 400))  # a number helps nobody at a shell
    return text if expected else f"{type(error).__name__}: {text}"


def _silence_output() -> None:
    """Let nothing more be written to a closed pipe or a full disk, not even by Python when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version() -> str:
    try:
        return importlib.metadata.version("emotion_utils")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
