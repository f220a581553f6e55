"""What normalised weights say of test errors, and what they do not (Banburski et al. 2019, section on generalisation).

A network homogeneous in each of its layers has f(W; x) = rho f(V; x), rho = prod_k |W_k|_F: complexities and margins of
networks of different sizes can be compared only after dividing by rho.
"""

from itertools import product

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import logsumexp

from theory.core.arrays import SQUARABLE, Array
from theory.core.linear_networks import Layers
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject
from theory.homogeneous.max_margin import interpolant

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


def gaussian_test_error(w: Float[Array, "*runs d"], teacher: Float[Array, "*#runs d"]) -> Float[Array, "*runs"]:
    """angle(w, teacher) / pi: how often two linear classifiers differ on isotropic Gaussian inputs.

    Raises:
        InvalidArgument: a classifier that is 0 or not finite, which has no direction.
    """
    units = []
    for name, value in (("w", w), ("teacher", teacher)):
        size = np.abs(entries_inside(name, value)).max(-1, keepdims=True)
        if not (size > 0).all():
            reject(name, "a classifier of length 0", "classifiers that have a direction")
        units.append(value / size / np.linalg.norm(value / size, axis=-1, keepdims=True))
    # Kahan's angle: the cosine of a small one has lost it.
    apart, together = (np.linalg.norm(units[0] + sign * units[1], axis=-1) for sign in (-1, 1))
    return 2 * np.arctan2(apart, together) / np.pi


def interpolant_margin(Z: Float[Array, "n d"], w0: Float[Array, "*runs d"]) -> Float[Array, "*runs"]:
    """1 / |w|, w = Z^+ 1 + N w0: the normalised margin of what the square loss ends at, all raw margins being 1.

    |w|^2 = 1^T (Z Z^T)^{-1} 1 + |N w0|^2: the larger the start, the smaller the margin.
    """
    return 1 / np.linalg.norm(interpolant(Z, w0), axis=-1)


def cross_entropy(f: Float[Array, "*runs n K"], labels: Integer[Array, "*#runs n"]) -> Float[Array, "*runs"]:
    """Mean over examples of log sum_k e^{f_k} - f_y = log(1 + sum_{k != y} e^{f_k - f_y})."""
    own = np.arange(f.shape[-1]) == labels[..., None]
    others = np.where(own, -np.inf, f - _own(f, labels)[..., None])
    with np.errstate(divide="ignore"):  # one class alone
        return np.logaddexp(0, logsumexp(others, axis=-1)).mean(-1)


def first_order(f: Float[Array, "*runs n K"], labels: Integer[Array, "*#runs n"]) -> Float[Array, "*runs"]:
    """log K - mean (f_y - mean_k f_k): cross-entropy of small outputs, and a linear function of them."""
    return np.log(f.shape[-1]) - (_own(f, labels) - f.mean(-1)).mean(-1)


def second_order_bound(f: Float[Array, "*runs n K"]) -> Float[Array, "*runs"]:
    """0 <= cross-entropy - first order <= mean (max_k f_k - min_k f_k)^2 / 8 (Hoeffding's lemma).

    Raises:
        InvalidArgument: an output that is not finite.
    """
    return (np.ptp(entries_inside("f", f), axis=-1) ** 2).mean(-1) / 8


def gap_ratio(train: Float[Array, "*runs"], test: Float[Array, "*runs"], classes: int) -> Float[Array, "*runs"]:
    """(log K - test) / (log K - train) of normalised cross-entropies: 1 if all that is learnt carries over, 0 if none.

    Both entropies of a large network are close to log K, and to each other, whatever it learnt: they correlate all but
    automatically, and only what is left of log K compares networks.

    Raises:
        InvalidArgument: one class, an entropy that is not finite, or one of log K in training.
    """
    positive_integer("classes - 1", classes - 1)
    for name, entropy in (("train", train), ("test", test)):
        entries_inside(name, entropy)
    if (np.asarray(train) == np.log(classes)).any():
        reject("train", np.log(classes), "entropies off log K, at which nothing is learnt")
    return (np.log(classes) - test) / (np.log(classes) - train)


def margins(f: Float[Array, "*runs n K"], labels: Integer[Array, "*#runs n"]) -> Float[Array, "*runs n"]:
    """f_y - max_{k != y} f_k, which is infinite of one class alone."""
    own = np.arange(f.shape[-1]) == labels[..., None]
    return _own(f, labels) - np.where(own, -np.inf, f).max(-1)


def rectified_outputs(W: Layers, X: Float[Array, "n d"], leak: float = 0.0) -> Float[Array, "*runs n K"]:
    """W_L s(... s(W_1 x)) of each example, s(x) = max(x, leak x).

    Raises:
        InvalidArgument: a leak outside [0, 1], outputs that overflow.
    """
    hidden = X
    inside("leak", leak, 0, 1)
    for layer in W[:-1]:
        x = hidden @ layer.mT
        hidden = np.maximum(x, leak * x)
    return entries_inside("f", hidden @ W[-1].mT)


def _own(f: Array, labels: Array) -> Array:
    entries_inside("f", f)
    if labels.min() < 0 or labels.max() >= f.shape[-1]:
        reject("labels", f"{labels.min()} ... {labels.max()}", f"classes 0 ... {f.shape[-1] - 1}")
    return np.take_along_axis(f, np.broadcast_to(labels, f.shape[:-1])[..., None], axis=-1)[..., 0]
