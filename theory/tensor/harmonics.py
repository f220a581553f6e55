"""Symmetric tensors by rotations: Sym^l = H_l + H_(l-2) + ..., and how much of a power lies in each part.

H_j are the polynomials |x|^(l-j) h(x) with h harmonic of degree j. On the sphere t^l = sum_j a_j P_j(t), with P_j the
Gegenbauer polynomials of d dimensions, P_j(1) = 1: a_j is the share of u^l, |u| = 1, that lies in H_j.
"""

from math import comb

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from theory.core.arrays import Array
from theory.core.validation import positive_integer, reject
from theory.tensor.coordinates import HIGHEST, dimension, exponents, scales

MATRIX = 1000  # coordinates of which there are projectors


def degrees(d: int, l: int) -> Int[np.ndarray, " parts"]:
    """j = l, l - 2, ..., at least 0.

    Raises:
        InvalidArgument: d is no whole number of at least 2, l none between 1 and 20.
    """
    if positive_integer("d", d) < 2:
        reject("d", d, "at least 2: there are no rotations of one dimension")
    if positive_integer("l", l) > HIGHEST:
        reject("l", l, f"at most {HIGHEST}")
    return np.arange(l, -1, -2)


def sizes(d: int, l: int) -> Int[np.ndarray, " parts"]:
    """dim H_j = binom(d + j - 1, j) - binom(d + j - 3, j - 2), in the order of `degrees`; raises as it does."""
    return np.array([comb(d + j - 1, j) - (comb(d + j - 3, j - 2) if j > 1 else 0) for j in degrees(d, l).tolist()])


def shares(d: int, l: int) -> Float[Array, " parts"]:
    """a_j = dim H_j l! Gamma(d/2) / (2^l k! Gamma(d/2 + j + k)), j + 2 k = l; (d - 1) / (d + 2), 3 / (d + 2) at l = 3.

    The first factor times what Funk and Hecke's formula makes of t^l. Raises as `degrees`.
    """
    j = degrees(d, l)
    k, half = (l - j) // 2, d / 2
    log = special.gammaln(l + 1) - special.gammaln(k + 1) - special.gammaln(j + half + k) - l * np.log(2)
    return np.exp(log + special.gammaln(half)) * sizes(d, l)


def at_right_angles(d: int, l: int) -> Float[Array, " parts"]:
    """P_j(0): what of a_j two powers at right angles have in common; 0 for odd j, -1 / (d - 1) for j = 2.

    Raises as `degrees`.
    """
    return np.array([_at_zero(d, j) for j in degrees(d, l).tolist()])


def target_shares(d: int, l: int, r: int) -> Float[Array, " parts"]:
    """a_j (1 + (r - 1) P_j(0)): the share of q_1^l + ... + q_r^l, orthonormal q in random position, in H_j.

    <Pi_j u^l, Pi_j v^l> = a_j P_j(u . v). For odd l the number of terms does not matter.

    Raises:
        InvalidArgument: r is no whole number between 1 and d.
    """
    if positive_integer("r", r) > d:
        reject("r", r, f"at most d = {d} orthonormal vectors")
    return shares(d, l) * (1 + (r - 1) * at_right_angles(d, l))


def projectors(d: int, l: int) -> Float[Array, "parts D D"]:
    """Pi_j, in coordinates: Lagrange's polynomials of E u^l (u^l)^T = sum_j a_j / dim H_j Pi_j, u on the sphere.

    Raises as `degrees`, and for more than `MATRIX` coordinates.
    """
    if dimension(d, l) > MATRIX:
        reject("binom(d + l - 1, l)", dimension(d, l), f"at most {MATRIX} coordinates, whose square is a matrix")
    moments, values = _moments(d, l), shares(d, l) / sizes(d, l)
    others = [values[values != value] for value in values]
    identity = np.eye(len(moments))
    return np.array([
        np.linalg.multi_dot([identity, identity, *((moments - x * identity) / (value - x) for x in rest)])
        for value, rest in zip(values, others)
    ])  # fmt: skip


def least_left(d: int, l: int, m: int, r: int = 1) -> float:
    """A bound from below on the share that lazy training leaves of q_1^l + ... + q_r^l in random position, on average.

    It leaves 1 - sum_j w_j tr(P Pi_j) / dim H_j, with P onto S(U) and w_j of `target_shares`. The traces are at most
    dim H_j, and m d together: the largest w_j / dim H_j are served first.

    Raises:
        InvalidArgument: as `target_shares`; m is no whole number of at least 1.
    """
    worth, size = target_shares(d, l, r), sizes(d, l)
    order = np.argsort(-worth / size)
    before = np.cumsum(size[order]) - size[order]
    served = np.clip((positive_integer("m", m) * d - before) / size[order], 0, 1)
    return float(max(0.0, 1 - worth[order] @ served))


def _at_zero(d: int, j: int) -> float:
    """P_j(0) by the recursion (n + d - 2) P_(n+1)(0) = -n P_(n-1)(0)."""
    value = 1.0 if j % 2 == 0 else 0.0
    for n in range(1, j, 2):
        value *= -n / (n + d - 2)
    return value


def _moments(d: int, l: int) -> Array:
    """E u^l (u^l)^T in coordinates, for u on the sphere: E u^e = prod (e_a - 1)!! / (d (d + 2) ... (d + 2 l - 2))."""
    e = exponents(d, l)
    double = np.array([special.factorial2(max(n - 1, 0), exact=True) if n % 2 == 0 else 0 for n in range(2 * l + 1)])
    together = np.prod(double[e[:, None] + e], axis=-1).astype(np.float64)
    return np.outer(scales(d, l), scales(d, l)) * together / np.prod(d + 2.0 * np.arange(l))
