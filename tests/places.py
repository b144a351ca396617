"""Where things lie in the repository."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "emotion_utils"
NOTEBOOKS = REPOSITORY / "notebooks"
RESULTS = NOTEBOOKS / "results"
TOOLS = REPOSITORY / "tests" / "tools"
