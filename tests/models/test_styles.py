"""Networks in some sixty styles go the whole way: train, evaluate, predict, save, load.

`test_export.py` takes some of them on to ONNX; all of them are exported by `python tests/tools/styles.py`.
"""

import math
import warnings

import pytest
import torch
from network_styles import STYLES, build
from small_faces import small_faces

from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import unwrap
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.rebuilding import KINDS
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=2, batch_size=28, learning_rate=0.02, device="cpu", progress=False)
TRAINING = small_faces(56)
OTHERS = small_faces(28, seed=2, mean=0.1, std=0.9)  # from elsewhere, with statistics of its own

HEAVY = {"torchvision vgg", "torchvision resnet18"}  # millions of weights, which take seconds


@pytest.mark.parametrize(
    "style", [pytest.param(style, marks=pytest.mark.slow) if style in HEAVY else style for style in STYLES]
)
def test_a_style_goes_the_whole_way(style, tmp_path):
    model = build(style)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        history = train(model, TRAINING, OTHERS, CONFIG)
        assert math.isfinite(history["train_loss"][-1])

        report = evaluate(model, OTHERS)
        assert report.notes == ()
        assert report.accuracy == pytest.approx(history["val_accuracy"][-1]), "seen as in training"
        assert facts_of(model).normalisation == pytest.approx((TRAINING.mean, TRAINING.std), rel=1e-2)
        assert facts_of(model).classes == EMOTIONS

        probabilities = predict_proba(model, OTHERS.images)
        torch.testing.assert_close(probabilities, report.probabilities, atol=1e-5, rtol=0)

        path = save_weights(model, tmp_path / "weights.safetensors")
        own = type(unwrap(model)) not in KINDS.values()
        back = load_weights(path, factory=STYLES[style] if own else None)
    again = evaluate(back, OTHERS)
    assert again.classes == EMOTIONS
    torch.testing.assert_close(again.probabilities, probabilities, atol=1e-6 if own else 2e-3, rtol=0)
