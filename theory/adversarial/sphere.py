"""Caps of radius rho around inputs on a sphere: what lies between two of them, when they meet, what loss is then left.

Radii and distances are chords. The sphere is that of the inputs' free coordinates: its radius is the square root of 3/4
for inputs of length 1 whose last coordinate is 1/2.
"""

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_matrix, inside, positive, reject

RADIUS = float(np.sqrt(3) / 2)  # of the free coordinates
LENGTH = 1e-9  # by how much lengths of inputs may differ, as a share


def angle(chord: Float[Array, "*#shape"] | float, radius: float = RADIUS) -> Float[Array, "*#shape"]:
    """2 arcsin(chord / (2 radius)), in [0, pi].

    Raises:
        InvalidArgument: a radius that is not above 0, a chord outside [0, 2 radius].
    """
    r = positive("radius", radius)
    return 2 * np.arcsin(np.minimum(entries_inside("chord", chord, 0, 2 * r, "[]") / r / 2, 1))


def gap(
    delta: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"] | float, radius: float = RADIUS
) -> Float[Array, "*#shape"]:
    """min <x_i, x'> - max <x_j, x'> over x' in the cap of x_i, |x_i - x_j| = delta (ours, sharp).

    R^2 (cos phi - cos(theta - phi)) = R delta sin(theta / 2 - phi), theta and phi the angles of delta and rho: at least
    the `printed_gap`, which it tends to as R grows. Below 0 where the caps overlap.

    Raises:
        InvalidArgument: see `angle`.
    """
    theta, phi = angle(delta, radius), angle(rho, radius)
    nearest = np.maximum(theta - phi, 0)
    return 2 * (radius * np.sin((nearest + phi) / 2)) * (radius * np.sin((nearest - phi) / 2))


def printed_gap(
    delta: Float[Array, "*#shape"] | float, rho: Float[Array, "*#shape"] | float
) -> Float[Array, "*#shape"]:
    """gamma / 2 = delta (delta - 2 rho) / 2, by the triangle inequality: |x_j - x'| >= delta - rho, |x_i - x'| <= rho.

    Raises:
        InvalidArgument: a distance below 0, or beyond 1e100.
    """
    d, r = (entries_inside(name, value, 0, 1e100, "[]") for name, value in (("delta", delta), ("rho", rho)))
    return d * (d - 2 * r) / 2


def touching_distance(rho: Float[Array, "*#shape"] | float, radius: float = RADIUS) -> Float[Array, "*#shape"]:
    """2 rho sqrt(1 - rho^2 / (4 R^2)): so far apart, caps of this radius touch (ours); below 2 rho, where balls do.

    Caps of more than a quarter turn meet all others: for these it is 2 R.

    Raises:
        InvalidArgument: see `angle`.
    """
    return 2 * radius * np.sin(np.minimum(angle(rho, radius), np.pi / 2))


def floor(X: Float[Array, "n d"], y: Float[Array, " n"], rho: float) -> float:
    """2 nu / n: the least mean over examples of max |f - y_i| over their caps, of any f (ours).

    nu is how many disjoint pairs there are of touching caps with different labels. Where caps of labels 1 and -1 share
    a point, the two losses there add up to at least 2; by Koenig's theorem weights on pairs gain nothing over a
    matching, and a set of nu examples touches each pair: f takes their losses up to 2, and fits all others.

    Raises:
        InvalidArgument: X is no finite matrix with rows of one length above 0, labels are not (n,) numbers +-1, a
            radius below 0.
    """
    X = finite_matrix("X", X)
    y = entries_inside("y", y)
    if y.shape != X.shape[:1] or not np.isin(y, (-1, 1)).all():
        reject("y", y if y.size < 8 else f"an array {y.shape}", f"{len(X)} labels, each 1 or -1")
    size = np.abs(X).max()
    lengths = np.linalg.norm(X / size, axis=1) if size > 0 else np.zeros(len(X))
    if not np.ptp(lengths) <= LENGTH * lengths.min() or not lengths.min() > 0:
        reject("|X|", f"rows of lengths {size * lengths.min():g} to {size * lengths.max():g}", "one length above 0")
    rho = inside("rho", rho, 0, np.inf, "[)") / size
    positive_, negative = X[y > 0] / size, X[y < 0] / size
    apart = np.linalg.norm(positive_[:, None] - negative, axis=-1)
    meet = csr_matrix(apart <= touching_distance(min(rho, 2 * lengths.min()), float(lengths.min())))
    return float(2 * (maximum_bipartite_matching(meet) >= 0).sum() / len(X))
