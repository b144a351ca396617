"""Predict the emotion that each face in photographs shows: `python -m emotion_utils predict holiday.jpg photos/`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn
from tqdm.std import tqdm

from emotion_utils.commands.camera import watch
from emotion_utils.commands.options import check_output, path_option
from emotion_utils.commands.picture_files import check_places, find_pictures, picture_endings, resolve_patterns
from emotion_utils.commands.prediction_tables import CsvTable, JsonTable, Table, open_table
from emotion_utils.data.image_files import ImageError
from emotion_utils.errors import check_share, reason, say, show
from emotion_utils.files import atomic_write
from emotion_utils.models.facts import facts_of
from emotion_utils.models.priors import EQUAL, LEARNT, prior_change
from emotion_utils.photos import Box, Photo, Prediction, draw_predictions, finders, predict_photo, read_photo
from emotion_utils.photos.finding import ADVICE, FINDERS, WHOLE, choose_finder
from emotion_utils.photos.prediction import classes_of, find_network

SOME_UNREADABLE, NO_FACE = 3, 4  # exit statuses beside 0, 1 and 2
SHOWN = 20  # unreadable files that are listed
NOT_FOR_THE_CAMERA = ("csv", "json", "draw", "single", "box")
LONGEST_STEM = 50  # characters of a file's name that its drawing keeps: a name may have 255 bytes

EPILOG = f"""A label is the name that people would most likely give to an expression. It does not say what somebody
feels, and must not be used to judge people. To infer the emotions of people at work or in education from their faces is
prohibited in the EU, except for medical or safety reasons. Faces that are too small, too dark, turned too far or not
clear to the network get no answer. A network takes each emotion to be as common as in what it learnt from, and seldom
says what was rare there, such as disgust. By default this is taken out again, as nobody knows beforehand what your
pictures show. (The column "frequencies" of a table says which it was; weights that do not know how common each emotion
was stay with "learnt".) To find faces a small library is needed: {ADVICE}. Without one, --box says where the face is.
Exit status: 0 all pictures were read and a face was found; 1 an error, in one sentence, such as a value out of range;
2 options that cannot be read, are missing or do not go together; 3 some pictures could not be read; 4 there is no face
in any of them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = EPILOG
    parser.set_defaults(refuse=parser.error)  # says how the command is called, and ends with status 2
    add = parser.add_argument
    add("places", type=path_option, nargs="*", metavar="FILE_OR_FOLDER", help="photographs, folders, patterns")
    add("--model", default="fer2013", metavar="NAME_OR_FILE",
        help="fer2013, ferplus, synthetic, or a file of weights of your own (default: %(default)s)")  # fmt: skip
    add("--csv", type=path_option, metavar="OUT", help="write a table with a row for each face; - prints it")
    add("--json", type=path_option, metavar="OUT", help="write the same as JSON; - prints it")
    add("--draw", type=path_option, metavar="FOLDER",
        help="write each photograph with boxes and bars into a folder, the first as 00001_NAME.jpg")  # fmt: skip
    add("--threshold", type=float, default=0.5, help="give no answer below this probability (default: %(default)s)")
    add("--frequencies", default=EQUAL, choices=[EQUAL, LEARNT],
        help="how common each emotion is taken to be: equal, all the same; learnt, as in what the network learnt from "
        "(default: %(default)s)")  # fmt: skip
    add("--single", action="store_true", help="look once at each face: faster, less accurate")
    add("--finder", default="auto", choices=["auto", WHOLE, *FINDERS],
        help="what finds faces; whole: the middle square of a picture (default: the best that is here)")  # fmt: skip
    add("--box", type=float, nargs=4, metavar=("LEFT", "TOP", "WIDTH", "HEIGHT"),
        help="where the face is, in pixels, the same in each picture: nothing is looked for then")  # fmt: skip
    add("--camera", action="store_true", help="look through this machine's camera; nothing is kept")


def run(options: argparse.Namespace) -> None:
    """Predict, print, write tables; exit with a status that says how it went."""
    check_share(threshold=options.threshold)
    if options.camera == bool(options.places):
        options.refuse("name one or more photographs or folders, or say --camera (not both).")
    for name in NOT_FOR_THE_CAMERA if options.camera else ():
        if getattr(options, name):
            options.refuse(f"--{name} is for photographs and folders, not for --camera.")
    if str(options.csv) == str(options.json) == "-":
        options.refuse("--csv - and --json - both print: give one of them a file.")
    if options.csv is not None and options.csv == options.json:
        options.refuse(f"--csv and --json both name {show(options.csv)}: give each a file of its own.")
    for name, kind in (("csv", CsvTable), ("json", JsonTable)):
        path = getattr(options, name)
        if path is None or str(path) == "-":
            continue
        if path.suffix.lower() in picture_endings():
            options.refuse(f"--{name} {show(path)}: that is called as a picture. Name the table, such as faces.{name}.")
        check_output(name, path, kind.is_in, "table of this command")
    network = find_network(options.model)
    classes_of(network)  # refuses a network that no photograph can be shown to
    finder = _finder(options)
    if options.frequencies == EQUAL and prior_change(network, EQUAL) is None:
        why = "The weights do not say how common each label was in training, or one never came there"
        _tell(f"{why}: probabilities stay as they were learnt.")
    if options.camera:
        watch(network, finder, options.threshold, options.frequencies)
        return
    options.places = resolve_patterns(options.places)
    check_places(options.places)
    if options.draw is not None and any(place.is_dir() and _same(place, options.draw) for place in options.places):
        options.refuse(f"--draw {show(options.draw)}: that folder holds the photographs. Name another.")
    box = options.box and Box.of(options.box)
    job = _Job(network, finder, options.threshold, options.frequencies, options.single, box, options.draw)
    counts = _Counts()
    stopped = _go_through(options, job, counts)
    _conclude(counts)
    _tell_written(options, counts)
    if stopped:
        raise KeyboardInterrupt
    if counts.unreadable or not counts.faces:
        sys.exit(SOME_UNREADABLE if counts.unreadable else NO_FACE)


