"""The command line: each command explains itself, and what goes wrong has an exit status."""

import pytest

from emotion_utils.commands.command_line import COMMANDS, main


def test_the_commands_are_listed_with_what_they_do(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "python -m emotion_utils" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["bake"], ["train", "cats"], ["train", "fer2013", "--epochs", "many"]])
def test_what_cannot_be_parsed_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err
