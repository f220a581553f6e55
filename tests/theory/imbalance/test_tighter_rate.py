"""The rate with the margin term: what the claim does not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate
from theory.imbalance.dynamics import excess_loss, gradient_flow
from theory.imbalance.problem import coordinates, gaussian

SIDES = {"above": 0.8, "below": 0.7, "residual_size": 0.3}


def example(seed: int, r: int = 3, m: int = 2, h: int = 6, runs: int = 4):
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=r + 2, n=r + 1, m=m, singular_values=np.linspace(1.5, 0.8, r))
    return problem, gaussian(problem, h, rng, scales=(0.5, 0.5), runs=runs)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4), st.integers(1, 9))
def test_rates_are_ordered(seed, r, m, h):
    problem, network = example(seed, r, m, h)
    Z = coordinates(problem, network)
    rounding = 1e-12 * problem.S[0] ** 2 * (Z**2).sum((-2, -1))
    assert (tighter_rate.product_rate(problem, Z) >= tighter_rate.margin_rate(problem, Z) - rounding).all()
    assert (tighter_rate.margin_rate(problem, Z) >= convergence_rate(problem, network) - rounding).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_rotating_the_hidden_units_changes_nothing(seed):
    problem, network = example(seed)
    Z = coordinates(problem, network)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0]
    rate = tighter_rate.product_rate(problem, Z)
    np.testing.assert_allclose(tighter_rate.product_rate(problem, Z @ Q), rate, rtol=1e-9, atol=1e-12)


def test_bound_starts_at_the_loss_and_ends_at_zero():
    problem, network = example(0)
    Z = coordinates(problem, network)
    bound = tighter_rate.loss_bound(problem, Z, np.array([0.0, np.inf]))
    assert bound.shape == (2, 4)
    np.testing.assert_allclose(bound[0], excess_loss(problem, Z))
    positive = tighter_rate.margin_rate(problem, Z) > 0
    assert positive.any()
    assert (bound[1, positive] == 0).all()


def test_bound_composes():
    problem, network = example(1)
    Z = coordinates(problem, network)
    first, both = tighter_rate.loss_bound(problem, Z, np.array([0.4, 1.0]))
    rest = tighter_rate.loss_bound(problem, Z, np.array(0.6)) / excess_loss(problem, Z)
    np.testing.assert_allclose(first * rest, both, rtol=1e-13)


def test_rate_zero_bounds_by_a_constant_for_ever():
    problem, network = example(2)
    Z = 0 * coordinates(problem, network)
    bound = tighter_rate.loss_bound(problem, Z, np.array([[0.0, 1.0], [5.0, np.inf]]))
    assert bound.shape == (2, 2, 4)
    np.testing.assert_allclose(bound, np.broadcast_to(excess_loss(problem, Z), bound.shape))


@pytest.mark.parametrize("t", [-1.0, np.nan])
def test_bound_rejects_times(t):
    problem, network = example(3)
    with pytest.raises(InvalidArgument, match="t = "):
        tighter_rate.loss_bound(problem, coordinates(problem, network), np.array([t]))


def test_restarting_only_tightens_the_bound_along_the_flow():
    problem, network = example(4, runs=1)
    t = np.linspace(0, 4, 41)
    flow = gradient_flow(problem, network, t)
    restarted = np.exp(-tighter_rate.restarted_exponent(problem, flow["Z"], t)) * excess_loss(problem, flow["Z"][0])
    once = tighter_rate.loss_bound(problem, flow["Z"][0], t)
    assert (restarted <= once * (1 + 1e-8)).all()
    assert restarted[-1] < 0.9 * once[-1]
    assert (excess_loss(problem, flow["Z"]) <= restarted * (1 + 1e-8)).all()


def test_margin_never_falls_along_the_flow():
    problem, network = example(5)
    flow = gradient_flow(problem, network, np.linspace(0, 3, 31))
    margins = tighter_rate.margin(problem, flow["Z"], 1)
    assert (np.diff(margins, axis=0) >= -1e-9).all()
    assert (margins[-1] > margins[0]).any()


def test_singular_values_beyond_the_smaller_dimension_are_zero():
    matrices = np.random.default_rng(0).standard_normal((5, 2, 3))
    assert (tighter_rate.singular_value(matrices, 3) == 0).all()
    assert (tighter_rate.singular_value(matrices, 2) > 0).all()


def test_lemma_8_without_room_for_m_eigenvalues():
    bound = tighter_rate.smallest_gram_eigenvalue(-np.eye(2)[None], np.zeros((1, 1, 3)))
    np.testing.assert_array_equal(bound, [0.0])


@pytest.mark.parametrize("r, m", [(3, 1), (1, 3), (2, 2)])
def test_equality_case_has_the_imbalance_it_was_given(r, m):
    extra = [0.5, 0.4][: abs(r - m)]
    problem, network = tighter_rate.equality_case(
        np.random.default_rng(0), S=np.ones(r), m=m, products=np.full(min(r, m), 1.1), extra=np.array(extra), **SIDES
    )
    Z = coordinates(problem, network)
    plus, minus, delta = tighter_rate.spreads(problem, Z)
    smallest = (extra[-1] if r > m else 0.8, extra[-1] if m > r else 0.7)
    np.testing.assert_allclose(delta, sum(smallest))
    np.testing.assert_allclose([plus[0], minus[0]], [0.8 - smallest[0], 0.7 - smallest[1]], atol=1e-12)
    np.testing.assert_allclose(excess_loss(problem, Z), 0.3**2 / 2)
    assert problem.optimal_loss > 1e-4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"above": 0.0}, "above"),
        ({"residual_size": -1.0}, "residual_size"),
        ({"products": np.ones(2)}, "products"),
        ({"extra": np.array([0.9, 0.4])}, "extra = 0.9"),
    ],
)
def test_equality_case_names_what_is_wrong(change, message):
    arguments = {"S": np.ones(3), "m": 1, "products": np.ones(1), "extra": np.array([0.5, 0.4]), **SIDES, **change}
    with pytest.raises(InvalidArgument, match=message):
        tighter_rate.equality_case(np.random.default_rng(0), **arguments)
