"""What an export costs and what it loses: the network and its files side by side, on the same faces."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.pixels import normalise
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.device import one_thread
from emotion_utils.errors import brief, check_whole, one_line
from emotion_utils.evaluation.margins import paired_margin
from emotion_utils.evaluation.measuring import MOST_REPEATS
from emotion_utils.models.classes import match_classes
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, eval_mode, place_of
from emotion_utils.models.inference import compute_logits, order_in_memory
from emotion_utils.models.onnx_model import OnnxModel
from emotion_utils.models.priors import LEARNT, adjust_priors

PYTORCH = "PyTorch"


@dataclass(frozen=True)
class ExportRow:
    """One form of a network: the network itself, or a file."""

    name: str
    bytes: int  # of the weights in PyTorch, of the whole file otherwise
    milliseconds: float  # for one face, on one thread of the processor
    accuracy: float
    difference: float  # of accuracy, to the network itself at the frequencies of the file
    margin: float  # half of the 95 % interval of that difference, paired over the faces
    agreement: float  # share of the faces that get the same label as from the network itself
    largest_change: float  # of any probability; at the temperature and the frequencies of the file


@dataclass(frozen=True)
class Exports:
    """What `compare_exports` measured; `print(exports)` shows a table."""

    rows: tuple[ExportRow, ...]  # the network itself first
    images: int
    faces: int = field(default=1)  # that were timed at once

    def __str__(self) -> str:
        width = max(len(one_line(row.name, 24)) for row in self.rows)
        head = f"{'kilobytes':>9}  {'ms a face':>9}  {'accuracy':>8}  {'change in points':>16}  {'same label':>10}"
        lines = [f"{'':<{width}}  {head}  largest change"]
        for number, row in enumerate(self.rows):
            cells = ["–"] * 3
            if number:
                points = f"{100 * row.difference:+.1f} ± {100 * row.margin:.1f}"
                cells = [points, f"{row.agreement:.1%}", f"{row.largest_change:.3g}"]
            lines.append(
                f"{one_line(row.name, 24):<{width}}  {row.bytes / 1000:>9,.0f}  {row.milliseconds:>9.2f}  "
                f"{row.accuracy:>8.1%}  {cells[0]:>16}  {cells[1]:>10}  {cells[2]:>14}"
            )
        together = "one at a time" if self.faces == 1 else f"{self.faces} at once"
        return "\n".join([*lines, f"{self.images:,} faces; timed {together}, on one thread, the fastest of some runs."])

    __repr__ = __str__


def compare_exports(
    model: nn.Module,
    files: Mapping[str, str | Path],
    dataset: FaceDataset,
    *,
    faces: int = 1,
    repeats: int = 50,
) -> Exports:
    """Measure a network and the files that were made of it: size, time, accuracy, and what has changed.

    All see the same images, unaugmented. Each is timed with one thread, from grey levels to probabilities, in turn, so
    that what else the computer does hits them alike; the fastest run counts.

    Args:
        model: the network that was exported.
        files: a name of your own for each file of `export_onnx` or `quantise_onnx`.
        dataset: faces with labels that none of them has learnt.
        faces: how many to time at once.
        repeats: how many times.

    Raises:
        ImportError: onnxruntime is not installed.
        TypeError: no network, no mapping of files, or no data set of faces.
        ValueError: no files, or a name that is there already, as "PyTorch" is; the network does not know how its images
            are normalised, or how common its classes were where a file takes them to be as common as others; other
            classes; no numbers.
        OSError, WeightsError, ShapeError: no file of `export_onnx`, or one for images of another size.
    """
    check_model(model, values=True)
    faces, repeats = check_whole(1, 100_000, faces=faces), check_whole(1, MOST_REPEATS, repeats=repeats)
    if not isinstance(files, Mapping):
        raise TypeError(f"files={brief(files)}: give names and files, such as {{'float32': 'model.onnx'}}.")
    if not files:
        raise ValueError("files is empty: give names and files, such as {'float32': 'model.onnx'}.")
    names = [PYTORCH, *map(str, files)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"files name {brief(twice[0])} twice, where {PYTORCH!r} is the network itself: choose another."
        )
    dataset = as_face_dataset(dataset)
    known = facts_of(model).normalisation
    if known is None:
        raise ValueError(
            f"model={type(model).__name__}: it does not know how its images are normalised, as the files do. train() "
            "tells it, or set_facts(model, (mean, std), classes) from emotion_utils.models."
        )
    exported = {str(name): OnnxModel(path, threads=1) for name, path in files.items()}
    match, logits = match_classes(model, dataset), compute_logits(model, dataset).cpu()  # (N, C)
    found = {name: _columns(each, dataset) for name, each in exported.items()}  # (N, C) each
    shown = dataset.images[:1].cpu().expand(faces, -1, -1, -1).contiguous()  # (faces, 1, H, W)
    ways = {PYTORCH: _network(model, *known)} | {name: each.predict_proba for name, each in exported.items()}
    with one_thread(), eval_mode(model):
        seconds = _fastest(ways, shown, repeats)
    weights = [*model.parameters(), *model.buffers()]
    sizes = {PYTORCH: sum(each.numel() * each.element_size() for each in weights)}
    sizes |= {name: each.path.stat().st_size for name, each in exported.items()}
    right = match.columns(logits).argmax(1) == dataset.labels.cpu()
    rows = [ExportRow(PYTORCH, sizes[PYTORCH], 1000 * seconds[PYTORCH] / faces, _share(right), 0.0, 0.0, 1.0, 0.0)]
    for name, each in exported.items():
        losses = _losses(found[name], match.columns(_wanted(each, model, logits)), dataset.labels.cpu())
        rows.append(ExportRow(name, sizes[name], 1000 * seconds[name] / faces, *losses))
    return Exports(tuple(rows), len(dataset), faces)


def _wanted(exported: OnnxModel, model: nn.Module, logits: Tensor) -> Tensor:
    """Give the probabilities `(N, C)` that a file of this network should give: at its temperature and frequencies."""
    probabilities = (logits / float(exported.metadata.get("temperature", 1))).softmax(1)
    frequencies, learnt = exported.metadata.get("frequencies", LEARNT), facts_of(model).frequencies
    if frequencies == LEARNT:
        return probabilities
    if learnt is None:
        raise ValueError(
            f"{exported.path.name} was written for other frequencies of the classes than were learnt, and "
            f"model={type(model).__name__} does not know those: set_facts(model, …, frequencies=…) tells it."
        )
    return adjust_priors(probabilities, learnt, list(json.loads(frequencies).values()))


def _losses(found: Tensor, wanted: Tensor, labels: Tensor) -> tuple[float, float, float, float, float]:
    """Compare probabilities `(N, C)` of a file with the network's; give the last fields of `ExportRow`, in order."""
    right, before = found.argmax(1) == labels, wanted.argmax(1) == labels
    same = _share(found.argmax(1) == wanted.argmax(1))
    change = float((found - wanted).abs().max())
    return _share(right), _share(right) - _share(before), paired_margin(right, before), same, change


