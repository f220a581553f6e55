"""One constant, many clocks: every descent on the exponential loss errs by the same numbers over its own clock (ours).

From w = 0, w = w_hat tau + P w~ + (what decays), tau = w . w_hat / |w_hat|^2, P = I - w_hat w_hat^T / |w_hat|^2 and
e^{-z_i . w~} in proportion to the duals on the support; alpha > 0 there, other examples in the span of the support.
What a method adds is tau as a function of its steps T:

    descent by steps eta of L           log(eta T) - sum_i p_i log alpha_i       p = alpha / sum alpha
    normalised, by steps eta / L        eta gamma^2 T
    accelerated (Ji, Srebro & Telgarsky 2021)   eta gamma^2 T (T + 3) / 4
    normalised, w <- c w every S steps  eta gamma^2 S (c^n - 1) / (c - 1), T = n S

The last three are exact from the first step on where all examples support the classifier, z_i . w_hat = 1: then
-grad log L . w_hat = 1 whatever w is. Accelerated: g <- t / (t + 1) (g + u), w <- w - eta (g + u), u = grad log L.
Plain momentum, w <- w + t / (t + 1) (w - w_before) - eta u, has the same clock, and another transient (`transients`).
"""

import numpy as np
from jaxtyping import Float, Real

from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.core.validation import entries_inside
from theory.shallow.gradient_flow import margin_constant, settled_duals

Numbers = float | int | Real[Array, "*#batch"]


def descent_clock(problem: Separable, learning_rate: Numbers, steps: Numbers) -> Float[Array, "*batch"]:
    """tau of gradient descent on sum e^{-m} or on sum log(1 + e^{-m}), up to what vanishes with log T / T.

    The steps broadcast with the runs of the problem.

    Raises:
        InvalidArgument: a learning rate or a number of steps not above 0; and as `settled_duals`.
    """
    entries_inside("learning_rate", learning_rate, 0)
    entries_inside("steps", steps, 0, brackets="(]")
    alpha = settled_duals(problem)
    p = alpha * problem.margin[..., None] ** 2
    return np.log(learning_rate) + np.log(steps) - (p * np.log(np.where(alpha > 0, alpha, 1))).sum(-1)


def normalised_clock(problem: Separable, learning_rate: Numbers, steps: Numbers) -> Float[Array, "*batch"]:
    """tau of steps learning_rate / L, those of descent on log L.

    Raises:
        InvalidArgument: a learning rate that is not above 0, or steps below 0.
    """
    return _pace(problem, learning_rate) * _counted("steps", steps)


def accelerated_clock(problem: Separable, learning_rate: Numbers, steps: Numbers) -> Float[Array, "*batch"]:
    """tau of accelerated descent, and of plain momentum t / (t + 1). Raises as `normalised_clock`.

    >>> problem = Separable(np.array([[2.0, 0.0], [2.0, 1.0]]))
    >>> float(accelerated_clock(problem, 0.1, 100) / normalised_clock(problem, 0.1, 100))
    25.75
    """
    steps = _counted("steps", steps)
    return _pace(problem, learning_rate) * steps * ((steps + 3) / 4)


def rescaled_clock(
    problem: Separable, learning_rate: Numbers, between: Numbers, factor: Numbers, cycles: Numbers
) -> Float[Array, "*batch"]:
    """tau after so many cycles: w <- factor w, then `between` normalised steps.

    Raises:
        InvalidArgument: a factor below 1, `between` not above 0, cycles below 0; and as `normalised_clock`.
    """
    entries_inside("between", between, 0)
    entries_inside("factor", factor, 1, brackets="[)")
    cycles, growth = _counted("cycles", cycles), np.log(factor)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sums = np.where(growth > 0, np.expm1(cycles * growth) / np.expm1(growth), cycles)
    return _pace(problem, learning_rate) * between * sums


def normalised_steps(problem: Separable, learning_rate: Numbers, clock: Numbers) -> Float[Array, "*batch"]:
    """Steps at which `normalised_clock` is `clock`. Raises as it does."""
    return _counted("clock", clock) / _pace(problem, learning_rate)


def accelerated_steps(problem: Separable, learning_rate: Numbers, clock: Numbers) -> Float[Array, "*batch"]:
    """Steps at which `accelerated_clock` is `clock`; 2 (clock / (learning_rate gamma^2))^(1/2) when large. Raises as it
    does."""
    counted = normalised_steps(problem, learning_rate, clock)
    root = np.sqrt(counted)
    # ((9 + 16 x)^(1/2) - 3) / 2, without a difference, and infinite at x = inf.
    with np.errstate(divide="ignore"):
        return root * 8 / (3 / root + np.sqrt(9 / counted + 16))


def error_at(constant: Numbers, clock: Numbers) -> Float[Array, "*batch"]:
    """| w/|w| - w_hat/|w_hat| | at tau = `clock`, of `gradient_flow.direction_constant`: 2 sin(angle / 2), where
    tan(angle) = constant / tau; 2^(1/2) at tau = 0.

    Raises:
        InvalidArgument: a constant or a clock below 0.
    """
    entries_inside("constant", constant, 0, brackets="[)")
    return 2 * np.sin(np.arctan2(constant, _counted("clock", clock)) / 2)


def clock_of(constant: Numbers, error: Numbers) -> Float[Array, "*batch"]:
    """tau at which `error_at` is `error`.

    Raises:
        InvalidArgument: a constant below 0, an error outside (0, 2^(1/2)].
    """
    entries_inside("constant", constant, 0, brackets="[)")
    entries_inside("error", error, 0, np.sqrt(2), "(]")
    return constant / np.tan(2 * np.arcsin(np.asarray(error) / 2))


def gap_at(problem: Separable, constant: Numbers, clock: Numbers) -> Float[Array, "*batch"]:
    """gamma* - min_i z_i . w / |w| at tau = `clock`, of `gradient_flow.direction_constant`: tau x gap tends to
    `gradient_flow.margin_constant`, which is at most gamma* log n, whatever the duals.

    Raises:
        InvalidArgument: a constant below 0, a clock not above 0; and as `margin_constant`.
    """
    entries_inside("constant", constant, 0, brackets="[)")
    entries_inside("clock", clock, 0, brackets="(]")
    slope = np.asarray(constant) / clock
    length = np.hypot(1, slope)  # of w, in units of its part along w_hat
    lengthened = slope / (1 + length) * slope / length  # 1 - 1 / length
    return problem.margin * lengthened + margin_constant(problem) / clock / length


def _pace(problem: Separable, learning_rate: Numbers) -> Array:
    entries_inside("learning_rate", learning_rate, 0)
    return learning_rate * problem.margin**2


def _counted(name: str, numbers: Numbers) -> Array:
    """As floats, infinity among them."""
    entries_inside(name, numbers, 0, brackets="[]")
    return np.asarray(numbers, dtype=np.float64)
