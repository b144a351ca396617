"""A bundle holds what another machine needs, and start.py installs from it without a network.

The packages are tiny ones, made here; uv, pip and start.py are the real ones.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from places import copy_start

from emotion_utils.commands import bundle

pytest.importorskip("uv", reason="start.py brings uv")
pytest.importorskip("pip", reason="start.py brings pip")

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
BACKEND = '''
import zipfile


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "course-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("course-1.0.dist-info/METADATA", """Metadata-Version: 2.1
Name: course
Version: 1.0
Requires-Dist: torch>=1.0
Requires-Dist: jupyterlab>=1.0
Provides-Extra: onnx
Requires-Dist: onnx>=1.0; extra == "onnx"
""")
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("course-1.0.dist-info/WHEEL", tag)
        wheel.writestr("course-1.0.dist-info/RECORD", "")
    return name
'''
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "course"
version = "1.0"
dependencies = ["torch>=1.0", "jupyterlab>=1.0"]

[project.optional-dependencies]
onnx = ["onnx>=1.0"]
dev = ["no-such-package"]
"""
# Each platform has its own PyTorch, and on Windows a package more.
TORCH = ("win_amd64", "macosx_11_0_arm64", "manylinux_2_28_x86_64", "manylinux_2_28_aarch64")


def make_wheel(folder: Path, name: str, tag: str = "py3-none-any", needs: str = "", code: str = "") -> None:
    """Make a package of one module."""
    version = "1.0"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def pack_again(folder: Path, package: str) -> None:
    """Make a wheel of an installed package, with its program."""
    found = metadata.distribution(package)
    info = f"{package}-{found.version}.dist-info"
    with zipfile.ZipFile(folder / f"{package}-{found.version}-py3-none-any.whl", "w") as wheel:
        for file in found.files:
            where = str(file)
            if where.startswith("../"):  # a program beside Python
                where = f"{package}-{found.version}.data/scripts/{file.name}"
            if file.name not in ("INSTALLER", "REQUESTED", "direct_url.json") and "__pycache__" not in where:
                wheel.write(file.locate(), where)
        if f"{info}/RECORD" not in wheel.namelist():
            wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Make a folder of packages, the only place where uv and pip look; and a small course in place of this one."""
    folder = tmp_path / "index"
    folder.mkdir()
    for tag in TORCH:
        make_wheel(folder, "torch", f"py3-none-{tag}", "Requires-Dist: colorama; sys_platform == 'win32'\n")
    for name in ("colorama", "editables", "onnx"):
        make_wheel(folder, name)
    make_wheel(folder, "jupyterlab", code="print('JupyterLab starts')")
    make_wheel(folder, "uv")
    (tmp_path / "uv.toml").write_text(f"no-index = true\nfind-links = [{json.dumps(str(folder))}]\n")
    for name, value in {
        "UV_CONFIG_FILE": tmp_path / "uv.toml", "UV_CACHE_DIR": tmp_path / "cache", "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": folder, "EMOTION_DATA_DIR": tmp_path / "no data",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    course = tmp_path / "course"
    (course / "data").mkdir(parents=True)
    (course / ".git").mkdir()
    (course / "pyproject.toml").write_text(PROJECT)
    (course / "backend.py").write_text(BACKEND)
    copy_start(course)
    (course / "data" / "README.md").write_text("Data.")
    (course / "data" / "my holidays.zip").write_text("private")
    monkeypatch.setattr(bundle, "REPOSITORY", course)
    return folder


def make(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    bundle.add_arguments(parser)
    bundle.run(parser.parse_args([str(argument) for argument in arguments]))


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "wheels").glob("*.whl")}


@pytest.mark.slow
def test_each_platform_gets_what_it_would_choose_itself(index, tmp_path, capfd):
    make(tmp_path / "both", "--for", "windows", "macos", "--python", "3.12", "--cuda")
    found = names(tmp_path / "both")
    assert {"torch-1.0-py3-none-win_amd64.whl", "torch-1.0-py3-none-macosx_11_0_arm64.whl"} <= found
    assert not any("linux" in name for name in found)
    assert "colorama-1.0-py3-none-any.whl" in found
    assert not (tmp_path / "both.part").exists()
    make(tmp_path / "linux", "--for", "linux", "--python", "3.12", "--cuda")
    assert not any(name.startswith("colorama") for name in names(tmp_path / "linux"))
    assert "of wheels for linux with Python 3.12" in capfd.readouterr().out


def test_the_course_comes_along_without_what_is_private(index, tmp_path):
    (tmp_path / "no data").mkdir()
    rows = "emotion,pixels,Usage\n" + f"3,{' '.join(['9'] * 48 * 48)},Training\n"
    (tmp_path / "no data" / "fer2013.csv").write_text(rows)
    make(tmp_path / "course" / "for the stick", "--cuda")
    course = tmp_path / "course" / "for the stick" / "course"
    files = {str(path.relative_to(course)) for path in course.rglob("*") if path.is_file()}
    own = {name for name in files if not name.startswith("emotion_utils")}
    assert own == {"pyproject.toml", "backend.py", "start.py", "data/README.md", "data/fer2013.csv"}
    assert "python start.py --from" in (course.parent / "README.txt").read_text()


@pytest.mark.slow
def test_what_cannot_be_chosen_is_one_sentence_and_leaves_no_bundle(index, tmp_path):
    (index / "torch-1.0-py3-none-macosx_11_0_arm64.whl").unlink()
    with pytest.raises(ValueError, match=r"python 3\.12: no set of packages fits aarch64-apple-darwin"):
        make(tmp_path / "new", "--for", "macos", "--python", "3.12")
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        make(tmp_path / "there")
    with pytest.raises(ValueError, match="python 'three'"):
        make(tmp_path / "new", "--python", "three")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the tiny PyTorch for this machine is one for Linux")
def test_start_installs_from_a_bundle_without_a_network(index, tmp_path):
    """In a network namespace of its own where this user may make one: there not even this machine can be reached."""
    (index / "uv-1.0-py3-none-any.whl").unlink()
    pack_again(index, "uv")
    make(tmp_path / "bundle", "--cuda")
    machine = tmp_path / "Rechner drüben"
    machine.mkdir()
    (tmp_path / "bundle" / "course").rename(machine / "course")
    alone = ["unshare", "--net"]
    if subprocess.call([*alone, "true"], stderr=subprocess.DEVNULL):
        alone = []
    env = {name: value for name, value in os.environ.items() if name.partition("_")[0] not in ("PIP", "UV")}
    env |= {"HOME": str(machine), "UV_OFFLINE": "1"}

    def start(*arguments) -> str:
        command = [*alone, sys.executable, machine / "course" / "start.py", *arguments]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    wheels = tmp_path / "bundle" / "wheels"
    contents = (wheels / "contents.json").read_text()
    (wheels / "contents.json").write_text(contents.replace(f'"{HERE}"', '"3.99"'))
    said = start("--from", "bundle")
    assert "this bundle is for linux" in said
    assert f"with Python 3.99; here is linux {platform.machine()} with Python {HERE}" in said
    (wheels / "contents.json").write_text(contents)
    jupyterlab = wheels / "jupyterlab-1.0-py3-none-any.whl"
    whole = jupyterlab.read_bytes()
    jupyterlab.write_bytes(whole[:-9])
    assert f"the file {jupyterlab.name} is not as it was made" in start("--from", "bundle")
    jupyterlab.unlink()
    assert f"the file {jupyterlab.name} is missing" in start("--from", "bundle")
    jupyterlab.write_bytes(whole)
    assert "this is no bundle" in start("--from", "elsewhere")
    said = start("--from", "bundle")
    assert "PyTorch: the build in the bundle." in said
    assert "JupyterLab starts" in said
    assert start() == "JupyterLab starts\n"
    assert "PyTorch 1.0 and the rest are there" in start("add", "onnx", "--from", tmp_path / "bundle")
