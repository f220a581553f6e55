"""Students of whitened examples whose layers start along the singular modes: what the claims about modes share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.networks import by_minnorm
from experiments.training import Trainee
from experiments.training.batches import layers_of
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.deep_linear.modes import Modes, aligned, amplitudes, whitened
from theory.minnorm.tuning import Tuning

INPUT = 1.2  # X X^T = INPUT^2 P


@dataclass(frozen=True)
class Whitened:
    """Whitened examples whose labels have modes of several strengths, one an output."""

    strengths: tuple[float, ...] = varies("of the modes, decreasing", (1.8, 1.2, 0.7), low=0.3, high=4)
    inputs: int = varies("d", 6, low=2, high=40)
    examples: int = varies("n", 4, low=2, high=40)
    width: int = varies("of hidden layers", 5, low=2, high=40)

    def __post_init__(self) -> None:
        if len(self.strengths) < 2 or (np.diff(self.strengths) >= 0).any():
            reject("strengths", self.strengths, "two or more, decreasing")
        if self.examples > self.inputs:
            reject("examples", self.examples, f"at most the inputs, {self.inputs}: more are not whitened")
        for name in ("examples", "width"):
            if getattr(self, name) < len(self.strengths):
                reject(name, getattr(self, name), f"at least one a mode, {len(self.strengths)}")

    def draw(self, rng: np.random.Generator, draws: int = 1) -> Modes:
        shape = {"d": self.inputs, "n": self.examples, "K": len(self.strengths)}
        return Modes(whitened(self.strengths, x=INPUT, **shape, rng=rng, draws=draws))

    def widths(self, L: int) -> list[int]:
        """d, hidden widths, K."""
        return [self.inputs, *[self.width] * (L - 1), len(self.strengths)]


def shown(depths: Sequence[int]) -> int:
    """The depth at which hypotheses are broken: 3 where it is one of them, else the largest."""
    return 3 if 3 in depths else max(depths)


def require_different(depths: Sequence[int]) -> None:
    if len(set(depths)) < len(depths):
        reject("depths", depths, "depths that all differ")


def by_minnorm_from(
    study: Study, modes: Modes, frames: Layers, w: Array, multipliers: Array, tuning: Tuning
) -> Trainee:
    """Students by Minnorm from modes of weights w (runs, modes, L) and multipliers (runs, modes)."""
    # Lambda = U diag(lambda) V^T X / x, examples in rows as torch has them.
    start = ((modes.U * multipliers[..., None, :]) @ modes.V.mT @ modes.problem.X).mT
    return by_minnorm(study, modes.problem, aligned(frames, w), tuning, start / modes.x)


def state_of_modes(modes: Modes, frames: Layers, run: Trajectory) -> Array:
    """(w_1k, ..., w_Lk, lambda_k) of every mode, (T, runs, modes, L + 1), read off a training."""
    w = amplitudes(frames, layers_of(run.arrays))
    multipliers = modes.multipliers(run["multipliers"].mT)
    return np.concatenate([w, multipliers[..., None]], axis=-1)


def off_the_modes(frames: Layers, run: Trajectory) -> list[Array]:
    """What of the layers is not along the modes, each (T, runs, h, h')."""
    layers = layers_of(run.arrays)
    return [layer - along for layer, along in zip(layers, aligned(frames, amplitudes(frames, layers)))]
