"""What the claim does not say of the limit of infinite width: semigroup, limits, shapes, wrong input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import dynamics, one_mode, wide_limit
from theory.imbalance.problem import coordinates


def regression(seed: int = 0, singular_values: tuple[float, ...] = (1.4, 1.0, 0.7)) -> Regression:
    rng = np.random.default_rng(seed)
    r = len(singular_values)
    return random_regression(rng, D=r + 3, n=r + 1, m=2, singular_values=np.array(singular_values))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 100), st.floats(0.2, 3), st.floats(0, 2), st.floats(0, 2))
def test_the_limit_goes_on_from_where_it_is(seed: int, k: float, first: float, second: float) -> None:
    problem = regression(seed)
    stop = wide_limit.product(problem, k, first)
    going_on = wide_limit.product(problem, k, second, start=stop)
    assert going_on == pytest.approx(wide_limit.product(problem, k, first + second), abs=1e-6)


def test_from_zero_to_the_minimum_norm_solution_at_times_of_any_shape() -> None:
    problem = regression()
    t = np.array([[np.inf, 0.0], [60.0, 0.0]])
    p = wide_limit.product(problem, 0.8, t)
    assert p.shape == (2, 2, 3, 2)
    assert not p[:, 1].any()
    assert problem.Phi1 @ p[0, 0] == pytest.approx(problem.minimum_norm_solution, abs=1e-12)
    assert p[1, 0] == pytest.approx(p[0, 0], abs=1e-8)
    assert wide_limit.product(problem, 0.8, np.inf) == pytest.approx(p[0, 0])


def test_whitened_data_are_solved_mode_by_mode_with_the_level_2k() -> None:
    problem = regression(1, (1.0, 1.0, 1.0))
    k, t = 0.6, np.linspace(0, 4, 9)
    a, y, bT = np.linalg.svd(problem.targets, full_matrices=False)
    solved = (a * one_mode.scalar_solution(y, 2 * k, 0.0, t)[:, None, :]) @ bT
    assert wide_limit.product(problem, k, t) == pytest.approx(solved, abs=1e-8)


def test_orthogonal_rows_follow_it_at_finite_width() -> None:
    problem = regression()
    network = wide_limit.orthogonal_frame(problem, 0.8, 7, np.random.default_rng(0))
    Z = coordinates(problem, network)[0]
    assert Z @ Z.T == pytest.approx(0.8 * np.eye(5), abs=1e-14)
    t = np.linspace(0, 2, 5)
    V, U1 = dynamics.split(problem, dynamics.gradient_flow(problem, network, t, relative_tolerance=1e-12)["Z"][:, 0])
    p = U1 @ V.mT
    assert wide_limit.product(problem, 0.8, t) == pytest.approx(p, abs=1e-8)
    assert wide_limit.output_gram(p, 0.8) == pytest.approx(V @ V.mT, abs=1e-9)
    assert wide_limit.hidden_gram(p, 0.8) == pytest.approx(U1 @ U1.mT, abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_the_gram_matrices_square_to_their_definition(seed: int, k: float) -> None:
    p = np.random.default_rng(seed).standard_normal((4, 3, 2))
    pT = p.mT
    output, hidden = wide_limit.output_gram(p, k), wide_limit.hidden_gram(p, k)
    assert output @ output == pytest.approx(k**2 * np.eye(2) + pT @ p, abs=1e-12 * (1 + k**2) * 30)
    assert hidden @ hidden == pytest.approx(k**2 * np.eye(3) + p @ pT, abs=1e-12 * (1 + k**2) * 30)
    # U1 V^T = p is consistent with both: p V V^T = U1 U1^T p.
    assert p @ output == pytest.approx(hidden @ p, abs=1e-12 * (1 + k**2) * 30)


def test_the_distance_for_one_output_is_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    problem = random_regression(rng, D=9, n=4, m=1, singular_values=np.array([1.2, 0.8]))
    theta = np.linalg.pinv(problem.X) @ problem.Y
    expected = (9 - 2) / 500 * np.sqrt(1 + (theta**2).sum())
    assert wide_limit.squared_distance(problem, 500, 0.5) == pytest.approx(expected, rel=1e-12)
    assert wide_limit.level(500, 0.4) == pytest.approx(500**0.2)
    k = 500**0.2
    expected = 7 * 500**-0.8 * np.sqrt(k**2 + (theta**2).sum())
    assert wide_limit.squared_distance(problem, 500, 0.4) == pytest.approx(expected, rel=1e-12)


def test_stretched_rows_are_stretched_in_the_hidden_layer_alone() -> None:
    problem = regression()
    network = wide_limit.orthogonal_frame(problem, 0.8, 5, np.random.default_rng(0), hidden_scale=1.5)
    Z = coordinates(problem, network)[0]
    assert Z @ Z.T == pytest.approx(np.diag([0.8] * 2 + [0.8 * 1.5**2] * 3), abs=1e-14)
    assert problem.Phi2.T @ network.U[0] == pytest.approx(np.zeros((3, 5)), abs=1e-14)


def test_the_distance_for_several_outputs_is_a_sum_over_singular_values() -> None:
    problem = regression(4)
    theta = np.linalg.svd(np.linalg.pinv(problem.X) @ problem.Y, compute_uv=False)
    k = 700**0.1
    expected = 3 * 700**-0.9 * np.sqrt(k**2 + theta**2).sum()
    assert wide_limit.squared_distance(problem, 700, 0.45) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("exponent", [0.25, 0.6, np.nan])
def test_exponents_outside_lemma_1_are_rejected(exponent: float) -> None:
    with pytest.raises(InvalidArgument, match="exponent"):
        wide_limit.level(100, exponent)


def test_wrong_arguments_are_rejected() -> None:
    problem, rng = regression(), np.random.default_rng(0)
    with pytest.raises(InvalidArgument, match="k = 0"):
        wide_limit.product(problem, 0.0, 1.0)
    with pytest.raises(InvalidArgument, match="t = -1"):
        wide_limit.product(problem, 1.0, -1.0)
    with pytest.raises(InvalidArgument, match=r"start\.shape"):
        wide_limit.product(problem, 1.0, 1.0, start=np.zeros((2, 3)))
    with pytest.raises(InvalidArgument, match="m \\+ r = 5"):
        wide_limit.orthogonal_frame(problem, 1.0, 4, rng)
    with pytest.raises(InvalidArgument, match="h = 0"):
        wide_limit.squared_distance(problem, 0, 0.5)
