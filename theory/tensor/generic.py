"""The tangent space at generic components: its dimension, and how many components make it everything."""

from theory.core.validation import positive_integer
from theory.tensor.coordinates import dimension

# (l, d, m) of Alexander & Hirschowitz (1995) at which the dimension is one less than m d or D, beside all of l = 2.
DEFECTIVE = ((3, 5, 7), (4, 3, 5), (4, 4, 9), (4, 5, 14))


def tangent_dimension(d: int, l: int, m: int) -> int:
    """dim S(U) at generic U: min(m d, D), but for the cases of Alexander & Hirschowitz.

    By Terracini's lemma it is the dimension of the closure of all sums of m powers, of which they wrote the list. At
    l = 2 it is m d - m (m - 1) / 2 for m <= d: symmetric matrices of rank m.

    Raises:
        InvalidArgument: d, l or m is no whole number of at least 1.
    """
    D, m = dimension(d, l), positive_integer("m", m)
    if l == 2:
        m = min(m, d)
        return m * d - m * (m - 1) // 2
    return min(m * d, D) - ((l, d, m) in DEFECTIVE)


def lazy_width(d: int, l: int) -> int:
    """m*, the least m at which S(U) is everything at generic U: D / d rounded up, or one more. Raises as
    `tangent_dimension`."""
    if positive_integer("l", l) == 2:
        return positive_integer("d", d)
    enough = -(-dimension(d, l) // d)
    return enough + ((l, d, enough) in DEFECTIVE)
