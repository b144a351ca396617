"""Install everything into .venv and open the notebooks, or run every test. Needs Python 3.11 or newer, nothing else.

    python start.py                    open the series in JupyterLab
    python start.py test               run all tests: the package, the notebooks, their style
    python start.py test --quick       … without the notebooks and the slow tests, for people who work on the package
    python start.py test -k data       … only some; what follows goes to pytest (a path, or its options)
    python start.py add onnx           install what only some readers need: onnx, tensorboard, search, photos, …
    python start.py bundle FOLDER      put all that an installation needs into a folder, for machines without a network

    --from FOLDER      install from such a folder, without a network
    --cpu, --cuda      take PyTorch without or with CUDA; by default, with CUDA where there is an NVIDIA driver
    --no-browser       start JupyterLab without opening a browser; it prints the address

The first start downloads PyTorch, JupyterLab and the rest. Later ones need no network: they look whether
pyproject.toml is still the one that was installed, and go straight on.
"""

# Standard library only, and syntax that an old Python can read, so that it can say that it is too old.
import argparse
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

OLDEST_PYTHON = (3, 11)
COMMANDS = ("open", "test", "add", "bundle")
ROOT = Path(__file__).absolute().parent
HELPERS = ROOT / "emotion_utils" / "commands"  # files of the package that need nothing installed either
VENV = ROOT / ".venv"
PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
# Isolated: a file torch.py or pip.py in the folder from which somebody starts this is none of our business.
ISOLATED = [PYTHON, "-I"]
STAMP = VENV / "installed-by-start.json"
# What writes into the home folder, and where; a reader whose home cannot be written to gets folders elsewhere.
HOME_FOLDERS = {
    "UV_CACHE_DIR": ".cache/uv",
    "XDG_CACHE_HOME": ".cache",
    "JUPYTER_CONFIG_DIR": ".jupyter",
    "JUPYTER_DATA_DIR": ".local/share/jupyter",
    "IPYTHONDIR": ".ipython",
    "MPLCONFIGDIR": ".config/matplotlib",
}


def stop(message):
    """End with a message for a person, and status 1."""
    sys.exit("\n" + message)


def check_python():
    """Stop when this Python is too old or cannot make virtual environments."""
    if sys.version_info < OLDEST_PYTHON:
        oldest, this = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
        stop(
            f"This needs Python {oldest} or newer, and this is {this} ({sys.executable}).\n"
            "Install a newer one (python.org, your system's packages, `uv python install` or conda), then start "
            "this file with it, for instance: python3.12 start.py"
        )


# --- The environment -------------------------------------------------------------------------------------------------


def make_venv(fresh=False):
    """Make .venv, unless a working one of a fitting version stands there."""
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    works = os.path.exists(PYTHON) and subprocess.call([*ISOLATED, "-c", probe], stderr=subprocess.DEVNULL) == 0
    if works and not fresh:
        return
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        stop(
            "This Python lacks the module that makes virtual environments.\n"
            "On Debian and Ubuntu: sudo apt install python3-venv   (then start again)\n"
            "Or install Python from python.org, or use uv or conda as the README shows."
        )
    print("Making the virtual environment", VENV, flush=True)
    try:
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(VENV)
    except (OSError, subprocess.CalledProcessError) as error:
        advice = "Is a program from it still running? Close JupyterLab, delete the folder .venv and start again."
        if shutil.disk_usage(ROOT).free < 2e8:
            advice = "The disk is full. Make room and start again."
        stop(f"Could not make {VENV}: {error}\n{advice}")


def environment():
    """Return the variables for what is started here; folders that cannot be made in the home folder are elsewhere."""
    # Threads wait briefly in all kernels, also where PyTorch is loaded before the package.
    runpy.run_path(str(ROOT / "emotion_utils" / "threads.py"))
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    home, place = Path(os.path.expanduser("~")), VENV / "home"
    blocked = [name for name, path in HOME_FOLDERS.items() if name not in env and not writable(home / path)]
    if blocked and not writable(place):
        place = Path(tempfile.mkdtemp(prefix="emotion-utils-"))
    env.update({name: str(place / name.lower()) for name in blocked})
    if "JUPYTER_DATA_DIR" in blocked:  # by default within the data folder, unless the system has its own place
        env.setdefault("JUPYTER_RUNTIME_DIR", str(place / "jupyter_runtime"))
    return env


