"""Faces drawn by the package itself: nothing to download, and the truth about every picture is known.

Three groups of parameters make a face: who it is (`Identity`), what it does (`ActionUnits`) and how the picture was
taken (`Capture`). Only the action units depend on the emotion. The drawing is a height field with painted skin under
a lamp, computed for a whole batch at once:

    images = render(sample_identity(3, seed=1), ActionUnits.of(3, AU6=0.7, AU12=0.9), sample_capture(3, seed=1))

Modules in the order of the work: `action_units` (what emotions do), `face_parameters` (people and photographs),
`face_geometry` (where things are), `face_relief` (heights and folds), `face_paint` (skin, eyes, hair, light),
`face_capture` (the camera), `face_render` (the drawing), and here: data sets with knobs, and the default set's cache.
"""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.std import tqdm

from emotion_utils import files
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import BATCH, render_with_truth
from emotion_utils.faces.expressions import sample_action_units
from emotion_utils.faces.people import sample_identity
from emotion_utils.files import atomic_write, user_cache_dir, writable_dir
from emotion_utils.randomness import stream_key, uniform

GENERATOR_VERSION = "1"


PIXEL_STATISTICS = (0.51686, 0.24044)  # mean and standard deviation of the training split; a test holds it to that


DIFFICULTIES = {"easy": 0.4, "hard": 1.0}


# Shares of the classes among FER2013's Training rows (Goodfellow et al. 2013).
FER2013_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)


SPLITS = {"training": (0, 10_000), "validation": (10_000, 2_000), "test": (12_000, 2_000)}


def _shares(balance) -> Tensor:
    if isinstance(balance, str):
        if balance not in ("uniform", "fer2013"):
            raise ValueError(f'balance = {balance!r}: it is "uniform", "fer2013" or one weight per class.')
        balance = FER2013_COUNTS if balance == "fer2013" else (1,) * len(EMOTIONS)
    shares = torch.as_tensor(balance, dtype=torch.float64)
    if shares.shape != (len(EMOTIONS),) or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(f"balance needs {len(EMOTIONS)} weights, none negative and not all 0; got {balance}.")
    return shares / shares.sum()


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} = {value}: it is a share, from 0 to 1.")
    return float(value)


def _per_class(name: str, value, labels: Tensor, default: tuple[float, float], bounds: tuple[float, float]) -> Tensor:
    """Turn `(low, high)` or `{emotion: (low, high)}` into one row per face, float (N, 2)."""
    table = torch.tensor(default).repeat(len(EMOTIONS), 1)
    rules = value if isinstance(value, dict) else dict.fromkeys(EMOTIONS, value or default)
    for emotion, rule in rules.items():
        if emotion not in EMOTIONS:
            raise ValueError(f"{name}: unknown emotion {emotion!r}; known are {', '.join(EMOTIONS)}.")
        low, high = rule
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ValueError(f"{name} = {rule}: needs {bounds[0]} <= low <= high <= {bounds[1]}.")
        table[EMOTIONS.index(emotion)] = torch.tensor([float(low), float(high)])
    return table[labels]


