"""The same from a shell: `python -m emotion_utils COMMAND`."""

from emotion_utils.commands.check import check_environment
from emotion_utils.commands.command_line import main

__all__ = [
    "check_environment",
    "main",
]
