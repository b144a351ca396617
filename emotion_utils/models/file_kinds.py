"""Which program wrote a file, and what reads it? Told by content, never by the name, and without running any code.

Readers give `load_weights` a checkpoint, a pickled model or a page that a server sent instead of a file, and none of
these is damaged. Each gets the sentence that helps.
"""

import json
import pickletools
import zipfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_safetensors
from torch import Tensor

from emotion_utils.errors import listed, reason
from emotion_utils.files import open_file

FORMAT = "emotion_utils weights 1"  # the key of the description in the metadata of our files

# The first bytes of what else may stand there.
SIGNATURES = (
    (0, b"\x89HDF", "is an HDF5 file, as Keras writes them; open it with Keras or h5py"),
    (4, b"TFL3", "is a TensorFlow Lite model; open it with that"),
    (0, b"\x93NUMPY", "is an array of NumPy; np.load reads it"),
    (0, b"\x1f\x8b", "is packed with gzip; unpack it first"),
    (0, b"version https://git-lfs", "is a placeholder of Git LFS, not the file itself; `git lfs pull` fetches it"),
    (0, b"<!DOCTYPE", "is a web page, so the download went wrong; get the file anew"),
    (0, b"<!doctype", "is a web page, so the download went wrong; get the file anew"),
    (0, b"<html", "is a web page, so the download went wrong; get the file anew"),
    (0, b"\x89PNG", "is a picture; predict_proba takes it"),
    (0, b"\xff\xd8\xff", "is a picture; predict_proba takes it"),
    (0, b"%PDF", "is a PDF document"),
)
# Where programs put a state_dict in a dictionary of their own.
PLACES = ("state_dict", "model_state_dict", "model", "weights", "net", "ema", "module")
MOST_OPCODES = 100_000  # of a pickle, that are looked at
HARMLESS = ("torch._utils.", "torch.FloatStorage", "collections.OrderedDict")  # what a state_dict needs
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, of torch.compile


@dataclass(frozen=True, eq=False)
class Content:
    """What was found in a file."""

    story: str  # what it is and what reads it, such as "is an ONNX model; onnxruntime runs it"
    tensors: dict[str, Tensor] | None = None  # weights by name, where the file holds some that anybody may read
    description: str | None = None  # the text that `save_weights` put into the metadata


def read_content(path: Path) -> Content:
    """Find out what a file is, and read its weights where that is safe. The name of the file plays no part.

    Raises:
        OSError, ValueError: there is no such file, it may not be read, or it is a pipe or a device.
    """
    with open_file(path) as file:
        size, begin = file.seek(0, 2), file.seek(0) or file.read(512)
    if size == 0:
        return Content("is empty; get or write it again")
    for place, signature, story in SIGNATURES:
        if begin[place : place + len(signature)] == signature:
            return Content(story)
    if _is_zip(path):
        return _read_zip(path)
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < 2**40:  # after the length of the header
        return _read_safetensors(path)
    if begin[:1] == b"\x80":  # the pickle protocol
        return _read_torch(path)
    if begin.startswith(b"PK"):
        return Content("is incomplete: its end is missing. Get or copy it again")
    if path.suffix == ".onnx" or (begin[:1] == b"\x08" and b"pytorch" in begin):
        return Content("is an ONNX model; onnxruntime runs it")
    if not begin.strip(b"\0"):
        return Content("is damaged: it begins with zeros. Get or copy it again")
    return Content("is no file of weights, or damaged from its first bytes on; get or write it again")


def _read_safetensors(path: Path) -> Content:
    try:
        tensors, metadata = _safetensors_of(path)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
        return Content(f"is damaged ({reason(error, 80)}). Get or copy it again")
    description = metadata.get(FORMAT)
    if description is not None:
        return Content(
            "holds weights of save_weights: load_weights(path) from emotion_utils.models reads it", tensors, description
        )
    return Content(
        "is a safetensors file that save_weights did not write: load_weights(path, factory=MyNet) puts its weights "
        "into a network that you build",
        tensors,
    )


