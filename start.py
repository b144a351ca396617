"""Install everything into .venv and open the notebooks, or run every test. Needs Python 3.11 or newer, nothing else.

    python start.py                    open the series in JupyterLab
    python start.py test               run all tests: the package, the notebooks, their style
    python start.py test --quick       … without the notebooks and the slow tests, for people who work on the package
    python start.py test -k data       … only some; what follows goes to pytest (a path, or its options)
    python start.py add onnx           install what only some readers need: onnx, tensorboard, test, dev
    python start.py bundle FOLDER      put all that an installation needs into a folder, for machines without a network

    --from FOLDER      install from such a folder, without a network
    --cpu, --cuda      take PyTorch without or with CUDA; by default, with CUDA where there is an NVIDIA driver
    --no-browser       start JupyterLab without opening a browser; it prints the address

The first start downloads PyTorch, JupyterLab and the rest. Later ones need no network: they look whether
pyproject.toml is still the one that was installed, and go straight on.
"""

# Standard library only, and syntax that an old Python can read, so that it can say that it is too old.
import argparse
import glob
import hashlib
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

OLDEST_PYTHON = (3, 11)
COMMANDS = ("open", "test", "add", "bundle")
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"]))
# Isolated: a file torch.py or pip.py in the folder from which somebody starts this is none of our business.
ISOLATED = [PYTHON, "-I"]
STAMP = os.path.join(VENV, "installed-by-start.json")
# Free disk that an installation wants, in GB. On Linux the usual PyTorch brings CUDA's libraries.
DISK_GB = {"cuda": 7, "cpu": 3}
# JupyterLab asks no reader whether they want its news, and looks for no updates of itself.
LAB_SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
# The notebooks do not say which Python wrote them. JupyterLab would add that, and show an untouched one as changed.
SERVER_CONFIG = """from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class Notebooks(AsyncLargeFileManager):
    async def get(self, *arguments, **options):
        model = await super().get(*arguments, **options)
        if model["type"] == "notebook" and model["content"]:
            from ipykernel.ipkernel import IPythonKernel

            if model["content"]["metadata"].get("kernelspec", {}).get("name") == "python3":
                model["content"]["metadata"]["language_info"] = dict(IPythonKernel.language_info)
        return model


c.ServerApp.contents_manager_class = Notebooks
"""
COPY_AGAIN = "Copy the bundle again, or make it anew with `python start.py bundle FOLDER` where there is a network."
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
        stop(
            "This needs Python {}.{} or newer, and this is {}.{} ({}).\n"
            "Install a newer one (python.org, your system's packages, `uv python install` or conda), then start "
            "this file with it, for instance: python3.12 start.py".format(
                *OLDEST_PYTHON, *sys.version_info[:2], sys.executable
            )
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
    threads = os.path.join(ROOT, "emotion_utils", "threads.py")
    if os.path.exists(threads):  # they wait briefly in all kernels, also where PyTorch is loaded before the package
        runpy.run_path(threads)
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    home, place = os.path.expanduser("~"), os.path.join(VENV, "home")
    blocked = [name for name, path in HOME_FOLDERS.items() if name not in env and not writable(home, path)]
    if blocked and not writable(place):
        place = tempfile.mkdtemp(prefix="emotion-utils-")
    env.update({name: os.path.join(place, name.lower()) for name in blocked})
    if "JUPYTER_DATA_DIR" in blocked:  # by default within the data folder, unless the system has its own place
        env.setdefault("JUPYTER_RUNTIME_DIR", os.path.join(place, "jupyter_runtime"))
    return env


def writable(*path):
    """Say whether files can be written in a folder, which may have to be made first."""
    path = os.path.join(*path)
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK)


def installed(package):
    """Return the version of a package in .venv, or ""; no process is started for that."""
    library = ["Lib"] if os.name == "nt" else ["lib", "python3*"]
    found = glob.glob(os.path.join(glob.escape(VENV), *library, "site-packages", package + "-*.dist-info"))
    return os.path.basename(found[0])[len(package) + 1 : -len(".dist-info")] if found else ""


