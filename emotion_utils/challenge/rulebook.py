"""The rules of the race: the same faces, few weights, little time."""

from dataclasses import asdict, dataclass

from emotion_utils.errors import check_number, check_whole
from emotion_utils.randomness import stream_key

BATCH_OF_TEST = 500  # faces at once when an entry is measured


class RuleError(ValueError):
    """An entry breaks a rule; the message says which, and nothing was written."""


@dataclass(frozen=True)
class Rules:
    """What every entry keeps to. Entries under other rules do not compare, and stand in no common table.

    Attributes:
        parameters: at most so many numbers are learnt.
        seconds: of processor time, at most, for training; all cores and child processes together.
        fixed: at most so many numbers may be in a network, or in reach of its code, that are not learnt in the race: a
            blur kernel has 9. The statistics of batch norm do not count; they are measured anew.
        predict_seconds: of processor time, at most, for all test faces.
        knows: a network that recognises this share of the training faces or more before the race has learnt before.
        faces: how many training faces there are, drawn from the default set.
        test_faces: how many test faces an entry is measured on.
    """

    parameters: int = 50_000
    seconds: float = 60.0
    fixed: int = 500
    predict_seconds: float = 10.0
    knows: float = 0.3
    faces: int = 2000
    test_faces: int = 2000

    def __post_init__(self) -> None:
        for name in ("parameters", "faces", "test_faces"):
            object.__setattr__(self, name, check_whole(1, **{name: getattr(self, name)}))
        object.__setattr__(self, "fixed", check_whole(0, fixed=self.fixed))
        for name in ("seconds", "predict_seconds"):
            object.__setattr__(self, name, float(check_number(above=0, **{name: getattr(self, name)})))
        object.__setattr__(self, "knows", float(check_number(0, 1, knows=self.knows)))

    @property
    def key(self) -> str:
        """Name these rules in 16 digits, the same on each machine."""
        return f"{stream_key(repr(sorted(asdict(self).items()))):016x}"

    def __str__(self) -> str:
        return (
            f"at most {self.parameters:,} parameters and {self.seconds:g} s of one core; {self.faces:,} training "
            f"faces; measured on {self.test_faces:,} test faces"
        )
