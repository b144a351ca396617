"""Install everything into .venv and open the notebooks, or run every test. Needs Python 3.11 or newer, nothing else.

    python start.py                        open the series in JupyterLab
    python start.py test                   run all tests: the package, the notebooks, their style
    python start.py test -k data           … only some; what follows goes to pytest (a path, or its options)

    --cpu          install the small CPU-only PyTorch (Linux; must come with the first start)
    --no-browser   start JupyterLab without opening a browser; it prints the address

The first start downloads PyTorch, JupyterLab and the rest. Later ones need no network: they look whether
pyproject.toml is still the one that was installed, and go straight on.
"""

# Standard library only, and syntax that an old Python can read, so that it can say that it is too old.
import hashlib
import os
import shutil
import subprocess
import sys

OLDEST_PYTHON = (3, 11)
EXTRAS = "onnx,tensorboard,test"
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"]))
# Isolated: a file torch.py or pip.py in the folder from which somebody starts this is none of our business.
ISOLATED = [PYTHON, "-I"]
STAMP = os.path.join(VENV, "installed-by-start.txt")
# Free disk that an installation wants, in GB. On Linux the default PyTorch brings CUDA's libraries.
DISK_GB = {"full": 8, "small": 3}


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


def make_venv():
    """Make .venv, unless a working one of a fitting version stands there."""
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    if os.path.exists(PYTHON) and subprocess.call([*ISOLATED, "-c", probe], stderr=subprocess.DEVNULL) == 0:
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
        stop(
            f"Could not make {VENV}: {error}\n"
            "Is the folder writable, is the disk full, is a program from it still running?\n"
            "Close JupyterLab, delete the folder .venv and start again."
        )


def fingerprint(cpu):
    """Return what the stamp file must say for the environment to be up to date."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    # The path is part of it, because .venv and the editable package point to this very folder.
    return "\n".join([wanted, EXTRAS, ROOT, "cpu" if cpu else "default"])


def read_stamp():
    """Return what the last complete installation wrote, or "" if there was none."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def check_disk(cpu):
    """Stop before a first download that the disk has no room for."""
    if subprocess.call([*ISOLATED, "-c", "import torch"], stderr=subprocess.DEVNULL) == 0:
        return
    need = DISK_GB["full" if sys.platform == "linux" and not cpu else "small"]
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < need:
        advice = "" if cpu or sys.platform != "linux" else "\nWithout an NVIDIA GPU, `--cpu` needs far less."
        stop(
            f"The installation wants about {need} GB of disk, and {free:.1f} GB are free at {ROOT}.\n"
            f"Make some room, or move this folder to a larger disk.{advice}"
        )


def run(command, advice):
    """Run a step of the installation; stop with `advice` if it fails."""
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    if subprocess.call([*ISOLATED, "-m", *command], cwd=ROOT, env=env):
        free = shutil.disk_usage(ROOT).free / 1e9
        if free < 0.5:
            advice = f"The disk is full ({free:.1f} GB free at {ROOT}). Make room and start again."
        stop(advice)


def install(cpu):
    """Bring .venv up to pyproject.toml with uv, which pip puts there; do nothing when that is done already.

    An environment that has the small PyTorch keeps it: later starts need not say `--cpu` again.
    """
    cpu = cpu or read_stamp().endswith("\ncpu")
    wanted = fingerprint(cpu)
    if read_stamp() == wanted:
        return
    check_disk(cpu)
    print("Installing; the first time this downloads PyTorch and JupyterLab and takes some minutes.", flush=True)
    offline = (
        "The installation did not finish; the lines above say at what.\n"
        "Most often there is no network, or a proxy that Python does not know (set HTTPS_PROXY).\n"
        "What has been downloaded is kept: start again to go on."
    )
    if subprocess.call([*ISOLATED, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        run(["ensurepip", "--upgrade"], "The environment .venv has no pip. Delete the folder .venv and start again.")
    run(["pip", "install", "--quiet", "--disable-pip-version-check", "uv>=0.7.14"], offline)
    # `uv pip install` rather than `uv sync`: it alone can choose PyTorch's CPU-only build, and it leaves uv in place.
    backend = ["--torch-backend", "cpu"] if cpu else []
    run(["uv", "pip", "install", "--python", PYTHON, *backend, "--editable", ".[" + EXTRAS + "]"], offline)
    with open(STAMP, "w", encoding="utf-8") as file:
        file.write(wanted)


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
    launch(["-P", "-m", "jupyterlab", *first, *arguments], dict(os.environ))


def cores():
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def test(arguments):
    """Run pytest over the package's tests and, through nbval, over the notebooks, on drawn faces.

    Up to four workers share the files out, one core and one thread each: a notebook's cells stay with one worker.
    """
    os.chdir(ROOT)
    env = {name: value for name, value in os.environ.items() if name not in ("EMOTION_DATA", "MPLBACKEND")}
    env.setdefault("OMP_NUM_THREADS", "1")
    # IPython's history and Jupyter's connection files stay in .venv, away from the user's own.
    scratch = os.path.join(VENV, "test-scratch")
    os.makedirs(scratch, exist_ok=True)
    env.update(IPYTHONDIR=os.path.join(scratch, "ipython"), JUPYTER_RUNTIME_DIR=os.path.join(scratch, "runtime"))
    named = any(os.path.exists(a.split("::")[0]) for a in arguments)
    # The notebooks come first: they take longest, and the many small files after them fill both cores to the end.
    paths = [] if named else ["notebooks", "tests"]
    share = ["--numprocesses", str(min(4, cores())), "--dist", "loadfile", "--no-loadscope-reorder"]
    launch(["-P", "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=600", *share, *paths, *arguments], env)


def main():
    """Read the command line, install what is missing, launch."""
    arguments = sys.argv[1:]
    command = arguments.pop(0) if arguments and arguments[0] in ("open", "test") else "open"
    if any(a in ("-h", "--help") for a in arguments):
        print(__doc__)
        return
    check_python()
    cpu = "--cpu" in arguments
    make_venv()
    install(cpu)
    (test if command == "test" else jupyter)([a for a in arguments if a != "--cpu"])


if __name__ == "__main__":
    main()
