"""What a classifier that never saw an example makes of it, for all examples at once: kernel least squares."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import pdist, squareform

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive

WIDTH, RIDGE = 0.5, 1.0


def left_out_margins(
    x: Float[Array, "runs n d"], y: Int[Array, "runs n"], classes: int, width: float = WIDTH, ridge: float = RIDGE
) -> Float[Array, "runs n"]:
    """Margin of each example under kernel ridge regression on the others; at most 0 where it is misclassified.

    The kernel is exp(-|x - x'|^2 / width / median |x - x'|^2), the targets are 1 for the own class and 0 for others.
    With G = (K + ridge)^{-1} the regression without example i has f(x_i) = t_i - (G t)_i / G_ii: exact, and one inverse
    for all of them (Allen 1974's PRESS).

    Raises:
        InvalidArgument: entries beyond 1e150, a label that is none of 0 ... classes - 1, fewer than two examples or
            classes, a width or a ridge not above 0.
    """
    entries_inside("x", x, -SQUARABLE, SQUARABLE, "[]")
    inside("n", x.shape[1], 2, np.inf, "[)")
    inside("classes", classes, 2, np.inf, "[)")
    positive("width", width), inside("ridge", ridge, 1e-6, 1e6)
    for label in (y.min(initial=0), y.max(initial=0)):
        inside("y", label, 0, classes - 1)
    return np.stack([_left_out(*run, classes, width, ridge) for run in zip(x, y)])


def _left_out(x: Array, y: Array, classes: int, width: float, ridge: float) -> Array:
    away = pdist(x)
    scale = np.median(away)
    # Examples that mostly coincide have no scale of their own; then all that differ count as far apart.
    away = squareform(away / scale if scale > 0 else np.where(away > 0, np.inf, 0.0))
    G = np.linalg.inv(np.exp(-(away**2) / width) + ridge * np.eye(len(x)))
    own = np.equal.outer(y, np.arange(classes))
    f = own - G @ own / np.diag(G)[:, None]
    return f[own] - np.where(own, -np.inf, f).max(1)
