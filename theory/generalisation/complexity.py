"""Rademacher complexities of linear networks, and the margin bound they give (Banburski et al. 2019, equation 1).

A network homogeneous in each of its layers has f(W; x) = rho f(V; x), rho = prod_k |W_k|_F: complexities and margins of
networks of different sizes can be compared only after dividing by rho.
"""

from itertools import product

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive, positive_integer

MOST_EXAMPLES = 16  # 2^16 signs are enumerated


def signs(n: int) -> Float[Array, "signs n"]:
    """All 2^n vectors of signs.

    Raises:
        InvalidArgument: more than 16 examples.
    """
    inside("n", positive_integer("n", n), 1, MOST_EXAMPLES)
    return np.array(list(product([-1.0, 1.0], repeat=n)))


def linear_rademacher(X: Float[Array, "n d"], norms: Float[Array, " L"]) -> float:
    """R_N of linear networks with |W_k|_F <= norms_k: prod_k norms_k E|sum_n s_n x_n| / N, over all signs s.

    R_N(F) = rho R_N(F~) (equation 1), and the unit ball of every depth is that of linear maps (Cauchy-Schwarz).

    Raises:
        InvalidArgument: more than 16 examples, entries beyond 1e150, norms below 0 or whose product overflows.
    """
    entries_inside("X", X, -SQUARABLE, SQUARABLE, "[]")
    rho = inside("prod(norms)", np.prod(entries_inside("norms", norms, 0, np.inf, "[)")), 0, np.inf, "[)")
    return float(rho * np.linalg.norm(signs(len(X)) @ X, axis=-1).mean() / len(X))


def rademacher_bounds(X: Float[Array, "n d"]) -> tuple[float, float]:
    """(lower, upper) bounds of R_N of the unit ball: sqrt(sum |x_n|^2) / N over sqrt 2 (Latala & Oleszkiewicz 1994,
    Khintchine's best constant in Hilbert spaces), and without (Jensen).

    Raises:
        InvalidArgument: entries beyond 1e150, whose squares overflow.
    """
    entries_inside("X", X, -SQUARABLE, SQUARABLE, "[]")
    upper = float(np.linalg.norm(X) / len(X))
    return upper / np.sqrt(2), upper


def margin_bound(complexity: float, margin: float, n: int, confidence: float = 0.95) -> float:
    """Test error <= (examples inside the margin, none) + 2 R_N / margin + 3 sqrt(log(2 / delta) / 2 N), delta = 1 -
    confidence (Bartlett & Mendelson 2002): above 1, and so empty, at most sizes a workstation trains."""
    inside("confidence", confidence, 0, 1, "()")
    inside("complexity", complexity, 0, np.inf, "[)")
    positive("margin", margin)
    positive_integer("n", n)
    return 2 * complexity / margin + 3 * np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))
