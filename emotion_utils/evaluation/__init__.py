"""What the numbers mean: accuracy with its interval, errors by class, confidence, fair comparisons."""

from emotion_utils.evaluation.comparison import compare_with_baseline, measure, milliseconds
from emotion_utils.evaluation.confidence import bootstrap_interval, calibration, fit_temperature
from emotion_utils.evaluation.report import Report, evaluate
from emotion_utils.evaluation.selection import accuracy_by_coverage, answer_above

__all__ = [
    "Report",
    "accuracy_by_coverage",
    "answer_above",
    "bootstrap_interval",
    "calibration",
    "compare_with_baseline",
    "evaluate",
    "fit_temperature",
    "measure",
    "milliseconds",
]
