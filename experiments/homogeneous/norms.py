"""How the norm of a vector grows whose size the loss does not see, and whether two paths have one direction."""

import numpy as np

from experiments.homogeneous.predictions import Predicted, scaled
from theory.claims import Measured, Tolerance, measured
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous.normalisation import squared_norm_after_step


def growth(run: Trajectory, vector: str, eta: float, case: str) -> Measured:
    """The change of |v|^2 (T - 1, runs) in each step of learning rate eta."""
    squared = squares(run[vector])
    # <v, G> is 0 up to roundings of |v| |G|, which is at most the number of examples here; eta of it enters twice.
    tolerance = 64 * EPS * (squared.max() + 24 * eta)
    within = Tolerance(tolerance, "64 roundings of |v|^2 and of eta <v, G>")
    change = np.diff(squared, axis=0)
    return measured("growth of the norm", change, within=within, case=case, axes=("t", "run"))


def grown(run: Trajectory, vector: str, eta: float, shrinkage: float = 0.0) -> Predicted:
    """The change of |v|^2 (T - 1, runs) that each step makes of the one before, and of the gradient there."""
    before = squares(run[vector])[:-1]
    after = squared_norm_after_step(before, squares(run[f"d{vector}"])[:-1], eta, shrinkage)
    return scaled(after - before)


def turned(name: str, path: Array, other: Array) -> Measured:
    """v / |v| of a path (T, runs, ...), less that of another one."""
    # Descent on a bounded loss at a moderate step parts two paths by a constant factor at most over so short a run.
    tolerance = 1e3 * EPS * (len(path) - 1)
    because = "a rounding a step; a thousand for how paths that are a rounding apart part, the end being stable"
    return measured(name, units(path) - units(other), within=Tolerance(tolerance, because), axes=("t", "run"))


def units(path: Array) -> Array:
    """v / |v|, of a path (T, runs, ...)."""
    norms = np.sqrt(squares(path))
    return path / norms.reshape(*norms.shape, *[1] * (path.ndim - 2))


def squares(v: Array) -> Array:
    """|v|^2 (T, runs) of vectors (T, runs, ...)."""
    return np.square(v.reshape(*v.shape[:2], -1)).sum(-1)
