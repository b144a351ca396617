"""What the plan has found so far, on disk after each step: a call goes on from here, and a cut loses one step."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from emotion_utils.files import atomic_write
from emotion_utils.models import save_weights

from .networks import StemNet

RESULTS, TEACHERS = "results.json", "teachers.npz"


class Ledger:
    """The folder of results: `results.json`, the teachers' probabilities, and files of weights.

    Attributes:
        found: what `results.json` holds; call `save` after a change.

    Raises:
        ValueError: the folder holds results of other settings.
    """

    def __init__(self, folder: Path, setting: dict[str, Any]) -> None:
        self.folder = folder
        self.found: dict[str, Any] = {"setting": setting, "log": []}
        if (folder / RESULTS).exists():
            self.found = json.loads((folder / RESULTS).read_text())
            if self.found["setting"] != setting:
                raise ValueError(f"{folder} holds results with {self.found['setting']}; name another folder.")

    def save(self) -> None:
        """Write `results.json`."""
        with atomic_write(self.folder / RESULTS) as part:
            part.write_text(json.dumps(self.found, indent=1) + "\n")

    def rows(self, stage: str) -> list[dict[str, Any]]:
        """Give the rows of a stage, one for each network that has been trained in it."""
        return self.found.setdefault(stage, {"rows": []})["rows"]

    def row(self, stage: str, name: str) -> dict[str, Any]:
        """Give one row by name."""
        return next(row for row in self.rows(stage) if row["name"] == name)

    def say(self, line: str) -> None:
        """Print a line, and keep it."""
        print(line, flush=True)
        self.found["log"].append(line)

    def save_weights(self, name: str, network: StemNet, facts: dict[str, Any]) -> None:
        """Write a network to `name.safetensors`, unless its training went wrong; `load_weights` reads it."""
        try:
            save_weights(network.cpu(), self.folder / f"{name}.safetensors", facts)
        except ValueError as error:  # weights that are not finite; the others go on
            self.say(f"{name} is not written: {error}")

    def save_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Write the teachers' probabilities."""
        with atomic_write(self.folder / TEACHERS) as part, open(part, "wb") as file:
            np.savez_compressed(file, **arrays)

    def arrays(self) -> dict[str, np.ndarray] | None:
        """Read the teachers' probabilities, if there are any."""
        if not (self.folder / TEACHERS).exists():
            return None
        with np.load(self.folder / TEACHERS) as file:
            return dict(file)
