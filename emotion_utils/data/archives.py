"""What lies in an archive, in an archive in an archive too; told by content, counted in bytes, checked to its end.

A checksum stands at the end of what was packed, so a reader who stops once he has his table never gets to it, and a
flipped bit passes for a pixel. Here everything around the table is read to its end as well. What unpacks to more than
`MOST_BYTES`, or lies deeper than `DEEPEST`, is refused; nothing is ever written beside the archive.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from emotion_utils.errors import one_line
from emotion_utils.files import open_file

MOST_BYTES = 2**31  # unpacked, all layers together; FER2013's table has 287 MB
DEEPEST = 6  # layers: a table in .tar.gz in .zip lies below three
MOST_DIRECTORY = 64_000_000  # bytes of a zip's list of members; that of FER2013's images has 3 million

Rank = Callable[[str], int | None]  # how well a file's name fits, 0 best; None for not at all


class NoTableError(ValueError):
    """An archive cannot be used, though it may be whole: encrypted, packed in another way, or too large."""


@contextmanager
def open_packed(path: Path, rank: Rank, most: int = MOST_BYTES) -> Iterator[tuple[BinaryIO, int | None] | None]:
    """Open a file, or the best of those packed in it: a stream and, if known, its size in bytes; None if none fits.

    On leaving the block without an error, all layers are read to their ends, and so are compared with their checksums.

    Args:
        path: the file.
        rank: says how well a name fits.
        most: how many bytes may be unpacked.

    Raises:
        OSError, ValueError: the file may not be read, or is no file.
        NoTableError: see there.
        Exception: damage, as the libraries raise it.
    """
    with ExitStack() as stack:
        layers = _Layers(stack, most)
        file = stack.enter_context(open_file(path))
        found = layers.open(file, path.name, path.stat().st_size, rank)
        yield found
        if found is not None:
            layers.read_to_the_end()


@contextmanager
def open_zip(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip, after a look at the size of its list of members, which is kept in memory."""
    promised = _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        if promised not in (None, len(archive.infolist())):  # a damaged comment swallows what comes after it
            raise zipfile.BadZipFile(f"its list has {len(archive.infolist()):,} files in place of {promised:,}")
        for info in archive.infolist():
            with suppress(NotImplementedError):  # packed in another way, which matters only if it is wanted
                if not info.flag_bits & 1:
                    archive.open(info).close()  # compares names: a flipped bit in the list must not hide a member
        yield archive


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """Read a member of at most `most` bytes, compared with its checksum."""
    _check_member(info)
    with archive.open(info) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise NoTableError(f"{one_line(info.filename, 60)} unpacks to more than {most:,} bytes")
    return content


@dataclass
class _Layers:
    """The layers around a table, outermost first."""

    stack: ExitStack
    left: int  # bytes that may still be unpacked
    streams: list[BinaryIO] = field(default_factory=list)

    def open(self, file: BinaryIO, name: str, size: int | None, rank: Rank, depth: int = 0) -> tuple | None:
        """Return the table in `file` and its size."""
        if depth > DEEPEST:
            raise NoTableError(f"archives lie in archives more than {DEEPEST} deep")
        head = file.peek(512)[:512]  # (up to 512 bytes, nothing is taken)
        kind = _kind(head)
        if kind is None:
            return file, size
        if kind == "zip":
            return self._open_zip(file, rank, depth)
        if kind == "tar":
            for info in _tar_members(file):
                member = self._count(_Part(file, info.size))
                if rank(PurePosixPath(info.name).name) is not None and info.isreg():
                    found = self.open(member, info.name, info.size, rank, depth + 1)
                    if found is not None:
                        return found
                _skip(member)
            return None
        if kind not in _UNPACK:
            raise NoTableError(f"it is packed by {kind}, which cannot be unpacked here")
        inner = self._count(self.stack.enter_context(_UNPACK[kind](file)))
        return self.open(inner, name, None, rank, depth + 1)

    def _open_zip(self, file: BinaryIO, rank: Rank, depth: int) -> tuple | None:
        if depth:  # a zip is read from its end, so one in another archive is unpacked first
            copy = self.stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            while piece := file.read(1 << 20):
                copy.write(piece)
            copy.seek(0)
            file = copy
        archive = self.stack.enter_context(open_zip(file))
        members = [(rank(PurePosixPath(info.filename).name), i, info) for i, info in enumerate(archive.infolist())]
        for _, _, info in sorted(member for member in members if member[0] is not None):
            _check_member(info)
            member = self._count(self.stack.enter_context(archive.open(info)))
            found = self.open(member, info.filename, info.file_size, rank, depth + 1)
            if found is not None:
                return found
        return None

    def _count(self, stream: BinaryIO) -> BinaryIO:
        counted = io.BufferedReader(_Counted(stream, self), 1 << 16)
        self.streams.append(counted)
        return counted

    def read_to_the_end(self) -> None:
        for stream in reversed(self.streams):
            _skip(stream)


class _Counted(io.RawIOBase):
    """Another stream, filling whole buffers, whose bytes count among those that may be unpacked."""

    def __init__(self, stream: BinaryIO, layers: _Layers) -> None:
        self._stream, self._layers = stream, layers

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        filled = 0
        while filled < len(buffer) and (piece := self._stream.read(len(buffer) - filled)):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._layers.left -= filled
        if self._layers.left < 0:
            raise NoTableError("it unpacks to more than any form of FER2013")
        return filled


class _Part:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, most: int) -> bytes:
        piece = self._stream.read(min(most, self._left))
        if not piece and min(most, self._left):
            raise EOFError("it ends in the middle of a file")
        self._left -= len(piece)
        return piece


def _kind(head: bytes) -> str | None:
    """Tell an archive by its first 512 bytes; None for anything else."""
    magic = {
        b"PK\3\4": "zip", b"PK\5\6": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz",
        b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard",
    }  # fmt: skip
    kind = next((kind for start, kind in magic.items() if head.startswith(start)), None)
    if kind is None and len(head) == 512:
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")  # a header has a checksum
            return "tar"
        except tarfile.TarError:
            return None
    return kind


_UNPACK = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}


def _tar_members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Go through a tar's headers; the content of each member has to be read before the next one.

    `tarfile` takes a damaged header for the end of the archive, and keeps headers of any size in memory.
    """
    while block := file.read(512):
        if not any(block):
            return
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.size < 0:
            raise tarfile.ReadError("a file has a negative size")
        yield info
        _skip(_Part(file, -info.size % 512))


def _skip(stream: BinaryIO | _Part) -> None:
    while stream.read(1 << 20):
        pass


def _check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 1:
        raise NoTableError(f"{one_line(info.filename, 60)} is encrypted")


def _check_directory(file: BinaryIO) -> int | None:
    """Refuse a list of members that is too long; return how many there should be, None where that is not said."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 65_557))  # a comment of 65,535 bytes may follow the 22 of the list's place
    tail = file.read()
    file.seek(0)
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) < place + 22:
        return None
    count, size = (int.from_bytes(tail[place + at : place + at + width], "little") for at, width in ((10, 2), (12, 4)))
    if size > MOST_DIRECTORY:
        raise NoTableError(f"its list of files has {size:,} bytes")
    return None if count == 0xFFFF else count  # more than 65,534 stand elsewhere
