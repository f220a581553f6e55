"""Training against a flow: at eta, eta/2, eta/4, ... it must approach the flow at order 1, and extrapolate to it."""

from collections.abc import Iterator, Sequence

import numpy as np

from theory.claims import Check, Measured, Prediction, Tolerance, measured, order, rounding
from theory.claims.estimates import observed_order, richardson
from theory.claims.resolution import at
from theory.core.arrays import EPS, Array


def tends_to(
    name: str,
    values: Sequence[Array],
    predicted: Prediction,
    solver_error: Array | float = 0.0,
    *,
    against: float | None = None,
    part: str = "",
    case: str = "",
) -> Iterator[Check]:
    """Values (T, runs, ...) of a training refined by halves approach the prediction at order 1, and extrapolate to it.

    Args:
        values: three learning rates at least, each half the one before, recorded at the same times.
        predicted: the flow, shape (T, runs, ...), as a function of the factor by which the theorem's constant is
            multiplied; numbers where they are that constant themselves.
        solver_error: what the prediction itself may be off by, if it is integrated; broadcasts with it.
        against: where 0 is predicted, what was measured where the theorem does not hold: the scale of resolution.
    """
    off_by = solver_error + EPS * np.abs(values[-1]).max()
    estimate = observed_order([value - at(predicted) for value in values], off_by)
    yield order(f"{name}, order in the learning rate", estimate, part=part, case=case).equals(1, excludes=(0.75, 1.25))
    limit = extrapolated(f"{name}, learning rate 0", values, solver_error, part=part, case=case)
    yield limit.equals(predicted, against=against)


def extrapolated(
    name: str, values: Sequence[Array], solver_error: Array | float = 0.0, *, part: str = "", case: str = ""
) -> Measured:
    """Values (T, runs, ...) of a training refined by halves, extrapolated to learning rate 0."""
    limit, error = richardson(values)
    axes = tuple(range(error.ndim)) if len(error) == 1 else (0, *range(2, error.ndim))
    # A correction that changes sign along a path vanishes there, the error it stands for does not: its largest counts.
    # A single record has no path: there the largest of all runs.
    correction = f"last Richardson corrections over {len(values)} learning rates, largest of a run"
    within = Tolerance(error.max(axes, keepdims=True) + solver_error, correction)
    within += rounding(2 ** len(values) * len(limit), np.abs(limit).max(), of="the largest value")
    return measured(name, limit, within=within, part=part, case=case, axes=("t", "run"))


def extrapolated_ratio(name: str, ratios: Sequence[Array], *, part: str = "", case: str = "") -> Measured:
    """Ratios (T, runs, ...) of what is trained to its bound, extrapolated to learning rate 0."""
    limit, error = richardson(ratios)
    because = "the theorem is of the flow: slack is the last correction of the extrapolation, largest of a run"
    within = Tolerance(error.max(0, keepdims=True), because)
    return measured(name, limit, within=within, part=part, case=case, axes=("t", "run"))
