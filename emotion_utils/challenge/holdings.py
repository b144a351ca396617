"""What a network has in reach besides the weights that it learns: hidden weights, faces, files.

Follows attributes, containers, closures, and the globals that the reader's own code names. It is a rule book and no
vault: who wants to outwit a program that runs on his own machine can. It finds what happens in good faith, and the
first dozen ideas of somebody who wants to win.
"""

import dis
import functools
import sys
import types
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.data import Dataset

from emotion_utils.data.dataset import FaceDataset

# Functions and modules that bring faces or weights from elsewhere.
BRINGS = {
    "open", "exec", "__import__", "import_module", "load", "load_splits", "load_split", "load_folder", "load_image",
    "load_pretrained", "load_weights", "load_file", "load_faces", "sample_faces", "render", "urlopen", "urlretrieve",
    "hub", "read_bytes", "read_text", "memmap", "fromfile", "loadtxt", "genfromtxt", "subprocess", "multiprocessing",
    "Popen", "test_faces", "validation_faces", "get_ipython",
}  # fmt: skip
LIBRARIES = {
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "emotion_utils",
    "builtins",
    "tqdm",
}
FEW = 16  # settings, such as strides, in one attribute
LONG_TEXT = 2000  # letters; a shorter text is a docstring
MOST_OBJECTS = 200_000
_NAMES = ("LOAD_GLOBAL", "LOAD_NAME")
_PARTS = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_NAME", "IMPORT_FROM")


@dataclass
class Holdings:
    """What was found.

    Attributes:
        numbers: how many numbers lie where, that are no parameters of the network.
        faces: where data sets lie.
        brings: names in the code that fetch faces or weights from elsewhere.
        too_many: whether there were more objects than anybody looks at.
    """

    numbers: Counter[str] = field(default_factory=Counter)
    faces: list[str] = field(default_factory=list)
    brings: list[str] = field(default_factory=list)
    too_many: bool = False


def count_parameters(model: nn.Module) -> int:
    """Count the numbers that are parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def look_at(model: nn.Module, *others: Any) -> Holdings:
    """Find what a network, and what trains it, have in reach besides the network's parameters."""
    walk = _Walk(model)
    for name, buffer in _own_buffers(model):
        walk.found.numbers[f"buffer {name}"] += buffer.numel()
    for name, module in model.named_modules():
        walk.visit_attributes(module, name or type(model).__name__)
    for other in others:
        walk.visit(other, getattr(other, "__name__", type(other).__name__))
    walk.run()
    return walk.found


