"""Small changes to the fast recipe, each alone: what does it bring on held-out photographs, and what does it cost?

    EMOTION_DATA_DIR=… python tests/benchmarks/small_changes.py --out SCRATCH
    … --out SCRATCH --only mixup "SAM, every tenth step"     # these alone: several processes may share the work
    … --out SCRATCH --summary                                # put what is there into the file of results

All train for the same number of epochs from the same seed, on nine tenths of FER2013's Training part, and are measured
with the mirror image on the tenth that the loader holds out. A gain is given with its 95 % interval, paired image by
image with the mean of four seeds of the unchanged recipe: in accuracy, and in cross-entropy (nats, after the best
temperature for each), which says more about each image. How far these four lie apart shows what luck alone does; the
four together teach the last one. Short trainings speak of short trainings: what keeps a network from learning by heart
has little to do in eight epochs. PublicTest is not looked at. Results: notebooks/results/small_changes.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.data import FaceDataset, load_splits
from emotion_utils.data.augment import Augment
from emotion_utils.evaluation.margins import paired_margin
from emotion_utils.files import atomic_write
from emotion_utils.models import FaceModel, FlipAverage, compute_logits
from emotion_utils.randomness import seed_everything, stream_key, uniform
from emotion_utils.training import RECIPES, TrainConfig
from emotion_utils.training.distillation import SoftLabelCrossEntropy, mix_targets, view_probabilities
from emotion_utils.training.run import Run
from emotion_utils.training.schedule import image_size_at
from emotion_utils.training.step import resize_images

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "small_changes.json"
RECIPE = RECIPES["fer2013", "fast"]
SMOOTHING = RECIPE.config.label_smoothing
SEEDS = (0, 1, 2, 3)  # of the unchanged recipe


@dataclass
class Trial:
    """What is trained, and how."""

    model: FaceModel
    config: TrainConfig
    loss: Callable[..., Tensor] | None = None
    run: type[Run] = Run
    extra: dict = field(default_factory=dict)  # more arguments of `run`


# --- The changes -----------------------------------------------------------------------------------------------------


class AlternatingFlips:
    """Half the images begin mirrored, drawn by lot, and each is turned over again in every epoch (Jordan 2024)."""

    def __init__(self, rest: Augment) -> None:
        self.rest = replace(rest, flip=0.0)

    def __call__(self, images: Tensor, index: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
        """Augment as the recipe does, but for the flips."""
        first = uniform(stream_key(seed, "first side"), index, 1)[:, 0] < 0.5  # (B,)
        turned = first ^ bool(epoch % 2)
        images = torch.where(turned[:, None, None, None].to(images.device), images.flip(3), images)
        return self.rest(images, index, seed, epoch)


class FadingAugment:
    """The recipe's augmentation, and in the last epochs flips alone."""

    def __init__(self, augment: Augment, last: int) -> None:
        self.augment, self.last = augment, last
        self.light = replace(augment, rotate=0.0, scale=(1.0, 1.0), shift=0.0)

    def __call__(self, images: Tensor, index: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
        """Augment, lightly from epoch `last` on."""
        return (self.augment if epoch < self.last else self.light)(images, index, seed, epoch)


class Mixup:
    """Each image is mixed with another one of its batch, and so is its target (Zhang et al. 2018, arXiv:1710.09412).

    The share of the other one is drawn from Beta(strength, strength), one for the batch, as in the paper.
    """

    def __init__(self, augment: Augment, strength: float, training: FaceDataset) -> None:
        self.inner, self.strength, self.labels = augment, strength, training.labels
        self.partner, self.share = torch.empty(0, dtype=torch.long), 0.0

    def augment(self, images: Tensor, index: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
        """Augment, then mix."""
        images = self.inner(images, index, seed, epoch)
        draw = np.random.default_rng(stream_key(seed, "mixup", epoch, int(index[0])))
        order = torch.from_numpy(draw.permutation(len(index)))
        self.partner, self.share = index[order], draw.beta(self.strength, self.strength)
        return (1 - self.share) * images + self.share * images[order]

    def loss(self, logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Cross-entropy against both labels, by their shares, `(B,)`."""
        each = partial(F.cross_entropy, reduction="none", label_smoothing=SMOOTHING)
        return (1 - self.share) * each(logits, labels) + self.share * each(logits, self.labels[self.partner])


class SharpnessAwareRun(Run):
    """Every tenth step of the second half takes its gradient uphill (Foret et al. 2021, arXiv:2010.01412, rho 0.05)."""

    def step(self, batch: Tensor, step: int) -> None:
        """Take a step; every tenth of the second half with the gradient of a place that is worse."""
        total = self.config.epochs * self.batches_per_epoch
        handle = None
        if step >= total / 2 and step % 10 == 0:
            handle = self.optimizer.register_step_pre_hook(lambda *_: self._look_uphill(batch))
        super().step(batch, step)
        if handle is not None:
            handle.remove()

    def _look_uphill(self, batch: Tensor, rho: float = 0.05) -> None:
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in parameters]).norm()
        moves = [p.grad * (rho / norm) for p in parameters]
        before = [p.detach().clone() for p in parameters]  # added and taken off again, the numbers would be others
        statistics = [buffer.clone() for buffer in self.model.buffers()]
        with torch.no_grad():
            for parameter, move in zip(parameters, moves, strict=True):
                parameter.add_(move)
        images, labels = self.train_set.batch(batch)
        images = resize_images(images, image_size_at(len(self.history) + 1, self.config))
        images = images.to(memory_format=torch.channels_last)
        self.optimizer.zero_grad()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bf16"):
            loss = F.cross_entropy(self.model(images).float(), labels, label_smoothing=SMOOTHING)
        loss.backward()
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)
            for buffer, value in zip(self.model.buffers(), statistics, strict=True):
                buffer.copy_(value)


class MuonRun(Run):
    """Filters are moved by Muon (Jordan et al. 2024: momentum, brought near an orthogonal matrix), the rest by SGD.

    torch's own, which takes matrices. A filter bank `(O, I, k, k)` is one of O rows.
    """

    def __init__(self, *arguments, rate: float, **named) -> None:
        super().__init__(*arguments, **named)
        self.rate, others = rate, []
        self.filters = []
        for group in self.optimizer.param_groups:
            self.filters += [p for p in group["params"] if p.ndim == 4]
            group["params"] = [p for p in group["params"] if p.ndim < 4]
            others += group["params"]
        self.matrices = [nn.Parameter(self._flat(p.data)) for p in self.filters]  # they share the filters' memory
        self.muon = torch.optim.Muon(self.matrices, lr=rate, weight_decay=0.0, momentum=0.95)
        self.optimizer.register_step_post_hook(self._move_filters)

    @staticmethod
    def _flat(filters: Tensor) -> Tensor:
        rows = filters.permute(0, 2, 3, 1)  # as they lie in memory, channels last
        return rows.view(len(filters), -1)

    def _move_filters(self, *_) -> None:
        share = self.optimizer.param_groups[0]["lr"] / self.config.learning_rate
        self.muon.param_groups[0]["lr"] = self.rate * share
        for matrix, filters in zip(self.matrices, self.filters, strict=True):
            matrix.grad = self._flat(filters.grad.contiguous(memory_format=torch.channels_last))
            filters.grad = None
        self.muon.step()


class BlurPool(nn.Module):
    """Smooth with (1 2 1) / 4 both ways, then take every second pixel (Zhang 2019, arXiv:1904.11486)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filters", torch.outer(line, line).expand(channels, 1, 3, 3).clone(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Halve `(B, C, H, W)`."""
        return F.conv2d(maps, self.filters.to(maps.dtype), stride=2, padding=1, groups=len(self.filters))


def with_blur(model: FaceModel) -> FaceModel:
    """Replace each pooling by a maximum that moves by one pixel, then `BlurPool`."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                channels = module[0].out_channels
                setattr(module, name, nn.Sequential(nn.MaxPool2d(2, stride=1), BlurPool(channels)))
    return model


# --- Measuring -------------------------------------------------------------------------------------------------------


def trials(training: FaceDataset, config: TrainConfig, out: Path) -> dict[str, Callable[[], Trial]]:
    """Name what can be trained, and say how each trial is made."""
    augment, last = config.augment, config.epochs - max(config.epochs // 10, 1) + 1

    def plain(seed: int = 0) -> Trial:
        seed_everything(seed)
        return Trial(RECIPE.make(training), replace(config, seed=seed))

    def changed(**settings) -> Trial:
        return replace(plain(), config=replace(config, **settings))

    def mixed() -> Trial:
        mixup = Mixup(augment, 0.2, training)
        return replace(changed(augment=mixup.augment, label_smoothing=0.0), loss=mixup.loss)

    def taught() -> Trial:
        judged = torch.stack([torch.load(out / f"judged {seed}.pt") for seed in SEEDS]).mean(0)
        targets = mix_targets(judged, smoothed(training), RECIPE.teacher_share)
        return replace(changed(label_smoothing=0.0), loss=SoftLabelCrossEntropy(targets))

    def blurred() -> Trial:
        trial = plain()
        return replace(trial, model=with_blur(trial.model))

    named = {seed_name(seed): partial(plain, seed) for seed in SEEDS}
    return named | {
        "alternating flips": lambda: changed(augment=AlternatingFlips(augment)),
        "flips alone at the end": lambda: changed(augment=FadingAugment(augment, last)),
        "mixup": mixed,
        "SAM, every tenth step": lambda: replace(plain(), run=SharpnessAwareRun),
        "blur before striding": blurred,
        "Muon": lambda: replace(plain(), run=MuonRun, extra={"rate": 0.02}),
        "taught by four seeds": taught,
    }


def seed_name(seed: int) -> str:
    """Name the unchanged recipe with a seed."""
    return f"unchanged, seed {seed}"


def smoothed(training: FaceDataset) -> Tensor:
    """Labels as targets, smoothed as the recipe does, float32 `(N, C)`."""
    classes = len(training.classes)
    return (1 - SMOOTHING) * F.one_hot(training.labels, classes) + SMOOTHING / classes


def measure(name: str, trial: Trial, training: FaceDataset, validation: FaceDataset, out: Path) -> None:
    """Train, and keep what the network says of each held-out image."""
    run = trial.run(trial.model, training, None, trial.config, trial.loss, **trial.extra)
    begun = time.process_time()
    while not run.finished:
        run.finish_epoch()
    seconds = time.process_time() - begun
    model = run.eval_model.eval()
    if name in map(seed_name, SEEDS):  # a teacher for later
        views = view_probabilities(model, training, trial.config.augment, views=2)
        torch.save(views, out / f"judged {trial.config.seed}.pt")
    single = compute_logits(model, validation)
    mirror = compute_logits(FlipAverage(model), validation)
    torch.save({"single": single, "mirror": mirror, "seconds": seconds}, out / f"{name}.pt")
    right = [float((logits.argmax(1) == validation.labels).float().mean()) for logits in (single, mirror)]
    print(f"{name:24} single {right[0]:.1%}  mirror {right[1]:.1%}  {seconds:.0f} s of processor time", flush=True)


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image in nats, with the temperature that suits all best, `(N,)`."""
    tried = [F.cross_entropy(logits * factor, labels, reduction="none") for factor in torch.linspace(0.4, 2, 81)]
    return min(tried, key=lambda each: float(each.mean()))


def summarise(names: list[str], validation: FaceDataset, out: Path, epochs: int) -> dict:
    """Hold all trials that are there against the mean of the unchanged recipe's seeds."""
    there = {name: torch.load(out / f"{name}.pt") for name in names if (out / f"{name}.pt").exists()}
    seeds = [seed_name(seed) for seed in SEEDS if seed_name(seed) in there]
    right = {name: (kept["mirror"].argmax(1) == validation.labels).double() for name, kept in there.items()}
    nats = {name: losses(kept["mirror"], validation.labels).double() for name, kept in there.items()}
    usual, price = (torch.stack([each[name] for name in seeds]).mean(0) for each in (right, nats))  # (N,)
    seconds, rows = sum(there[name]["seconds"] for name in seeds) / len(seeds), []
    for name, kept in there.items():
        row = {"change": name, "mirror": right[name].mean(), "cross_entropy": nats[name].mean()}
        row["single"] = (kept["single"].argmax(1) == validation.labels).double().mean()
        if name not in seeds:
            row |= {"gain": (right[name] - usual).mean(), "margin": paired_margin(right[name], usual)}
            row |= {"less_cross_entropy": (price - nats[name]).mean(), "its_margin": paired_margin(nats[name], price)}
        row["time"] = kept["seconds"] / seconds
        rows.append({key: value if key == "change" else round(float(value), 4) for key, value in row.items()})
    return {"setting": {"epochs": epochs, "validation": len(validation), "margins": "95 %, paired"}, "runs": rows}


def main() -> None:
    """Train what is missing, or put together what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="scratch folder, outside the repository")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--limit", type=int, help="so many training images only, to try the script")
    parser.add_argument("--only", nargs="+", metavar="CHANGE")
    parser.add_argument("--summary", action="store_true", help="train nothing")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    training, validation, _ = load_splits("fer2013", limit=options.limit, verbose=False)
    config = replace(RECIPE.config, epochs=options.epochs, precision=options.precision, device="cpu", progress=False)
    known = trials(training, config, options.out)
    for name in [] if options.summary else options.only or known:
        if name not in known:
            parser.error(f"there is no change {name}; choose from {', '.join(known)}")
        if not (options.out / f"{name}.pt").exists():
            measure(name, known[name](), training, validation, options.out)
    if options.summary:
        found = summarise(list(known), validation, options.out, options.epochs)
        print(json.dumps(found, indent=1))
        with atomic_write(options.results) as part:
            part.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
