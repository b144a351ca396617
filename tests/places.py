"""Where things lie in the repository."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "emotion_utils"
NOTEBOOKS = REPOSITORY / "notebooks"
RESULTS = NOTEBOOKS / "results"
TOOLS = REPOSITORY / "tests" / "tools"


def copy_start(folder: Path) -> None:
    """Put start.py and the files of the package that it runs or copies into another folder."""
    for name in ("start.py", "emotion_utils/threads.py", "emotion_utils/commands/bundle_contents.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    shutil.copytree(PACKAGE / "commands" / "jupyter", folder / "emotion_utils" / "commands" / "jupyter")
