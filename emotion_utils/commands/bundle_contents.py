"""What a bundle says of itself: for which machines it was made, and which wheels are in it.

`bundle` writes it, `start.py` reads it. That runs this file where nothing is installed yet: the standard library alone.
"""

import json
import platform
import re
import sys
from pathlib import Path

NO_BUNDLE = "this is no bundle. `python start.py bundle FOLDER` makes one, where there is a network."
COPY_AGAIN = "Copy the bundle again, or make it anew with `python start.py bundle FOLDER` where there is a network."


def write(wheels: Path, made_for: list[tuple[str, str, str]]) -> None:
    """List the wheels of a folder with their sizes; `made_for` has system, processor and Python of each machine."""
    sizes = {wheel.name: wheel.stat().st_size for wheel in sorted(wheels.glob("*.whl"))}
    text = json.dumps({"made_for": made_for, "wheels": sizes}, indent=1)
    (wheels / "contents.json").write_text(text, encoding="utf-8")


def check(source: Path, venv: Path) -> Path:
    """Return the folder of wheels in a bundle; end the program unless it is whole and made for this Python here."""
    wheels = source / "wheels"
    try:
        contents = json.loads((wheels / "contents.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        sys.exit(f"\n--from {source}: {NO_BUNDLE}")
    version = re.search(r"^version\S* *= *(\d+\.\d+)", (venv / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    *machine, python = here = [sys.platform, platform.machine().lower(), version.group(1)]
    if here not in contents["made_for"]:
        made = ", ".join("{} {} with Python {}".format(*each) for each in contents["made_for"])
        sys.exit(f"\n--from {source}: this bundle is for {made}; here is {' '.join(machine)} with Python {python}.")
    for name, size in contents["wheels"].items():
        path = wheels / name
        if not path.exists() or path.stat().st_size != size:
            what = "is not as it was made" if path.exists() else "is missing"
            sys.exit(f"\n--from {source}: the file {name} {what}.\n{COPY_AGAIN}")
    return wheels
