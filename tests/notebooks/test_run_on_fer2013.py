"""The comparison of notebook runs on drawn faces and on FER2013 notices what it is there for."""

import sys
from pathlib import Path

import pytest
from run_on_fer2013 import compare, main


def run_with(*lines: str) -> dict:
    outputs = [{"output_type": "stream", "name": "stdout", "text": f"before\n{line}\nafter\n"} for line in lines]
    return {"cells": [{"cell_type": "code", "source": "", "outputs": outputs}]}


DRAWN = run_with("ordering: linear 0.31 < mlp 0.45 < cnn 0.83")


def test_the_same_order_is_fine():
    assert compare(DRAWN, run_with("ordering: linear 0.25 < mlp 0.33 < cnn 0.51")) == []
    assert compare(run_with("no such line"), run_with("no such line")) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ordering: mlp 0.25 < linear 0.33 < cnn 0.51", "order differs"),
        ("ordering: linear 0.40 < mlp 0.33 < cnn 0.51", "do not rise"),
        ("nothing", "1 ordering line(s) on drawn faces, 0 on FER2013"),
    ],
)
def test_a_difference_is_noticed(line, complaint):
    assert complaint in " ".join(compare(DRAWN, run_with(line)))


def test_a_folder_in_the_repository_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run_on_fer2013.py", str(Path(__file__).parent / "out")])
    with pytest.raises(SystemExit):
        main()
    assert "outside the repository" in capsys.readouterr().err
