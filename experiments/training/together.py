"""Training at eta, eta / 2, eta / 4, ... as one batch: small networks take the time of the finest alone."""

from collections.abc import Sequence

import numpy as np

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
            steps[k] * rates[k], {name: array[rows[k], k * runs : (k + 1) * runs] for name, array in run.arrays.items()}
        )
        for k in range(levels)
    ]
