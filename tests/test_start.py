"""The start script installs once, says in plain words what is missing, hands the rest to JupyterLab or pytest.

It runs as a reader runs it, in a folder of its own. What it calls, pip, uv, JupyterLab and pytest, are stand-ins in
that folder's `.venv`, which write down how they were called. tests/commands/test_bundle.py has the real pip and uv.
"""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from places import REPOSITORY, copy_start

sys.path.insert(0, str(REPOSITORY))  # start.py lies there
import start

STAND_IN = """
import json, os, sys, time
from pathlib import Path

site, me, arguments = Path(__file__).parent, Path(__file__).stem, sys.argv[1:]
with open(os.environ["LOG"], "a", encoding="utf-8") as log:
    log.write(json.dumps({"module": me, "arguments": arguments, "env": dict(os.environ)}) + "\\n")
time.sleep(float(os.environ.get("TAKES_" + me.upper(), 0)))
if "--torch-backend" in arguments and "UNREACHABLE" in os.environ or me in os.environ.get("FAILING", "").split():
    sys.exit(2)
if "install" in arguments and "--dry-run" not in arguments:
    build = arguments[arguments.index("--torch-backend") + 1] if "--torch-backend" in arguments else ""
    version = "2.15.0" + {"": "", "cpu": "+cpu", "auto": "+cu130"}[build]
    package = "uv-1.0" if me == "pip" else f"torch-{version}"
    if package[0] == "u" or not any(site.glob("torch-*")):
        (site / f"{package}.dist-info").mkdir(exist_ok=True)
print(me, *arguments)
"""


@dataclass
class Course:
    """A copy of start.py with stand-ins for what it calls."""

    folder: Path
    env: dict[str, str]
    calls: list[dict] = field(default_factory=list)
    printed: str = ""

    def start(self, *arguments: str, fails: bool = False, cwd: Path | None = None, machine: str = "", **env) -> None:
        """Run it; `machine` is code that makes the machine another one."""
        log = self.folder.parent / "log"
        log.write_text("")
        script = [str(self.folder / "start.py")]
        if machine:
            script = ["-c", f"import runpy, sys; sys.argv = sys.argv[1:]; {machine}\n"
                      "runpy.run_path(sys.argv[0], run_name='__main__')", *script]  # fmt: skip
        done = subprocess.run([sys.executable, *script, *arguments], cwd=cwd or self.folder, text=True,
                              env={**self.env, "LOG": str(log), **env}, capture_output=True)  # fmt: skip
        self.printed = done.stdout + done.stderr
        self.calls = [json.loads(line) for line in log.read_text().splitlines()]
        assert (done.returncode != 0) == fails, self.printed
        assert "Traceback" not in self.printed, self.printed

    @property
    def uv(self) -> list[list[str]]:
        """What uv was asked to install."""
        asked = [call["arguments"] for call in self.calls if call["module"] == "uv"]
        return [arguments for arguments in asked if "--dry-run" not in arguments]

    @property
    def modules(self) -> list[str]:
        return [call["module"] for call in self.calls]


