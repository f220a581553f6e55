"""How students come to rest: how far they may still be from their limit, and what becomes of those beside it."""

from collections.abc import Callable

import numpy as np

from theory.claims import Measured, Tolerance, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.deep_linear.problem import Ensemble, TeacherStudent

DIFFERENCES = "central differences over three displacements, last Richardson correction and rounding"


def settled(name: str, t: Array, paths: Array, within: Tolerance, rate: float = 1.0, *, case: str = "") -> Measured:
    """The end of paths (T, runs, ...) at evenly spaced times, which converge to a limit at least as e^(-rate t)."""
    moves = np.abs(np.diff(paths, axis=0))
    faded = np.exp(rate * (t[1:] - t[-1])).reshape(-1, *[1] * (moves.ndim - 1)) * moves
    because = f"the largest move between records, faded at rate {rate:g} since, summed to infinity"
    within = Tolerance(faded.max() / (1 - np.exp(rate * (t[0] - t[1]))), because) + within
    return measured(name, paths[-1], within=within, case=case, axes=("run",))


def change_of_error(ensemble: Ensemble, teacher: Array, W: Array, moved: Array) -> Array:
    """Bound on what moving W (..., 1, d) by the length `moved` (...) does to E_g; shape of `moved`."""
    distance = np.sqrt(((teacher - W) ** 2).sum((-2, -1)))
    return (2 * distance * moved + moved**2) / ensemble.d + 64 * EPS * ensemble.d


def left_of_minnorm(problem: TeacherStudent, W: Array, kept: Array) -> Array:
    """Bound on |W - W^| (runs,): `kept` = |A| |W_1 Q|, not forgotten yet, and |R| / S_min, not fitted yet."""
    residual = np.sqrt(((problem.Y - W @ problem.X) ** 2).sum((-2, -1)))
    return kept + residual / problem.singular_values[..., -1]


def integrated(solve: Callable[[float], Array], relative_tolerance: float = 1e-11) -> tuple[Array, Tolerance]:
    """A flow solved to a relative tolerance, and what it may be off by."""
    fine, coarse = solve(relative_tolerance), solve(100 * relative_tolerance)
    return fine, Tolerance(np.abs(fine - coarse).max(), "what a hundred times looser tolerance of the solver changes")


def central_differences(after: Callable[[Array], Array], rest: Array, directions: Array) -> tuple[Array, Array, float]:
    """Derivative of what a start becomes by the start, along some directions.

    Args:
        after: starts (3, 2, directions, *state) -> any array whose first two dimensions are the same.
        rest: the start (*state).
        directions: (directions, *state).

    Returns:
        The derivative, extrapolated from three displacements; the last Richardson correction, elementwise; and the
        smallest displacement, by which roundings are divided.
    """
    sizes = 1e-3 / 2.0 ** np.arange(3)
    ends = after(rest + np.multiply.outer(np.outer(sizes, [1, -1]), directions))
    central = [(plus - minus) / (2 * size) for (plus, minus), size in zip(ends, sizes)]
    derivative, error = richardson(central, order=2)
    return derivative, error, float(sizes[-1])
