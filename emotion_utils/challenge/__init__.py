"""A fair race: who recognises most faces with few weights, in little time, from the same faces?"""

from emotion_utils.challenge.contest import Outcome, enter, rehearse
from emotion_utils.challenge.entries import Entry
from emotion_utils.challenge.faces import load_faces
from emotion_utils.challenge.rulebook import RuleError, Rules
from emotion_utils.challenge.standings import League, merge_files

__all__ = [
    "Entry",
    "League",
    "Outcome",
    "RuleError",
    "Rules",
    "enter",
    "load_faces",
    "merge_files",
    "rehearse",
]
