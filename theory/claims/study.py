"""The conditions a claim is judged under: profile, seed, device, and where unfinished work is kept."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from theory.core.validation import reject

PROFILES = ("smoke", "quick", "paper")


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
        given: parameters of the claim that are not the profile's own, by name.
        progress: called with the fraction of a training run that is done.
        journal: what was trained so far in this study, in order.
        remarks: what the claim has to say before its checks, as which hypothesis the user's data violate.
    """

    claim: str
    profile: str = "quick"
    seed: int = 0
    device: str = "cpu"
    scratch: Path | None = None
    data: Path | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    progress: Callable[[float], None] = field(default=lambda fraction: None, compare=False)
    journal: "list[Training]" = field(default_factory=list, init=False, compare=False, repr=False)
    remarks: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            reject("profile", repr(self.profile), f"one of {', '.join(PROFILES)}")
        if self.seed < 0:
            reject("seed", self.seed, "a whole number of at least 0")

    def rng(self, *cell: Any) -> np.random.Generator:
        """The generator of one cell of this claim: the same whatever ran before it, and wherever it runs."""
        key = tuple(zlib.crc32(str(word).encode()) for word in (self.claim, *cell))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def remark(self, text: str) -> None:
        """Say something of the problem before anything is judged on it: once, whoever else says it again."""
        if text not in self.remarks:
            self.remarks.append(text)

    def record(self, training: "Training") -> Path | None:
        """Note what is about to be trained; returns the file for its unfinished state, or None to keep none.

        A claim trains the same things in the same order each time, so the number of a training is its name.
        """
        self.journal.append(training)
        return None if self.scratch is None else self.scratch / f"{self.claim}-{len(self.journal)}.ckpt"

    @property
    def trained(self) -> tuple[str, ...]:
        """What was trained so far, a line for each rule and network."""
        alike: dict[tuple[Any, ...], list[Training]] = {}
        for training in self.journal:
            alike.setdefault((training.rule, *training.parameters.items()), []).append(training)
        return tuple(_in_words(group) for group in alike.values())


@dataclass(frozen=True)
class Training:
    """One training run of a claim.

    Attributes:
        rule: name of the update rule.
        parameters: shape of each parameter by name, the runs of the batch first.
        learning_rate: the smallest and the largest of the runs.
        steps: at most this many.
    """

    rule: str
    parameters: Mapping[str, tuple[int, ...]]
    learning_rate: tuple[float, float]
    steps: int


def _in_words(alike: "list[Training]") -> str:
    first = alike[0]
    parameters = ", ".join(f"{name} {shape}" for name, shape in first.parameters.items())
    low = min(training.learning_rate[0] for training in alike)
    high = max(training.learning_rate[1] for training in alike)
    rates = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    fewest, most = min(training.steps for training in alike), max(training.steps for training in alike)
    steps = f"{most}" if fewest == most else f"{fewest} to {most}"
    times = "" if len(alike) == 1 else f", {len(alike)} times"
    return f"{parameters} by {first.rule}: {steps} steps of {rates}{times}"
