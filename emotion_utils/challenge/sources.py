"""The code behind an entry, as far as it can be had: in a notebook, too."""

import ast
import inspect
import linecache
from dataclasses import MISSING, fields
from typing import Any

from torch import nn

from emotion_utils.challenge.entries import LONGEST_CODE
from emotion_utils.challenge.holdings import is_library
from emotion_utils.errors import brief, one_line
from emotion_utils.training.config import Hyperparameters, TrainConfig


def describe_training(training: Any) -> str:
    """Name the settings that differ from the defaults, or the function that trained."""
    if training is None:
        return "TrainConfig()"
    if not isinstance(training, TrainConfig):
        return f"{one_line(str(getattr(training, '__name__', type(training).__name__)), 60)}(model, train_set)"
    told = []
    for each in fields(Hyperparameters):
        value = getattr(training, each.name)
        if each.default is MISSING or value != each.default:
            told.append(f"{each.name}={brief(value, 120)}")
    return one_line(f"TrainConfig({', '.join(told)})", 600)


def source_of(model: nn.Module, training: Any = None) -> str:
    """Give the source of a network's own classes and of the function that trains it; ready-made networks as built."""
    kinds = dict.fromkeys(type(module) for module in model.modules())
    parts = [_source(kind) for kind in kinds if not is_library(kind)]
    if is_library(type(model)):
        config = getattr(model, "config", None)
        shown = ", ".join(f"{name}={value!r}" for name, value in config.items()) if isinstance(config, dict) else ""
        parts.insert(0, f"{type(model).__name__}({shown})\n\n{model}")
    if training is not None and not isinstance(training, TrainConfig):
        parts.append(_source(training))
    return "\n\n".join(parts)[:LONGEST_CODE]


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        name = getattr(thing, "__name__", type(thing).__name__)
        return _from_its_cell(thing) or f"# The source of {name} is unknown."


def _from_its_cell(kind: Any) -> str | None:
    """Find a class of a notebook by one of its methods: Python knows the cell of functions alone."""
    for method in vars(kind).values() if isinstance(kind, type) else ():
        if inspect.isfunction(method):
            cell = "".join(linecache.getlines(method.__code__.co_filename))
            try:
                found = [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.ClassDef)]
            except SyntaxError:  # a cell with a line of IPython's own
                continue
            for node in found:
                if node.name == kind.__name__:
                    return ast.get_source_segment(cell, node)
    return None
