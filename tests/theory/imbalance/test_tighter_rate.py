"""The rate with the margin term: what the claim does not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate, pointwise_rate
from theory.imbalance.dynamics import excess_loss, gradient_flow, split
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

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


def orthogonal_state(hidden, output, S=(1.5, 1.1, 0.8)):
    """Rows of U1 and V all orthogonal, of these squared lengths: the spectrum of Lambda is hidden and -output."""
    problem = random_regression(np.random.default_rng(6), D=5, n=4, m=len(output), singular_values=np.array(S))
    start = orthogonal_rows(problem, np.array(hidden), np.array(output), np.random.default_rng(7), 7)
    return problem, coordinates(problem, start)


@pytest.mark.parametrize(("D", "above", "below"), [((2.0, -0.5, -3.0), 2.0, 0.5), ((-1.0, -4.0), 0.0, 1.0)])
def test_lemma_8_is_the_larger_root_of_its_polynomial(D, above, below):
    """With m = 2 and sigma_2 = 0.7: (x + above)(x - below) = sigma^2."""
    product = np.array([[[1.9, 0.0], [0.0, 0.7], [0.0, 0.0]]])
    roots = np.roots([1.0, above - below, -above * below - 0.7**2])
    bound = tighter_rate.smallest_gram_eigenvalue(np.diag(D)[None], product)
    np.testing.assert_allclose(bound, roots.max(), rtol=1e-12)


def test_singular_values_are_roots_of_eigenvalues():
    matrices = np.random.default_rng(1).standard_normal((4, 5, 3))
    squares = np.linalg.eigvalsh(matrices.mT @ matrices)
    for k in (1, 2, 3):
        np.testing.assert_allclose(tighter_rate.singular_value(matrices, k) ** 2, squares[:, -k], rtol=1e-10)


def test_spreads_and_level_of_a_known_spectrum():
    problem, Z = orthogonal_state((2.0, 1.5, 0.7), (0.9, 0.4))
    np.testing.assert_allclose(np.ravel(tighter_rate.spreads(problem, Z)), [1.3, 0.5, 1.1], rtol=1e-12)
    expected = -1.3 + np.sqrt(2.4**2 + 4 * 0.6**2) - 0.5 + np.sqrt(1.6**2 + 4 * 0.35**2)
    level = tighter_rate.level(problem, Z, np.array([0.6]), np.array([0.35]))
    np.testing.assert_allclose(level, expected, rtol=1e-12)


def test_spreads_where_one_side_has_no_level():
    """h = 1: Lambda has one eigenvalue, so that lambda_r and lambda_m of either sign are 0 beyond it."""
    problem, network = example(3, r=3, m=2, h=1)
    Z = coordinates(problem, network)
    number = (Z[:, 2:] ** 2).sum((1, 2)) - (Z[:, :2] ** 2).sum((1, 2))
    plus, minus, delta = tighter_rate.spreads(problem, Z)
    np.testing.assert_allclose(plus, np.maximum(number, 0), atol=1e-14)
    np.testing.assert_allclose(minus, np.maximum(-number, 0), atol=1e-14)
    np.testing.assert_array_equal(delta, 0)


@pytest.mark.parametrize(("S", "m"), [((2.0, 1.6, 1.3, 1.1), 1), ((1.6,), 3), ((1.9, 1.5, 1.1), 2), ((1.7, 1.2), 2)])
def test_the_rate_of_an_equality_case_is_its_bound(S, m):
    r = len(S)
    products, extra = np.linspace(1.5, 1.2, min(r, m)), np.linspace(0.15, 0.1, abs(r - m))
    sides = {"above": 4.0, "below": 0.2, "residual_size": 0.3}
    problem, network = tighter_rate.equality_case(
        np.random.default_rng(8), S=np.array(S), m=m, products=products, extra=extra, **sides
    )
    Z = coordinates(problem, network)
    V, U1 = split(problem, Z)
    np.testing.assert_allclose(np.linalg.svd(U1[0] @ V[0].T)[1], products, rtol=1e-12)
    np.testing.assert_allclose(problem.S, S, rtol=1e-12)
    np.testing.assert_allclose(tighter_rate.product_rate(problem, Z), pointwise_rate(problem, Z), rtol=1e-10)
    if m == r:
        return
    longer = (U1 if r > m else V)[0]
    np.testing.assert_allclose(np.sort(np.diag(longer @ longer.T))[: abs(r - m)], extra[::-1], rtol=1e-10)


def test_margins_of_a_known_residual():
    """y~ = diag(3, 1.4) and U1 V^T = 0 but for 1.1 in one corner: E = diag(3 - 1.5 x 1.1, 1.4)."""
    problem = Regression(np.diag([1.5, 0.8]), np.diag([3.0, 1.4]))
    Z = coordinates(problem, Network(np.array([[[1.1], [0.0]]]), np.array([[[1.0], [0.0]]])))
    left = np.hypot(3 - 1.65, 1.4)
    np.testing.assert_allclose(tighter_rate.margin(problem, Z, 1), (3 - left) / 1.5, rtol=1e-12)
    assert tighter_rate.margin(problem, Z, 2) == 0
    assert tighter_rate.margin(problem, Z, 3) == 0


@pytest.mark.parametrize("m", [1, 2, 3])
def test_with_white_data_the_margin_is_the_product_of_an_equality_case(m):
    """r = m: the residual takes from the smallest singular value what it has."""
    products = np.linspace(2.2, 1.2, m)
    problem, network = tighter_rate.equality_case(
        np.random.default_rng(9), S=np.full(m, 1.4), m=m, products=products, extra=np.array([]), **SIDES
    )
    Z = coordinates(problem, network)
    for k in range(1, m + 1):
        expected = products[k - 1] - (0.3 / 1.4 if k < m else 0.0)
        np.testing.assert_allclose(tighter_rate.margin(problem, Z, k), expected, rtol=1e-10)
    np.testing.assert_allclose(tighter_rate.margin_rate(problem, Z), pointwise_rate(problem, Z), rtol=1e-10)


@pytest.mark.parametrize(("r", "m"), [(3, 2), (2, 3), (4, 1)])
def test_without_a_residual_every_rate_is_the_limit(r, m):
    problem, network = example(10, r=r, m=m, h=7)
    fitted = Network(
        network.U + (problem.minimum_norm_solution - network.end_to_end) @ np.linalg.pinv(network.V).mT, network.V
    )
    Z = coordinates(problem, fitted)
    np.testing.assert_allclose(excess_loss(problem, Z), 0, atol=1e-20)
    limit = tighter_rate.limiting_rate(problem, Z)
    np.testing.assert_allclose(tighter_rate.margin_rate(problem, Z), limit, rtol=1e-8)
    sigma_m, sigma_r = (tighter_rate.singular_value(problem.targets, k) / problem.S[0] for k in (m, r))
    level = tighter_rate.level(problem, Z, sigma_m, sigma_r)
    np.testing.assert_allclose(limit, problem.S[-1] ** 2 * level, rtol=1e-12)


def test_restarted_exponent_adds_up_the_rates_before():
    problem, network = example(11, runs=5)
    Z, t = coordinates(problem, network)[:, None], np.array([0.0, 0.1, 0.4, 0.5, 1.3])
    rate = tighter_rate.margin_rate(problem, Z)[:, 0]
    expected = [sum(rate[j] * (t[j + 1] - t[j]) for j in range(k)) for k in range(5)]
    np.testing.assert_allclose(tighter_rate.restarted_exponent(problem, Z, t)[:, 0], expected, rtol=1e-13)


@pytest.mark.parametrize(("r", "m", "name"), [(3, 1, "above"), (1, 3, "below")])
def test_what_is_left_over_is_no_longer_than_its_side(r, m, name):
    sides = {**SIDES, "above": 0.8, "below": 0.5}
    arguments = {"S": np.ones(r), "m": m, "products": np.ones(1), **sides}
    rng = np.random.default_rng(0)
    tighter_rate.equality_case(rng, extra=np.array([sides[name], 0.0]), **arguments)
    for value in (sides[name] + 1e-9, -1e-9):
        with pytest.raises(InvalidArgument, match="extra"):
            tighter_rate.equality_case(rng, extra=np.array([value, 0.0]), **arguments)
