"""What needs no training: how far an example lies from the mean of its class, and from those of the others."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside


def distances(x: Float[Array, "n d"], y: Int[Array, " n"], classes: int) -> Float[Array, "n classes"]:
    """Distance of each example to the mean of each class, of its other examples; infinite where there are none.

    Leaving an example out of a mean of m takes it m / (m - 1) times as far away: x - (m mean - x) / (m - 1).

    Raises:
        InvalidArgument: entries beyond 1e150, or a label that is none of 0 ... classes - 1.
    """
    entries_inside("x", x, -SQUARABLE, SQUARABLE, "[]")
    for label in (y.min(), y.max()):
        inside("y", label, 0, classes - 1)
    member = np.equal.outer(y, np.arange(classes))
    count = member.sum(0)
    others = count - member
    means = member.T @ x / np.maximum(count, 1)[:, None]
    return np.where(others > 0, cdist(x, means) * count / np.maximum(others, 1), np.inf)


def to_own_class(x: Float[Array, "runs n d"], y: Int[Array, "runs n"], classes: int) -> Float[Array, "runs n"]:
    """Distance of each example to the mean of its own class. Raises as `distances`."""
    return np.stack([_own(*run, classes)[0] for run in zip(x, y)])


def beyond_the_nearest(x: Float[Array, "runs n d"], y: Int[Array, "runs n"], classes: int) -> Float[Array, "runs n"]:
    """Distance of each example to the mean of its own class, less that to the nearest mean of another class.

    Above 0 where the classifier of the nearest mean, which never saw the example, gets it wrong.

    Raises as `distances`, and for one example alone.
    """
    inside("n", x.shape[1], 2, np.inf, "[)")
    return np.stack([np.subtract(*_own(*run, classes)) for run in zip(x, y)])


def _own(x: Array, y: Array, classes: int) -> tuple[Array, Array]:
    """Distance to the own mean, and to the nearest other one."""
    away = distances(x, y, classes)
    own = np.equal.outer(y, np.arange(classes))
    return away[own], np.where(own, np.inf, away).min(1)
