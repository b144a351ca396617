"""What was read from a source of FER2013, kept as tensors: reading 270 MB of text takes seconds, a cache does not.

A cache is used if it was made from the very same content, whatever the source's name, size or time say, and if it is
whole: a digest of what it holds stands in it. Both are computed each time, which takes a fraction of a second.
"""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch

from emotion_utils.data.fer2013_export import export_files
from emotion_utils.data.fer2013_files import read_source
from emotion_utils.data.fer2013_rows import Rows
from emotion_utils.data.image_files import MOST_BYTES as MOST_IMAGE
from emotion_utils.errors import reason
from emotion_utils.files import atomic_write, open_file, read_file, remove_leftovers, user_cache_dir, writable_dir
from emotion_utils.tensors import digest

CACHE_VERSION = "2"  # a change of the cache's layout takes another number; older files are then made anew
MOST_BYTES = 2**30  # that of the benchmark has 83 MB

_TENSORS = ("images", "labels", "usage", "groups")  # fields of Rows; names and notes are stored beside them


def load_rows(source: Path, verbose: bool = True) -> Rows:
    """Return all rows of a source, from the cache if it was made from this very content, else by reading (seconds).

    The cache lies beside the table (or in the folder of images), or, where that takes no files, in the user's cache.

    Raises:
        OSError, ValueError: as `read_source`.
    """
    stamp = _stamp(source)
    beside = (source if source.is_dir() else source.parent) / f".{source.name}.cache.safetensors"
    place = hashlib.blake2b(os.fsencode(source.resolve()), digest_size=6).hexdigest()
    candidates = (beside, user_cache_dir() / f"{source.name}.{place}.safetensors")
    for candidate in candidates:
        rows = _read_cache(candidate, stamp)
        if rows is not None:
            remove_leftovers(candidate.parent, candidate.name)
            return rows
    rows = read_source(source, verbose)
    problem = "no folder takes it"
    for candidate in candidates:
        try:
            if writable_dir(candidate.parent) == candidate.parent:
                _write_cache(candidate, rows, stamp)
                return rows
        except Exception as error:
            problem = reason(error, 200)
    note = f"the cache could not be written, so the next start reads the source again ({problem})"
    return replace(rows, notes=(*rows.notes, note))


def _stamp(source: Path) -> str:
    """Digest the content of a source, and the names in it: another content, another stamp."""
    sha = hashlib.sha256(f"{CACHE_VERSION}\n".encode() + os.fsencode(source.name))
    if not source.is_dir():
        with open_file(source) as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()
    for name, path in export_files(source):
        sha.update(b"\0" + os.fsencode(name) + b"\0")
        try:
            sha.update(hashlib.sha256(read_file(path, MOST_IMAGE)).digest())
        except (OSError, ValueError):
            sha.update(b"cannot be read")  # such an image is skipped
    return sha.hexdigest()


def _read_cache(path: Path, stamp: str) -> Rows | None:
    """Read the rows back; None where there is no whole file with this stamp."""
    try:
        content = read_file(path, MOST_BYTES)
        header = content[8 : 8 + int.from_bytes(content[:8], "little")]
        known = json.loads(header)["__metadata__"]
        if known["stamp"] != stamp:
            return None
        tensors = safetensors.torch.load(content)
        names = tensors["names"].numpy().tobytes().decode("utf-8", "surrogateescape").split("\0")
        rows = Rows(*(tensors[key] for key in _TENSORS), names=tuple(names), notes=tuple(json.loads(known["notes"])))
        return rows if known["digest"] == _digest(rows) else None
    except Exception:  # whatever is wrong with a cache, it is made anew
        return None


def _write_cache(path: Path, rows: Rows, stamp: str) -> None:
    tensors = {key: getattr(rows, key) for key in _TENSORS}
    names = "\0".join(rows.names).encode("utf-8", "surrogateescape")
    tensors["names"] = torch.frombuffer(bytearray(names), dtype=torch.uint8)
    known = {"stamp": stamp, "notes": json.dumps(rows.notes), "digest": _digest(rows)}
    with atomic_write(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, known))  # save_file takes no names that are not UTF-8


def _digest(rows: Rows) -> str:
    return digest(*(getattr(rows, key) for key in _TENSORS), list(rows.names), list(rows.notes))
