"""Epochs that start from averages: recursions step by step, slow limits, and orders between variances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.weight_sampling import averages, restart
from theory.weight_sampling.descent import Descent, variance

descents = st.builds(
    lambda h, share: Descent(h, 2 * share / h, 0.7), st.floats(0.1, 10), st.one_of(st.floats(1e-3, 0.99), st.just(0.5))
)
few = st.integers(1, 9)


def moments(
    descent: Descent, start: float, K: int, P: int, epochs: int
) -> tuple[list[float], list[float], list[float]]:
    """E L of w, of averages and with restart, by the means and covariances of all weights of an epoch."""
    n, h = K * P, descent.h

    def epoch(mean: float, var: float) -> tuple[float, float, float, float]:
        means = mean * descent.rho ** np.arange(1, n + 1)
        variances = [var]
        for _ in range(n):
            variances.append(descent.rho**2 * variances[-1] + (descent.eta * descent.s) ** 2)
        at = np.arange(P, n + 1, P)
        lag = np.abs(at[:, None] - at)
        earlier = np.minimum(at[:, None], at)
        covariances = np.array(variances)[earlier] * float(descent.rho) ** lag
        return means[-1], variances[-1], means[at - 1].mean(), covariances.mean()

    plain, averaged, restarted = [], [], []
    state, again = (start, 0.0), (start, 0.0)
    for _ in range(epochs):
        mean, var, mean_average, var_average = epoch(*state)
        state = mean, var
        again = epoch(*again)[2:]
        plain.append(h / 2 * (mean**2 + var))
        averaged.append(h / 2 * (mean_average**2 + var_average))
        restarted.append(h / 2 * (again[0] ** 2 + again[1]))
    return plain, averaged, restarted


@given(descents, st.floats(-3, 3), few, few)
def test_losses_are_those_of_the_moments(descent: Descent, start: float, K: int, P: int) -> None:
    plain, averaged, restarted = moments(descent, start, K, P, epochs=4)
    epoch = np.arange(1, 5)
    assert restart.loss(descent, start, K * P * epoch) == pytest.approx(plain, rel=1e-9)
    assert restart.averaged_loss(descent, start, epoch, K, P) == pytest.approx(averaged, rel=1e-7, abs=1e-12)
    assert restart.restarted_loss(descent, start, epoch, K, P) == pytest.approx(restarted, rel=1e-7, abs=1e-12)


@given(descents, few, few)
def test_restart_varies_least(descent: Descent, K: int, P: int) -> None:
    V, A = variance(descent), averages.averaged_variance(descent, K, P)
    R = restart.restarted_variance(descent, K, P)
    assert 0 <= R <= A * (1 + 1e-9) <= V * (1 + 2e-9)
    alpha = averages.mean_kept(descent, K, P)
    assert pytest.approx(A - alpha**2 * V, rel=1e-7, abs=1e-12 * V) == R * (1 - alpha**2)


@given(st.floats(0.1, 10), st.floats(1e-14, 1e-7), few, few)
def test_slow_directions(h: float, share: float, K: int, P: int) -> None:
    """At most a third of the variance goes, and restart takes nearly twice as long."""
    descent = Descent(h, share / h)
    assert restart.restarted_variance(descent, K, P) / variance(descent) == pytest.approx(
        (2 * K + 1) / (3 * K), rel=1e-4
    )
    assert restart.delay(descent, K, P) == pytest.approx(2 * K / (K + 1), rel=1e-4)


@given(st.floats(0.1, 10), st.floats(1e-4, 0.49), few, few)
def test_no_direction_is_faster_than_the_slow_ones(h: float, share: float, K: int, P: int) -> None:
    assert restart.delay(Descent(h, 2 * share / h), K, P) >= 2 * K / (K + 1) * (1 - 1e-9)


@given(descents, few, few, st.floats(-5, 5))
def test_the_limit_forgets_the_start(descent: Descent, K: int, P: int, start: float) -> None:
    h = descent.h
    assert restart.loss(descent, start, np.inf) == pytest.approx(h / 2 * variance(descent))
    assert restart.averaged_loss(descent, start, np.inf, K, P) == pytest.approx(
        h / 2 * averages.averaged_variance(descent, K, P)
    )
    assert restart.restarted_loss(descent, start, np.inf, K, P) == pytest.approx(
        h / 2 * restart.restarted_variance(descent, K, P)
    )
    assert restart.loss(descent, start, 0) == pytest.approx(h / 2 * start**2)


def test_what_is_outside_the_domain_is_named() -> None:
    descent = Descent(1.0, 0.1)
    with pytest.raises(InvalidArgument, match=r"epoch = 0.0: expected a number in \[1, inf\]"):
        restart.restarted_loss(descent, 1.0, 0, 2)
    with pytest.raises(InvalidArgument, match="eta h = 1.0: expected a number below 1"):
        restart.delay(Descent(1.0, 1.0), 2)
    with pytest.raises(InvalidArgument, match="K P = inf: expected epochs of finitely many steps"):
        restart.delay(descent, np.inf)
    with pytest.raises(InvalidArgument, match="start = nan"):
        restart.loss(descent, np.nan, 3)
