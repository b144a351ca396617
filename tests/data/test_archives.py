"""Archives around FER2013's table: every usual one is read; those that are damaged, or lie, end in one sentence."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fer2013_tables import make_rows, pack, table, write_export

from emotion_utils.data.archives import NoTableError, open_packed
from emotion_utils.data.fer2013_files import rank, read_source
from emotion_utils.data.loading import load_splits

pytestmark = pytest.mark.usefixtures("own_places")

FORMS = [
    "bare", "zip", "tar.gz", "archive in archive", "gz", "bz2", "xz", "tar", "tar.bz2", "tar.xz", "tar without ending",
    "no ending",
]  # fmt: skip
SMALL = (("Training", 30),)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv", "train.csv"])
def test_every_usual_archive(tmp_path, form, name):
    images, labels, _ = make_rows()
    pack(form, tmp_path / "data", name, table(*make_rows()))
    splits = load_splits("fer2013", data_dir=tmp_path / "data", verbose=False)
    assert torch.equal(torch.cat([split.images for split in splits])[:, 0], torch.from_numpy(images))
    assert torch.cat([split.labels for split in splits]).tolist() == labels


@pytest.mark.parametrize("form", FORMS)
def test_the_content_tells_how_it_is_packed_and_not_the_name(tmp_path, form):
    path = pack(form, tmp_path, "fer2013.csv", table(*make_rows(SMALL)))
    for name in ("fer2013.zip", "fer2013.tar.gz", "fer2013.csv", "anything"):
        path = path.rename(tmp_path / name)
        assert len(read_source(path, False).labels) == 30


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return file.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return file.getvalue()


CSV = table(*make_rows(SMALL)).encode()


@pytest.mark.parametrize(
    "content",
    [
        zipped({"fer2013.zip": zipped({"fer2013.csv": CSV})}),
        zipped({"fer2013.tar.gz": gzip.compress(tarred({"fer2013/fer2013.csv": CSV}), 1)}),
        zipped({"a/fer2013.csv.gz": gzip.compress(CSV, 1), "b.txt": b"about"}, zipfile.ZIP_STORED),
        gzip.compress(zipped({"fer2013.csv": CSV}), 1),
        tarred({"README": b"about", "x/fer2013.zip": zipped({"fer2013.csv.xz": lzma.compress(CSV, preset=0)})}),
        bz2.compress(gzip.compress(CSV, 1), 1),
        gzip.compress(CSV[:5000], 1) + gzip.compress(CSV[5000:], 1),  # two streams in one file are one
        gzip.compress(CSV, 1) + bytes(512),
        zipped({"fer2013.csv": CSV}) + b"behind",
        b"\0" * 0 + zipped({"train.csv": b"emotion,pixels\n", "FER2013.CSV": CSV, "test.csv": b"pixels\n"}),
        zipped({"fer2013.csv": CSV}, zipfile.ZIP_BZIP2),
        zipped({"fer2013.csv": CSV}, zipfile.ZIP_LZMA),
    ],
)
def test_archives_in_archives(tmp_path, content):
    (tmp_path / "fer2013.zip").write_bytes(content)
    assert read_source(tmp_path / "fer2013.zip", False).labels.tolist() == make_rows(SMALL)[1]


def patched(content: bytes, local: int, central: int, value: int) -> bytes:
    """Change a 16-bit number in both descriptions of a zip's only member."""
    changed = bytearray(content)
    for start, place in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = changed.find(start) + place
        changed[at : at + 2] = struct.pack("<H", value)
    return bytes(changed)


def nested(depth: int, content: bytes = CSV) -> bytes:
    content = zipped({"fer2013.csv": content})
    for _ in range(depth):
        content = zipped({"fer2013.zip": content}, zipfile.ZIP_STORED)
    return content


ENDLESS = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, 2**31, 0, 0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (patched(zipped({"fer2013.csv": CSV}), 6, 8, 1), "cannot be used: fer2013.csv is encrypted.*Unpack it by hand"),
        (
            patched(zipped({"fer2013.csv": CSV}), 8, 10, 9),
            "cannot be used: .*compression.*Unpack it by hand",
        ),  # Deflate64
        (patched(zipped({"fer2013.csv": CSV}), 8, 10, 93), "cannot be used: .*compression"),
        (nested(7), "cannot be used: .*more than 6 deep"),
        (nested(260), "cannot be used: .*more than 6 deep"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "cannot be used: .*7-Zip"),
        (b"Rar!\x1a\7" + bytes(600), "cannot be used: .*RAR"),
        (b"\x28\xb5\x2f\xfd" + bytes(600), "cannot be used: .*Zstandard"),
        (zipped({"x.csv": b""})[:-22] + ENDLESS, r"cannot be used: .*2,147,483,648 bytes"),
        (zipped({"holiday/beach.jpg": b"sand"}), "holds no images"),
        (zipped({}), "holds no images"),
        (tarred({"holiday/beach.jpg": b"sand"}), "holds none of fer2013.csv"),
        (gzip.compress(b""), r"is empty, or begins with zeros"),
        (gzip.compress(CSV)[:-9], "is damaged"),
        (gzip.compress(CSV)[:-4] + b"abcd", "is damaged"),  # its length
        (gzip.compress(CSV) + b"behind", "is damaged"),
        (bz2.compress(CSV)[:-9], "is damaged"),
        (lzma.compress(CSV)[:-9], "is damaged"),
        (zipped({"fer2013.csv": CSV})[:-30], "is damaged"),
        (tarred({"fer2013.csv": CSV})[:20_000], "is damaged .*middle of a file"),
        (tarred({"a": b"", "fer2013.csv": CSV}).replace(b"fer2013.csv", b"fer2013.cs~"), "is damaged .*bad checksum"),
        (gzip.compress(tarred({"fer2013.csv": CSV}))[:-9], "is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # a gzip file holds the time it was made
)
def test_what_cannot_be_unpacked_is_one_sentence(tmp_path, content, named):
    path = tmp_path / "fer2013.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"fer2013\.zip {named}.*python -m emotion_utils fetch fer2013") as caught:
        read_source(path, False)
    assert len(str(caught.value)) <= 400
    assert path.read_bytes() == content