def writable(path):
    """Say whether files can be written in a folder, which may have to be made first."""
    there = next((folder for folder in (path, *path.parents) if os.path.exists(folder)), path)
    return os.path.isdir(there) and os.access(there, os.W_OK)


def installed(package):
    """Return the version of a package in .venv, or ""; no process is started for that."""
    library = "Lib" if os.name == "nt" else "lib/python3*"
    found = list(VENV.glob(f"{library}/site-packages/{package}-*.dist-info"))
    return found[0].name[len(package) + 1 : -len(".dist-info")] if found else ""


def read_stamp():
    """Return what the last installation wrote; nothing if there was none."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def wanted_stamp(build, extras):
    """Return what the stamp says when `build` and `extras` are there, with all that earlier starts asked for."""
    before = read_stamp()
    return {
        "project": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
        "extras": sorted({*before.get("extras", []), *extras}),
        "build": build or before.get("build", "auto"),
        "folder": str(ROOT),  # .venv and the editable package point to this very folder
        "python": os.path.realpath(PYTHON),  # an update of the system may put another behind the same name
        "complete": True,
    }


@contextmanager
def alone():
    """Let one start at a time install. The lock lies on this file itself, so that it leaves no other behind."""
    with open(__file__, "rb") as file:
        if not lock(file.fileno()):
            print("Another start is installing in this folder. Waiting for it.", flush=True)
            while not lock(file.fileno()):
                time.sleep(0.3)
        yield


def lock(number):
    """Take the lock on an open file until that is closed; False if another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(number, 1 << 30, os.SEEK_SET)  # beyond the end, where nobody reads
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a drive that knows no locks
        pass
    return True


# --- Installing ------------------------------------------------------------------------------------------------------


def call(command, quiet=False, **variables):
    """Run a module of .venv's Python; return its status."""
    silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} if quiet else {}
    return subprocess.call([*ISOLATED, "-m", *command], cwd=ROOT, env={**environment(), **variables}, **silence)


def run(command, advice, **variables):
    """Run a step of the installation; stop with `advice` if it fails."""
    if call(command, **variables):
        free = shutil.disk_usage(ROOT).free / 1e9
        if free < 0.5:
            advice = f"The disk is full ({free:.1f} GB free at {ROOT}). Make room and start again."
        stop(advice)


def advice_on_failure(source):
    """Say what most often is the matter when the packages do not arrive."""
    if source:
        return f"Installing from {source} failed; the lines above say at what. Copy the bundle again, or make it anew."
    names = [name for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)]
    proxy = "a proxy that Python does not know (set HTTPS_PROXY)"
    if names:  # without the password that may stand in it
        address = re.sub("//.*@", "//", os.environ[names[0]])
        proxy = f"the proxy {address} is not the right one ({names[0]} names it)"
    return (
        "The installation did not finish; the lines above say at what.\n"
        f"Most often there is no network, or {proxy}.\n"
        "What has been downloaded is kept: start again to go on. Without a network: --from FOLDER (see --help)."
    )


def nvidia_driver():
    """Return what shows that there is an NVIDIA GPU with its driver, or ""."""
    if os.name == "nt":
        library = Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "nvcuda.dll")
        return str(library) if library.exists() else ""
    program = shutil.which("nvidia-smi") or shutil.which("/usr/lib/wsl/lib/nvidia-smi")
    if program:  # which may be there without a GPU
        try:
            listed = subprocess.check_output([program, "-L"], stderr=subprocess.DEVNULL, timeout=20)
            return re.match(r"GPU 0: ([^(\n]*[^( \n])", listed.decode("utf-8", "replace")).group(1)
        except (OSError, subprocess.SubprocessError, AttributeError):
            pass
    return next(map(str, Path("/proc/driver/nvidia/gpus").glob("*")), "")


