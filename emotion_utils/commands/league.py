"""Merge the challenge entries of many learners into one table: `python -m emotion_utils league hand_in/*.json`.

The files are those that `challenge.enter` writes, `runs/league.json` beside the notebook.
"""

import argparse
from pathlib import Path

from emotion_utils.challenge.standings import find_files, is_merged, is_table, merge_files
from emotion_utils.commands.options import check_output, path_option
from emotion_utils.errors import say, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("files", type=path_option, nargs="+", help="files of learners, folders of such files, or patterns")
    add("--csv", type=path_option, metavar="FILE", help="also write every entry that compares, with code, as CSV")
    add("--output", type=path_option, metavar="FILE", help="also write the merged league, as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the table and what was left out; write what was asked for."""
    if options.csv and options.csv.suffix.lower() == ".json":  # as by --csv *.json, which names the first file
        raise ValueError(f"--csv {show(options.csv)}: that is called as a file of entries. Name the table: league.csv.")
    files = find_files(options.files)
    if options.csv:
        check_output("csv", options.csv, is_table, "table of this command", files)
    if options.output:
        check_output("output", options.output, is_merged, "league that was merged", files)
    if options.csv and options.csv == options.output:
        raise ValueError(f"--csv and --output both name {show(options.csv)}: give each a file of its own.")
    league, problems = merge_files(files)
    if not league.entries:
        raise ValueError(problems[0] if problems else f"{show(options.files[0])}: no entries.")
    say_lines(str(league))
    for problem in problems:
        say(problem)
    written: list[Path] = []
    if options.csv:
        written.append(league.to_csv(options.csv))
    if options.output:
        written.append(league.write(options.output, merged=True))
    for path in written:
        say(f"Written: {show(path)}")


def say_lines(text: str) -> None:
    """Print a table, a line at a time."""
    for line in text.splitlines():
        say(line)
