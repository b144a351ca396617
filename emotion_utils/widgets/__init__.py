"""Pictures that move; where nothing can move, each leaves a picture that stands still."""

from emotion_utils.widgets.face_lab import FaceLab

__all__ = [
    "FaceLab",
]
