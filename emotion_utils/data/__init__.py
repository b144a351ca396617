"""Faces as tensors, and one door to all data sets: drawn faces, FER2013, a folder of your own."""

from emotion_utils.data.arrays import from_arrays, from_huggingface, from_torchvision
from emotion_utils.data.augment import Augment, ShiftAndFlip
from emotion_utils.data.balance import balanced_indices, join, missing_faces, reweigh
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import sample_faces
from emotion_utils.data.duplicates import find_blank, find_duplicates
from emotion_utils.data.ferplus import load_ferplus_votes, soft_labels
from emotion_utils.data.folder import load_folder
from emotion_utils.data.folder_splits import load_folder_splits
from emotion_utils.data.inspection import inspect_folder
from emotion_utils.data.loading import load, load_splits
from emotion_utils.data.pixels import as_images, denormalise, load_image, normalise, to_grey
from emotion_utils.data.shifts import SHIFTS, sample_shifted
from emotion_utils.data.splits import group_identical, split
from emotion_utils.data.table import load_table, load_table_splits
from emotion_utils.data.variants import as_face_dataset, keep_classes, resize
from emotion_utils.emotions import EMOTIONS

__all__ = [
    "EMOTIONS",
    "SHIFTS",
    "Augment",
    "FaceDataset",
    "ShiftAndFlip",
    "as_face_dataset",
    "as_images",
    "balanced_indices",
    "denormalise",
    "find_blank",
    "find_duplicates",
    "from_arrays",
    "from_huggingface",
    "from_torchvision",
    "group_identical",
    "inspect_folder",
    "join",
    "keep_classes",
    "load",
    "load_ferplus_votes",
    "load_folder",
    "load_folder_splits",
    "load_image",
    "load_splits",
    "load_table",
    "load_table_splits",
    "missing_faces",
    "normalise",
    "resize",
    "reweigh",
    "sample_faces",
    "sample_shifted",
    "soft_labels",
    "split",
    "to_grey",
]
