"""What can go wrong, by name; each message says what was found and what to do next."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read or belongs to something else; the message says what to do."""


class FolderInUseError(RuntimeError):
    """Another run is writing into the folder."""


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; the message says what to try."""


class ShapeError(ValueError):
    """Two parts do not fit together; the message names the layer, the shapes and the likely fix."""


class WeightsError(RuntimeError):
    """A file of weights is missing, damaged or of another kind; the message says what to do."""


class DownloadError(RuntimeError):
    """The download failed; the message says why and how to get the file by hand."""


class ValleyError(ValueError):
    """The networks don't lie in one valley, so their average is worse than they are."""


def check_at_least(least: int, otherwise: str = "", **values: float) -> None:
    """Raise a ValueError for the first value below `least`: `check_at_least(1, ", or None for all", limit=limit)`."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name}={value}: choose {least} or more{otherwise}.")
