"""Minnorm's step sizes that are stable, where that can be derived: at a solution whose curvatures are known.

Near a solution with constraint gradients J and Lagrangian Hessian M = 1 + sum_i lambda_i h_i'', along a common
eigenvector with M = m and J^T J = g, one simultaneous step of size A in the weights and B in the multipliers is

    (x, l) <- [[1 - A (m + c g), A g^(1/2)], [-B g^(1/2), 1]] (x, l).

Its eigenvalues lie in the unit disk if and only if B g < m + c g and A (2 (m + c g) - B g) < 4 (Jury's conditions on
trace and determinant). Alternating steps are simultaneous steps with c + B in place of c.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_matrix, inside, positive, positive_integer, reject

LARGEST = 1e150  # the squares of what is larger, and of what is smaller than its inverse, are no normal numbers


class Mode(NamedTuple):
    """One direction at a solution: curvature m of the Lagrangian, and g, that of half the squared constraints."""

    lagrangian: float
    gram: float


def linear_model(inputs: Float[Array, "n d"]) -> tuple[Mode, ...]:
    """Modes of f = w . x: m = 1 and the eigenvalues g of the Gram matrix of the inputs, 0 where they do not reach.

    For margins the support examples decide; more rows only narrow the stable range.

    Raises:
        InvalidArgument: inputs that are no finite matrix, or above 1e150, where g is no number.
    """
    X = finite_matrix("inputs", inputs)
    values = np.linalg.svd(X, compute_uv=False)
    inside("largest singular value of inputs", values[0], 0, LARGEST)
    reached = values[values > max(X.shape) * EPS * values[0]]
    unreached = (Mode(1.0, 0.0),) if reached.size < X.shape[1] else ()
    return unreached + tuple(Mode(1.0, float(s) ** 2) for s in reached)


def linear_chain(depth: int, target: float) -> tuple[Mode, ...]:
    """Modes of w_1 ... w_L = s at its smallest weights: M = 2 - 1 1^T and g = L s^(2 - 2/L).

    The curvature 2 - L against the constraint is why c = 0 fails from depth 2 on.

    Raises:
        InvalidArgument: a depth below 1, a target outside [1e-150, 1e150], where g is no normal number.
    """
    L, s = positive_integer("depth", depth), inside("target", target, 1 / LARGEST, LARGEST)
    tangent = (Mode(2.0, 0.0),) * (L - 1)
    return (*tangent, Mode(2.0 - L, L * s ** (2 - 2 / L)))


def step_matrix(mode: Mode, A: float, B: float, c: float) -> Float[Array, "2 2"]:
    """What one simultaneous step does to (x, l), see the head of this module.

    Raises:
        InvalidArgument: a g below 0, or a number that is not finite.
    """
    m, g = mode
    inside("g", g, 0, np.inf, "[)")
    for name, value in (("m", m), ("A", A), ("B", B), ("c", c)):
        inside(name, value, -np.inf, np.inf, "()")
    return np.array([[1 - A * (m + c * g), A * np.sqrt(g)], [-B * np.sqrt(g), 1.0]])


def critical_augmentation(modes: Sequence[Mode], dual_learning_rate: float) -> float:
    """Simultaneous steps need an augmentation c above max (B - m / g), whatever their learning rate.

    Infinity where no augmentation is enough: along a direction that no constraint reaches, g = 0, only m > 0 attracts.

    Raises:
        InvalidArgument: no modes, numbers that are not finite, a g or a dual learning rate below 0.
    """
    inside("dual_learning_rate", dual_learning_rate, 0, np.inf, "[)")
    if not modes:
        reject("modes", modes, "at least one mode")
    return max(_needed(dual_learning_rate, *mode) for mode in modes)


def _needed(B: float, m: float, g: float) -> float:
    inside("m", m, -np.inf, np.inf, "()")
    if inside("g", g, 0, np.inf, "[)") > 0:
        return B - m / g
    return -np.inf if m > 0 else np.inf


def largest_learning_rate(modes: Sequence[Mode], dual_learning_rate: float, augmentation: float) -> float:
    """Simultaneous steps need a learning rate A below min 4 / (2 (m + c g) - B g), with c above its critical value.

    Raises:
        InvalidArgument: an augmentation at or below the critical one, where no learning rate is small enough.
    """
    critical = critical_augmentation(modes, dual_learning_rate)
    if not critical < augmentation < np.inf:
        reject("augmentation", augmentation, f"a number above {critical:.6g}: below it the solution repels training")
    stiffness = (2 * m + (2 * augmentation - dual_learning_rate) * g for m, g in modes)
    return min(4 / s if s > 0 else np.inf for s in stiffness)  # above 0, but for rounding


def require_stable(
    modes: Sequence[Mode], learning_rate: float, dual_learning_rate: float, augmentation: float, added: float
) -> None:
    """Refuse step sizes under which training leaves the solution.

    Args:
        added: what the order of updates adds to the augmentation: B if they alternate, else 0.

    Raises:
        InvalidArgument: an augmentation at or below the critical one, a learning rate not above 0 or at or above the
            largest, a dual learning rate below 0.
    """
    positive("lr", learning_rate)
    inside("dual_learning_rate", dual_learning_rate, 0, np.inf, "[)")
    critical = critical_augmentation(modes, dual_learning_rate) - added
    if not critical < augmentation < np.inf:
        reject("augmentation", augmentation, f"a number above {critical:.6g}: below it the solution repels training")
    largest = largest_learning_rate(modes, dual_learning_rate, augmentation + added)
    if learning_rate >= largest:
        reject("lr", learning_rate, f"a number in (0, {largest:.6g}): beyond it training oscillates and grows")
