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
from theory.core.validation import inside, positive, reject, times
from theory.deep_linear.problem import Ensemble, TeacherStudent, Times
from theory.deep_linear.spectrum import expected_inverse_sum, expected_sum

Memory = Callable[[Array, float], Array]


def flow_memory(rates: Float[Array, "*draws r"], t: Times) -> Float[Array, "..."]:
    """m_k = e^(-lam_k t), shape (*times, *draws, r); at t = infinity 0.

    Raises:
        InvalidArgument: a negative or NaN time, a rate that is not above 0.
    """
    if not (np.asarray(rates) > 0).all():
        reject("rates", np.min(rates), "rates above 0: those of what the examples show")
    t = times(t)
    return np.exp(-t.reshape(*t.shape, *[1] * np.ndim(rates)) * rates)


def descent_memory(rates: Float[Array, "*draws r"], steps: Times, learning_rate: float) -> Float[Array, "..."]:
    """m_k = (1 - eta lam_k)^steps, shape (*steps, *draws, r); parts of a step where eta lam_k < 1.

    Raises:
        InvalidArgument: a negative or NaN number of steps, a learning rate that is not above 0.
    """
    positive("learning_rate", learning_rate)
    steps = times(steps)
    return (1 - learning_rate * np.asarray(rates)) ** steps.reshape(*steps.shape, *[1] * np.ndim(rates))


def ridge_memory(rates: Float[Array, "*draws r"], strength: float) -> Float[Array, "*draws r"]:
    """m_k = mu / (lam_k + mu)."""
    inside("strength", strength, 0, np.inf, "[)")
    return strength / (rates + strength)


def student(
    problem: TeacherStudent, start: Float[Array, "*draws K d"], memory: Float[Array, "*any r"]
) -> Float[Array, "*any K d"]:
    """W = W(0) + (W^ - W(0)) U (1 - m) U^T: the student itself, with U the eigenvectors of the rates."""
    learned = (problem.minimum_norm_solution - start) @ problem.basis
    return start + (learned * (1 - memory)[..., None, :]) @ problem.basis.mT


def solution(problem: TeacherStudent, start: Float[Array, "*draws K d"], t: Times) -> Float[Array, "*any K d"]:
    """W(t) under gradient flow from W(0) = `start`, shape (*times, *draws, K, d); at infinity what it learns of W^.

    >>> one = TeacherStudent(X=np.eye(1), teacher=np.array([[2.0]]), noise=np.zeros((1, 1)))
    >>> solution(one, np.array([[5.0]]), [0.0, np.log(2), np.inf]).ravel().round(6).tolist()
    [5.0, 3.5, 2.0]
    """
    return student(problem, start, flow_memory(problem.rates, t))


def error(
    ensemble: Ensemble, rates: Float[Array, "*draws r"], memory: Float[Array, "..."], start: float = 0.0
) -> Float[Array, "..."]:
    """E_g given the rates, mean over teachers, noise and starts of scale s0 = `start`; shape of `memory` less its last.

    Raises:
        InvalidArgument: a negative start.
    """
    return _from_sum(ensemble, _modes(ensemble, rates, memory, start).sum(-1), start)


def expected_error(
    ensemble: Ensemble, memory: Callable[[Array], Array], start: float = 0.0
) -> Float[Array, "..."] | float:
    """E_g, mean over the rates too, up to O(1/d^2); `memory` maps rates (r,) to (..., r).

    Raises:
        InvalidArgument: n = d; a negative start.
    """
    return _from_sum(ensemble, expected_sum(ensemble, lambda x: _modes(ensemble, x, memory(x), start)), start)


def final_error(ensemble: Ensemble, start: float = 0.0) -> float:
    """E_g(infinity) = K [(d - r)(sw^2 + s0^2) / d + se^2 (1 + r / (|d - n| - 1))], exact at every size.

    From s0 = 0, and for every n < d, it is that of the minimum-norm solution: what Minnorm reaches from any start.

    Raises:
        InvalidArgument: n within one of d, where the noise has no finite mean; a negative start.
    """
    return float(_from_sum(ensemble, ensemble.noise**2 * expected_inverse_sum(ensemble), start))


def best_memory(ensemble: Ensemble, rates: Float[Array, "*draws r"], start: float = 0.0) -> Float[Array, "*draws r"]:
    """The memory that minimises every mode's part of E_g: 1 / (1 + (sw^2 + s0^2) lam_k / se^2)."""
    return 1 / (1 + _signal_to_noise(ensemble, start) * rates)


def best_times(ensemble: Ensemble, rates: Float[Array, "*draws r"], start: float = 0.0) -> Float[Array, "*draws r"]:
    """When each mode should stop: t_k = (1 / lam_k) log(1 + (sw^2 + s0^2) lam_k / se^2).

    Raises:
        InvalidArgument: no noise, which leaves no reason to stop; a negative start.
    """
    return np.log1p(_signal_to_noise(ensemble, start) * rates) / rates


def best_time(ensemble: Ensemble, start: float = 0.0, memory: Callable[[Array, float], Array] = flow_memory) -> float:
    """When a student should stop altogether: the minimum of its expected E_g over time.

    Args:
        ensemble, start: as in `expected_error`.
        memory: of rates (r,) at a time; that of the flow, or e.g. that of descent, (1 - eta lam)^(t / eta).

    Raises:
        InvalidArgument: no noise, which leaves no reason to stop; n = d; a negative start.
    """
    # Every mode falls until its own t_k and rises from then on, so the sum turns between the first t_k and the last.
    slowest, fastest = np.sort((1 + np.array([-1, 1]) * np.sqrt(ensemble.aspect)) ** 2)
    first, last = best_times(ensemble, np.array([fastest, slowest]), start)
    curve = lambda t: expected_error(ensemble, lambda x: memory(x, t), start)  # noqa: E731
    return float(minimize_scalar(curve, bounds=(0.5 * first, last), method="bounded", options={"xatol": 1e-9}).x)


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
            left at the end.
    """
    if ensemble.noise == 0:
        reject("noise", ensemble.noise, "label noise above 0: without it no start makes stopping better")
    if ensemble.unseen == 0:
        reject("n", ensemble.n, f"fewer than d = {ensemble.d}: otherwise nothing is left of the start")
    fitted = final_error(ensemble)
    loss = lambda start: best_stopped_error(ensemble, start, memory) - fitted  # noqa: E731
    # The unseen directions alone cost K (d - r) s0^2 / d, and stopping gains less than all of the error.
    largest = np.sqrt(fitted * ensemble.d / (ensemble.K * ensemble.unseen))
    return float(brentq(loss, 0.0, largest, xtol=1e-12))


def _modes(ensemble: Ensemble, rates: Array, memory: Array, start: float) -> Array:
    inside("start", start, 0, np.inf, "[)")
    return (ensemble.teacher**2 + start**2) * memory**2 + ensemble.noise**2 / rates * (1 - memory) ** 2


def _from_sum(ensemble: Ensemble, modes: Array | float, start: float) -> Array | float:
    inside("start", start, 0, np.inf, "[)")
    unseen = ensemble.unseen * (ensemble.teacher**2 + start**2)
    return ensemble.K * ((modes + unseen) / ensemble.d + ensemble.noise**2)


def _signal_to_noise(ensemble: Ensemble, start: float) -> float:
    inside("start", start, 0, np.inf, "[)")
    if ensemble.noise == 0:
        reject("noise", ensemble.noise, "label noise above 0: without it training should never stop")
    return (ensemble.teacher**2 + start**2) / ensemble.noise**2
