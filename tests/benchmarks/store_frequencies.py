"""Write into the shipped weights how common each class was in what they learnt; the tensors stay as they are.

    EMOTION_DATA_DIR=… python tests/benchmarks/store_frequencies.py

`train` notes this by itself, and these files are older. `fer2013` and `synthetic` have the labels' mix: their
temperature was fitted to labels, which takes back what soft targets had done. (The student of `fer2013`, which had not
learnt the held-out tenth, gives disgust 1.6 % there on average, where 1.5 % have that label; its targets, with the
teachers' part, 2.3 %.) `ferplus` gets none: it gives shares of votes, in which a stray vote for disgust is no face that
shows it; divided by their mean, they name rare classes far too often ("votes" in `framing.py`). Prints the checksums
that `emotion_utils/models/pretrained.py` compares with. `--file WEIGHTS --as fer2013 [--holdout]` does the same to
another.
"""

import argparse
import dataclasses
import hashlib
from pathlib import Path

import torch
from safetensors.torch import save

from emotion_utils.files import atomic_write
from emotion_utils.models.description import Description
from emotion_utils.models.file_kinds import FORMAT, read_content
from emotion_utils.models.pretrained import FOLDER
from emotion_utils.training.learnt_mix import learnt_mix
from emotion_utils.training.recipes import find_recipe, load_recipe_data

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results"


def main() -> None:
    """Count, write, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, help="another file of weights (default: all that ship)")
    parser.add_argument("--as", dest="data", choices=["synthetic", "fer2013"], help="what that file learnt")
    parser.add_argument("--holdout", action="store_true", help="it has not learnt the validation images")
    options = parser.parse_args()
    files = {name: FOLDER / f"{name}.safetensors" for name in ("synthetic", "fer2013")}
    for data, path in files.items() if options.file is None else [(options.data, options.file)]:
        shares = frequencies_of(data, options.holdout)
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        after = hashlib.sha256(write(path, shares)).hexdigest()
        print(path.name, after, [round(share, 4) for share in shares])
        for result in RESULTS.glob("*.json"):  # measured with the same tensors, of a file that had another checksum
            if before in result.read_text():
                with atomic_write(result) as part:
                    part.write_text(result.read_text().replace(before, after))


def frequencies_of(data: str, holdout: bool) -> list[float]:
    """Give the share of each class in what a recipe's network learns."""
    recipe = find_recipe(data, None)
    recipe = dataclasses.replace(recipe, all_training=recipe.all_training and not holdout)
    return learnt_mix(load_recipe_data(recipe, data, None).training, None).tolist()


def write(path: Path, shares: list[float]) -> bytes:
    """Write the shares into a file's description; return its new content."""
    held = read_content(path)
    found = Description.from_json(held.description, held.tensors)
    told = dataclasses.replace(found, frequencies=shares).to_json(held.tensors)
    content = save(held.tensors, {FORMAT: told})
    with atomic_write(path) as part:
        part.write_bytes(content)
    after = read_content(path)
    same = {name: torch.equal(value, after.tensors[name]) for name, value in held.tensors.items()}
    if not all(same.values()) or after.tensors.keys() != held.tensors.keys():
        raise SystemExit(f"{path}: the tensors have changed.")
    return content


if __name__ == "__main__":
    main()
