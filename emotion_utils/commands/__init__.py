"""The same from a shell: `python -m emotion_utils COMMAND`."""

from emotion_utils.commands.check import check_environment

__all__ = [
    "check_environment",
]
