"""What the metadata of a file of weights says of the network in it: written as JSON, and believed only when checked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from emotion_utils.errors import brief, check_number, reason
from emotion_utils.models.arguments import check_frequencies


@dataclass(frozen=True)
class Description:
    """What the metadata of a file says of the network in it."""

    kind: str  # name of its class
    arguments: dict[str, Any]  # that it is built with
    own: bool  # a class of the reader's, not of this package
    classes: list[str]  # in the order of the logits; [] where they are unknown
    mean: float | None
    std: float | None
    facts: dict[str, Any] = field(default_factory=dict)
    frequencies: list[float] | None = None  # of the classes, in what the network learnt; None where they are unknown

    def to_json(self, tensors: Mapping[str, Tensor]) -> str:
        """Write it down, with the checksum of `tensors` and of all that is used to rebuild the network."""
        known = asdict(self)
        architecture = {name: known.pop(name) for name in ("kind", "arguments", "own")}
        if not self.own:
            del architecture["own"]  # as in files of earlier versions
        if self.frequencies is None:
            del known["frequencies"]
        return json.dumps({"architecture": architecture, **known, "sha256": self.digest(tensors)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, tensors: Mapping[str, Tensor]) -> "Description":
        """Read what `to_json` wrote, or an earlier version, which wrote no checksum.

        Raises:
            ValueError: anything else.
        """
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is no JSON ({reason(error, 80)})") from error
        architecture = told.get("architecture") if isinstance(told, dict) else None
        if not isinstance(architecture, dict):
            raise ValueError("names no architecture")
        found = cls(
            architecture.get("kind"), architecture.get("arguments"), architecture.get("own", False),
            told.get("classes"), told.get("mean"), told.get("std"), told.get("facts", {}),
            told.get("frequencies"),
        )  # fmt: skip
        found._check()
        if "sha256" in told and told["sha256"] != found.digest(tensors):
            raise ValueError("does not fit the weights: some of them have changed since they were saved")
        return found

    def _check(self) -> None:
        kinds = {"kind": str, "arguments": dict, "own": bool, "classes": list, "facts": dict}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"gives {name}={brief(getattr(self, name))}")
        if not all(isinstance(name, str) for name in self.classes) or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"gives classes={brief(self.classes)}")
        if (self.mean is None) != (self.std is None):
            raise ValueError(f"gives mean={brief(self.mean)}, std={brief(self.std)}")
        if self.mean is not None:
            check_number(mean=self.mean)
            check_number(above=0, std=self.std)
        if self.frequencies is not None:
            check_frequencies(len(self.classes), frequencies=self.frequencies)

    def digest(self, tensors: Mapping[str, Tensor]) -> str:
        """Hash all that the network is rebuilt from; facts and frequencies may be corrected by hand."""
        said = [self.kind, self.arguments, self.own, self.classes, self.mean, self.std]
        sha = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        for name in sorted(tensors):
            value = tensors[name].detach().cpu().contiguous()
            sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            if value.numel():
                sha.update(value.flatten().view(torch.uint8).numpy())
        return sha.hexdigest()
