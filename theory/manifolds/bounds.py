"""Norms of all layers together: three complexities of generalisation bounds, and what bounded outputs cost.

W_1 ... W_L are layers x -> W_L s(... s(W_1 x)), W_l (..., h_l, h_{l-1}), s of slope 1 at most with s(0) = 0, such as
relu. With s_l the spectral norm, F_l that of Frobenius, b_l the sum of the lengths of the rows. The bounds (Bartlett,
Foster & Telgarsky 2017; Neyshabur, Bhojanapalli & Srebro 2018; Golowich, Rakhlin & Shamir 2018) are their leading terms
as recalled, complexity x rms |x| / (margin x sqrt n), without constants and logarithms.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, positive_integer, reject

Layers = Sequence[Array]


def spectral_norms(layers: Layers) -> Float[Array, "*batch"]:
    """s_l, shape (L, *runs).

    Raises:
        InvalidArgument: no layers, layers that do not fit each other, or that are not finite; so does every function of
            layers here.
    """
    return np.array([np.linalg.norm(W, 2, axis=(-2, -1)) for W in _fitting(layers)])


def frobenius_norms(layers: Layers) -> Float[Array, "*batch"]:
    """F_l, shape (L, *runs)."""
    return np.array([np.linalg.norm(W, axis=(-2, -1)) for W in _fitting(layers)])


def row_lengths(layers: Layers) -> Float[Array, "*batch"]:
    """b_l, the (2,1) norm of W_l^T, shape (L, *runs)."""
    return np.array([np.linalg.norm(W, axis=-1).sum(-1) for W in _fitting(layers)])


def bartlett(layers: Layers) -> Float[Array, "*runs"]:
    """prod_l s_l (sum_l (b_l / s_l)^(2/3))^(3/2); 0 where a layer is 0.

    >>> float(bartlett([np.eye(2), np.eye(2)]).round(3))
    5.657
    """
    s, b = spectral_norms(layers), row_lengths(layers)
    return s.prod(0) * (_over(b, s) ** (2 / 3)).sum(0) ** 1.5


def neyshabur(layers: Layers) -> Float[Array, "*runs"]:
    """L sqrt(h) prod_l s_l (sum_l F_l^2 / s_l^2)^(1/2), h the largest width; 0 where a layer is 0."""
    s, F = spectral_norms(layers), frobenius_norms(layers)
    h = max(max(W.shape[-2:]) for W in layers)
    return len(s) * np.sqrt(h) * s.prod(0) * np.sqrt((_over(F, s) ** 2).sum(0))


def golowich(layers: Layers) -> Float[Array, "*runs"]:
    """sqrt(L) prod_l F_l."""
    F = frobenius_norms(layers)
    return np.sqrt(len(F)) * F.prod(0)


def on_stiefel(widths: Sequence[int]) -> dict[str, float]:
    """What the three complexities are of every network whose W_l^T have orthonormal columns: s = 1, F^2 = b = h_l.

    >>> {name: round(value, 3) for name, value in on_stiefel([8, 4, 2]).items()}
    {'Bartlett': 8.324, 'Neyshabur': 13.856, 'Golowich': 4.0}

    Raises:
        InvalidArgument: fewer than two widths, or one that is larger than that before.
    """
    if len(widths) < 2 or sorted(widths, reverse=True) != list(widths):
        reject("widths", tuple(widths), "two at least, none larger than the one before")
    B = np.array([positive_integer("widths", h) for h in widths[1:]], dtype=float)
    return {
        "Bartlett": float((B ** (2 / 3)).sum() ** 1.5),
        "Neyshabur": float(len(B) * np.sqrt(widths[0] * B.sum())),
        "Golowich": float(np.sqrt(len(B) * B.prod())),
    }


def bound(
    complexity: Float[Array, "*runs"], size: float, margin: Float[Array, "*runs"], examples: int
) -> Float[Array, "*runs"]:
    """complexity x rms |x| / (margin x sqrt n).

    Raises:
        InvalidArgument: a margin that is not above 0, where there is no bound; a number below 0 or not finite.
    """
    entries_inside("size", size, 0, np.inf, "[)")
    entries_inside("complexity", complexity, 0, np.inf, "[)")
    entries_inside("margin", margin, 0, np.inf, "()")
    return np.asarray(complexity) * size / np.sqrt(positive_integer("examples", examples)) / margin


def largest_output(layers: Layers, size: Float[Array, "*inputs"]) -> Float[Array, "*batch"]:
    """F = |x| prod_l s_l >= |f(x)|, shape (*runs, *inputs)."""
    return np.multiply.outer(spectral_norms(layers).prod(0), entries_inside("size", size, 0, np.inf, "[)"))


def least_cross_entropy(F: Float[Array, "*batch"] | float, classes: int) -> Float[Array, "*batch"]:
    """log(1 + (K - 1) exp(-F sqrt(K / (K - 1)))), the least of an example of K classes with outputs of length F.

    The outputs are then F along e_y - 1 / K. F = inf gives 0, F = 0 gives log K.

    >>> least_cross_entropy(np.array([0.0, np.inf]), 2).round(6).tolist()
    [0.693147, 0.0]

    Raises:
        InvalidArgument: F below 0 or NaN, fewer than two classes.
    """
    if positive_integer("classes", classes) < 2:
        reject("classes", classes, "two at least")
    F = entries_inside("F", F, 0, np.inf, "[]")
    return np.logaddexp(0, np.log(classes - 1) - F * np.sqrt(classes / (classes - 1)))


def _fitting(layers: Layers) -> list[Array]:
    if not len(layers):
        reject("layers", "none", "one at least")
    found = [entries_inside("layers", W) for W in layers]
    for before, after in zip(found, found[1:]):
        if before.ndim < 2 or before.shape[:-2] != after.shape[:-2] or before.shape[-2] != after.shape[-1]:
            reject("layers", [W.shape for W in found], "W_l (..., h_l, h_{l-1}), each taking what the one before gives")
    if found[0].ndim < 2:
        reject("layers", [W.shape for W in found], "matrices")
    return found


def _over(norms: Array, s: Array) -> Array:
    """norms / s, at most 0 where s is 0, and the product with it."""
    return np.divide(norms, s, out=np.zeros_like(norms), where=s > 0)