def sample_faces(
    n: int,
    seed: int = 0,
    size: int = 48,
    difficulty: str | float = "easy",
    *,
    balance="uniform",
    label_noise: float = 0.0,
    strength: float = 1.0,
    occluded: float | None = None,
    skin_tone=None,
    age=None,
    duplicates: float = 0.0,
    faces_per_person: int = 1,
    first: int = 0,
    emotions=None,
    split: str = "training",
    truth: bool = True,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> FaceDataset:
    """Draw a data set; face i is a pure function of the seed, the knobs and `first + i`.

    Args:
        n: how many faces.
        seed: names all random numbers; other seeds are other people.
        size: side in pixels, 24 to 192.
        difficulty: "easy" (0.4), "hard" (1.0: faint expressions, strong pose and light, flaws) or 0 to 1.
        balance: "uniform", "fer2013" (that data set's shares of classes) or seven weights.
        label_noise: share of labels replaced by another class; `truth["clean_labels"]` keeps the right ones.
        strength: factor on the intensity of all expressions, 0 to 1.5.
        occluded: share of faces with something in front of them; grows with difficulty if not given.
        skin_tone: (low, high) reflectance, or a dictionary emotion -> (low, high) to build a bias.
        age: (low, high) in years, or a dictionary likewise.
        duplicates: share of faces that are copies of face `index modulo 1000` of this seed, whichever the split.
        faces_per_person: this many faces in a row show the same person.
        first: number of the first face; ranges that do not overlap share no identity.
        emotions: draw only these (names); labels keep their numbers.
        split: name of the split written into the data set.
        truth: also give landmarks and region masks.
        device: where to draw; the data set itself is on the CPU.
        progress: show a progress bar.

    Raises:
        ValueError: n < 1, a negative seed, or a knob out of its range.
    """
    if n < 1:
        raise ValueError(f"n = {n}: ask for at least one face.")
    if seed < 0 or first < 0:
        raise ValueError(f"seed = {seed}, first = {first}: both are whole numbers from 0 up.")
    if isinstance(difficulty, str):
        if difficulty not in DIFFICULTIES:
            raise ValueError(f"difficulty = {difficulty!r}: it is {', '.join(DIFFICULTIES)} or a number from 0 to 1.")
        difficulty = DIFFICULTIES[difficulty]
    difficulty = _share("difficulty", difficulty)
    label_noise, duplicates = _share("label_noise", label_noise), _share("duplicates", duplicates)
    if not 0 <= strength <= 1.5:
        raise ValueError(f"strength = {strength}: it runs from 0 to 1.5.")
    if faces_per_person < 1:
        raise ValueError(f"faces_per_person = {faces_per_person}: at least 1.")
    shares = _shares(balance)
    if emotions is not None:
        unknown = [e for e in emotions if e not in EMOTIONS]
        if unknown:
            raise ValueError(f"Unknown emotion {unknown[0]!r}; known are {', '.join(EMOTIONS)}.")
        shares = shares * torch.tensor([e in emotions for e in EMOTIONS])
        shares = shares / shares.sum()

    index = torch.arange(first, first + n)
    copied = uniform(stream_key(seed, "duplicate"), index, 2)
    is_copy = (copied[:, 0] < duplicates) & (index >= 1000)
    index = torch.where(is_copy, (copied[:, 1] * 1000).long(), index)
    # Labels go round the classes in shares as exact as whole numbers allow, in an order that the hash shuffles.
    labels = _labels(shares, seed, index)
    person = index // faces_per_person
    identity = sample_identity(
        n, seed, index=person,
        skin_tone=_per_class("skin_tone", skin_tone, labels, (0.15, 0.85), (0.1, 0.9)),
        age=_per_class("age", age, labels, (4.0, 85.0), (4.0, 90.0)),
    )  # fmt: skip
    units = sample_action_units(
        labels, index, seed=seed, strength=strength,
        faint=0.60 - 0.32 * difficulty, blend=0.12 + 0.17 * difficulty, stray=0.08 + 0.17 * difficulty,
    )  # fmt: skip
    capture = sample_capture(n, seed, index=index, difficulty=difficulty, occluded=occluded)

    known = {
        "action_units": units.mean, "identity": person, "skin_tone": identity.skin_tone, "age": identity.age,
        "clean_labels": labels,
    }  # fmt: skip
    images, told = _draw_all(identity, units, capture, size, truth, torch.device(device), progress)
    known |= told

    if label_noise:
        draw = uniform(stream_key(seed, "label noise"), index, 2)
        wrong = (labels + 1 + (draw[:, 1] * (len(EMOTIONS) - 1)).long()) % len(EMOTIONS)
        labels = torch.where(draw[:, 0] < label_noise, wrong, labels)
    return FaceDataset(
        images, labels, EMOTIONS, name="synthetic", split=split, truth=known,
    )  # fmt: skip


def _draw_all(identity, units, capture, size, truth, device, progress) -> tuple[Tensor, dict[str, Tensor]]:
    """Draw in batches, on the CPU one batch per core: many short operations gain little from sharing one."""
    step = max(1, BATCH * 48 * 48 // (size * size))
    parts = [slice(start, start + step) for start in range(0, len(identity), step)]
    bar = tqdm(total=len(identity), desc="Drawing faces", unit=" faces", disable=not progress, leave=False)

    def draw(part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        images, told = render_with_truth(
            identity[part].to(device), units[part].to(device), capture[part].to(device), size, truth=truth
        )
        bar.update(len(images))
        return images.cpu(), {key: value.cpu() for key, value in told.items() if key != "action_units"}

    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(parts) == 1:
        done = [draw(part) for part in parts]
    else:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            done = list(pool.map(draw, parts))
        torch.set_num_threads(threads)
    bar.close()
    told = {key: torch.cat([known[key] for _, known in done]) for key in done[0][1]}
    return torch.cat([images for images, _ in done]), told


def _labels(shares: Tensor, seed: int, index: Tensor) -> Tensor:
    """Draw a label per face with the given probabilities; depends on seed and index alone."""
    edges = shares.cumsum(0)[:-1].float()
    return (uniform(stream_key(seed, "label"), index, 1) >= edges).sum(1)


def _cache_path(split: str) -> str:
    return f"synthetic-v{GENERATOR_VERSION}-{split}.npz"


def load_split(split: str, *, data_dir: str | Path | None = None, progress: bool = True) -> FaceDataset:
    """Return a split of the default set: 10,000 training, 2,000 validation or 2,000 test faces, drawn once and cached.

    All splits are seed 0, "easy", uniform; their faces are of different people. All carry the training split's `mean`
    and `std`. The cache is one file per split with a hash of the drawing code in its name; a file that other code drew
    or a damaged one is never read.

    Args:
        split: "training", "validation" or "test".
        data_dir: folder of the cache; if not given, `EMOTION_DATA_DIR` or `data/`. Where it takes no files, the user's
            cache folder stands in.
        progress: show a progress bar while drawing.

    Raises:
        ValueError: an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split = {split!r}: it is {', '.join(SPLITS)}.")
    wanted = Path(data_dir) if data_dir else files.data_dir()
    name = _cache_path(split)
    for folder in (wanted, user_cache_dir()):
        cached = _read_cache(folder / name, split)
        if cached is not None:
            return cached
    first, n = SPLITS[split]
    faces = sample_faces(n, seed=0, first=first, split=split, progress=progress)
    _write_cache(writable_dir(wanted, user_cache_dir()) / name, faces)
    faces.mean, faces.std = PIXEL_STATISTICS
    return faces


def _write_cache(path: Path, faces: FaceDataset) -> None:
    """Write images, labels and truth; masks are packed to bits."""
    known = {key: value.numpy() for key, value in faces.truth.items() if key != "masks"}
    masks = np.packbits(faces.truth["masks"].numpy(), axis=-1)
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, images=faces.images.numpy(), labels=faces.labels.numpy(), packed_masks=masks, **known)


def _read_cache(path: Path, split: str) -> FaceDataset | None:
    """Read a split back; None where there is no whole file."""
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        images, labels = torch.from_numpy(arrays.pop("images")), torch.from_numpy(arrays.pop("labels"))
        packed = arrays.pop("packed_masks")
        known = {key: torch.from_numpy(value) for key, value in arrays.items()}
        known["masks"] = torch.from_numpy(np.unpackbits(packed, axis=-1, count=images.shape[-1])).view(torch.bool)
        mean, std = PIXEL_STATISTICS
        return FaceDataset(images, labels, EMOTIONS, name="synthetic", split=split, truth=known, mean=mean, std=std)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
