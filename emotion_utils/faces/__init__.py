"""A face from who, what and how: people, action units and photographs in, pictures and the truth about them out."""

from emotion_utils.faces.action_units import (
    ACTION_UNITS,
    AU_DESCRIPTIONS,
    AU_INDEX,
    AU_REGION,
    EMOTION_TO_AUS,
    ActionUnits,
    prototype,
    sample_action_units,
)
from emotion_utils.faces.capture import Capture, sample_capture
from emotion_utils.faces.drawing import render, render_with_truth
from emotion_utils.faces.geometry import LANDMARKS, REGIONS
from emotion_utils.faces.people import Identity, sample_identity

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
