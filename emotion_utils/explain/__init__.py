"""Where a network looks, and whether that is true: explanations, and scores against what is known of drawn faces."""

from emotion_utils.explain.gradients import grad_cam, integrated_gradients, saliency, smooth_grad
from emotion_utils.explain.hiding import occlusion
from emotion_utils.explain.knocking import agreement, knock_out
from emotion_utils.explain.layers import activations, strongest
from emotion_utils.explain.sanity import reset_layers, sanity_check
from emotion_utils.explain.scores import (
    BASELINES,
    centre_blob,
    deletion,
    edge_map,
    energy_inside,
    insertion,
    pointing_game,
    random_map,
    rank_correlation,
)
from emotion_utils.explain.table import score_explanations
from emotion_utils.explain.truth import KnownFaces, expression_map, known_faces, region, unit_maps

__all__ = [
    "BASELINES",
    "KnownFaces",
    "activations",
    "agreement",
    "centre_blob",
    "deletion",
    "edge_map",
    "energy_inside",
    "expression_map",
    "grad_cam",
    "insertion",
    "integrated_gradients",
    "knock_out",
    "known_faces",
    "occlusion",
    "pointing_game",
    "random_map",
    "rank_correlation",
    "region",
    "reset_layers",
    "saliency",
    "sanity_check",
    "score_explanations",
    "smooth_grad",
    "strongest",
    "unit_maps",
]
