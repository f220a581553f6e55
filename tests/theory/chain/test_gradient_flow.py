"""Closed forms of the chain: semigroup, limits, shapes, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from theory.chain import gradient_flow
from theory.chain.problem import Chain, distance, imbalance, product
from theory.core.flows import flow
from theory.core.validation import InvalidArgument

seeds = st.integers(0, 10_000)


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0.3, 3), st.tuples(*[st.floats(0.02, 0.97)] * 3), st.booleans())
def test_balanced_times_add_up(L: int, s: float, fractions: tuple[float, ...], from_above: bool) -> None:
    """The time from p0 to p2 is that from p0 to p1 and from there to p2."""
    chain = Chain(s, L, x=1.3)
    first, middle, last = sorted(fractions)
    p = s * np.array([first, middle, last]) if not from_above else s / np.array([first, middle, last])
    whole = gradient_flow.balanced_time(chain, p[0], p[2])
    parts = gradient_flow.balanced_time(chain, p[0], p[1]) + gradient_flow.balanced_time(chain, p[1], p[2])
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-9)
    assert gradient_flow.balanced_time(chain, p[1], p[1]) == 0


@pytest.mark.parametrize("L", range(1, 7))
def test_the_balanced_product_needs_for_ever(L: int) -> None:
    assert gradient_flow.balanced_time(Chain(1.7, L), 0.5, 1.7) == np.inf
    assert gradient_flow.balanced_time(Chain(1.7, L), np.array([0.5, 2.5]), np.array([1.0, 2.0])).shape == (2,)


@pytest.mark.parametrize(("start", "p"), [(0.5, 0.4), (0.5, 1.8), (2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_products_the_flow_never_has_are_refused(start: float, p: float) -> None:
    with pytest.raises(InvalidArgument, match=r"p = .*expected products from the start"):
        gradient_flow.balanced_time(Chain(1.7, 3), start, p)


@settings(deadline=None)
@given(seeds, st.integers(1, 6))
def test_the_limit_has_the_product_and_the_imbalance(seed: int, L: int) -> None:
    chain = Chain(1.7, L)
    w = np.random.default_rng(seed).uniform(0.05, 3, (4, L))
    end = gradient_flow.limit(chain, w)
    assert product(end) == pytest.approx(chain.s, rel=1e-11)
    assert np.allclose(imbalance(end), imbalance(w), atol=1e-12 * (w**2).max())
    assert np.allclose(gradient_flow.limit(chain, end), end, atol=1e-11)
    # At depth 2 the norm is known; never the least unless the start is balanced.
    if L == 2:
        assert np.allclose((end**2).sum(-1), np.hypot(imbalance(w)[:, 0], 2 * chain.s))


def test_a_balanced_start_ends_at_the_minimum_norm() -> None:
    chain = Chain(1.7, 4)
    assert distance(chain, gradient_flow.limit(chain, np.full(4, 0.3))) == pytest.approx(0, abs=1e-14)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_two_layers_continue_from_where_they_are(seed: int) -> None:
    chain = Chain(1.7, 2, x=1.2)
    w = np.random.default_rng(seed).uniform(0.2, 2, (3, 2))
    velocity = lambda _, state: {"w": gradient_flow.velocity(chain, state["w"])}  # noqa: E731
    solution = flow(velocity, {"w": w}, np.array([0.0, 0.4, 1.0]))["w"]
    assert np.allclose(gradient_flow.two_layer_solution(chain, w, 0.0), product(w))
    assert np.allclose(gradient_flow.two_layer_solution(chain, w, np.inf), chain.s)
    whole = gradient_flow.two_layer_solution(chain, w, np.array([[1.0, 2.0]]))
    assert whole.shape == (1, 2, 3)
    assert np.allclose(gradient_flow.two_layer_solution(chain, solution[1], 0.6), whole[0, 0], atol=1e-8)
    assert np.allclose(product(solution[2]), whole[0, 0], atol=1e-8)


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 5))
def test_the_velocity_of_the_product_is_that_of_the_weights(seed: int, L: int) -> None:
    chain = Chain(1.7, L, x=1.2)
    w = np.random.default_rng(seed).uniform(0.2, 2, (3, L))
    ahead, behind = (product(w + sign * 1e-6 * gradient_flow.velocity(chain, w)) for sign in (1, -1))
    expected = (ahead - behind) / 2e-6
    assert np.allclose(gradient_flow.product_velocity(chain, w), expected, rtol=1e-6, atol=1e-5)


def test_what_the_closed_forms_do_not_cover_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="expected depth 2"):
        gradient_flow.two_layer_solution(Chain(1.0, 3), np.ones(3), 1.0)
    with pytest.raises(InvalidArgument, match="expected products above 0"):
        gradient_flow.limit(Chain(1.0, 2), np.array([-1.0, 1.0]))


@pytest.mark.parametrize("L", range(1, 9))
@pytest.mark.parametrize(("start", "end"), [(3.9, 1.7001), (3.9, 1.75), (0.2, 1.6999), (0.2, 1.5)])
def test_the_time_of_a_balanced_product_is_the_integral_next_to_the_target_too(
    L: int, start: float, end: float
) -> None:
    chain = Chain(1.7, L, x=1.2)
    time = quad(lambda p: p ** (2 / L - 2) / (chain.s - p), start, end, epsabs=1e-12, epsrel=1e-12, limit=500)[0]
    assert gradient_flow.balanced_time(chain, start, end) == pytest.approx(time / (L * chain.sigma), rel=1e-8)
