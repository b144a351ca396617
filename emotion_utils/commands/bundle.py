"""Put all that an installation needs into a folder, for machines without a network: `python start.py bundle FOLDER`."""

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

from emotion_utils.commands import bundle_contents
from emotion_utils.commands.options import path_option
from emotion_utils.data.fer2013_files import find_source
from emotion_utils.errors import brief, say, show
from emotion_utils.files import REPOSITORY, data_dir

# For each kind of machine: what its Python calls it, what uv calls it, and the tags of the wheels that it takes.
_LINUX = [*(f"manylinux_2_{minor}_" for minor in range(28, 4, -1)), "manylinux2014_", "manylinux2010_", "manylinux1_"]
MACHINES = {
    "windows": (("win32", "amd64"), "x86_64-pc-windows-msvc", ["win_amd64"]),
    "macos": (("darwin", "arm64"), "aarch64-apple-darwin", ["macosx_14_0_arm64"]),
    "linux": (("linux", "x86_64"), "x86_64-manylinux_2_28", [tag + "x86_64" for tag in _LINUX]),
    "linux-arm": (("linux", "aarch64"), "aarch64-manylinux_2_28", [tag + "aarch64" for tag in _LINUX]),
}
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", ".ipynb_checkpoints", ".virtual_documents", "*.egg-info", "*.part",
    "build", "dist", "runs", "uv.lock",
)  # fmt: skip
_AT_ONCE = 15  # wheels that pip fetches before it puts them into the folder; what is there is not fetched again
_TOOLS = ["uv>=0.7.14", "editables"]  # what installs, and what hatchling wants for an editable package
_README = """The course for machines without a network

For {made_for}. Python itself is not in here: it must be there.

1. Copy the folder "course" to a disk of your own.
2. Open a terminal in the copy, and start it with the path of the folder in which this file lies:

       python start.py --from "PATH OF THIS FOLDER"

   (python3 on Linux and macOS, py on Windows.) It installs into the folder .venv of the copy, and opens JupyterLab.

From then on `python start.py` is enough. More packages come with, for instance,

       python start.py add onnx --from "PATH OF THIS FOLDER"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", type=path_option, help="a new folder")
    parser.add_argument(
        "--for", dest="machines", nargs="+", choices=MACHINES, default=[_this_machine()], metavar="MACHINE",
        help="for which machines: %(choices)s (default: such as this)".replace("%(choices)s", ", ".join(MACHINES)),
    )  # fmt: skip
    parser.add_argument(
        "--python", dest="pythons", nargs="+", default=[f"{sys.version_info[0]}.{sys.version_info[1]}"],
        metavar="VERSION", help="for which Pythons, such as 3.12 3.13 (default: this one)",
    )  # fmt: skip
    parser.add_argument("--cuda", action="store_true", help="for Linux, take PyTorch with CUDA: 3 GB instead of 0.4")


def run(options: argparse.Namespace) -> None:
    """Make the bundle beside its place, then give it its name. The same request goes on where it broke off."""
    target = options.folder.expanduser().absolute()
    if target.exists():
        raise FileExistsError(f"{show(target)} is there already. Name a new folder, or delete this one first.")
    for python in options.pythons:
        if not re.fullmatch(r"3\.\d+", python):
            raise ValueError(f"--python {brief(python)}: give a version such as 3.12.")
    for module in ("uv", "pip"):
        if importlib.util.find_spec(module) is None:
            raise FileNotFoundError(f"{module} is missing here. `python start.py bundle` brings it.")
    targets = [(machine, python) for machine in options.machines for python in options.pythons]
    part = _begin(target.with_name(target.name + ".part"), [*targets, options.cuda])
    lists = [_collect(machine, python, part / "wheels", options.cuda) for machine, python in targets]
    pins = set().union(*map(_pins, lists))
    for wheel in sorted((part / "wheels").glob("*.whl")):
        if _pin(wheel) not in pins:  # another version, of the attempt before
            wheel.unlink()
    bundle_contents.write(part / "wheels", [(*MACHINES[machine][0], python) for machine, python in targets])
    data = _copy_course(part / "course", target)
    made_for = " and ".join(f"{machine} with Python {', '.join(options.pythons)}" for machine in options.machines)
    (part / "README.txt").write_text(_README.format(made_for=made_for), encoding="utf-8")
    (part / "request.json").unlink()
    part.rename(target)
    say(f"{show(target)}: {_gb(target / 'wheels')} of wheels for {made_for}, and {_gb(target / 'course')} of course, "
        f"{data}. Its README.txt says how to install from it.")  # fmt: skip


def _this_machine() -> str:
    here = (sys.platform, platform.machine().lower())
    return next((name for name, (machine, *_) in MACHINES.items() if machine == here), "linux")


def _begin(part: Path, request: list) -> Path:
    """Make the folder to work in, or keep that of an attempt at the same."""
    note = part / "request.json"
    if part.exists() and not (note.exists() and note.read_text(encoding="utf-8") == json.dumps(request)):
        shutil.rmtree(part)
    (part / "wheels").mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(request), encoding="utf-8")
    return part


def _collect(machine: str, python: str, wheels: Path, cuda: bool) -> Path:
    """Choose the packages as that machine would, and download what is not there yet; return the list of them."""
    _, uv_name, tags = MACHINES[machine]
    chosen = wheels / f"{machine}-{python}.txt"
    index = _choose(uv_name, python, chosen, cuda)
    say(f"Wheels for {machine} with Python {python}: {len(_pins(chosen))}")
    blocks, some = re.findall(r"^\w[^#]*", chosen.read_text(encoding="utf-8"), re.MULTILINE), wheels / "some.in"
    for start in range(0, len(blocks), _AT_ONCE):
        some.write_text("".join(blocks[start : start + _AT_ONCE]), encoding="utf-8")
        done = _python(
            "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", wheels,
            "--implementation=cp", f"--python-version={python}", *(f"--platform={tag}" for tag in tags), *index,
            "--requirement", some,
        )  # fmt: skip
        if done.returncode:
            raise ConnectionError(
                f"The wheels for {machine} with Python {python} did not all arrive; the lines above say which. The "
                "same command goes on from here."
            )
    return chosen


def _choose(uv_name: str, python: str, chosen: Path, cuda: bool) -> list[str]:
    """Write the list of packages, with checksums; return pip's options for where they are.

    uv chooses as if on that machine; pip would go by the machine on which it runs. For Linux, PyTorch without CUDA is
    taken where PyTorch's own index can be reached.
    """
    with open(REPOSITORY / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    extras = [name for name in project["project"]["optional-dependencies"] if name != "dev"]
    tools, no_triton = chosen.with_name("tools.in"), chosen.with_name("overrides.in")
    tools.write_text("\n".join([*_TOOLS, *project["build-system"]["requires"]]), encoding="utf-8")
    # A compiler for GPUs, 1 GB on the disk, which PyTorch's builds without CUDA do without.
    no_triton.write_text("" if cuda else "triton; sys_platform == 'none'\n", encoding="utf-8")
    command = ["uv", "pip", "compile", "pyproject.toml", tools, *(f"--extra={name}" for name in extras),
               f"--python-platform={uv_name}", f"--python-version={python}", "--only-binary=:all:", "--no-header",
               "--generate-hashes", "--no-annotate", "--emit-index-annotation", "--quiet", "--output-file", chosen,
               "--override", no_triton]  # fmt: skip
    without_cuda = "linux" in uv_name and not cuda
    if without_cuda and not _python(*command, "--torch-backend=cpu", stderr=subprocess.DEVNULL).returncode:
        found = re.search(r"^torch==.*?# from (\S+)", chosen.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        return ["--extra-index-url", found.group(1)] if found else []
    if without_cuda:
        say("PyTorch's own index cannot be reached, so this takes the usual build, with CUDA: about 2.5 GB.")
    if _python(*command).returncode:
        raise ValueError(
            f"--python {python}: no set of packages fits {uv_name} with this Python; the lines above say why. Or is "
            "there no network?"
        )
    return []


def _python(*command: str | Path, **options) -> subprocess.CompletedProcess:
    # uv's macOS is the oldest that PyTorch knows, unless told; the tags above begin at the same.
    # What pip may take elsewhere on this machine does not hold for what uv chose.
    env = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0", "PIP_CONSTRAINT": os.devnull}
    return subprocess.run([sys.executable, "-I", "-m", *command], cwd=REPOSITORY, env=env, check=False, **options)


def _pins(chosen: Path) -> set[str]:
    """Return the chosen packages, as `name-version`."""
    found = re.findall(r"^([\w.-]+)==(\S+)", chosen.read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{re.sub('[-_.]+', '_', name).lower()}-{version.lower()}" for name, version in found}


def _pin(wheel: Path) -> str:
    """Return a wheel's package, as `name-version`."""
    name, version = unquote(wheel.name).split("-")[:2]
    return f"{re.sub('[-_.]+', '_', name).lower()}-{version.lower()}"


def _copy_course(course: Path, target: Path) -> str:
    """Copy the repository, with the drawn faces and FER2013 where they are; say whether FER2013 is among them."""
    own = {target.name, target.name + ".part"}

    def leave_out(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == REPOSITORY / "data":
            return {name for name in names if not name.startswith(("README.md", "synthetic-"))}
        return _NOT_COPIED(folder, names) | (own if Path(folder) == target.parent else set())

    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(REPOSITORY, course, ignore=leave_out)
    try:
        source = find_source()
    except OSError:
        return "without FER2013, which is not here"
    if source.is_file():
        shutil.copy2(source, course / "data" / source.name)
    else:
        shutil.copytree(source, course / "data" / "fer2013")
    votes = data_dir() / "fer2013new.csv"
    if votes.is_file():
        shutil.copy2(votes, course / "data" / votes.name)
    return "with FER2013"


def _gb(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e9:.2f} GB"
