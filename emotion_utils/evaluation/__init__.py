"""What the numbers mean: accuracy with its interval, errors by class, confidence, fair comparisons."""

from emotion_utils.evaluation.comparison import compare_with_baseline
from emotion_utils.evaluation.confidence import bootstrap_interval, calibration, fit_temperature
from emotion_utils.evaluation.cures import compare_cures
from emotion_utils.evaluation.exports import compare_exports
from emotion_utils.evaluation.grouping import groups_of
from emotion_utils.evaluation.groups import GroupReport, evaluate_groups
from emotion_utils.evaluation.label_errors import find_label_errors, score_finding
from emotion_utils.evaluation.measuring import measure, milliseconds
from emotion_utils.evaluation.model_card import write_model_card
from emotion_utils.evaluation.report import Report, evaluate
from emotion_utils.evaluation.selection import accuracy_by_coverage, answer_above
from emotion_utils.evaluation.thresholds import fit_group_thresholds
from emotion_utils.evaluation.weak_groups import find_weak_groups

__all__ = [
    "GroupReport",
    "Report",
    "accuracy_by_coverage",
    "answer_above",
    "bootstrap_interval",
    "calibration",
    "compare_cures",
    "compare_exports",
    "compare_with_baseline",
    "evaluate",
    "evaluate_groups",
    "find_label_errors",
    "find_weak_groups",
    "fit_group_thresholds",
    "fit_temperature",
    "groups_of",
    "measure",
    "milliseconds",
    "score_finding",
    "write_model_card",
]
