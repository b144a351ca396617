"""Faces and convolutional networks: the package behind the notebooks."""

import emotion_utils.threads  # noqa: F401  (first of all: how threads wait is read when PyTorch is loaded)
