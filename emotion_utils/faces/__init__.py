"""A face from who, what and how: people, action units and photographs in, pictures and the truth about them out."""

from emotion_utils.faces.action_units import (
    ACTION_UNITS,
    AU_DESCRIPTIONS,
    AU_INDEX,
    AU_REGION,
    ActionUnits,
)
from emotion_utils.faces.capture import Capture, sample_capture
from emotion_utils.faces.drawing import render, render_with_truth
from emotion_utils.faces.expressions import EMOTION_TO_AUS, prototype, sample_action_units
from emotion_utils.faces.people import Identity, sample_identity
from emotion_utils.faces.truth import LANDMARKS, REGIONS

__all__ = [
    "ACTION_UNITS",
    "AU_DESCRIPTIONS",
    "AU_INDEX",
    "AU_REGION",
    "EMOTION_TO_AUS",
    "LANDMARKS",
    "REGIONS",
    "ActionUnits",
    "Capture",
    "Identity",
    "prototype",
    "render",
    "render_with_truth",
    "sample_action_units",
    "sample_capture",
    "sample_identity",
]
