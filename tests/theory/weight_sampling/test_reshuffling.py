"""Epochs without replacement: all orders of a few examples, one by one."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.weight_sampling import reshuffling
from theory.weight_sampling.descent import Descent, variance


@given(st.floats(0.1, 5), st.floats(1e-6, 0.99), st.integers(2, 5), st.integers(0, 10**6))
def test_all_orders_of_a_few_examples(h: float, share: float, n: int, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(n)
    noise -= noise.mean()
    descent = Descent(h, 2 * share / h, float(noise.std()))
    ends = []
    for order in permutations(noise):
        w = 0.0
        for xi in order:
            w = w - descent.eta * (h * w + xi)
        ends.append(w)
    exact = np.var(ends) / (1 - descent.rho ** (2 * n))
    assert reshuffling.variance_between_epochs(descent, n) == pytest.approx(exact, rel=1e-6)
    assert np.mean(ends) == pytest.approx(0, abs=1e-9 * descent.eta)


@given(st.floats(0.1, 5), st.floats(1e-3, 0.99), st.integers(2, 30), st.integers(1, 50))
def test_averages_fall_as_the_square_of_the_epochs(h: float, share: float, n: int, epochs: int) -> None:
    descent = Descent(h, 2 * share / h, 0.8)
    one, many = (reshuffling.averaged_variance(descent, n, m) for m in (10_000, 10_000 * epochs))
    assert one == pytest.approx(epochs**2 * many, rel=1e-6)
    assert reshuffling.variance_between_epochs(descent, n) <= variance(descent) * n / (n - 1)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="n = 1"):
        reshuffling.variance_between_epochs(Descent(1.0, 0.1), 1)
    with pytest.raises(InvalidArgument, match="epochs = 0"):
        reshuffling.averaged_variance(Descent(1.0, 0.1), 5, 0)