def _columns(exported: OnnxModel, dataset: FaceDataset) -> Tensor:
    """Return a file's probabilities `(N, C)` in the order of the data's classes."""
    probabilities = exported.predict_proba(dataset.images)
    if probabilities.shape[1] != len(dataset.classes):
        raise ValueError(
            f"{exported.path.name} tells {probabilities.shape[1]} classes apart, the data {len(dataset.classes)}: give "
            "the file of this network and data with its classes."
        )
    return match_classes(exported.classes or dataset.classes, dataset).columns(probabilities)


def _network(model: nn.Module, mean: float, std: float) -> Callable[[Tensor], Tensor]:
    """Return the shortest way from grey levels to probabilities in PyTorch."""
    (device, dtype), order = place_of(model), order_in_memory(model)

    @torch.inference_mode()
    def predict(images: Tensor) -> Tensor:
        given = normalise(images.to(device), mean, std).to(dtype, memory_format=order)
        return model(given).float().softmax(1).cpu()

    return predict


def _fastest(ways: dict[str, Callable[[Tensor], Tensor]], images: Tensor, repeats: int) -> dict[str, float]:
    """Time each way on `images`, in turn; return the seconds of its fastest run."""
    best = dict.fromkeys(ways, float("inf"))
    for way in ways.values():
        way(images)  # the first run is slower: memory is fetched, kernels are chosen
    for _ in range(repeats):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(images)
            best[name] = min(best[name], time.perf_counter() - begun)
    return best


def _share(right: Tensor) -> float:
    return float(right.double().mean())
