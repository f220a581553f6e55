"""Training at eta, eta / 2, eta / 4, ... as one batch: small networks take the time of the finest alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from experiments.training.trainee import Trainee
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import positive_integer, reject


def copies(runs: Array, levels: int) -> Array:
    """All runs (runs, ...) once for each learning rate, (levels x runs, ...)."""
    return np.concatenate([runs] * levels)


def refined_together(
    trainee: Trainee, *, learning_rate: float, record: Sequence[int], levels: int = 3
) -> list[Trajectory]:
    """The same training at learning_rate / 1, 2, 4, ..., recorded at the same times, coarse to fine.

    The coarser runs go on until the finest has come as far, unrecorded: they have to be stable that long.

    Args:
        trainee: of `copies` of its runs, one for each level.
        learning_rate: of the coarsest.
        record: steps of the coarsest.
        levels: how many learning rates.

    Raises:
        InvalidArgument: runs that are not so many copies; and as `Trainee.train`.
    """
    several = len(next(iter(trainee.start.values())))
    runs, left = divmod(several, positive_integer("levels", levels))
    if left:
        reject("levels", levels, f"one for each copy of the runs, of which there are {several} together")
    rates = learning_rate / 2.0 ** np.arange(levels)
    steps = np.multiply.outer(2 ** np.arange(levels), record)
    run = trainee.train(learning_rate=np.repeat(rates, runs), steps=int(steps.max()), record=np.unique(steps).tolist())
    rows = np.searchsorted(run.facts["recorded"], steps)
    return [
        Trajectory(
            steps[k] * rates[k],
            {name: array[rows[k], k * runs : (k + 1) * runs] for name, array in run.arrays.items()},
            {"recorded": steps[k]},
        )
        for k in range(levels)
    ]


def refine_together(
    trainee: Trainee, *, learning_rate: float, horizon: float, records: int, levels: int = 3
) -> list[Trajectory]:
    """`Trainee.refine` as one batch, for a loss and a rule that serve any number of runs; see `refined_together`."""
    between = max(round(horizon / learning_rate / (records - 1)), 1)
    steps = between * (records - 1)
    start = {name: torch.cat([torch.as_tensor(runs)] * levels) for name, runs in trainee.start.items()}
    several, record = replace(trainee, start=start), range(0, steps + 1, between)
    return refined_together(several, learning_rate=horizon / steps, record=record, levels=levels)