def choose_pytorch(build):
    """Return uv's name for the PyTorch build to take, None for the usual one, and the reason."""
    driver = nvidia_driver()
    if sys.platform == "darwin":
        return None, "the usual build; for a Mac there is one"
    if os.name == "nt" and build != "cuda":
        return None, "the usual build, without CUDA" + (f" (there is {driver}; --cuda would use it)" if driver else "")
    if build == "cpu":
        return "cpu", "the build without CUDA, because of --cpu"
    if driver or os.name == "nt":
        return "auto", f"the build with CUDA, because {'there is ' + driver if driver else 'of --cuda'}"
    if build == "cuda":
        return None, "the usual build, which has CUDA, because of --cuda"
    return "cpu", "the build without CUDA, because there is no NVIDIA GPU with a driver (--cuda takes the other)"


def must_start_afresh(backend, build):
    """Say whether another build of PyTorch is asked for than is there; CUDA's libraries would be left over."""
    before, now = read_stamp().get("build"), installed("torch")
    if not now or before in (None, build):
        return False
    if backend is None:  # the usual build; rather than nothing, one without CUDA is kept where CUDA was not asked for
        return build == "cuda" and "+cpu" in now
    return ("+cpu" in now) != (backend == "cpu") or (backend == "auto" and "+" not in now)


def check_disk(backend):
    """Stop before a first download that the disk has no room for."""
    need = 7 if sys.platform == "linux" and backend != "cpu" else 3  # GB; CUDA's libraries come with the usual build
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < need and not installed("torch"):
        stop(
            f"The installation wants about {need} GB of disk, and {free:.1f} GB are free at {ROOT}.\n"
            "Make some room, or move this folder to a larger disk."
        )


def get_uv(where, advice):
    """Bring uv into .venv, unless it is there."""
    if installed("uv"):
        return
    if call(["pip", "--version"], quiet=True):
        run(["ensurepip", "--upgrade"], "The environment .venv has no pip. Delete the folder .venv and start again.")
    run(["pip", "install", "--quiet", "--disable-pip-version-check", *where, "uv>=0.7.14"], advice)


def leave_triton_out(build, wheels):
    """Return the variable that keeps uv from installing Triton, a compiler for GPUs of 1 GB, where there is no GPU.

    PyTorch's builds without CUDA come without it; the usual build for Linux wants it, and runs without it.
    """
    wanted = any(wheels.glob("triton-*")) if wheels else build == "cuda" or nvidia_driver()
    if sys.platform != "linux" or wanted:
        return {}
    (VENV / "overrides.txt").write_text("triton; sys_platform == 'none'\n")
    return {"UV_OVERRIDE": os.path.join(".venv", "overrides.txt")}  # a list with blanks between, so without ROOT


def install(stamp, source):
    """Bring .venv up to the stamp with uv, which pip puts there.

    `uv pip install` rather than `uv sync`: it alone can choose PyTorch's build, and it leaves uv in place.
    """
    began, advice = time.time(), advice_on_failure(source)
    wheels = runpy.run_path(str(HELPERS / "bundle_contents.py"))["check"](source, VENV) if source else None
    where = ["--no-index", "--find-links", str(wheels)] if source else []
    print("Installing; the first time this takes some minutes, most of them for PyTorch.", flush=True)
    get_uv(where, advice)
    extras = "[" + ",".join(stamp["extras"]) + "]" if stamp["extras"] else ""
    command = ["uv", "pip", "install", "--python", PYTHON, "--editable", "." + extras, *where]
    backend, why = (None, "the build in the bundle") if source else choose_pytorch(stamp["build"])
    if backend and call([*command, "--torch-backend", backend, "--dry-run"], quiet=True):
        backend, why = None, "the usual build, because PyTorch's own index with the others cannot be reached"
    print(f"PyTorch: {why}.", flush=True)
    check_disk(backend)
    if must_start_afresh(backend, stamp["build"]):
        make_venv(fresh=True)
        get_uv(where, advice)
    STAMP.write_text(json.dumps(dict(stamp, complete=False)), encoding="utf-8")
    command += ["--torch-backend", backend] if backend else []
    run(command, advice, **leave_triton_out(stamp["build"], wheels))
    shutil.copytree(HELPERS / "jupyter", VENV, dirs_exist_ok=True)  # settings for JupyterLab
    shutil.rmtree(VENV / "home" / "uv_cache_dir", ignore_errors=True)
    STAMP.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    size = sum(path.lstat().st_size for path in VENV.rglob("*") if not path.is_dir())
    took = f"{time.time() - began:.0f} s; .venv has {size / 1e9:.1f} GB"
    print(f"PyTorch {installed('torch')} and the rest are there after {took}.\n", flush=True)


