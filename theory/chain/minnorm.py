"""The Minnorm flow: the weights descend the Lagrangian of min N(w) under h = 0, the multiplier integrates the error.

    w_l' = a (-|w_l|^(k-1) sign w_l + x (lambda + c h) q_l),    lambda' = b h

Reconstructed from the abstract of Bansal et al. 2018, which leaves open whether the norm is squared: k = 2 is, k = 1
is not. Basic differential multipliers are c = 0 (Platt & Barr 1987); c > 0 augments the Lagrangian.
"""

import numpy as np
from jaxtyping import Float

from theory.chain.problem import Chain, others, product
from theory.core.arrays import Array
from theory.core.validation import inside, reject
from theory.minnorm.tuning import Number, Tuning


def effective_multiplier(
    chain: Chain, tuning: Tuning, w: Float[Array, "*runs L"], multiplier: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"] | float:
    """x (lambda + c h): the weights feel it as a force times q_l."""
    return chain.x * (multiplier + tuning.c * chain.x * (chain.s - product(w)))


def velocity(
    chain: Chain, tuning: Tuning, w: Float[Array, "*runs L"], multiplier: Float[Array, "*runs"] | float
) -> tuple[Float[Array, "*runs L"], Float[Array, "*runs"] | float]:
    """(w', lambda')."""
    h = chain.x * (chain.s - product(w))
    force = np.expand_dims(chain.x * (multiplier + tuning.c * h), -1)
    decay = np.abs(w) ** (chain.power - 1) * np.sign(w)
    a = np.expand_dims(np.asarray(tuning.a), -1)
    return a * (-decay + force * others(w)), tuning.b * h


def solution_multiplier(chain: Chain) -> float:
    """lambda* = omega^(k - L) / x: what holds the weights at the minimum; at k = 2, s^(2/L - 1) / x."""
    return chain.omega ** (chain.power - chain.L) / chain.x


def spectrum(chain: Chain, tuning: Tuning) -> Array:
    """The L + 1 eigenvalues of the flow at a minimum (*runs, L + 1): those of the imbalances, then the pair.

    The Hessian of the Lagrangian is omega^(k-2) (k I - 1 1^T) in the signs of w*, so -a k omega^(k-2) occurs L - 1
    times, and (sum of w, multiplier) has the roots of

        z^2 + a ((k - L) omega^(k-2) + c g) z + a b g = 0.

    Raises:
        InvalidArgument: a tuning for which these coefficients are beyond the range of floats.
    """
    k, stiffness = chain.power, chain.omega ** (chain.power - 2)
    a, b, c = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (tuning.a, tuning.b, tuning.c)))
    with np.errstate(over="ignore"):
        friction, product = a * ((k - chain.L) * stiffness + c * chain.g), a * b * chain.g
        tangential = np.repeat(-a[..., None] * k * stiffness, chain.L - 1, axis=-1)
    if not (np.isfinite(friction) & np.isfinite(product)).all() or not np.isfinite(tangential).all():
        reject("(a, b, c)", (tuning.a, tuning.b, tuning.c), "numbers whose products with g are in the range of floats")
    return np.concatenate([tangential, _roots(friction, product)], axis=-1)


def _roots(friction: Array, product: Array) -> Array:
    """Of z^2 + friction z + product, (..., 2), in units of their size; of real roots the one of smaller size from the
    product, so that slow modes keep their digits."""
    size = np.maximum(np.maximum(np.abs(friction), np.sqrt(np.abs(product))), np.finfo(float).tiny)
    friction, product = friction / size, product / size / size
    root = np.sqrt((friction**2 - 4 * product).astype(complex))
    first, second = (-friction - root) / 2, (-friction + root) / 2
    real, swap = root.imag == 0, friction < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (
            np.where(real & swap & (second != 0), product / second, first),
            np.where(real & ~swap & (first != 0), product / first, second),
        )
    return size[..., None] * np.stack([first, second], axis=-1)


def critical_augmentation(chain: Chain, tuning: Tuning | None = None, learning_rate: float = 0.0) -> Number:
    """c above which the minima attract: (L - k) omega^(k-2) / g for the flow; never negative c is needed if L < k.

    At k = 2 this is (L - 2) / (sigma L s^(2 - 2/L)). Gradient descent needs `learning_rate` x b more, exactly, while
    the pair is complex: |1 + eta z|^2 = 1 + 2 eta Re z + eta^2 |z|^2 with |z|^2 = a b g.

    Raises:
        InvalidArgument: a learning rate that is not a finite number of at least 0.
    """
    inside("learning_rate", learning_rate, 0, np.inf, "[)")
    flow = (chain.L - chain.power) * chain.omega ** (chain.power - 2) / chain.g
    return flow if tuning is None else flow + learning_rate * tuning.b


