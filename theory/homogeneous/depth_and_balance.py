r"""How wrong linear networks of any depth are on new examples once they have a margin: depth, balance (ours).

Layers of rank one, aligned: the first is p q^T, q = x u + q_unseen, u the direction in which all n examples have the
margin gamma (orthonormal examples times labels: u their mean over its length, gamma = n^(-1/2)), and q_unseen of length
s is off their span. The others have sizes r_2 ... r_L. Along gradient flow s stays and x^2, r_k^2 grow alike, so

    m = gamma x prod_k r_k,    r_k^2 = r_k(0)^2 + x^2 - x(0)^2,    error = arctan(s / x) / pi

where new inputs are isotropic, labelled by the sign of u . x. If layers are balanced s / x ~ s (gamma / m)^(1/L): depth
enters as the L-th root. With weight normalisation (|v_k| = 1) sizes grow alike too, and the angle falls by itself:

    m = gamma rho cos theta prod_k r_k,    sin theta = sin theta(0) e^{-(rho^2 - rho(0)^2) / 2},    error = theta / pi.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, reject

HALVINGS = 120  # of a bracket of the logarithm of a size
LARGEST = 1e100  # of sizes and margins, whose products stay finite
DEEPEST = 100


def error(
    margin: Float[Array, "*shape"],
    seen: Float[Array, "*#shape"],
    unseen: Float[Array, "*#shape"],
    others: Float[Array, "*#shape others"],
    unit_margin: float,
) -> Float[Array, "*shape"]:
    """arctan(s / x) / pi of gradient flow when it has reached the margin.

    >>> error(np.array([0.5, np.inf]), np.ones(1), np.ones(1), np.ones((1, 2)), 0.5).tolist()
    [0.25, 0.0]

    Args:
        margin: of every example.
        seen, unseen: x(0) and s.
        others: r_2(0) ... r_L(0), none of them for a single layer.
        unit_margin: gamma.

    Raises:
        InvalidArgument: a margin below that of the start, sizes that are not above 0, unseen below 0, any of them
            beyond 1e100 or below 1e-100, an infinite margin excepted.
    """
    x = first_size(margin, seen, np.zeros_like(unseen), others, unit_margin)
    return np.arctan(entries_inside("unseen", unseen, 0, LARGEST, "[]") / x) / np.pi


def weight_normalised_error(
    margin: Float[Array, "*shape"],
    size: Float[Array, "*#shape"],
    angle: Float[Array, "*#shape"],
    others: Float[Array, "*#shape others"],
    unit_margin: float,
) -> Float[Array, "*shape"]:
    """theta / pi of weight normalisation, |v_k| = 1, when its flow has reached the margin; as `error`.

    Args:
        size, angle: rho(0) of the first layer, and theta(0) in [0, pi / 2).
    """
    return angle_at(first_size(margin, size, angle, others, unit_margin), size, angle) / np.pi


def first_size(
    margin: Float[Array, "*shape"],
    size: Float[Array, "*#shape"],
    angle: Float[Array, "*#shape"],
    others: Float[Array, "*#shape others"],
    unit_margin: float,
) -> Float[Array, "*shape"]:
    """The size of the first layer's gain at this margin, by bisection of its logarithm; x itself at angle 0.

    The margin grows in every factor, so the size lies between that of the start and margin / margin(0) times it.
    Raises as `error`.
    """
    inside("unit_margin", unit_margin, 1 / LARGEST, LARGEST)
    sizes = entries_inside("size", size, 1 / LARGEST, LARGEST, "[]")
    inside("number of others", np.shape(others)[-1], 0, DEEPEST)
    squares = entries_inside("others", others, 1 / LARGEST, LARGEST, "[]") ** 2
    angles = entries_inside("angle", angle, 0, np.pi / 2, "[)")

    def log_margin(log_growth: Array) -> Array:
        rho = sizes * np.exp(log_growth)
        grown = sizes**2 * np.expm1(2 * log_growth)
        layers = np.log(squares + grown[..., None]).sum(-1) / 2
        return np.log(unit_margin) + np.log(rho) + np.log(np.cos(angle_at(rho, sizes, angles))) + layers

    first = log_margin(np.zeros(np.shape(margin)))
    given = entries_inside("margin", margin, 0, np.inf, "(]")
    finite = np.isfinite(given)
    wanted = np.where(finite, np.log(np.where(finite, given, 1.0)), first)
    if (wanted < first - 1e-9).any() or (wanted > np.log(LARGEST)).any():
        reject("margin", np.min(given), f"margins from those of the start, {np.exp(np.max(first)):g}, to {LARGEST:g}")
    growth = _bisected(log_margin, wanted, np.maximum(wanted - first, 0.0))
    return np.where(finite, sizes * np.exp(growth), np.inf)


def angle_at(
    rho: Float[Array, "*#shape"], size: Float[Array, "*#shape"], angle: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """theta of weight normalisation where the first layer's gain has grown from `size` to rho.

    Raises:
        InvalidArgument: sizes that are not above 0, a size at the start that is infinite, an angle outside [0, pi / 2).
    """
    start, now = entries_inside("size", size, 0), entries_inside("rho", rho, 0, np.inf, "(]")
    theta = entries_inside("angle", angle, 0, np.pi / 2, "[)")
    with np.errstate(over="ignore"):
        turned = np.minimum(np.sin(theta) * np.exp(-(now - start) * (now + start) / 2), 1.0)
    return np.arcsin(turned)


def balanced_error(margin: Float[Array, "*shape"], unseen: float, unit_margin: float, depth: int) -> Array:
    """s (gamma / m)^(1/L) / pi: what `error` of balanced layers tends to as margins grow; the L-th root.

    Raises:
        InvalidArgument: no margin or unit margin above 0, unseen below 0, depth not a number in 1 ... 101.
    """
    inside("depth", depth, 1, DEEPEST + 1)
    inside("unseen", unseen, 0, LARGEST)
    share = inside("unit_margin", unit_margin, 1 / LARGEST, LARGEST) / entries_inside("margin", margin, 0, np.inf, "(]")
    return np.asarray(unseen * share ** (1 / depth) / np.pi)


def _bisected(function: Callable[[Array], Array], wanted: Array, reach: Array) -> Array:
    low, high = np.zeros_like(reach), reach
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = function(middle) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
