"""What was read from a source of FER2013, kept as tensors: reading 270 MB of text takes seconds, a cache does not."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emotion_utils.data.fer2013_files import Rows, read_source
from emotion_utils.files import atomic_write, user_cache_dir, writable_dir

CACHE_VERSION = "1"  # a change of the cache's layout takes another number; older files are then made anew

_TENSORS = ("images", "labels", "usage", "groups")  # fields of Rows; names and notes are stored beside them


def load_rows(source: Path, verbose: bool = True) -> Rows:
    """Return all rows of a source, from the cache if it was made from this very source, else by reading (seconds).

    The cache lies beside the table (or in the folder of images), or, where that takes no files, in the user's cache.
    """
    stamp = _stamp(source)
    name = f".{source.name}.cache.safetensors"
    private = f"{source.name}.{hashlib.blake2b(str(source.resolve()).encode(), digest_size=6).hexdigest()}.safetensors"
    candidates = [(source if source.is_dir() else source.parent) / name, user_cache_dir() / private]
    for candidate in candidates:
        rows = _read_cache(candidate, stamp)
        if rows is not None:
            return rows
    rows = read_source(source, verbose)
    try:
        folder = writable_dir(*(candidate.parent for candidate in candidates))
        _write_cache(folder / (name if folder == candidates[0].parent else private), rows, stamp)
    except (OSError, SafetensorError) as error:
        note = f"the cache could not be written, so the next start reads the source again ({error})"
        return replace(rows, notes=(*rows.notes, note))
    return rows


def _stamp(source: Path) -> str:
    """Describe the state of a source by the names, sizes and times of its files: another state, another stamp."""
    digest = hashlib.blake2b(CACHE_VERSION.encode(), digest_size=16)
    files = [source]
    if source.is_dir():
        files = sorted(file for part in ("train", "test") for file in (source / part).glob("*/*"))
    for file in files:
        state = os.stat(file)
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read_cache(path: Path, stamp: str) -> Rows | None:
    """Read the rows back; None where there is no whole file with this stamp."""
    try:
        with safe_open(path, framework="pt") as file:
            known = file.metadata() or {}
            if known.get("stamp") != stamp:
                return None
            tensors = {key: file.get_tensor(key) for key in _TENSORS}
            names = file.get_tensor("names").numpy().tobytes().decode().split("\n")
    except (OSError, SafetensorError):
        return None
    return Rows(**tensors, names=tuple(names), notes=tuple(json.loads(known["notes"])))


def _write_cache(path: Path, rows: Rows, stamp: str) -> None:
    tensors = {key: getattr(rows, key) for key in _TENSORS}
    tensors["names"] = torch.frombuffer(bytearray("\n".join(rows.names).encode()), dtype=torch.uint8)
    with atomic_write(path) as part:
        save_file(tensors, part, metadata={"stamp": stamp, "notes": json.dumps(rows.notes)})