@dataclass(frozen=True)
class _Job:
    """How each picture is treated."""

    network: nn.Module
    finder: str
    threshold: float
    frequencies: str
    single: bool
    box: Box | None
    draw: Path | None


@dataclass
class _Counts:
    pictures: int = 0
    faces: int = 0
    answers: int = 0
    drawn: int = 0
    first_drawing: Path | None = None
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)  # of what could not be read, and why


def _finder(options: argparse.Namespace) -> str:
    """Choose the finder once for all pictures, and say so where there is none."""
    if options.box:
        return WHOLE
    if options.finder == "auto" and not finders():
        _tell(f"No face finder is installed here: the middle square of each picture is taken for a face. {ADVICE}.")
        return WHOLE
    return choose_finder(options.finder)


def _go_through(options: argparse.Namespace, job: _Job, counts: _Counts) -> bool:
    """Treat all pictures, one at a time; say whether somebody interrupted. The tables hold what was done by then."""
    total = sum(1 for _ in find_pictures(options.places, options.draw))
    classes, quiet = facts_of(job.network).classes or (), "-" in (str(options.csv), str(options.json))
    with ExitStack() as stack:
        tables = [
            stack.enter_context(open_table(kind, path, classes))
            for kind, path in ((CsvTable, options.csv), (JsonTable, options.json))
        ]
        bar = stack.enter_context(tqdm(total=total, unit="picture", file=sys.stderr, disable=None))
        try:
            for path in find_pictures(options.places, options.draw):
                lines = _treat(path, job, counts, [table for table in tables if table is not None])
                if not quiet:
                    with bar.external_write_mode(file=sys.stdout):
                        say("\n".join(lines))
                bar.update()
        except KeyboardInterrupt:
            return True
    return False


def _treat(path: Path, job: _Job, counts: _Counts, tables: Sequence[Table]) -> list[str]:
    """Treat one picture; return the lines that say what came out."""
    counts.pictures += 1
    photo, predictions, error = None, [], None
    try:
        photo = read_photo(path)
        predictions = _predict(photo, job)
    except ImageError as problem:
        error = problem.why
    except IsADirectoryError:  # `find_pictures` gives those alone that it could not look into
        error = "a folder that may not be read"
    except (OSError, ValueError) as problem:
        error = reason(problem)
    name = show(path, 4000)
    for table in tables:
        table.add(name, photo if error is None else None, predictions, error)
    if error is not None:
        counts.unreadable += 1
        counts.examples += [f"{show(path)}: {error}"] * (len(counts.examples) < SHOWN)
        return [f"{name}: could not be read ({error})"]
    if job.draw is not None:
        drawing = job.draw / f"{counts.pictures:05}_{path.stem[:LONGEST_STEM]}.jpg"
        with atomic_write(drawing) as part:
            draw_predictions(photo, predictions).save(part, "JPEG", quality=90)
        counts.drawn += 1
        counts.first_drawing = counts.first_drawing or drawing
    counts.faces += sum(each.face is not None for each in predictions)
    counts.answers += sum(not each.abstains for each in predictions)
    remark = f"  [{photo.remark}]" if photo.remark else ""
    return [f"{name}: {_line(each, number, len(predictions))}{remark}" for number, each in enumerate(predictions, 1)]


def _predict(photo: Photo, job: _Job) -> list[Prediction]:
    looks = {"scales": (1.0,), "mirror": False} if job.single else {}
    return predict_photo(
        photo, job.network, faces=job.box, finder=job.finder, threshold=job.threshold, frequencies=job.frequencies,
        **looks,
    )  # fmt: skip


def _line(prediction: Prediction, number: int, count: int) -> str:
    if prediction.face is None:
        return str(prediction)
    box = prediction.face.box
    where = f"{box.width:.0f} × {box.height:.0f} pixels at {box.left:.0f}, {box.top:.0f}"
    return f"face {number} of {count} ({where}): {prediction}"


def _conclude(counts: _Counts) -> None:
    """Say, beside the output, how many there were, and list what could not be read."""
    _tell(
        f"{_count(counts.pictures, 'picture')}, {_count(counts.faces, 'face')}, {_count(counts.answers, 'answer')}. A "
        "label names an expression; it does not say what somebody feels."
    )
    if counts.unreadable:
        _tell(f"{_count(counts.unreadable, 'picture')} could not be read:")
        for example in counts.examples:
            _tell(f"  {example}")
        if counts.unreadable > len(counts.examples):
            _tell(f"  and {counts.unreadable - len(counts.examples):,} more")


def _tell_written(options: argparse.Namespace, counts: _Counts) -> None:
    """Say which files there are now, and what the drawings are called."""
    for path in (options.csv, options.json):
        if path is not None and str(path) != "-":
            _tell(f"The table is in {show(path)}.")
    if counts.first_drawing is not None:
        numbered = f"{_count(counts.drawn, 'drawing')}, numbered as the pictures are"
        _tell(f"{numbered}; the first: {show(counts.first_drawing)}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _tell(text: str) -> None:
    """Say something to the person, not to the program that reads the output."""
    print(text, file=sys.stderr, flush=True)
