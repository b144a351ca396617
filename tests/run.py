"""Run pytest over the package's tests and, through nbval, over the notebooks, on drawn faces: `python start.py test`.

Up to four workers share the files out, one core and one thread each: a notebook's cells stay with one worker. With
`--quick`, notebooks and slow tests are left out. What else is given goes to pytest.
"""

import os
import runpy
import sys
from pathlib import Path


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def options(arguments: list[str], quick: bool) -> list[str]:
    """Return what pytest is called with."""
    named = any(os.path.exists(argument.split("::")[0]) for argument in arguments)
    share = ["--numprocesses", str(min(4, cores())), "--no-loadscope-reorder"]
    if quick:
        paths = [] if named else ["tests"]
        # Two plugins that cost each worker, or each test, time: no notebook is run, and nothing here logs.
        without = ["-p", "no:nbval", "-p", "no:logging"]
        return [*share, *without, "--dist", "worksteal", "-m", "not slow and not browser", *paths, *arguments]
    # The notebooks come first: they take longest, and the many small files after them fill both cores to the end.
    paths = [] if named else ["notebooks", "tests"]
    return ["--nbval-lax", "--nbval-cell-timeout=600", "--dist", "loadfile", *share, *paths, *arguments]


def compiled_modules_in(folder: Path) -> None:
    """Let Python keep compiled modules in a folder of ours where it is told to write none beside the sources.

    Without any, each worker and each program that a test starts compiles all that it imports: 15 seconds for a worker.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        sys.dont_write_bytecode = False
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def main() -> None:
    """Become pytest, from the repository's folder."""
    os.chdir(Path(__file__).parents[1])
    for name in ("EMOTION_DATA", "MPLBACKEND"):
        os.environ.pop(name, None)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # IPython's history and Jupyter's connection files stay in .venv, away from the user's own.
    for name, folder in {"IPYTHONDIR": "ipython", "JUPYTER_RUNTIME_DIR": "runtime"}.items():
        place = Path(sys.prefix, "test-scratch", folder)
        place.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(place)
    compiled_modules_in(Path(sys.prefix, "test-scratch", "compiled"))
    quick, arguments = "--quick" in sys.argv, [argument for argument in sys.argv[1:] if argument != "--quick"]
    sys.argv = ["pytest", *options(arguments, quick)]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