def _own_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Give the buffers, but for the statistics of batch norm, which a race measures anew."""
    known = {
        id(buffer)
        for module in model.modules()
        if isinstance(module, _NormBase)
        for buffer in module.buffers(recurse=False)
    }
    return ((name, buffer) for name, buffer in model.named_buffers() if id(buffer) not in known)


class _Walk:
    """Visits each object once; what is still to be visited lies in a list, as chains may be long."""

    def __init__(self, model: nn.Module) -> None:
        self.found = Holdings()
        self.seen = {id(tensor) for tensor in [*model.parameters(), *model.buffers()]}
        self.mine = {id(module) for module in model.modules()}
        self.todo: list[tuple[Any, str]] = []
        self.kept: list[Any] = []  # so that no number of an object is given to another one meanwhile
        self.plain: Counter[str] = Counter()  # numbers in containers

    def visit(self, value: Any, place: str) -> None:
        """Put an object on the list."""
        if not isinstance(value, bool | None):
            self.todo.append((value, place))

    def run(self) -> None:
        """Visit all, and what they lead to."""
        while self.todo and not self.found.too_many:
            value, place = self.todo.pop()
            if isinstance(value, int | float | complex | np.number):
                self.plain[place] += 1
            elif id(value) not in self.seen:
                self.seen.add(id(value))
                self.kept.append(value)
                self.found.too_many = len(self.kept) > MOST_OBJECTS
                self._look(value, place)
        self.found.numbers.update({place: count for place, count in self.plain.items() if count > FEW})

    def visit_attributes(self, module: nn.Module, place: str) -> None:
        """Visit what a module keeps besides its parameters, buffers and parts, and the code of its class."""
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                self.visit(value, name)
        self.visit(type(module), type(module).__name__)

    def _look(self, value: Any, place: str) -> None:
        if isinstance(value, Tensor):
            self.found.numbers[place] += value.numel()
        elif isinstance(value, np.ndarray):
            self.found.numbers[place] += value.size
        elif isinstance(value, str | bytes | bytearray):
            self.found.numbers[place] += len(value) // 4 if len(value) > LONG_TEXT else 0
        elif isinstance(value, FaceDataset | Dataset):
            self.found.faces.append(place)
        elif isinstance(value, nn.Module):
            self._look_at_other_network(value, place)
        elif isinstance(value, dict):
            self._visit_all([*value.keys(), *value.values()], place)
        elif isinstance(value, list | tuple | set | frozenset):
            self._visit_all(value, place)
        else:
            self._look_at_code(value, place)

    def _look_at_other_network(self, module: nn.Module, place: str) -> None:
        if id(module) not in self.mine:
            self._visit_all([*module.parameters(), *module.buffers()], place)

    def _visit_all(self, values: Iterable[Any], place: str) -> None:
        for value in values:
            self.visit(value, place)

    def _look_at_code(self, value: Any, place: str) -> None:
        if isinstance(value, types.FunctionType):
            self._look_at_function(value)
        elif isinstance(value, types.MethodType):
            self._visit_all([value.__func__, value.__self__], place)
        elif isinstance(value, functools.partial):
            self._visit_all([value.func, value.args, value.keywords], place)
        elif isinstance(value, staticmethod | classmethod):
            self.visit(value.__func__, place)
        elif isinstance(value, property):
            self._visit_all([value.fget, value.fset], place)
        elif isinstance(value, type):
            self._note_what_brings([value.__name__] if is_library(value) else [])
            if not is_library(value):
                for name, part in vars(value).items():
                    if not name.startswith("__") or isinstance(part, types.FunctionType):
                        self.visit(part, f"{value.__name__}.{name}")
                self._visit_all(value.__bases__, value.__name__)
        elif isinstance(value, types.BuiltinFunctionType):
            self._note_what_brings([value.__name__])
        elif not isinstance(value, types.ModuleType | weakref.ref | torch.dtype | torch.device):
            self._visit_all(getattr(value, "__dict__", {}).values(), place)

    def _look_at_function(self, function: types.FunctionType) -> None:
        name = function.__name__
        self._note_what_brings([name])
        if is_library(function):
            return
        self._visit_all([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()], name)
        for cell, title in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            try:
                self.visit(cell.cell_contents, title)
            except ValueError:  # a cell that is still empty
                continue
        for code in _codes(function.__code__):
            self._look_at_instructions(code, function.__globals__)

    def _look_at_instructions(self, code: types.CodeType, names: dict[str, Any]) -> None:
        self._visit_all([each for each in code.co_consts if not isinstance(each, types.CodeType)], code.co_name)
        owner = None
        for step in dis.get_instructions(code):
            if step.opname in _NAMES and step.argval in names:
                owner = names[step.argval]
                self.visit(owner, step.argval)
            elif step.opname in _NAMES:
                self._note_what_brings([step.argval])  # a builtin
            elif step.opname in _PARTS:
                self._note_what_brings(str(step.argval).split("."))
                if isinstance(owner, types.ModuleType) and not is_library_name(owner.__name__):
                    self.visit(getattr(owner, step.argval, None), f"{owner.__name__}.{step.argval}")

    def _note_what_brings(self, names: Iterable[str]) -> None:
        self.found.brings += [name for name in names if name in BRINGS and name not in self.found.brings]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Give the code of a function and of those that are defined in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes(part)


def is_library(thing: Any) -> bool:
    """Say whether a class or function is a library's, and nobody's own."""
    return is_library_name(getattr(thing, "__module__", "") or "")


def is_library_name(name: str) -> bool:
    """Say the same of the name of a module."""
    first = name.split(".")[0]
    return first in LIBRARIES or (first in sys.stdlib_module_names and first != "__main__")