def unpack(path: Path, most: int) -> bytes | None:
    with open_packed(path, rank, most) as found:
        return found and found[0].read()


def test_what_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "fer2013.zip"
    for content in (zipped({"fer2013.csv": CSV}), gzip.compress(CSV), nested(2), gzip.compress(tarred({"a": CSV}))):
        path.write_bytes(content)
        assert unpack(path, 3 * len(CSV)) in (CSV, None)
        with pytest.raises(NoTableError, match="unpacks to more"):
            unpack(path, 100_000)


@pytest.mark.skipif(os.name == "nt", reason="memory is asked of Linux")
def test_one_long_line_is_not_kept_in_memory(tmp_path):
    resource = pytest.importorskip("resource")
    with gzip.open(tmp_path / "fer2013.zip", "wb", compresslevel=1) as file:
        file.write(b"emotion,pixels,Usage\n0,")
        for _ in range(200):
            file.write(b"1" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="line 2 has more than"):
        read_source(tmp_path / "fer2013.zip", False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def flipped(content: bytes, count: int) -> list[bytes]:
    """Flip one bit, in all of the first and last bytes and in some between."""
    random = np.random.default_rng(1)
    places = [*range(60), *random.integers(0, len(content), count), *range(len(content) - 120, len(content))]
    spoilt = []
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        spoilt.append(bytes(changed))
    return spoilt


@pytest.mark.parametrize("form", ["zip", "tar.gz", "archive in archive", "gz", "bz2", "xz", "tar.bz2"])
def test_a_flipped_bit_gives_an_error_or_the_same_pixels(tmp_path, form):
    path = pack(form, tmp_path, "fer2013.csv", table(*make_rows((("Training", 6),))))
    good = read_source(path, False)
    for content in flipped(path.read_bytes(), 60):
        path.write_bytes(content)
        try:
            rows = read_source(path, False)
        except (ValueError, OSError) as error:
            assert len(str(error)) <= 400  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017
            continue
        assert torch.equal(rows.images, good.images)
        assert torch.equal(rows.labels, good.labels)


def test_a_flipped_bit_hides_no_better_table(tmp_path):
    """The name of the benchmark's table is spoilt in the zip's list; its training part must not pass for the whole."""
    good = zipped({"fer2013.csv": CSV, "train.csv": CSV[:20_000]})
    path = tmp_path / "archive.zip"
    place = good.rfind(b"fer2013.csv")
    path.write_bytes(good[:place] + b"fer2013.csw" + good[place + 11 :])
    with pytest.raises(ValueError, match=r"archive\.zip is damaged"):
        read_source(path, False)


def test_a_damaged_comment_swallows_no_members(tmp_path):
    good = bytearray(zipped({"train.csv": CSV, "fer2013.csv": CSV}))
    first, second = good.find(b"PK\1\2"), good.rfind(b"PK\1\2")
    good[first + 32 : first + 34] = struct.pack("<H", good.find(b"PK\5\6") - second)  # the length of its comment
    path = tmp_path / "archive.zip"
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["train.csv"]
    with pytest.raises(ValueError, match=r"archive\.zip is damaged .*1 files in place of 2"):
        read_source(path, False)


def test_an_export_in_a_zip_is_checked_as_well(tmp_path):
    write_export(tmp_path / "files", "{part}_{number}.png")
    some = [file for file in sorted(tmp_path.rglob("*.png")) if file.stem.endswith("0")]
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in some:
            archive.write(file, file.relative_to(tmp_path))
    good = read_source(path, False)
    assert len(good.labels) == len(some)
    for content in flipped(path.read_bytes(), 60):
        path.write_bytes(content)
        try:
            rows = read_source(path, False)
        except (ValueError, OSError):
            continue
        assert torch.equal(rows.images, good.images)
        assert torch.equal(rows.labels, good.labels)
        assert rows.names == good.names


def test_nothing_is_written_beside_an_archive(tmp_path):
    evil = {"../evil.csv": b"x", "/tmp/evil.csv": b"x", "fer2013.csv": CSV}
    for content in (zipped(evil), tarred(evil), gzip.compress(tarred(evil))):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / "fer2013.zip").write_bytes(content)
        assert len(read_source(tmp_path / "a" / "fer2013.zip", False).labels) == 30
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "fer2013.zip"]
    assert not Path("/tmp/evil.csv").exists()
