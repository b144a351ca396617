"""The package from a shell: `python -m emotion_utils COMMAND`."""

import sys

from emotion_utils.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())
