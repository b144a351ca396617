"""Run notebooks as somebody does who has nothing of this repository but the wheel that is built from it.

    python tests/tools/elsewhere.py                # all lessons and solutions: many minutes
    python tests/tools/elsewhere.py 02 09 --part lessons

The wheel goes into an environment of its own, which borrows PyTorch and the rest from the one that runs this. The
notebooks are copied to a folder of their own and run there, on drawn faces. Last of all, each is asked where its
package came from. Nothing is written into the repository.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
PARTS = {"lessons": ".", "solutions": "solutions"}
# What the new environment is given to run; the kernel of a notebook is the Python that runs this.
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
book.cells.append(nbformat.v4.new_code_cell("import emotion_utils; print(emotion_utils.__file__)"))
NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
print(book.cells[-1].outputs[-1].text)
"""


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this repository into `folder`; needs hatchling (extra: test) and no network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, wheel: Path | None) -> Path:
    """Make an environment with what this one has, our package from the wheel alone (None: without); give its Python.

    A wheel of Python alone is installed by unpacking it. What is borrowed are links, and none to our package, however
    it is installed here.
    """
    venv.EnvBuilder(symlinks=os.name != "nt", with_pip=False).create(folder)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in {path for kind in ("purelib", "platlib") for path in Path(sysconfig.get_path(kind)).iterdir()}:
        if "emotion_utils" not in entry.name and entry.suffix != ".pth":
            (borrowed / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
    (site / "borrowed.pth").write_text(str(borrowed), encoding="utf-8")
    if wheel:
        zipfile.ZipFile(wheel).extractall(site)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_there(python: Path, notebook: Path, folder: Path) -> str:
    """Run a copy of the notebook in `folder`; give the file that its package came from.

    Raises:
        subprocess.CalledProcessError: a cell failed; what it said went to standard error.
    """
    unwanted = ("PYTHONPATH", "PYTHONHOME", "EMOTION_DATA", "EMOTION_DATA_DIR")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    copy = folder / notebook.name
    copy.write_bytes(notebook.read_bytes())
    command = [str(python), "-c", RUN, str(copy), str(folder)]
    return subprocess.run(command, cwd=folder, env=env, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """Run them and print a line for each; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", metavar="NN", help="start of the file name; all when left out")
    parser.add_argument("--part", choices=[*PARTS, "both"], default="both")
    options = parser.parse_args(arguments)
    parts = list(PARTS) if options.part == "both" else [options.part]
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        python = make_environment(home / "environment", build_wheel(home))
        for part in parts:
            folder = home / part
            folder.mkdir()
            for number in options.numbers or [""]:
                for notebook in sorted((NOTEBOOKS / PARTS[part]).glob(f"{number}*.ipynb")):
                    begun = time.perf_counter()
                    try:
                        found = run_there(python, notebook, folder)
                        fine = Path(found).is_relative_to(home / "environment")
                        said = "ran" if fine else f"ran with another package: {found}"
                    except subprocess.CalledProcessError:
                        fine, said = False, "failed, see above"
                    failed += not fine
                    seconds = time.perf_counter() - begun
                    print(f"{notebook.relative_to(REPOSITORY)}: {said} ({seconds:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