def read_stamp():
    """Return what the last installation wrote; nothing if there was none."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def put(text, *path):
    """Write a file in .venv."""
    path = os.path.join(VENV, *path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def wanted_stamp(build, extras):
    """Return what the stamp says when `build` and `extras` are there, with all that earlier starts asked for."""
    before = read_stamp()
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = hashlib.sha256(file.read()).hexdigest()
    return {
        "project": project,
        "extras": sorted({*before.get("extras", []), *extras}),
        "build": build or before.get("build", "auto"),
        "folder": ROOT,  # .venv and the editable package point to this very folder
        "python": os.path.realpath(PYTHON),  # an update of the system may put another behind the same name
        "complete": True,
    }


@contextmanager
def alone():
    """Let one start at a time install. The lock lies on this file itself, so that it leaves no other behind."""
    with open(os.path.abspath(__file__), "rb") as file:
        waiting = False
        while not lock(file.fileno()):
            if not waiting:
                print("Another start is installing in this folder. Waiting for it.", flush=True)
            waiting = True
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
        return f"The installation from {source} did not finish; the lines above say at what.\n" + COPY_AGAIN
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


def check_bundle(source):
    """Return the folder of wheels in a bundle, once it is clear that it fits this machine and is whole."""
    wheels = os.path.join(source, "wheels")
    try:
        with open(os.path.join(wheels, "contents.json"), encoding="utf-8") as file:
            contents = json.load(file)
    except (OSError, ValueError):
        stop(
            f"--from {source}: this is no bundle. `python start.py bundle FOLDER` makes one, where there is a network."
        )
    with open(os.path.join(VENV, "pyvenv.cfg"), encoding="utf-8") as file:
        python = re.search(r"^version\S* *= *(\d+\.\d+)", file.read(), re.MULTILINE).group(1)
    here = [sys.platform, platform.machine().lower(), python]
    if here not in contents["made_for"]:
        made = ", ".join("{} {} with Python {}".format(*each) for each in contents["made_for"])
        stop(f"--from {source}: this bundle is for {made}; here is {' '.join(here[:2])} with Python {python}.")
    for name, size in contents["wheels"].items():
        path = os.path.join(wheels, name)
        if not os.path.exists(path) or os.path.getsize(path) != size:
            what = "is not as it was made" if os.path.exists(path) else "is missing"
            stop(f"--from {source}: the file {name} {what}.\n" + COPY_AGAIN)
    return wheels


def nvidia_driver():
    """Return what shows that there is an NVIDIA GPU with its driver, or ""."""
    if os.name == "nt":
        library = os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "nvcuda.dll")
        return library if os.path.exists(library) else ""
    program = shutil.which("nvidia-smi") or shutil.which("/usr/lib/wsl/lib/nvidia-smi")
    if program:  # which may be there without a GPU
        try:
            listed = subprocess.check_output([program, "-L"], stderr=subprocess.DEVNULL, timeout=20)
            return re.match(r"GPU 0: ([^(\n]*[^( \n])", listed.decode("utf-8", "replace")).group(1)
        except (OSError, subprocess.SubprocessError, AttributeError):
            pass
    return "".join(glob.glob("/proc/driver/nvidia/gpus/*")[:1])


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
    need = DISK_GB["cuda" if sys.platform == "linux" and backend != "cpu" else "cpu"]
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
    there = glob.glob(os.path.join(glob.escape(wheels), "triton-*")) if wheels else build == "cuda" or nvidia_driver()
    if sys.platform != "linux" or there:
        return {}
    put("triton; sys_platform == 'none'\n", "overrides.txt")
    return {"UV_OVERRIDE": os.path.join(".venv", "overrides.txt")}  # a list with blanks between, so without ROOT


def install(stamp, source):
    """Bring .venv up to the stamp with uv, which pip puts there.

    `uv pip install` rather than `uv sync`: it alone can choose PyTorch's build, and it leaves uv in place.
    """
    began, advice = time.time(), advice_on_failure(source)
    wheels = check_bundle(source) if source else ""
    where = ["--no-index", "--find-links", wheels] if source else []
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
    put(json.dumps(dict(stamp, complete=False)), STAMP)
    command += ["--torch-backend", backend] if backend else []
    run(command, advice, **leave_triton_out(stamp["build"], wheels))
    put(json.dumps(LAB_SETTINGS), "share", "jupyter", "lab", "settings", "overrides.json")
    put(SERVER_CONFIG, "etc", "jupyter", "jupyter_server_config.py")
    shutil.rmtree(os.path.join(VENV, "home", "uv_cache_dir"), ignore_errors=True)
    put(json.dumps(stamp, indent=1), STAMP)
    took = f"{time.time() - began:.0f} s; .venv has {folder_size(VENV) / 1e9:.1f} GB"
    print(f"PyTorch {installed('torch')} and the rest are there after {took}.\n", flush=True)


def folder_size(folder):
    """Return the bytes of all files in a folder."""
    return sum(os.lstat(os.path.join(top, name)).st_size for top, _, names in os.walk(folder) for name in names)


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
    first = ["--ServerApp.root_dir=" + ROOT, "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
    launch(["-P", "-m", "jupyterlab", *first, *arguments], environment())


def cores():
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def test(arguments, quick):
    """Run pytest over the package's tests and, through nbval, over the notebooks, on drawn faces.

    Up to four workers share the files out, one core and one thread each: a notebook's cells stay with one worker.
    """
    os.chdir(ROOT)
    env = {name: value for name, value in environment().items() if name not in ("EMOTION_DATA", "MPLBACKEND")}
    env.setdefault("OMP_NUM_THREADS", "1")
    # IPython's history and Jupyter's connection files stay in .venv, away from the user's own.
    scratch = os.path.join(VENV, "test-scratch")
    os.makedirs(scratch, exist_ok=True)
    env.update(IPYTHONDIR=os.path.join(scratch, "ipython"), JUPYTER_RUNTIME_DIR=os.path.join(scratch, "runtime"))
    named = any(os.path.exists(a.split("::")[0]) for a in arguments)
    share = ["--numprocesses", str(min(4, cores())), "--no-loadscope-reorder"]
    if quick:
        paths = [] if named else ["tests"]
        launch(
            ["-P", "-m", "pytest", *share, "--dist", "worksteal", "-m", "not slow and not browser", *paths, *arguments],
            env,
        )
    # The notebooks come first: they take longest, and the many small files after them fill both cores to the end.
    paths = [] if named else ["notebooks", "tests"]
    nbval = ["--nbval-lax", "--nbval-cell-timeout=600", "--dist", "loadfile"]
    launch(["-P", "-m", "pytest", *nbval, *share, *paths, *arguments], env)


def known_extras():
    """Return the names of pyproject.toml's extras."""
    import tomllib  # which an old Python lacks

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return list(tomllib.load(file)["project"]["optional-dependencies"])


def read_command_line(arguments):
    """Return the command, its options, and what is left for the program that it starts."""
    command = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "open"
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = lambda message: stop(f"{message}: `python start.py --help` shows what there is.")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--cpu", dest="build", action="store_const", const="cpu")
    parser.add_argument("--cuda", dest="build", action="store_const", const="cuda")
    parser.add_argument("--from", dest="source", type=lambda path: os.path.abspath(os.path.expanduser(path)))
    if command == "test":
        parser.add_argument("--quick", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    return command, options, rest


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
    extras = {"test": [name for name in known_extras() if name != "dev"], "add": rest}.get(command, [])
    for name in extras:
        if name not in known_extras():
            stop(f"add {name}: choose from {', '.join(known_extras())}.")
    prepare(options.build, extras, options.source)
    if command == "test":
        test(rest, options.quick)
    elif command == "bundle":
        launch(["-P", "-m", "emotion_utils", "bundle", *rest], environment())
    elif command == "open":
        jupyter(rest)


if __name__ == "__main__":
    main()
