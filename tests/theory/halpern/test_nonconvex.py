"""Chains and layers under anchoring: composition of the bound, thresholds, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.chain.problem import Chain, imbalance
from theory.core.linear_networks import gaussian_stack, imbalances, layer_gradients
from theory.core.validation import InvalidArgument
from theory.halpern import nonconvex


@given(st.floats(0.1, 3), st.floats(0, 0.9))
def test_a_step_of_a_chain(force: float, weight: float) -> None:
    w = np.array([0.7, -1.2, 0.4])
    q = w.prod() / w
    after = (1 - weight) * (w + force * q)
    predicted = nonconvex.imbalance_after_halpern(w, np.array(force), weight)
    assert np.allclose(imbalance(after), predicted, atol=1e-13 * (1 + force) ** 2)


def test_a_step_of_a_linear_network() -> None:
    rng = np.random.default_rng(0)
    W = gaussian_stack(rng, (5, 4, 3, 2), 0.5, runs=6)
    end_to_end = rng.standard_normal((6, 2, 5))
    G = layer_gradients(W, end_to_end)
    weight = rng.uniform(0, 1, 6)
    after = [(1 - weight)[:, None, None] * (layer - 0.1 * g) for layer, g in zip(W, G)]
    for seen, predicted in zip(imbalances(after), nonconvex.imbalances_after_halpern(W, G, 0.1, weight)):
        assert np.allclose(seen, predicted, atol=1e-13)


@given(st.floats(0.05, 0.99), st.floats(0.4, 3))
def test_the_bound_starts_at_the_start_and_falls_to_nothing(share: float, c: float) -> None:
    chain = Chain(4.0, 5)
    if c * 3 <= 1.05:
        return
    w = share * nonconvex.collapse_threshold(chain, c)
    assert nonconvex.collapse_bound(chain, c, w, 0.0) == pytest.approx(w)
    assert nonconvex.collapse_bound(chain, c, w, 1e60) < 1e-6 * w


def test_the_bound_solves_its_equation() -> None:
    """w' = sigma s w^(L-1) - c w/(1 + t), by central differences."""
    chain, c = Chain(3.0, 4, x=0.8), 0.9
    w = 0.6 * nonconvex.collapse_threshold(chain, c)
    t, step = np.linspace(0.1, 5, 20), 1e-5
    bound = lambda t: nonconvex.collapse_bound(chain, c, w, t)  # noqa: E731
    slope = (bound(t + step) - bound(t - step)) / (2 * step)
    assert np.allclose(slope, chain.sigma * chain.s * bound(t) ** 3 - c * bound(t) / (1 + t), atol=1e-9)


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"c \(L - 2\) = 1.0: expected a number above 1"):
        nonconvex.collapse_threshold(Chain(1.0, 3), 1.0)
    with pytest.raises(InvalidArgument, match="c = 0"):
        nonconvex.collapse_bound(Chain(1.0, 4), 0.0, 0.1, 1.0)


def test_a_start_at_the_threshold_falls_as_its_power_and_one_above_it_has_no_bound() -> None:
    chain, c = Chain(3.0, 5, x=0.8), 0.7
    w = nonconvex.collapse_threshold(chain, c)
    assert w == pytest.approx(((0.7 * 3 - 1) / (3 * 0.8**2 * chain.s)) ** (1 / 3))
    at = nonconvex.collapse_bound(chain, c, w, np.array([1e2, 1e5]))
    assert at == pytest.approx(w * (1 + np.array([1e2, 1e5])) ** (-1 / 3))
    assert nonconvex.collapse_bound(chain, c, 1.01 * w, 1e3) == np.inf
