r"""Generalisation error of a shallow student, W' = (Y - W X) X^T (Advani & Saxe 2017, sections 3 and 4).

Along every eigenvector of X X^T the student keeps a part m_k of what it was and learns the rest from noisy labels:

    E_g = (K / d) [ sum_k (sw^2 + s0^2) m_k^2 + (se^2 / lam_k) (1 - m_k)^2 + (d - r)(sw^2 + s0^2) ] + K se^2

with r rates lam_k, entries of W(0) N(0, s0^2), and the memory

    gradient flow       m_k = e^(-lam_k t)
    gradient descent    m_k = (1 - eta lam_k)^steps
    ridge, strength mu  m_k = mu / (lam_k + mu), s0 = 0 (it minimises 1/2 |Y - W X|^2 + mu/2 |W|^2)

It is the mean over teachers, noise and starts, exact given the rates. Means over the rates too are exact where they are
known at every size (t = infinity), else up to O(1/d^2).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, reject, times
from theory.deep_linear.problem import LARGEST, Ensemble, TeacherStudent, Times
from theory.deep_linear.spectrum import expected_inverse_sum, expected_sum

Memory = Callable[[Array, float], Array]

TELLING = 0.2  # of what stopping gains, at most, may be the error of its estimate


def flow_memory(rates: Float[Array, "*draws r"], t: Times) -> Float[Array, "..."]:
    """m_k = e^(-lam_k t), shape (*times, *draws, r); at t = infinity 0, and 1 at rates 0, of what nothing shows.

    Raises:
        InvalidArgument: a negative or NaN time, a rate below 0.
    """
    rates, t = _rates(rates), times(t)
    with np.errstate(invalid="ignore"):
        exponent = np.multiply.outer(t, rates)
    return np.exp(-np.where(rates == 0, 0.0, exponent))


def descent_memory(rates: Float[Array, "*draws r"], steps: Times, learning_rate: float) -> Float[Array, "..."]:
    """m_k = (1 - eta lam_k)^steps, shape (*steps, *draws, r); parts of a step where eta lam_k < 1.

    Raises:
        InvalidArgument: a negative or NaN number of steps, a learning rate that is not above 0, a rate below 0; where
            eta lam_k > 1 parts of a step, where eta lam_k >= 2 steps without end, or so many that no number holds m_k.
    """
    rates, steps = _rates(rates), times(steps)
    moved = positive("learning_rate", learning_rate) * rates
    parts = np.isfinite(steps) & (steps != np.floor(steps))
    if moved.max() > 1 and parts.any():
        reject("steps", steps[parts].flat[0], f"whole steps where eta lam = {moved.max():g} is above 1")
    if moved.max() >= 2 and np.isinf(steps).any():
        reject("steps", np.inf, f"an end where eta lam = {moved.max():g} is at least 2")
    steps = steps.reshape(*steps.shape, *[1] * rates.ndim)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gentle = np.exp(np.where((moved == 0) | (steps == 0), 0.0, steps * np.log1p(-np.minimum(moved, 1))))
        memory = np.where(moved <= 1, gentle, (1 - moved) ** steps)
    if not np.isfinite(memory).all():
        reject("learning_rate", learning_rate, f"a smaller one: where eta lam = {moved.max():g} descent grows for ever")
    return memory


def ridge_memory(rates: Float[Array, "*draws r"], strength: float) -> Float[Array, "*draws r"]:
    """m_k = mu / (lam_k + mu); 1 at rates 0, whatever the strength."""
    inside("strength", strength, 0, np.inf, "[)")
    total = _rates(rates) + strength
    return np.divide(strength, total, out=np.ones(total.shape), where=total > 0)


def student(
    problem: TeacherStudent, start: Float[Array, "*draws K d"], memory: Float[Array, "*any r"]
) -> Float[Array, "*any K d"]:
    """W = W(0) + (W^ - W(0)) U (1 - m) U^T: the student itself, with U the eigenvectors of the rates.

    Raises:
        InvalidArgument: a start that is not finite.
    """
    start = entries_inside("start", start)
    learned = (problem.minimum_norm_solution - start) @ problem.basis
    return start + (learned * (1 - memory)[..., None, :]) @ problem.basis.mT


def solution(problem: TeacherStudent, start: Float[Array, "*draws K d"], t: Times) -> Float[Array, "*any K d"]:
    """W(t) under gradient flow from W(0) = `start`, shape (*times, *draws, K, d); at infinity what it learns of W^.

    >>> one = TeacherStudent(X=np.eye(1), teacher=np.array([[2.0]]), noise=np.zeros((1, 1)))
    >>> solution(one, np.array([[5.0]]), [0.0, np.log(2), np.inf]).ravel().round(6).tolist()
    [5.0, 3.5, 2.0]

    Raises:
        InvalidArgument: a start that is not finite, a negative or NaN time.
    """
    return student(problem, start, flow_memory(problem.rates, t))


def error(
    ensemble: Ensemble, rates: Float[Array, "*draws r"], memory: Float[Array, "..."], start: float = 0.0
) -> Float[Array, "..."]:
    """E_g given the rates, mean over teachers, noise and starts of scale s0 = `start`; shape of `memory` less its last.

    Raises:
        InvalidArgument: a negative start, a rate below 0, a memory that is not finite.
    """
    memory = entries_inside("memory", memory)
    return _from_sum(ensemble, _modes(ensemble, rates, memory, start).sum(-1), start)


def expected_error(
    ensemble: Ensemble, memory: Callable[[Array], Array], start: float = 0.0
) -> Float[Array, "..."] | float:
    """E_g, mean over the rates too, up to O(1/d^2); `memory` maps rates (r,) to (..., r).

    The closer n comes to d, the larger d has to be where small rates count (`spectrum.expected_sum`).

    Raises:
        InvalidArgument: n = d; a negative start.
    """
    return _from_sum(ensemble, expected_sum(ensemble, lambda x: _modes(ensemble, x, memory(x), start)), start)


def final_error(ensemble: Ensemble, start: float = 0.0) -> float:
    """E_g(infinity) = K [(d - r)(sw^2 + s0^2) / d + se^2 (1 + r / (|d - n| - 1))], exact at every size.

    From s0 = 0, and for every n < d, it is that of the minimum-norm solution: what Minnorm reaches from any start.

    Raises:
        InvalidArgument: noise, and n within one of d, where what is learned of it has no finite mean; a negative start.
    """
    learned = ensemble.noise**2 * expected_inverse_sum(ensemble) if ensemble.noise else 0.0
    return float(_from_sum(ensemble, learned, start))


def best_memory(ensemble: Ensemble, rates: Float[Array, "*draws r"], start: float = 0.0) -> Float[Array, "*draws r"]:
    """The memory that minimises every mode's part of E_g: 1 / (1 + (sw^2 + s0^2) lam_k / se^2)."""
    return 1 / (1 + _signal_to_noise(ensemble, start) * _rates(rates))


