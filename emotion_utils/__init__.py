"""Faces and convolutional networks: the package behind the notebooks."""
