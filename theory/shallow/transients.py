"""How the descents of `clocks` forget where they started: mode by mode of the loss's curvature at the end (ours).

log L has the Hessian H = sum_i p_i z_i z_i^T - w_hat w_hat^T / |w_hat|^4 at w~, p = alpha / sum alpha; it is 0 along
w_hat, and its nonzero eigenvalues mu are those of G (diag p - p p^T) on the support. With q = learning rate x mu a
deviation e_t across w_hat obeys

    normalised     e_{t+1} = (1 - q) e_t                                           (1 - q)^t
    accelerated    (t + 1) e_{t+1} = (2 t + 1) (1 - q) e_t - t (1 - q) e_{t-1}     (1 - q)^{t/2} P_t((1 - q)^{1/2})
    momentum       (t + 1) e_{t+1} = (2 t + 1 - (t + 1) q) e_t - t e_{t-1}         ~ J_0(q^{1/2} t)

with P_t Legendre's polynomials, whose recursion the second is. The third is that of Meixner and Pollaczek's: it decays
as t^{-1/2} only, where the second, which looks ahead, forgets exponentially.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.signal import fftconvolve
from scipy.special import eval_legendre

from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply
from theory.core.validation import entries_inside, inside, positive_integer, reject
from theory.shallow.gradient_flow import settled_duals

LONGEST = 10**6


def support_curvature(problem: Separable) -> tuple[Float[Array, "*runs"], Float[Array, "*runs"]]:
    """The smallest and the largest nonzero mu.

    >>> low, high = support_curvature(Separable(np.array([[1.0, 1.0], [1.0, -3.0]])))
    >>> low.round(9).item(), high.round(9).item()
    (3.0, 3.0)

    Raises:
        InvalidArgument: a single direction on the margin, where nothing is left to turn; and as `settled_duals`.
    """
    alpha = settled_duals(problem)
    p = alpha / alpha.sum(-1, keepdims=True)
    centred = problem.Z - apply(problem.Z.mT, p)[..., None, :]
    values = np.linalg.svd(np.sqrt(p)[..., None] * centred, compute_uv=False)
    length = np.linalg.norm(np.where(p[..., None] > 0, problem.Z, 0), axis=-1).max(-1)[..., None]
    nonzero = values > max(problem.Z.shape[-2:]) * EPS * length
    if not nonzero.any(-1).all():
        reject("problem.Z", "support vectors of one direction", "two directions on the margin at least")
    return np.where(nonzero, values, np.inf).min(-1) ** 2, values.max(-1) ** 2


def accelerated_transient(
    q: float | Float[Array, "*#batch"], steps: int | Int[Array, "*#batch"]
) -> Float[Array, "*batch"]:
    """What is left of a deviation of 1 after so many accelerated steps.

    >>> accelerated_transient(0.36, np.arange(4)).round(4)
    array([1.    , 0.64  , 0.2944, 0.041 ])

    Raises:
        InvalidArgument: q outside [0, 1], or steps below 0.
    """
    entries_inside("q", q, 0, 1, "[]")
    entries_inside("steps", steps, 0, LONGEST, "[]")
    root = np.sqrt(1 - np.asarray(q, dtype=np.float64))
    return root**steps * eval_legendre(steps, root)


def momentum_transient(q: float, steps: int) -> Float[Array, " times"]:
    """What is left of a deviation of 1 after 0, 1, ..., `steps` steps of plain momentum t / (t + 1).

    The coefficients of |(1 - s e^{i phi})^{-1/2 + i x}|^2, cos phi = 1 - q / 2, x = -q / (4 sin phi).

    >>> momentum_transient(0.36, 3).round(4)
    array([ 1.    ,  0.64  ,  0.2296, -0.1267])

    Raises:
        InvalidArgument: q outside (0, 4), where modes do not oscillate; steps not from 1 to a million.
    """
    phi, x = _angle(inside("q", q, 0, 4, "()"))
    inside("steps", positive_integer("steps", steps), 1, LONGEST)
    j = np.arange(1, steps + 1)
    factors = (j - 0.5 - 1j * x) / j * np.exp(1j * phi)
    half = np.concatenate([[1.0 + 0j], np.cumprod(factors)])
    return fftconvolve(half, half.conj())[: steps + 1].real


def momentum_envelope(q: float | Float[Array, "*#batch"], steps: float | Float[Array, "*#batch"]) -> Array:
    """The amplitude to which the oscillations of `momentum_transient` tend, by Darboux's method:
    (2 cosh(pi x) / (pi t sin phi))^{1/2} e^{x (pi/2 - phi)}; that of J_0(q^{1/2} t) where q is small.

    Raises:
        InvalidArgument: q outside (0, 4), or steps not above 0.
    """
    entries_inside("q", q, 0, 4)
    entries_inside("steps", steps, 0, brackets="(]")
    phi, x = _angle(np.asarray(q, dtype=np.float64))
    # In logarithms: as q tends to 4, x falls without bound, and cosh overflows where the exponential vanishes.
    log_cosh = np.pi * np.abs(x) + np.log1p(np.exp(-2 * np.pi * np.abs(x)))
    return np.exp((log_cosh - np.log(np.pi * np.sin(phi))) / 2 + x * (np.pi / 2 - phi)) / np.sqrt(steps)


def _angle(q: Array | float) -> tuple[Array, Array]:
    """phi in (0, pi) and x, without the difference of 1 - q / 2 from its ends."""
    sine = np.sqrt(q) * np.sqrt(4 - q) / 2
    return np.arctan2(sine, 1 - np.asarray(q) / 2), -np.asarray(q) / 4 / sine
