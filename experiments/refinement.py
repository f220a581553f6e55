"""Training against a flow: at eta, eta/2, eta/4, ... it must approach the flow at order 1, and extrapolate to it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from theory.claims import Check, at_most, equal, order
from theory.rates import halving_order, richardson
from theory.trajectory import Trajectory
from theory.validation import Array

EPS = float(np.finfo(float).eps)


def refined(
    descend: Callable[..., Trajectory],
    name: str,
    *,
    learning_rate: float,
    horizon: float,
    records: int,
    levels: int = 3,
) -> list[Trajectory]:
    """The same training at learning_rate / 1, 2, 4, ..., recorded at the same times.

    Args:
        descend: (name, learning_rate=, steps=, record=) -> a trajectory.
        learning_rate: of the coarsest; made a little smaller where it does not divide the horizon into the records.
        records: how many times are recorded, from 0 to the horizon.
        levels: how many learning rates.
    """
    between = max(round(horizon / learning_rate / (records - 1)), 1)
    return [
        descend(
            f"{name}, level {level}",
            learning_rate=horizon / (between * (records - 1)) / 2**level,
            steps=between * (records - 1) * 2**level,
            record=[between * k * 2**level for k in range(records)],
        )
        for level in range(levels)
    ]


def extrapolated_at_most(name: str, ratios: Sequence[Array]) -> Check:
    """Ratios (T, runs, ...) of what is trained to its bound, extrapolated to learning rate 0, are at most 1."""
    limit, error = richardson(ratios)
    because = "the theorem is of the flow: slack is the last correction of the extrapolation, largest of a run"
    return at_most(name, limit, 1.0, slack=error.max(0, keepdims=True), because=because)


def tends_to(
    name: str, values: Sequence[Array], predicted: Array, solver_error: Array | float = 0.0
) -> Iterator[Check]:
    """Values (T, runs, ...) of a training refined by halves approach the prediction at order 1, and extrapolate to it.

    Args:
        values: three learning rates at least, each half the one before, recorded at the same times.
        predicted: the flow, shape (T, runs, ...).
        solver_error: what the prediction itself may be off by, if it is integrated; broadcasts with it.
    """
    estimate = halving_order(values[-2] - predicted, values[-1] - predicted)
    yield order(f"{name}, order in the learning rate", estimate, 1, excludes=(0, 2))
    yield extrapolated(f"{name}, learning rate 0", values, predicted, solver_error)


def extrapolated(name: str, values: Sequence[Array], predicted: Array, solver_error: Array | float = 0.0) -> Check:
    """The extrapolation of values (T, runs, ...) to learning rate 0 is the prediction."""
    limit, error = richardson(values)
    axes = tuple(range(error.ndim)) if len(error) == 1 else (0, *range(2, error.ndim))
    rounding = EPS * 2 ** len(values) * len(limit) * np.abs(limit).max()
    # A correction that changes sign along a path vanishes there, the error it stands for does not: its largest counts.
    # A single record has no path: there the largest of all runs.
    tolerance = error.max(axes, keepdims=True) + solver_error + rounding
    because = f"last Richardson correction over {len(values)} learning rates, largest of a run, rounding and the solver"
    return equal(name, limit, predicted, tolerance=tolerance, because=because)
