"""Students of whitened examples whose layers start along the singular modes: what the claims about modes share."""

from collections.abc import Sequence

import numpy as np

from experiments.deep_linear.networks import by_minnorm
from experiments.training import Trainee
from experiments.training.batches import layers_of
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.deep_linear.modes import Modes, aligned, amplitudes, whitened
from theory.minnorm.tuning import Tuning

INPUT, INPUTS, EXAMPLES = 1.2, 6, 4  # X X^T = INPUT^2 P


def draw_modes(rng: np.random.Generator, strengths: Sequence[float], draws: int = 1) -> Modes:
    """Modes of these strengths, one an output."""
    shape = {"d": INPUTS, "n": EXAMPLES, "K": len(strengths)}
    return Modes(whitened(strengths, x=INPUT, **shape, rng=rng, draws=draws))


def widths(modes: Modes, L: int, hidden: int = 5) -> list[int]:
    """d, hidden widths, K."""
    return [modes.problem.d, *[hidden] * (L - 1), modes.problem.K]


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
