"""How many of r equal terms m tiny components find: each draws one of r coupons, or of odd order none (ours).

From a start in random directions each finds the term of the largest correlation, of odd order only if that is positive:
with chance p = 1/r each of them, or p = (1 - 2^-r) / r, since all r are negative with chance 2^-r.
"""

from fractions import Fraction
from math import ceil, comb, log

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import inside, positive_integer, reject
from theory.tensor.small_start import order_of_power

MOST_TERMS, MOST = 60, 5000  # terms and components: exact fractions of more take long


def chance_of_a_term(l: int, r: int) -> Fraction:
    """p, exactly.

    Raises:
        InvalidArgument: l is no order from 3 to 20, r no whole number from 1 to 60.
    """
    odd = order_of_power(l) % 2
    if positive_integer("r", r) > MOST_TERMS:
        reject("r", r, f"at most {MOST_TERMS} terms")
    return (1 - Fraction(odd, 2**r)) / r


def missed_law(l: int, r: int, m: int) -> Float[Array, " counts"]:
    """P(k of the r terms are missed), k = 0, ..., r: binom(r, k) sum_j (-1)^j binom(r - k, j) (1 - (k + j) p)^m.

    Raises:
        InvalidArgument: as `chance_of_a_term`; m is no whole number from 1 to 5000.
    """
    p = chance_of_a_term(l, r)
    _components(m)
    none_of = [(1 - k * p) ** m for k in range(r + 1)]  # chance that no component finds one of k given terms
    return np.array([
        float(comb(r, k) * sum((-1) ** j * comb(r - k, j) * none_of[k + j] for j in range(r - k + 1)))
        for k in range(r + 1)
    ])  # fmt: skip


def success(l: int, r: int, m: int) -> float:
    """P(every term is found) = sum_j (-1)^j binom(r, j) (1 - j p)^m. Raises as `missed_law`."""
    return float(missed_law(l, r, m)[0])


def mean_missed(l: int, r: int, m: int) -> float:
    """(1 - p)^m, the expected share of terms that are missed: of |T|^2 what is left. Raises as `missed_law`."""
    return float((1 - chance_of_a_term(l, r)) ** _components(m))


def width_for(l: int, r: int, chance: float) -> int:
    """The least m at which every term is found with this chance: near (log r - log(1 - chance)) / p.

    Raises:
        InvalidArgument: as `chance_of_a_term`; a chance outside [0, 1 - 1e-9].
    """
    p, miss = float(chance_of_a_term(l, r)), 1 - inside("chance", chance, 0, 1 - 1e-9)
    low, high = r - 1, max(ceil(log(r / miss) / p), r)  # P(a miss) <= r (1 - p)^m <= r e^(-p m)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if success(l, r, middle) < chance else (low, middle)
    return high


def theorem_width(d: int, l: int, r: int) -> float:
    """r^(2.5 l) log d, what the abstract's O* hides a constant and logarithms of.

    Raises:
        InvalidArgument: d, l or r is no whole number of at least 1.
    """
    d, l, r = (positive_integer(name, value) for name, value in (("d", d), ("l", l), ("r", r)))
    exponent = 2.5 * l * log(r)
    return float(np.exp(exponent) * log(d)) if exponent < 700 else np.inf


def _components(m: int) -> int:
    if positive_integer("m", m) > MOST:
        reject("m", m, f"at most {MOST} components")
    return m
