"""The conditions a claim is judged under: profile, seed, device, and where unfinished work is kept."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from theory.validation import reject

PROFILES = ("smoke", "quick", "paper")
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Study:
    """Handed to every claim.

    Attributes:
        claim: id of the claim under judgement; random streams and checkpoints are its own.
        profile: `quick` (default), `paper` (the paper's parameters in full) or `smoke` (tests: seconds).
        seed: of every random number.
        device: name of the torch device that trains.
        scratch: folder for checkpoints, or None to keep none.
        data: file or folder with the user's own data, or None; only claims that accept such data are given it.
        progress: called with the fraction of a training run that is done.
    """

    claim: str
    profile: str = "quick"
    seed: int = 0
    device: str = "cpu"
    scratch: Path | None = None
    data: Path | None = None
    progress: Callable[[float], None] = field(default=lambda fraction: None, compare=False)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            reject("profile", repr(self.profile), f"one of {', '.join(PROFILES)}")
        if self.seed < 0:
            reject("seed", self.seed, "a whole number of at least 0")

    def pick(self, *, smoke: Choice, quick: Choice, paper: Choice) -> Choice:
        """The value for this profile."""
        return {"smoke": smoke, "quick": quick, "paper": paper}[self.profile]

    def rng(self, *cell: Any) -> np.random.Generator:
        """The generator of one cell of this claim: the same whatever ran before it, and wherever it runs."""
        key = tuple(zlib.crc32(str(word).encode()) for word in (self.claim, *cell))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def training(self, name: str) -> dict[str, Any]:
        """What the training run `name` takes from these conditions: device, checkpoint and progress."""
        return {"device": self.device, "checkpoint": self.checkpoint(name), "progress": self.progress}

    def checkpoint(self, name: str) -> Path | None:
        """File for the unfinished state of the training run `name`, or None where nothing is kept."""
        return None if self.scratch is None else self.scratch / f"{self.claim}-{name}.ckpt"
