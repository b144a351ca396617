"""How well-known collections of faces say who shows what: in the names of their files, or by numbers of classes.

Only the ways of naming are known here; the collections themselves have owners, and most ask researchers to sign. Where
a name is not of the pattern, nothing is guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, reason

MOSTLY = 0.8  # share of a folder's files that must be called as in a collection before it is taken for that


@dataclass(frozen=True)
class Layout:
    """How a collection calls its files.

    Attributes:
        title: what a message calls the collection.
        pattern: of a file's name without its folder; the group `person` is who it shows, `emotion` what, if it says so.
        emotions: what the codes of `emotion` stand for; empty where folders or a table say the class.
    """

    title: str
    pattern: re.Pattern[str]
    emotions: Mapping[str, str]


_KDEF = {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
_JAFFE = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)  # cameras, archives and Windows change capitals


LAYOUTS: dict[str, Layout] = {
    # Session, sex and number of a person, emotion, angle: AF01ANS.JPG (Lundqvist, Flykt and Öhman 1998).
    "kdef": Layout("KDEF", _named(rf"[AB](?P<person>[FM]\d\d)(?P<emotion>{'|'.join(_KDEF)})(F|H)?[LRS]\b"), _KDEF),
    # Initials, emotion and number, number of the file: KA.AN1.39.tiff (Lyons et al. 1998).
    "jaffe": Layout("JAFFE", _named(rf"(?P<person>[A-Z]{{2}})\.(?P<emotion>{'|'.join(_JAFFE)})\d\.\d+"), _JAFFE),
    # Person, sequence, frame: S010_004_00000017.png (Lucey et al. 2010); three frames of each sequence, nearly alike.
    "ck+": Layout("CK+", _named(r"(?P<person>S\d{3})_\d{3}_\d{8}"), {}),
}  # fmt: skip

# What the numbers of classes stand for. They differ from one collection to the next, so none is ever assumed.
MEANINGS: dict[str, dict[str, str]] = {
    "fer2013": {str(label): name for label, name in enumerate(EMOTIONS)},
    "ferplus": dict(zip("01234567", ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
                        strict=True)),
    "raf-db": dict(zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), strict=True)),
    # 8 none, 9 uncertain and 10 no face are no emotions, and are left out.
    "affectnet": dict(zip("01234567", ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"),
                          strict=True)),
    "ck+": dict(zip("01234567", ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
                    strict=True)),
}  # fmt: skip

Meaning = str | Mapping[Any, str]
PersonOf = Callable[[str], Any]


@dataclass(frozen=True)
class Told:
    """What the name of a file tells."""

    person: str | None
    emotion: str | None


def check_layout(layout: Any) -> Layout | None:
    """Return a layout by its name; raise a ValueError for an unknown one."""
    if layout is None:
        return None
    if not isinstance(layout, str) or layout.lower() not in LAYOUTS:
        raise ValueError(f"layout={brief(layout)}: choose one of {', '.join(LAYOUTS)}, or None: folders are classes.")
    return LAYOUTS[layout.lower()]


def check_meaning(meaning: Any) -> dict[str, str]:
    """Return what names of folders or labels stand for; {} for None.

    Raises:
        ValueError: neither a dictionary of names nor a collection whose numbers are known.
    """
    if meaning is None:
        return {}
    if isinstance(meaning, str) and meaning.lower() in MEANINGS:
        return MEANINGS[meaning.lower()]
    if not isinstance(meaning, Mapping) or not meaning or not all(isinstance(name, str) for name in meaning.values()):
        raise ValueError(
            f"meaning={brief(meaning)}: give a dictionary, such as {{'1': 'surprise', '2': 'fear'}}, or one of "
            f"{', '.join(MEANINGS)}, whose numbers are known."
        )
    return {str(key): name for key, name in meaning.items()}


def told_by(layout: Layout, name: str) -> Told | None:
    """Read the name of a file (a path with `/` between its parts); None if it is not of this layout."""
    match = layout.pattern.match(name.rpartition("/")[2])
    if match is None:
        return None
    known = {what: word.upper() for what, word in match.groupdict(default="").items()}
    return Told(known.get("person"), layout.emotions.get(known.get("emotion", "")))


def recognise(names: Sequence[str]) -> Layout | None:
    """Find the layout that most of the names are of."""
    for layout in LAYOUTS.values():
        if names and sum(told_by(layout, name) is not None for name in names) >= MOSTLY * len(names):
            return layout
    return None


def persons_of(names: Sequence[str], person_of: PersonOf | None) -> tuple[list[str | None] | None, str | None]:
    """Say who each file shows, and what to tell about that: by a function of one's own, or as a known layout does.

    Raises:
        ValueError: the function fails, or gives nothing for any of the files.
    """
    if person_of is None:
        layout = recognise(names)
        if layout is None:
            return None, None
        told = [told_by(layout, name) for name in names]
        persons = [None if one is None else one.person for one in told]
        return persons, (
            f"files are called as in {layout.title}, which tells {len(set(persons) - {None}):,} persons: divide keeps "
            "each of them in one part"
        )
    persons = []
    for name in names:
        try:
            person = person_of(name)
        except Exception as error:
            raise ValueError(f"person_of: it fails for {brief(name)} ({reason(error)}).") from error
        persons.append(None if person is None else str(person))
    if names and all(person is None for person in persons):
        raise ValueError(f"person_of: it gives None for all files, such as {brief(names[0])}.")
    found = doubt(persons)
    return persons, found and (
        f"person_of finds {found}; unless that is so, it does not fit the names of files, and divide goes wrong"
    )


def doubt(persons: Sequence[str | None]) -> str | None:
    """Say what a rule found that hardly fits: one person alone, or in each image another; None for what may be."""
    found = len(set(persons) - {None}) + persons.count(None)  # a file that tells nobody shows somebody of its own
    if len(persons) < 2 or found not in (1, len(persons)):
        return None
    return "one person in all images" if found == 1 else f"{found:,} persons, another in each image"
