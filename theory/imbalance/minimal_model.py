r"""The minimal model of lazy and rich learning (Kunin et al. 2024): m = h = 1 on whitened data, x -> a w . x, solved.

Z = (a, w) in R^(1 + r), targets y in R^r, s = |y|. The imbalance lam = |w|^2 - a^2 is one number, so every start is an
eigenvector of it, and Riccati's formula (`closed_forms`) has the root

    Z(t) = e^(F t) Z0 / (1 + Z0^T int_0^t e^(2 F tau) dtau Z0)^(1/2),    F = [[-lam/2, y^T], [y, lam/2 I]]:

a linear flow, normalised. F has the eigenvalues +-K, K = (s^2 + lam^2/4)^(1/2), with the eigenvectors (s, mu y/s) and
(mu, -y), mu = K + lam/2, and lam/2 across them. A start without a part in the first,

    s a + mu y.w / s = 0,

ends with a = 0 at the loss s^2/2; there the part of w across y has the square lam (1 + a^2 / mu), so that lam > 0.
All others reach a w = y, with a of the sign of that sum. Where lam >> s (upstream) the loss falls in a time 1/lam to
s^2/2 sin^2 of the angle between w and y, and follows it while w turns, in a time lam / s^2: rich, but delayed. There it
lies s^6 / (2 lam^4) sin^4 cos^2 of the angle above that curve. lam << -s (downstream) is lazy.

Raises:
    InvalidArgument: by every function, targets that are 0 or not finite, a state of another length or not finite.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, reject, times
from theory.imbalance.closed_forms import FOREVER


def imbalance(y: Float[Array, " r"], Z: Float[Array, "*runs size"]) -> Float[Array, "*runs"] | float:
    """lam = |w|^2 - a^2 of Z = (a, w), size = 1 + r; conserved. Kunin et al. have delta = -lam."""
    y, Z = _checked(y, Z)
    return _imbalance(Z)


def _imbalance(Z: Array) -> Array:
    length = np.linalg.norm(Z[..., 1:], axis=-1)
    return (length - Z[..., 0]) * (length + Z[..., 0])


def solution(
    y: Float[Array, " r"], Z: Float[Array, "*runs size"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs size"]:
    """Z(t) = (a, w), shape (*times, *runs, 1 + r), of gradient flow from Z; t has any shape, infinity included.

    Raises:
        InvalidArgument: a negative or NaN time.

    >>> y = np.array([1.0, 0.5])
    >>> solution(y, np.array([0.3, 1.0, -2.0]), np.array([0.0, np.inf])).round(4)
    array([[ 0.3   ,  1.    , -2.    ],
           [ 0.4925,  2.0303,  1.0151]])
    """
    y, Z = _checked(y, Z)
    s, direction = _polar(y)
    unit = np.maximum(s, np.square(Z).max(-1, keepdims=True))
    t = np.expand_dims(times(t), tuple(range(-Z.ndim, 0)))
    return np.sqrt(unit) * _solved(s / unit, direction, Z / np.sqrt(unit), np.minimum(t * unit, FOREVER))


def _solved(s: Array, direction: Array, Z: Array, t: Array) -> Array:
    """Z(t) where the larger of s = |y| and |Z|^2 is about 1; nothing in it grows."""
    lam = _imbalance(Z)[..., None]
    K, mu = np.hypot(s, lam / 2), _slope(s, lam)
    size = np.hypot(s, mu)
    # Targets that are nothing beside the weights turn nothing: any axes will do.
    cos, sin = (np.divide(x, size, out=np.full_like(size, other), where=size > 0) for x, other in ((s, 1), (mu, 0)))
    axes = np.concatenate([cos, sin * direction], axis=-1), np.concatenate([sin, -cos * direction], axis=-1)
    unit = np.abs(Z).max(-1, keepdims=True)
    unit = np.where(unit > 0, unit, 1.0)
    Z = Z / unit
    parts = [(Z * axis).sum(-1, keepdims=True) * axis for axis in axes]
    parts.append(Z - parts[0] - parts[1])
    rates = (K, -K, lam / 2)
    fastest = np.max([np.where(part.any(-1, keepdims=True), rate, 0) for part, rate in zip(parts, rates)], axis=0)
    moved, grown = np.zeros((2, *np.broadcast_shapes(Z.shape, t.shape)))
    for part, rate in zip(parts, rates):
        moved += part * np.exp(np.minimum(rate - fastest, 0) * t)
        grown += (part**2).sum(-1, keepdims=True) * _integral(rate, fastest, t)
    return moved / np.hypot(np.exp(-fastest * t) / unit, np.sqrt(grown))


def _slope(s: Array, lam: Array) -> Array:
    """mu = K + lam/2 = s^2 / (K - lam/2), without its cancellation."""
    K = np.hypot(s, lam / 2)
    return np.where(lam < 0, s * (s / (K + np.abs(lam) / 2)), K + np.abs(lam) / 2)


def _integral(rate: Array, fastest: Array, t: Array) -> Array:
    """e^(-2 fastest t) int_0^t e^(2 rate tau) dtau, rate <= fastest."""
    speed = 2 * np.abs(rate)
    grown = np.where(speed > 0, -np.expm1(-speed * t) / np.where(speed > 0, speed, 1), t)
    return grown * np.exp(2 * np.minimum(np.maximum(rate, 0) - fastest, 0) * t)


def loss(y: Float[Array, " r"], Z: Float[Array, "*runs size"]) -> Float[Array, "*runs"] | float:
    """L - L* = 1/2 |y - a w|^2."""
    y, Z = _checked(y, Z)
    return 0.5 * np.square(y - Z[..., :1] * Z[..., 1:]).sum(-1)


def angle(y: Float[Array, " r"], Z: Float[Array, "*runs size"]) -> Float[Array, "*runs"] | float:
    """Between w and y, from 0 to pi: how far the kernel a^2 I + w w^T has still to turn. 0 for w = 0."""
    y, Z = _checked(y, Z)
    along, across = _parts(y, Z[..., 1:])
    return np.arctan2(across, along)


def tangent(
    y: Float[Array, " r"], Z: Float[Array, "*runs size"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs"] | float:
    r"""tan of the angle between w(t) and y, shape (*times, *runs); infinite where w is across y.

    With x = e^(-2 K t), w = w_par y/s + w_perp,

        |w_perp| e^((lam/2 - K) t) / {[(1 + x) w_par + (1 - x) (s a + lam w_par / 2) / K] / 2}.

    Raises:
        InvalidArgument: a negative or NaN time.
    """
    y, Z = _checked(y, Z)
    s, a = _polar(y)[0], Z[..., 0]
    along, across = _parts(y, Z[..., 1:])
    lam = imbalance(y, Z)
    K = np.hypot(s, lam / 2)
    t = np.minimum(np.expand_dims(times(t), tuple(range(-a.ndim, 0))), FOREVER)
    x = np.exp(-2 * K * t)
    turned = ((1 + x) * along + (1 - x) * (s * a + lam * along / 2) / K) / 2
    left = across * np.exp(-_slope(s, -lam) * t)
    with np.errstate(divide="ignore"):
        return np.divide(left, turned, out=np.zeros_like(turned), where=left != 0)


def separation(y: Float[Array, " r"], Z: Float[Array, "*runs size"]) -> Float[Array, "*runs"] | float:
    """s a + (K + lam/2) y.w / s: 0 on the surface between the starts that end with a > 0 and those with a < 0."""
    y, Z = _checked(y, Z)
    s, _ = _polar(y)
    return s * Z[..., 0] + _slope(s, imbalance(y, Z)) * _parts(y, Z[..., 1:])[0]


def separating_length(
    y: Float[Array, " r"], a: Float[Array, "*#runs"] | float, along: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"] | float:
    """|w_perp| that puts a start with output weight a and y.w / s = `along` on the separating surface.

    There mu = -s a / along is K + lam/2, so that lam = mu - s^2 / mu, and |w_perp|^2 = lam (1 + a^2 / mu).

    Raises:
        InvalidArgument: a and `along` not of opposite signs, or |a| not the larger: such starts are never on it.
    """
    y, a, along = _targets(y), entries_inside("a", a), entries_inside("along", along)
    ratio = np.divide(-a, along, out=np.zeros(np.broadcast_shapes(a.shape, along.shape)), where=along != 0)
    ratio = entries_inside("-a / along", ratio, 1, SQUARABLE, "()")
    mu = _polar(y)[0] * ratio
    # lam = mu (1 - 1 / ratio^2)
    return np.sqrt((1 - 1 / ratio) * (1 + 1 / ratio) * (mu + a**2))


def _parts(y: Array, w: Array) -> tuple[Array, Array]:
    """(y.w / s, |w_perp|)."""
    _, direction = _polar(y)
    along = w @ direction
    return along, np.linalg.norm(w - along[..., None] * direction, axis=-1)


def _polar(y: Array) -> tuple[Array, Array]:
    """|y| and y / |y|; no square underflows."""
    largest = np.abs(y).max()
    length = np.linalg.norm(y / largest)
    return largest * length, y / largest / length


def _targets(y: Array) -> Array:
    y = entries_inside("y", y, -SQUARABLE, SQUARABLE, "[]")
    if not y.any():
        reject("y", y, "targets that are not all 0")
    return y


def _checked(y: Array, Z: Array) -> tuple[Array, Array]:
    y = _targets(y)
    if Z.shape[-1:] != (y.size + 1,):
        reject("Z.shape", Z.shape, f"(..., 1 + r = {y.size + 1}): a, then w")
    return y, entries_inside("Z", Z, -SQUARABLE, SQUARABLE, "[]")
