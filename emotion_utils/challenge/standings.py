"""The league: the entries of one learner in a file, or of thirty learners merged by a teacher.

Accuracies are counted from the answers that a file keeps, and files that do not add up are left out. Beyond that a
file is taken on trust: an entry keeps its code, so that a teacher can run it again.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion_utils.challenge.entries import Entry
from emotion_utils.data.tree import resolve_pattern
from emotion_utils.errors import brief, listed, reason, show
from emotion_utils.files import as_path, atomic_write, begins_with, held, is_file, read_file, set_aside
from emotion_utils.models.handling import warn

STANDINGS_FORMAT = 1
MOST_BYTES = 50_000_000
COLUMNS = (
    "place", "name", "accuracy", "low", "high", "parameters", "multiply_adds", "seconds", "faces_seen", "looks",
    "entry", "note", "training", "when", "versions", "curve", "code",
)  # fmt: skip


class League:
    """Entries; `print` shows the best of each name in the race of most entries, the best one first.

    Attributes:
        entries: in the order in which they came.
        path: the file that keeps them, or None.
    """

    def __init__(self, entries: Iterable[Entry] = (), path: Path | None = None) -> None:
        self.entries, self.path = list(entries), path

    @classmethod
    def of_folder(cls, folder: str | Path) -> "League":
        """Open the league of a folder, empty where there is none; a damaged file is set aside, and that is said.

        Raises:
            OSError: the folder is a file, or its league cannot be read.
        """
        path = as_path(folder, "folder") / "league.json"
        if is_file(path.parent):
            raise NotADirectoryError(f"folder={show(path.parent)}: that is a file; choose a folder.")
        with held(path):
            return cls(_read_own(path), path)

    def add(self, entry: Entry) -> Entry:
        """Keep an entry, in the file too; the same result under the same name is kept once. Return what is kept."""
        if self.path is None:
            self.entries.append(entry)
            return entry
        with held(self.path):
            self.entries = _read_own(self.path)  # another kernel may have added some meanwhile
            for old in self.entries:
                if old.name == entry.name and old.same_result(entry):
                    return old
            self.entries.append(entry)
            self.write(self.path)
        return entry

    def write(self, path: str | Path, merged: bool = False) -> Path:
        """Write all entries, whole or not at all; raises an OSError that says what to do.

        `merged` notes that they come from files that are kept elsewhere: such a file may be written again.
        """
        path = as_path(path)
        content = {"format": STANDINGS_FORMAT, "merged": merged, "entries": [entry.to_row() for entry in self.entries]}
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        with atomic_write(path) as part:  # half a letter is written as \ud83d, which JSON reads
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
        return path

    def best(self) -> list[Entry]:
        """Give the best entry of each name in the race (rules and faces) of most entries, the best one first."""
        first: dict[str, Entry] = {}
        for entry in sorted(self._of_one_race(), key=lambda one: (-one.accuracy, one.parameters, one.name)):
            first.setdefault(entry.name, entry)
        return list(first.values())

    def place_of(self, name: str) -> int:
        """Give the place of a name, counted from 1; those who are right equally often share one."""
        best = self.best()
        mine = next((entry for entry in best if entry.name == name), None)
        if mine is None:
            raise KeyError(f"{brief(name)} is not in this league.")
        return 1 + sum(entry.accuracy > mine.accuracy for entry in best)

    def looks(self, name: str) -> int:
        """Say how many times the test faces were looked at under a name."""
        return max((entry.look for entry in self.entries if entry.name == name), default=0)

    def _of_one_race(self) -> list[Entry]:
        races = Counter((entry.rules, entry.faces) for entry in self.entries)
        if not races:
            return []
        ((race, _),) = races.most_common(1)
        return [entry for entry in self.entries if (entry.rules, entry.faces) == race]

    def note_on(self, entry: Entry) -> str:
        """Say who else recognises exactly the same faces with the same network."""
        same = [one.name for one in self.best() if one.name != entry.name and one.same_result(entry)]
        return f"same answers as {listed(same, 3, 60)}" if same else ""

    def __str__(self) -> str:
        best = self.best()
        if not best:
            return "The league is empty."
        width = max(4, *(len(entry.name) for entry in best))
        lines = [
            f"place  {'name':<{width}}  accuracy     95 % interval  parameters  multiply-adds      s  faces seen  looks"
        ]
        for entry in best:
            low, high = entry.interval
            lines.append(
                f"{self.place_of(entry.name):>5}  {entry.name:<{width}}  {entry.accuracy:>8.1%}  {low:>6.1%} to "
                f"{high:>5.1%}  {entry.parameters:>10,}  {entry.multiply_adds:>13,}  {entry.seconds:>5.1f}  "
                f"{entry.faces_seen:>10,}  {self.looks(entry.name):>5}  {self.note_on(entry)}".rstrip()
            )
        others = len(self.entries) - len(self._of_one_race())
        if others:
            lines.append(f"{others} entries ran under other rules or on other faces, and are not shown.")
        return "\n".join(lines)

    __repr__ = __str__

    def to_csv(self, path: str | Path) -> Path:
        """Write every entry that compares as a row of a CSV file, for a spreadsheet; return its path."""
        path = as_path(path)
        best = {id(entry) for entry in self.best()}
        with (
            atomic_write(path) as part,
            open(part, "w", newline="", encoding="utf-8-sig", errors="backslashreplace") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for entry in sorted(self._of_one_race(), key=lambda one: -one.accuracy):
                place = self.place_of(entry.name) if id(entry) in best else ""
                texts = [_harmless(text) for text in (entry.training, entry.when, entry.versions)]
                curve = " ".join(f"{value:.4f}" for value in entry.curve)
                numbers = [entry.accuracy, *entry.interval, entry.parameters, entry.multiply_adds, entry.seconds]
                looks = [entry.faces_seen, self.looks(entry.name), entry.look]
                row = [place, _harmless(entry.name), *numbers, *looks, _harmless(self.note_on(entry)), *texts]
                writer.writerow([*row, curve, _harmless(entry.code)])
        return path


def merge_files(paths: Sequence[str | Path]) -> tuple[League, list[str]]:
    """Read the files of many learners into one league; a sentence for each file that was left out.

    A name that stands in several files is followed by where it comes from, such as "Net (ada)" for `ada/league.json`.

    Args:
        paths: files that `enter` wrote, folders in which to look for such files, or patterns such as `hand_in/*.json`
            (the shell of Windows does not resolve these).

    Raises:
        ValueError: no path at all, or folders and patterns alone that hold no such file.
    """
    read, problems = {}, []
    for file in find_files(paths):
        try:
            read[file] = _read(file)
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{show(file, 80)} is left out: {reason(error, 200)}")
    several = Counter(name for entries in read.values() for name in {entry.name for entry in entries})
    origins = _tell_apart(list(read))
    league = League()
    for file, entries in read.items():
        for entry in entries:
            named = replace(entry, name=f"{entry.name} ({origins[file]})") if several[entry.name] > 1 else entry
            if not any(old == named for old in league.entries):
                league.entries.append(named)
    return league, problems


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """List the files that `merge_files` reads; raises as it does."""
    files = list(dict.fromkeys(file for path in paths for file in _expand(as_path(path))))
    if not files:
        raise ValueError(
            f"{show(str(paths[0]), 80) if paths else 'files=[]'}: no league file there; name files such as league.json."
        )
    return files


def _tell_apart(files: Sequence[Path]) -> dict[Path, str]:
    """Name each file by the end of its path, as long as it takes to tell all apart; a `league.json` by its folder."""
    parts = {}
    for file in files:
        path = file.absolute()
        parts[file] = path.parts[:-1] if path.stem == "league" else path.with_suffix("").parts
    for length in range(1, max(map(len, parts.values()), default=0) + 1):
        origins = {file: "/".join(each[-length:]) for file, each in parts.items()}
        if len(set(origins.values())) == len(files):
            return origins
    return {file: str(file) for file in files}


def _expand(path: Path) -> list[Path]:
    return [file for found in resolve_pattern(path) for file in (_files_in(found) if found.is_dir() else [found])]


def _files_in(folder: Path) -> list[Path]:
    # Hidden ones are none of a learner's, such as the copies that Jupyter keeps in .ipynb_checkpoints.
    found = folder.rglob("*.json")
    return sorted(file for file in found if not any(part[0] == "." for part in file.relative_to(folder).parts))


def is_merged(path: Path) -> bool:
    """Say whether a file holds a league that was merged of others; an OSError or a ValueError where it holds none."""
    return _read_content(path).get("merged") is True


def is_table(path: Path) -> bool:
    """Say whether a file begins as `League.to_csv` begins one."""
    return begins_with(path, ",".join(COLUMNS).encode("utf-8-sig") + b"\r\n")


def _read(path: Path) -> list[Entry]:
    """Read the entries of a file; an OSError or a ValueError that says what is wrong."""
    return [Entry.of_row(row) for row in _read_content(path)["entries"]]


def _read_content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_file(path, MOST_BYTES).decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"it is no JSON ({reason(error, 80)})") from error
    if not isinstance(content, dict) or "entries" not in content:
        raise ValueError("it is no league")
    if content.get("format") != STANDINGS_FORMAT:
        raise ValueError(f"it has format={brief(content.get('format'))}, and this version reads {STANDINGS_FORMAT}")
    if not isinstance(content["entries"], list):
        raise ValueError(f"its entries are {brief(content['entries'])}")
    return content


def _read_own(path: Path) -> list[Entry]:
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, RecursionError) as error:
        why = reason(error)
        aside = set_aside(path, why)
        warn(f"{show(path)} cannot be read as a league ({why}). It was set aside as {aside.name}; a new one begins.")
        return []


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