@pytest.fixture
def course(tmp_path):
    """A course whose .venv holds the stand-ins, on a machine without an NVIDIA GPU, as far as PATH goes."""
    folder = tmp_path / "Kurs für uns"
    folder.mkdir()
    copy_start(folder)
    for name in ("pyproject.toml", "tests/run.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    site = next((folder / ".venv").rglob("site-packages"))
    for name in ("pip", "uv", "ensurepip", "jupyterlab", "pytest"):
        (site / f"{name}.py").write_text(STAND_IN, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    left_out = ("EMOTION_DATA", "PYTHONPATH", "JUPYTER_RUNTIME_DIR", *proxies, *start.HOME_FOLDERS)
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env |= {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}", "HOME": str(tmp_path / "home")}
    env["TMPDIR"] = str(tmp_path)
    return Course(folder, env)


def graphics_card(course: Course, works: bool = True) -> None:
    """Put a stand-in for NVIDIA's program where the system finds it."""
    program = course.folder.parent / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: Some GeForce (UUID: GPU-1)'\n" if works else "#!/bin/sh\nexit 9\n")
    program.chmod(0o755)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch's usual build has no CUDA")
without_card = pytest.mark.skipif(bool(start.nvidia_driver()), reason="this machine has an NVIDIA GPU")
SMALL_DISK = "import shutil, collections; shutil.disk_usage = lambda path: collections.namedtuple('u', 'free')({:.0f})"


def test_it_uses_the_standard_library_alone():
    code = "import sys, start; print(set(sys.modules) & {'torch', 'numpy', 'emotion_utils', 'platformdirs', 'uv'})"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_first_start_installs_and_the_second_does_not(course):
    course.start()
    assert course.uv[0][course.uv[0].index("--editable") + 1] == "."
    assert course.modules[-1] == "jupyterlab"
    assert ".venv has" in course.printed
    course.start()
    assert course.modules == ["jupyterlab"]
    with open(course.folder / "pyproject.toml", "a") as file:
        file.write("# changed\n")
    course.start()
    assert len(course.uv) == 1


def test_jupyterlab_asks_no_questions(course):
    course.start()
    settings = json.loads((course.folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    notification = settings["@jupyterlab/apputils-extension:notification"]
    assert notification == {"fetchNews": "false", "checkForUpdates": False}
    assert (course.folder / ".venv/etc/jupyter/jupyter_server_config.py").exists()


def test_an_untouched_notebook_is_not_changed_by_the_kernel_that_opens_it():
    """JupyterLab compares what the notebook says of its language with what the kernel says, and takes that over."""
    from ipykernel.ipkernel import IPythonKernel
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("jupyter_server_config.py", start.HELPERS / "jupyter" / "etc" / "jupyter").load_config()
    manager = config.ServerApp.contents_manager_class(root_dir=str(REPOSITORY))
    opened = asyncio.run(manager.get("notebooks/00_start_here.ipynb"))["content"]["metadata"]
    assert opened["language_info"] == IPythonKernel.language_info
    stored = json.loads((REPOSITORY / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"))["metadata"]
    assert opened["kernelspec"] == stored["kernelspec"]
    assert asyncio.run(manager.get("README.md"))["content"].startswith("# ")
    assert asyncio.run(manager.get("notebooks"))["type"] == "directory"


@on_linux
@without_card
def test_without_a_graphics_card_pytorch_comes_without_cuda(course):
    course.start()
    assert course.uv[0][course.uv[0].index("--torch-backend") + 1] == "cpu"
    assert "PyTorch: the build without CUDA, because there is no NVIDIA GPU" in course.printed
    assert "PyTorch 2.15.0+cpu and the rest are there" in course.printed


@on_linux
@without_card
def test_nvidias_program_alone_is_no_graphics_card(course):
    graphics_card(course, works=False)
    course.start()
    assert course.uv[0][course.uv[0].index("--torch-backend") + 1] == "cpu"


@on_linux
def test_with_a_graphics_card_uv_fits_the_build_to_its_driver(course):
    graphics_card(course)
    course.start()
    assert course.uv[0][course.uv[0].index("--torch-backend") + 1] == "auto"
    assert "because there is Some GeForce" in course.printed
    assert not any("UV_OVERRIDE" in call["env"] for call in course.calls)


@on_linux
@without_card
@pytest.mark.parametrize("option", [(), ("--cpu",)])
def test_where_pytorchs_index_cannot_be_reached_the_usual_build_is_taken(course, option):
    course.start(*option, UNREACHABLE="1")
    assert len(course.uv) == 1
    assert "--torch-backend" not in course.uv[0]
    assert "PyTorch: the usual build, because PyTorch's own index with the others cannot be reached" in course.printed
    call = next(call for call in course.calls if call["arguments"] == course.uv[0])
    assert "triton" in (course.folder / call["env"]["UV_OVERRIDE"]).read_text()  # 1 GB that needs a GPU
    course.start(*option)  # what is there stays
    assert course.modules == ["jupyterlab"]


@on_linux
@without_card
def test_the_build_is_chosen_by_hand_and_kept_by_later_starts(course):
    course.start("--cpu", "--no-browser")
    assert "because of --cpu" in course.printed
    assert "--cpu" not in course.calls[-1]["arguments"]
    assert "--no-browser" in course.calls[-1]["arguments"]
    course.start()
    assert course.modules == ["jupyterlab"]


@on_linux
@without_card
def test_cuda_can_be_asked_for(course):
    course.start("--cuda")
    assert "--torch-backend" not in course.uv[0]
    assert "the usual build, which has CUDA, because of --cuda" in course.printed


def test_more_is_added_once_and_kept(course):
    course.start()
    course.start("add", "onnx")
    assert course.uv[0][course.uv[0].index("--editable") + 1] == ".[onnx]"
    assert course.modules[-1] == "uv"  # JupyterLab does not start
    course.start("add", "onnx")
    assert course.calls == []
    course.start("add", "tensorboard")
    assert ".[onnx,tensorboard]" in course.uv[0]
    course.start()
    assert course.modules == ["jupyterlab"]


def test_what_cannot_be_added_is_said_with_what_can(course):
    course.start("add", "onx", fails=True)
    assert "add onx: choose from onnx, tensorboard" in course.printed
    assert course.calls == []


def test_a_failed_installation_is_not_taken_for_done(course):
    course.start(FAILING="uv", fails=True)
    assert "no network" in course.printed
    assert "jupyterlab" not in course.modules
    assert json.loads((course.folder / ".venv" / "installed-by-start.json").read_text())["complete"] is False


def test_a_proxy_in_the_way_is_named_without_its_password(course):
    course.start(FAILING="uv", fails=True, HTTPS_PROXY="http://me:secret@127.0.0.1:9")
    assert "the proxy http://127.0.0.1:9 is not the right one (HTTPS_PROXY names it)" in course.printed
    assert "secret" not in course.printed


def test_a_small_disk_is_noticed_before_the_download(course):
    course.start(machine=SMALL_DISK.format(1e9), fails=True)
    assert "GB of disk, and 1.0 GB are free" in course.printed
    assert course.uv == []


def test_a_disk_that_fills_up_is_named(course):
    course.start()
    course.start("add", "onnx", FAILING="uv", machine=SMALL_DISK.format(1e8), fails=True)
    assert "The disk is full (0.1 GB free" in course.printed


def test_an_old_python_is_told_what_to_install(course):
    course.start(machine="sys.version_info = (3, 8, 1, 'final', 0)", fails=True)
    assert "needs Python 3.11 or newer, and this is 3.8" in course.printed
    assert course.calls == []


def test_a_python_without_venv_is_told_what_to_install(course):
    (course.folder / ".venv").rename(course.folder / "gone")
    course.start(machine="sys.modules['ensurepip'] = None", fails=True)
    assert "sudo apt install python3-venv" in course.printed


def test_two_starts_at_once_install_once(course):
    log = course.folder.parent / "both"
    env = {**course.env, "LOG": str(log), "TAKES_UV": "0.5"}
    command = [sys.executable, str(course.folder / "start.py")]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(call["module"] == "uv" and "--dry-run" not in call["arguments"] for call in calls) == 1
    assert [call["module"] for call in calls].count("jupyterlab") == 2
    assert sum("Waiting for it" in text for text in printed) == 1


def test_a_folder_that_cannot_be_written_to_is_one_sentence(course):
    machine = "import os; os.access = lambda path, mode: False"  # root may write everywhere
    course.start(machine=machine, fails=True)
    assert f"The folder {course.folder} may not be written to" in course.printed
    assert course.calls == []
    course.start()
    course.start(machine=machine)  # a teacher's installation, which others only read
    assert course.modules == ["jupyterlab"]


def test_a_home_that_cannot_be_written_to_is_no_obstacle(course):
    (course.folder.parent / "home").rmdir()
    (course.folder.parent / "home").write_text("a file is no home")
    course.start()
    assert course.modules[-1] == "jupyterlab"
    for call in course.calls:
        places = [call["env"][name] for name in (*start.HOME_FOLDERS, "JUPYTER_RUNTIME_DIR")]
        assert all(Path(place).is_relative_to(course.folder / ".venv") for place in places)


def test_the_tests_bring_what_they_need_and_run_on_drawn_faces_over_everything(course):
    course.start("test", "-k", "data", EMOTION_DATA="fer2013")
    extras = course.uv[0][course.uv[0].index("--editable") + 1]
    assert "onnx" in extras
    assert "test" in extras
    assert "dev" not in extras
    call = course.calls[-1]
    assert call["module"] == "pytest"
    assert "--nbval-lax" in call["arguments"]
    assert call["arguments"][-4:] == ["notebooks", "tests", "-k", "data"]
    assert "EMOTION_DATA" not in call["env"]
    course.start()  # for which that is more than enough
    assert course.modules == ["jupyterlab"]


def test_a_path_given_takes_the_place_of_everything(course):
    course.start("test", "tests")
    assert course.calls[-1]["arguments"][-2:] == ["--no-loadscope-reorder", "tests"]


def test_the_quick_tests_run_no_notebook(course):
    course.start("test", "--quick", "-x")
    arguments = course.calls[-1]["arguments"]
    assert arguments[-4:] == ["-m", "not slow and not browser", "tests", "-x"]
    assert "notebooks" not in arguments
    assert "--nbval-lax" not in arguments


def test_options_for_jupyterlab_are_passed_on(course):
    course.start("--port", "9999", "--no-browser")
    arguments = course.calls[-1]["arguments"]
    assert arguments[-3:] == ["--port", "9999", "--no-browser"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in arguments
    assert f"--ServerApp.root_dir={course.folder}" in arguments


def test_help_installs_nothing(course):
    course.start("--help")
    assert "python start.py test" in course.printed
    assert course.calls == []


def test_code_of_the_folder_from_which_it_is_started_is_not_run(course):
    """Somebody's Downloads may hold a file torch.py or pip.py; each stand-in here writes down that it was run."""
    downloads = course.folder.parent / "Downloads"
    downloads.mkdir()
    run = downloads / "run"
    for name in ("torch", "pip", "uv", "ensurepip", "jupyterlab", "venv", "hashlib", "shutil", "sitecustomize"):
        (downloads / f"{name}.py").write_text(f"open({str(run)!r}, 'a').write('{name}\\n')\n")
    course.start(cwd=downloads)
    assert course.modules[-1] == "jupyterlab"
    assert not run.exists()


def test_a_later_start_starts_no_process_before_jupyterlab(course):
    """Each would cost time; here the later start is killed by the first one."""
    course.start()
    machine = "import subprocess; subprocess.Popen.__init__ = lambda *a, **k: sys.exit('a process')"
    course.start(machine=machine if os.name != "nt" else "")
    assert course.modules == ["jupyterlab"]