def prepare(build, extras, source):
    """Make and fill .venv, unless all is there that this start asks for."""
    if is_ready(build, extras):
        return
    if not os.access(ROOT, os.W_OK):
        stop(f"The folder {ROOT} may not be written to, and .venv has to go there.\nCopy it to a folder of your own.")
    with alone():
        if is_ready(build, extras):  # by now, thanks to another start
            return
        try:
            wanted = wanted_stamp(build, extras)
            make_venv(fresh=read_stamp().get("complete") is False)  # what broke off may have left half a package
            install(dict(wanted, python=os.path.realpath(PYTHON)), source)
        except KeyboardInterrupt:
            stop("Stopped. What has been downloaded is kept: start again to go on.")
        except OSError as error:
            stop(f"The installation did not finish: {error}.\nMend that and start again.")


def is_ready(build, extras):
    """Say whether .venv is complete, without starting a process: that would cost each start time."""
    return os.path.exists(PYTHON) and read_stamp() == wanted_stamp(build, extras)


# --- The commands ----------------------------------------------------------------------------------------------------


def launch(command, env):
    """Replace this process by `command`; on Windows, which cannot, wait for it and pass its status on."""
    if os.name != "nt":
        os.execve(PYTHON, [PYTHON, *command], env)
    child = subprocess.Popen([PYTHON, *command], env=env)
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:  # Ctrl-C is for JupyterLab, which asks before it stops
            continue


def jupyter(arguments):
    """Open JupyterLab on this folder, so that links from notebooks to other files work, with the first notebook."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container; JupyterLab would refuse
        arguments = ["--allow-root", *arguments]
    os.chdir(ROOT)
    first = [f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
    launch(["-P", "-m", "jupyterlab", *first, *arguments], environment())


def read_command_line(arguments):
    """Return the command, its options, and what is left for the program that it starts."""
    command = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "open"
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = lambda message: stop(f"{message}: `python start.py --help` shows what there is.")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--cpu", dest="build", action="store_const", const="cpu")
    parser.add_argument("--cuda", dest="build", action="store_const", const="cuda")
    parser.add_argument("--from", dest="source", type=lambda path: Path(os.path.abspath(os.path.expanduser(path))))
    return (command, *parser.parse_known_args(arguments))


def main():
    """Read the command line, install what is missing, launch."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may not know the name of a folder
    command, options, rest = read_command_line(sys.argv[1:])
    if options.help:
        print(__doc__)
        return
    check_python()
    import tomllib  # which an old Python lacks

    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    extras = {"test": [name for name in known if name != "dev"], "add": rest}.get(command, [])
    for name in extras:
        if name not in known:
            stop(f"add {name}: choose from {', '.join(known)}.")
    prepare(options.build, extras, options.source)
    if command == "test":
        launch(["-P", str(ROOT / "tests" / "run.py"), *rest], environment())
    elif command == "bundle":
        launch(["-P", "-m", "emotion_utils", "bundle", *rest], environment())
    elif command == "open":
        jupyter(rest)


if __name__ == "__main__":
    main()