def _safetensors_of(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a file."""
    if _is_utf8(str(path)):
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    with open_file(path) as file:  # safetensors opens no file whose name is not UTF-8
        content = file.read()
    tensors = load_safetensors(content)  # which also checks the header
    return tensors, json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # it says that it is one of several parts
        return True


def _read_zip(path: Path) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        return Content(f"is damaged ({reason(error, 80)}). Get or copy it again")
    inner = [name.partition("/")[2] for name in names]
    if "archive_format" in inner or "archive_format" in names:
        return Content("is a program that torch.export wrote: torch.export.load(path).module() runs it")
    if any(name.startswith("code/") for name in inner):
        return Content("is a TorchScript program: torch.jit.load(path) runs it, if you trust it")
    if "data.pkl" in inner:
        return _read_torch(path)
    if "model.weights.h5" in names:
        return Content("is a Keras model; open it with Keras")
    if names and all(name.endswith(".npy") for name in names):
        return Content("is an archive of NumPy arrays; np.load reads it")
    return Content("is a ZIP archive; unpack it and give the file of weights in it")


def _read_torch(path: Path) -> Content:
    """Read what torch.save wrote, unless that would run code."""
    try:
        with open_file(path) as file:  # of a path, torch would believe the ending
            held = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        return _explain_unread(path, error)
    if isinstance(held, Mapping) and {"format", "sha256", "content"} <= held.keys():
        return Content(
            "is a checkpoint of train(): load_checkpoint(path) from emotion_utils.training reads it. For best.pt, "
            'model.load_state_dict(load_checkpoint(path)["weights"]) gives the weights to a network; save_weights then '
            "writes a file for load_weights"
        )
    if _breaks_its_checksums(path):
        return Content("is damaged: what it holds does not fit its own checksums. Get or copy it again")
    tensors = find_weights(held)
    if tensors is None and len(several := _places_of_weights(held)) > 1:
        return Content(
            f"was written by torch.save and holds several networks' weights ({listed(several, 4, 60)}): give one of "
            "them to your network, model.load_state_dict(torch.load(path)[name]); save_weights then writes a file for "
            "load_weights"
        )
    if tensors is None:
        return Content(f"was written by torch.save and holds a {type(held).__name__}, no weights: torch.load reads it")
    return Content(
        "holds a state_dict that torch.save wrote: load_weights(path, factory=MyNet) puts it into a network that you "
        "build, and so does model.load_state_dict(torch.load(path))",
        tensors,
    )


def _breaks_its_checksums(path: Path) -> bool:
    """Say whether parts of a file of torch.save do not fit the checksums beside them, which torch does not compare.

    A file of the old format has none, and `torch.serialization.set_crc32_options(False)` writes none that fit.
    """
    with open_file(path) as file:
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            return 0 < sum(not _fits(archive, part) for part in parts) < len(parts)


def _fits(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(part) as content:
            while content.read(1 << 20):
                pass
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError):
        return False
    return True


def _explain_unread(path: Path, error: Exception) -> Content:
    try:
        with open_file(path) as file:
            others = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # a pickle of an older format, or damaged
        others = _names_in_pickles(path)
    if others:
        # Torch gives them in any order. What is not PyTorch's tells a reader more.
        others = sorted(others, key=lambda name: (name.startswith("torch."), name))
        return Content(
            f"holds more than weights: objects of {listed(others, 2, 100)}. Reading them would run code from the file. "
            "If you trust it: model = torch.load(path, weights_only=False); save_weights(model, new_path) then writes "
            "one that anybody may read"
        )
    return Content(f"is damaged, or no file of torch.save ({type(error).__name__}). Get or copy it again")


def _names_in_pickles(path: Path) -> list[str]:
    """List the classes that a file of pickles, one after another, would fetch; nothing is fetched."""
    names: list[str] = []
    texts: list[str] = []
    with suppress(Exception), open_file(path) as file:
        for _ in range(4):  # older files of torch.save begin with three small pickles
            for opcode, argument, _ in islice(pickletools.genops(file), MOST_OPCODES):
                if opcode.name == "GLOBAL":
                    names.append(str(argument).replace(" ", "."))
                elif opcode.name == "STACK_GLOBAL":
                    names.append(".".join(texts[-2:]))
                elif isinstance(argument, str):
                    texts.append(argument)
    return [name for name in dict.fromkeys(names) if not name.startswith(HARMLESS)]


def find_weights(held: Any) -> dict[str, Tensor] | None:
    """Find the state_dict in what a file holds, and take prefixes of wrappers off its names; None if there is none.

    Under a name that is not among `PLACES` it is found if it is the only one.
    """
    if isinstance(held, Mapping):
        if _is_weights(held):
            return without_prefixes(held)
        for place in PLACES:
            if isinstance(held.get(place), Mapping) and (found := find_weights(held[place])):
                return found
        if len(places := _places_of_weights(held)) == 1:
            return without_prefixes(held[places[0]])
    return None


def _is_weights(held: Any) -> bool:
    plain = isinstance(held, Mapping) and len(held) > 0
    return plain and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items())


def _places_of_weights(held: Any) -> list[str]:
    """Name the entries of a dictionary that are a state_dict."""
    return [name for name, inside in held.items() if _is_weights(inside)] if isinstance(held, Mapping) else []


def weights_below(weights: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor] | None:
    """Find the weights of those names below a name of another program, such as Lightning's `model.`; None without any.

    Raises:
        ValueError: they lie below several, so nobody can say which are meant.
    """
    found = {}
    for prefix in dict.fromkeys(f"{name.partition('.')[0]}." for name in weights):
        inside = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        inside = without_prefixes(inside)
        if inside.keys() == set(names):
            found[prefix] = inside
    if len(found) > 1:
        raise ValueError(f"its weights fit below each of {listed(list(found), 4, 60)}; which are meant?")
    return next(iter(found.values()), None)


def without_prefixes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off the prefixes that `DataParallel` and `torch.compile` put before all names."""
    weights = dict(weights)
    for prefix in PREFIXES * 2:
        if weights and all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights
