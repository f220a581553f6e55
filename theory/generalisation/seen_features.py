"""How well a learner does that sees p of D Gaussian features: exact means over the examples, b given.

w . b on average, and |w|^2 on average, of each learner; A the signal in the features it sees, B = |b|^2:

    class mean X^T z / n               A                 A (1 + 1/n) + p (B + s^2) / n
    class mean of labels sign(z)       c A               c^2 A (1 - 1/n) + p / n,  c^2 = 2 / (pi (B + s^2))
    minimum norm X^+ z                 A min(1, n/p)     A min(1, n/p) + (B - A + s^2) min(n, p) / (|n - p| - 1)

The class mean is the direction of small weights on a sphere, of any loss that falls with the margin. Its squared cosine
grows with every feature that carries at least a share of the mean signal of those before it, at most one half
(`harmless_signal`); that of the minimum norm falls to 0 at p = n.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive_integer, reject

Signal = Float[Array, "*runs"] | float | int

LARGEST = 1e100  # of a signal or a variance
ROUNDED = 1e-12  # of the total: sums of squares are no more exact


class Moments(NamedTuple):
    """Means of w . b and of |w|^2 over the examples."""

    overlap: Array
    squared_norm: Array

    @property
    def squared_cosine(self) -> Array:
        """overlap^2 / squared_norm, up to B, which is the same for all learners: 0 where |w|^2 has no mean."""
        return self.overlap * (self.overlap / self.squared_norm)

    def risk(self, total: Signal, noise: float | int) -> Array:
        """E |w - b|^2 + s^2: the mean square error of predicted targets."""
        return self.squared_norm - 2 * self.overlap + total + noise**2


def class_mean(seen: Signal, total: Signal, p: int, n: int, noise: float | int) -> Moments:
    """Moments of w = X^T z / n.

    Args:
        seen, total: the signals A and B of the features seen, and of all of them.
        noise: s.

    Raises:
        InvalidArgument: no features or examples, a signal that is not in (0, total], negative noise.
    """
    A, B, noise = _problem(seen, total, p, n, noise)
    return Moments(A, A * (1 + 1 / n) + p * ((B + noise**2) / n))


def class_mean_of_signs(seen: Signal, total: Signal, p: int, n: int, noise: float | int) -> Moments:
    """Moments of w = X^T sign(z) / n: sign(z) is as good as z, but for a factor c < 1. Raises as `class_mean`."""
    A, B, noise = _problem(seen, total, p, n, noise)
    c = np.sqrt(2 / np.pi) / np.sqrt(B + noise**2)
    return Moments(c * A, (c * A) * c * (1 - 1 / n) + p / n)


def minimum_norm(seen: Signal, total: Signal, p: int, n: int, noise: float | int) -> Moments:
    """Moments of w = X^+ z, where descent of the square loss ends that starts at 0; |w|^2 has no mean (infinity) at
    |n - p| <= 1. Raises as `class_mean`."""
    A, B, noise = _problem(seen, total, p, n, noise)
    apart = abs(n - p) - 1
    fitted = A * min(1.0, n / p)
    unseen = B - A + noise**2
    noisy = unseen * (min(n, p) / apart) if apart > 0 else np.where(unseen > 0, np.inf, 0.0)
    return Moments(fitted, fitted + noisy)


def bayes_penalty(total: float | int, D: int, p: int, noise: float | int) -> float:
    """lambda of the ridge (X^T X + lambda) w = X^T z that is the posterior mean of a teacher b ~ N(0, B/D I): the
    variance of all that is not seen over that of an entry. Then E w . b = E |w|^2, and no classifier errs less often.

    Raises:
        InvalidArgument: a signal that is not above 0, negative noise, or fewer features in all than are seen.
    """
    if positive_integer("D", D) < positive_integer("p", p):
        reject("D", D, f"at least the p = {p} features seen")
    _, B, noise = _problem(total, total, p, 1, noise)
    return float((B * (1 - p / D) + noise**2) * (D / B))


def harmless_signal(seen: Signal, total: Signal, p: int, n: int, noise: float | int) -> Array:
    """The least signal of one more feature with which the squared cosine of the class mean does not fall.

    a -> (A + a)^2 / ((A + a)(1 + 1/n) + (p + 1) q), q = (B + s^2) / n, is back at its old value A^2 / S, S = A (1 +
    1/n) + p q, where S a^2 + (2 S - A (1 + 1/n)) A a = A^2 q: at most half of the mean signal A / p, whatever n and
    the noise. Raises as `class_mean`.
    """
    A, B, noise = _problem(seen, total, p, n, noise)
    q = (B + noise**2) / n / A  # in units of A
    linear = 1 + 1 / n + 2 * p * q
    return A * 2 * q / (linear + np.sqrt(linear**2 + 4 * (1 + 1 / n + p * q) * q))


def power_law_signal(exponent: float | int, p: int, D: int) -> float:
    """A = (p / D)^exponent of B = 1: features in the order of what they carry where the exponent is below 1.

    The class mean then gets no worse with p, at any n and noise, where the exponent is 1/2 or more.

    Raises:
        InvalidArgument: an exponent outside [0, 1000], or more features seen than there are.
    """
    inside("exponent", exponent, 0, 1000, "[]")
    if positive_integer("D", D) < positive_integer("p", p):
        reject("D", D, f"at least the p = {p} features seen")
    return float((p / D) ** exponent)


def _problem(seen: Signal, total: Signal, p: int, n: int, noise: float | int) -> tuple[Array, Array, float]:
    positive_integer("p", p)
    positive_integer("n", n)
    B = entries_inside("total", total, 1 / LARGEST, LARGEST, "[]")
    A = entries_inside("seen", seen, 1 / LARGEST, LARGEST, "[]")
    excess = A / B
    if (excess > 1 + ROUNDED).any():
        reject("seen", np.broadcast_to(A, excess.shape)[excess > 1 + ROUNDED].flat[0], "a signal of at most the total")
    return np.minimum(A, B), B, inside("noise", noise, 0, LARGEST**0.5)
