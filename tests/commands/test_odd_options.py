"""Odd options, consoles and files: one sentence and a status, never a traceback, and soon."""

import io
import os
import sys

import pytest
import torch
from launching import on_unix

from emotion_utils.commands.command_line import main
from emotion_utils.training.checkpoint import load_run
from emotion_utils.training.folder import launch_of

ODD = [
    (["--threads", "-1"], "threads=-1"), (["--threads", "0"], "threads=0"), (["--threads", "100000"], "threads=100000"),
    (["--device", "xpu"], "device='xpu'"), (["--device", "meta"], "device='meta'"), (["--device", ""], "device=''"),
    (["--device", "cuda:99"], "cuda:99"), (["--learning-rate", "1e308"], "learning_rate=1e+308"),
    (["--learning-rate", "nan"], "learning_rate=nan"), (["--learning-rate", "-1"], "learning_rate=-1"),
    (["--weight-decay", "inf"], "weight_decay=inf"), (["--epochs", "0"], "epochs=0"), (["--epochs", "-1"], "epochs=-1"),
    (["--epochs", "9" * 40], "epochs=999"), (["--limit", "0"], "limit=0"), (["--limit", "-1"], "limit=-1"),
    (["--batch-size", "0"], "batch_size=0"), (["--seed", "-1"], "seed=-1"), (["--seed", "9" * 30], "seed=999"),
    (["--checkpoint-every", "0"], "checkpoint_every=0"), (["--preset", "first"], "preset='first'"),
    (["--start-from", "/nowhere/x.safetensors"], "/nowhere/x.safetensors"), (["--teacher", "/nowhere"], "/nowhere"),
    (["--run-dir", __file__], "is a file"), (["--run-dir", __file__ + "/run/1"], "test_odd_options.py is a file"),
    (["--start-from", "."], "."),
]  # fmt: skip


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "words"), ODD, ids=lambda each: " ".join(each)[:30] if isinstance(each, list) else ""
)
def test_an_odd_option_is_one_sentence_before_data_are_loaded(options, words, tmp_path, monkeypatch, capsys, threads):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "synthetic", "--precision", "fp32", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1
    assert len(error) <= 420
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "options",
    [["--epochs", "1.5"], ["--limit", "many"], ["--seed", "nan"], ["--threads", "2.0"], ["--precision", "fp16"],
     ["--preset", "slow"], ["--unknown"], ["--run-dir"]],
)  # fmt: skip
def test_what_cannot_be_parsed_is_said_by_the_parser(options, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "synthetic", *options])
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["train", "fer2013", "--run-dir", ""], ["train", "fer2013", "--data-dir", ""], ["fetch", "fer2013", "--into", ""],
     ["average", "fer2013", ""], ["average", "fer2013", "x", "--output", ""], ["bundle", ""]],
    ids=" ".join,
)  # fmt: skip
def test_a_path_that_is_empty_is_said_in_plain_words(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "'': give the path of a file or folder" in said
    assert "as_path" not in said
    assert "path_option" not in said


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("emotion_utils ")


@pytest.mark.parametrize("kind", [RuntimeError, RecursionError, MemoryError, NotImplementedError, KeyError])
def test_even_what_nobody_expected_is_a_sentence(train, change_recipes, capsys, monkeypatch, kind):
    def augment(images, index, seed, epoch):
        raise kind("this\nand \x1b[1mthat")

    change_recipes(augment=augment)
    assert train("--epochs", 1)[0] == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith(f"error: {kind.__name__}: ")
    assert "\x1b" not in error
    monkeypatch.setenv("EMOTION_TRACEBACK", "1")
    with pytest.raises(kind):
        train("--epochs", 1)


def test_a_home_folder_in_paths(train, fer2013_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    os.symlink(fer2013_folder, tmp_path / "data", target_is_directory=True)
    assert train("--epochs", 1, "--data-dir", "~/data", "--run-dir", "~/mine")[0] == 0
    assert (tmp_path / "mine" / "weights.safetensors").exists()
    assert train("--epochs", 1, "--run-dir", "~/next", "--start-from", "~/mine/weights.safetensors")[0] == 0
    files = ["~/mine/weights.safetensors", "~/next/weights.safetensors"]
    assert main(["average", "fer2013", *files, "--output", "~/mean/w", "--data-dir", "~/data", "--preset", "fast"]) == 0
    assert (tmp_path / "mean" / "w").exists()
    assert main(["average", "fer2013", *files, "--output", "~/mean", "--data-dir", "~/data", "--preset", "fast"]) == 1


@on_unix
def test_names_that_are_no_text(train, tmp_path, capsys):
    """Of an old archive, or a stick from elsewhere: bytes that are no UTF-8."""
    folder = tmp_path / os.fsdecode(b"r\xe9sultats")
    assert train("--epochs", 1, "--run-dir", folder)[0] == 0, capsys.readouterr().err
    assert len(load_run(folder / "last.pt")[1].rows) == 1
    assert train("--epochs", 1, "--run-dir", folder, "--resume")[0] == 0
    assert train("--epochs", 1, "--start-from", folder / "none")[0] == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("encoding", ["cp1251", "ascii"])
def test_a_console_that_does_not_know_all_characters(train, monkeypatch, encoding):
    """As `> log.txt` in a Russian Windows: it knows no multiplication sign."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert train("--epochs", 1, "--limit", 14)[0] == 0
    assert b"Weights: " in written.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows end in another way")
@pytest.mark.parametrize("amiss", [False, True])
def test_nobody_reads_the_output(monkeypatch, capsys, tmp_path, amiss):
    """As `| head -0`: neither a traceback, nor a complaint when Python ends and writes what is left.

    Also of a command that ends with an exit status of its own.
    """
    if amiss:
        monkeypatch.setenv("EMOTION_DATA", "fer2013")
        monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["check"]) == 1
        monkeypatch.undo()
        closed.write("more")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_disk_that_takes_no_output(monkeypatch, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("no device that is always full")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["check"]) == 1
        monkeypatch.undo()
    assert capsys.readouterr().err.startswith("error: No space left")


def test_the_precision_is_said_with_its_reason_and_is_the_same_each_time(train, capsys):
    said = []
    for options in ([], [], ["--precision", "fp32"], ["--resume"]):
        assert train("--epochs", 1, *options)[0] == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if "threads" in line)
        said.append(line)
    assert said[0] == said[1]
    assert said[2].startswith("fp32 (as asked for)")
    assert said[3].startswith("fp32 (as the run began)")


@pytest.mark.parametrize("run_id", ["", "none", "a"])
def test_a_restarted_process_takes_no_older_run(train, monkeypatch, run_id):
    """Life 2 of a new run, whose life 1 ended before training."""
    assert train("--epochs", 1)[0] == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", run_id)
    code, folder = train("--epochs", 2)
    assert code == 0
    assert len(load_run(folder / "last.pt")[1].rows) == 2
    assert len(load_run(folder / "previous-1" / "last.pt")[1].rows) == 1
    assert launch_of(folder)
    before = (folder / "last.pt").read_bytes()
    assert train("--epochs", 2)[0] == 0  # life 3 goes on with what life 2 did
    assert (folder / "last.pt").read_bytes() == before
    assert not (folder / "previous-2").exists()