def best_times(ensemble: Ensemble, rates: Float[Array, "*draws r"], start: float = 0.0) -> Float[Array, "*draws r"]:
    """When each mode should stop: t_k = (1 / lam_k) log(1 + (sw^2 + s0^2) lam_k / se^2); (sw^2 + s0^2) / se^2 at 0.

    Raises:
        InvalidArgument: no noise, which leaves no reason to stop; a negative start, a rate below 0.
    """
    rates, ratio = _rates(rates), _signal_to_noise(ensemble, start)
    return np.divide(np.log1p(ratio * rates), rates, out=np.full(rates.shape, ratio), where=ratio * rates > 0)


def best_time(ensemble: Ensemble, start: float = 0.0, memory: Callable[[Array, float], Array] = flow_memory) -> float:
    """When a student should stop altogether: the minimum of its expected E_g over time.

    Args:
        ensemble, start: as in `expected_error`.
        memory: of rates (r,) at a time; that of the flow, or e.g. that of descent, (1 - eta lam)^(t / eta).

    Raises:
        InvalidArgument: no noise, which leaves no reason to stop; n = d; a negative start.
    """
    # Every mode falls until its own t_k and rises from then on, so the sum turns between the first t_k and the last;
    # the correction at finite size has either sign, and may take it a little before.
    slowest, fastest = np.sort((1 + np.array([-1, 1]) * np.sqrt(ensemble.aspect)) ** 2)
    first, last = best_times(ensemble, np.array([fastest, slowest]), start)
    bounds = np.log([max(0.5 * first, first - (last - first)), last])
    curve = lambda log_t: expected_error(ensemble, lambda x: memory(x, np.exp(log_t)), start)  # noqa: E731
    return float(np.exp(minimize_scalar(curve, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x))


def best_stopped_error(ensemble: Ensemble, start: float = 0.0, memory: Memory = flow_memory) -> float:
    """Expected E_g at `best_time`; without noise at infinity."""
    if ensemble.noise == 0:
        return final_error(ensemble, start)
    t = best_time(ensemble, start, memory)
    return float(expected_error(ensemble, lambda x: memory(x, t), start))


def best_ridge_strength(ensemble: Ensemble) -> float:
    """mu = se^2 / sw^2: every mode's memory is then the best one, so that no other linear shrinkage does better."""
    return ensemble.noise**2 / ensemble.teacher**2


def best_ridge_error(ensemble: Ensemble) -> float:
    """Expected E_g of ridge regression at its best strength."""
    return float(expected_error(ensemble, lambda x: ridge_memory(x, best_ridge_strength(ensemble))))


def crossover(ensemble: Ensemble, memory: Memory = flow_memory) -> float:
    """The s0 beyond which stopping at the best time is worse than the minimum-norm solution.

    Raises:
        InvalidArgument: no noise, when the minimum-norm solution is better from every start; n >= d, when no start is
            left at the end; n = d - 1, when stopping is better from every start; noise too small to tell.
    """
    if ensemble.noise == 0:
        reject("noise", ensemble.noise, "label noise above 0: without it no start makes stopping better")
    if ensemble.unseen == 0:
        reject("n", ensemble.n, f"fewer than d = {ensemble.d}: otherwise nothing is left of the start")
    fitted = final_error(ensemble)
    # The unseen directions alone cost K (d - r) s0^2 / d, and stopping gains less than all of the error.
    largest = np.sqrt(fitted * ensemble.d / (ensemble.K * ensemble.unseen))
    loss = lambda share: best_stopped_error(ensemble, float(share * largest), memory) / fitted - 1  # noqa: E731
    estimated = ensemble.noise**2 * expected_sum(ensemble, lambda x: 1 / x)
    off = abs(float(_from_sum(ensemble, estimated, 0.0)) - fitted) / fitted
    if not off < TELLING * -loss(0.0):
        reject("noise", ensemble.noise, "more: what stopping gains is hardly above the error O(1/d^2) of its estimate")
    return float(largest * brentq(loss, 0.0, 1.0, xtol=1e-12))


def _rates(rates: Float[Array, "*draws r"]) -> Float[Array, "*draws r"]:
    rates = np.asarray(rates, dtype=np.float64)
    wrong = ~(np.isfinite(rates) & (rates >= 0))
    if wrong.any():
        reject("rates", rates[wrong][0], "finite rates of at least 0")
    return rates


def _modes(ensemble: Ensemble, rates: Array, memory: Array, start: float) -> Array:
    learned = (ensemble.noise * (1 - memory)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):  # at rate 0 nothing is learned, not even noise
        noise = np.where(learned == 0, 0.0, learned / _rates(rates))
    return _teacher_and(start, ensemble) * memory**2 + noise


def _from_sum(ensemble: Ensemble, modes: Array | float, start: float) -> Array | float:
    unseen = ensemble.unseen * _teacher_and(start, ensemble)
    return ensemble.K * ((modes + unseen) / ensemble.d + ensemble.noise**2)


def _signal_to_noise(ensemble: Ensemble, start: float) -> float:
    if ensemble.noise == 0:
        reject("noise", ensemble.noise, "label noise above 0: without it training should never stop")
    ratio = np.sqrt(_teacher_and(start, ensemble)) / ensemble.noise
    inside("teacher and start relative to the noise", ratio, 1 / LARGEST, LARGEST)
    return ratio**2


def _teacher_and(start: float, ensemble: Ensemble) -> float:
    """sw^2 + s0^2."""
    return ensemble.teacher**2 + inside("start", start, 0, LARGEST) ** 2
