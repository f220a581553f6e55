"""Powers and tangents of components in coordinates, one for each monomial, in which norms are Frobenius norms."""

from functools import cache
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_matrix, positive_integer, reject

MOST = 10_000  # coordinates: beyond, matrices of them fill the memory
LARGEST, HIGHEST = 1e9, 20  # entry of a component, order: powers of these are numbers


def dimension(d: int, l: int) -> int:
    """D = binom(d + l - 1, l), of the symmetric tensors of order l in d dimensions.

    Raises:
        InvalidArgument: d or l is no whole number of at least 1.
    """
    return comb(positive_integer("d", d) + positive_integer("l", l) - 1, l)


def exponents(d: int, l: int) -> Int[np.ndarray, "D d"]:
    """The monomials x^e of degree l in d variables, a row of exponents each.

    Raises:
        InvalidArgument: d or l is no whole number of at least 1, l is above 20, or there are more than `MOST`.
    """
    if positive_integer("l", l) > HIGHEST:
        reject("l", l, f"at most {HIGHEST}")
    if dimension(d, l) > MOST:
        reject("binom(d + l - 1, l)", dimension(d, l), f"at most {MOST} coordinates")
    return _exponents(d, l).copy()


def scales(d: int, l: int) -> Float[Array, " D"]:
    """sqrt(l! / (e_1! ... e_d!)): what makes a monomial a coordinate. Raises as `exponents`."""
    return np.sqrt(np.rint(np.exp(gammaln(l + 1) - gammaln(exponents(d, l) + 1).sum(1))))


def powers(U: Float[Array, "m d"], l: int) -> Float[Array, "m D"]:
    """u_i^l, in coordinates.

    Raises:
        InvalidArgument: U is no matrix of numbers of size below 1e9; see `exponents`.
    """
    U = _components(U)
    e = exponents(U.shape[1], l)
    return scales(U.shape[1], l) * np.prod(U[:, None] ** e, axis=-1)


def tangents(U: Float[Array, "m d"], l: int) -> Float[Array, "m d D"]:
    """u_i^(l-1) e_a, in coordinates: a derivative of u_i^l is l times these. Raises as `powers`."""
    U = _components(U)
    e = exponents(U.shape[1], l)
    return scales(U.shape[1], l) / l * _derivatives(U, e)


def rank_in_integers(U: Int[np.ndarray, "m d"], l: int) -> int:
    """Dimension of S(U) at whole numbers U, by elimination modulo the prime 2^31 - 1.

    It is at most the dimension over the rationals, which is at most that at generic components: a lower bound of both,
    and without rounding.

    Raises:
        InvalidArgument: entries that are no whole numbers, or so large that their products leave 64 bits.
    """
    U = np.asarray(U)
    if U.ndim != 2 or U.dtype.kind not in "iu" or U.size == 0:
        reject("U", f"an array of {U.dtype}, shape {U.shape}", "a matrix of whole numbers")
    e = exponents(U.shape[1], l)
    largest = int(np.abs(U.astype(np.float64)).max())
    if l * float(max(largest, 1)) ** (l - 1) >= 2**62:
        reject("|U|", largest, f"entries whose power {l - 1} is below 2^62 / {l}")
    return _rank_modulo(_derivatives(U.astype(np.int64), e).reshape(-1, len(e)))


def _derivatives(U: Array, e: Array) -> Array:
    """e_a u^(e - 1_a), the derivatives of monomials by u_a (m, d, D)."""
    lowered = np.maximum(e[None] - np.eye(U.shape[1], dtype=e.dtype)[:, None], 0)
    return e.T * np.prod(U[:, None, None] ** lowered, axis=-1)


def _rank_modulo(A: Array, prime: int = 2**31 - 1) -> int:
    A, rank = A % prime, 0
    for column in range(A.shape[1]):
        below = np.flatnonzero(A[rank:, column])
        if below.size == 0:
            continue
        pivot = rank + below[0]
        A[[rank, pivot]] = A[[pivot, rank]]
        A[rank] = A[rank] * pow(int(A[rank, column]), -1, prime) % prime
        A[rank + 1 :] = (A[rank + 1 :] - A[rank + 1 :, column, None] * A[rank] % prime) % prime
        rank += 1
        if rank == len(A):
            break
    return rank


def _components(U: Array) -> Array:
    U = finite_matrix("U", U)
    return entries_inside("U", U, -LARGEST, LARGEST, "[]")


@cache
def _exponents(d: int, l: int) -> Array:
    factors = np.array(list(combinations_with_replacement(range(d), l)))
    return (factors[:, :, None] == np.arange(d)).sum(1)