def best_tuning(chain: Chain, a: float = 1.0) -> Tuning:
    """All L + 1 eigenvalues at -a k omega^(k-2), which the imbalances allow at most.

    c = (L + k) omega^(k-2) / g, b = a k^2 omega^(2k-4) / g; at k = 2, c = (L + 2) / g and b = 4 a / g.
    """
    k, stiffness = chain.power, chain.omega ** (chain.power - 2)
    return Tuning(a, a * (k * stiffness) ** 2 / chain.g, (chain.L + k) * stiffness / chain.g)


def imbalance_velocity(chain: Chain, tuning: Tuning, w: Float[Array, "*runs L"]) -> Float[Array, "*runs n"]:
    """D' = -2 a (|w_i|^k - |w_j|^k), neighbours i, j, whatever the multiplier did.

    At k = 2 this is -2 a D, so D = D(0) e^(-2 a t); at k = 1 it is -2 a D / (|w_i| + |w_j|).
    """
    left, right = np.abs(w[..., :-1]), np.abs(w[..., 1:])
    larger = np.maximum(left, right)
    apart = np.divide(left - right, larger, out=np.zeros_like(larger), where=larger > 0)
    # Without a difference of powers, so that close weights keep their digits.
    with np.errstate(divide="ignore"):
        gap = -np.expm1(chain.power * np.log1p(-np.abs(apart))) * np.sign(apart)
    return -2 * np.expand_dims(np.asarray(tuning.a), -1) * larger**chain.power * gap


def orbit_energy(
    chain: Chain, tuning: Tuning, p: Float[Array, "*#shape"] | float, multiplier: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"] | float:
    """H = a (x lambda - 1)^2 + b sigma (p - s - s ln(p/s)), of a balanced chain of depth 2 (k = 2); 0 at the minimum.

    There p' = 2 a (x (lambda + c h) - 1) p: Lotka and Volterra's equations if c = 0, which conserve H.

    Raises:
        InvalidArgument: a depth other than 2, a norm that is not squared, a product that is infinite or below 0.
    """
    _require_orbits(chain, p)
    potential = chain.s * _above_its_logarithm((np.asarray(p) - chain.s) / chain.s, np.asarray(p) / chain.s)
    return tuning.a * np.square(chain.x * multiplier - 1) + tuning.b * chain.sigma * potential


def _above_its_logarithm(r: Array, ratio: Array) -> Array:
    """r - log(ratio) >= 0, ratio = 1 + r: near r = 0, by log(1 + r) = 2 atanh q, q = r / (2 + r), it is
    q r - 2 (q^3/3 + q^5/5 + ...)."""
    q = np.where(np.abs(r) < 0.3, r / (2 + r), 0.0)
    series = sum(2 * q**n / n for n in range(3, 25, 2))
    with np.errstate(divide="ignore"):
        return np.where(np.abs(r) < 0.3, q * r - series, r - np.log(ratio))


def orbit_dissipation(
    chain: Chain, tuning: Tuning, p: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"] | float:
    """H' = -2 a b c sigma^2 (s - p)^2. Raises as `orbit_energy`."""
    _require_orbits(chain, p)
    lost = 2 * tuning.a * tuning.b * tuning.c
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.equal(lost, 0), 0.0, -lost * np.square(chain.sigma * (chain.s - p)))


def orbit_frequency(chain: Chain, tuning: Tuning) -> Number:
    """(a b g)^(1/2) = (2 a b sigma s)^(1/2): of small orbits at depth 2, c = 0, in radians per unit of time.

    Raises:
        InvalidArgument: a depth other than 2, a norm that is not squared, b below 0.
    """
    _require_orbits(chain, chain.s)
    inside("b", np.min(tuning.b), 0, np.inf, "[)")
    return np.sqrt(tuning.a) * np.sqrt(tuning.b) * np.sqrt(chain.g)


def _require_orbits(chain: Chain, p: Number) -> None:
    if (chain.L, chain.power) != (2, 2):
        reject("(chain.L, chain.power)", (chain.L, chain.power), "(2, 2): depth 2, squared norm")
    if not ((np.asarray(p) >= 0) & np.isfinite(p)).all():
        reject("p", np.min(p), "finite products of at least 0")
