"""What the commands print about a network's accuracy."""

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.base import FaceModel
from emotion_utils.models.views import FlipAverage


def print_accuracy(model: FaceModel, dataset: FaceDataset, name: str) -> None:
    """Print accuracy and macro-F1 with a single view and with the mirror image, and how twins do if there are any."""
    for way, network in (("single view", model), ("with mirror image", FlipAverage(model))):
        report = evaluate(network, dataset)
        low, high = report.interval
        text = (
            f"{name}, {way}: accuracy {report.accuracy:.1%} ({low:.1%} to {high:.1%}), macro-F1 {report.macro_f1:.1%}"
        )
        parts = {"without twins": report.accuracy_without_twins, "twins": report.accuracy_with_twins}
        if dataset.twins is not None and dataset.twins.any():
            text += "; " + ", ".join(f"{part} {value:.1%}" for part, value in parts.items() if value is not None)
        print(text, flush=True)
