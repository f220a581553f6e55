"""Compression: the same loss, product and distance; its domain; the draws need no array of the width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS
from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import compression, convergence, dynamics, invariant_set
from theory.imbalance.problem import Network, coordinates, gaussian


def setting(h: int, seed: int = 0, runs: int = 2):
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=7, n=5, m=2, singular_values=np.array([1.5, 1.0, 0.6]))
    return problem, gaussian(problem, h, rng, runs=runs)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 10_000))
def test_a_compressed_network_is_the_same_map_with_the_same_loss(h: int, seed: int) -> None:
    problem, network = setting(h, seed)
    small = compression.compress(problem, network)
    assert small.network.h == min(h, problem.m + problem.r)
    lifted = small.end_to_end(small.network.U, small.network.V)
    np.testing.assert_allclose(lifted, network.end_to_end, atol=1e3 * EPS * h)
    distance = small.distance_to_minimum_norm(small.network.U, small.network.V)
    expected = invariant_set.distance_to_minimum_norm(problem, network.end_to_end)
    np.testing.assert_allclose(distance, expected, rtol=1e3 * EPS * h)
    loss = 0.5 * ((problem.Y - problem.X @ network.end_to_end) ** 2).sum((1, 2)) - problem.optimal_loss
    small_loss = dynamics.excess_loss(small.problem, coordinates(small.problem, small.network))
    np.testing.assert_allclose(small_loss, loss, rtol=1e4 * EPS * h)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 10_000))
def test_compression_keeps_the_imbalance_level(h: int, seed: int) -> None:
    problem, network = setting(h, seed)
    small = compression.compress(problem, network)
    expected = convergence.imbalance_level(problem, network)
    measured = convergence.imbalance_level(small.problem, small.network)
    np.testing.assert_allclose(measured, expected, atol=1e3 * EPS * h * 10)


def test_a_network_no_wider_than_its_rows_is_left_alone() -> None:
    problem, network = setting(5)
    small = compression.compress(problem, network)
    np.testing.assert_array_equal(small.network.V, network.V)
    np.testing.assert_array_equal(small.network.U, problem.Phi1.T @ network.U)


def test_descent_composes() -> None:
    problem, network = setting(20, runs=1)
    small = compression.compress(problem, network)
    whole = compression.gradient_descent(small, learning_rate=0.01, steps=60, record=[0, 25, 60])
    middle = Network(whole["U"][1], whole["V"][1])
    rest = compression.Compressed(problem, small.problem, middle, small.frozen)
    second = compression.gradient_descent(rest, learning_rate=0.01, steps=35, record=[35])
    np.testing.assert_allclose(second["U"][0], whole["U"][2], atol=1e-13)
    np.testing.assert_allclose(whole.t, [0, 0.25, 0.6])
    assert whole["excess_loss"][2] < whole["excess_loss"][0]


def test_a_draw_of_width_a_billion_is_small() -> None:
    problem, _ = setting(3)
    drawn = compression.gaussian_compressed(problem, 10**9, np.random.default_rng(0), runs=3)
    assert drawn.network.U.shape == (3, 3, 5)
    # chi with 1e9 degrees of freedom is (1e9)^(1/2) up to a relative 2e-5.
    diagonal = np.concatenate([drawn.network.V, drawn.network.U], axis=1)[:, range(5), range(5)]
    np.testing.assert_allclose(diagonal, 10**4.5, rtol=3e-4)


@pytest.mark.parametrize(
    ("h", "scales", "message"),
    [(4, (1.0, 1.0), "h = 4: expected at least m . r = 5"), (9, (0.0, 1.0), "scales"), (9, (1.0, np.nan), "scales")],
)
def test_a_draw_outside_its_domain_is_refused(h: int, scales: tuple[float, float], message: str) -> None:
    problem, _ = setting(3)
    with pytest.raises(InvalidArgument, match=message):
        compression.gaussian_compressed(problem, h, np.random.default_rng(0), scales=scales)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"record": [11]}, "record"), ({"record": []}, "record"), ({"learning_rate": -1.0}, "learning_rate = -1")],
)
def test_descent_outside_its_domain_is_refused(change: dict, message: str) -> None:
    problem, network = setting(20, runs=1)
    options = {"learning_rate": 0.1, "steps": 10, "record": [0]} | change
    with pytest.raises(InvalidArgument, match=message):
        compression.gradient_descent(compression.compress(problem, network), **options)


def test_descent_is_that_of_every_weight() -> None:
    """The recursion against plain gradient descent on U and V, by the gradient of the loss."""
    problem, network = setting(20, runs=1)
    U, V, eta = network.U[0], network.V[0], 0.02
    for _ in range(7):
        G = problem.X.T @ (problem.Y - problem.X @ U @ V.T)
        U, V = U + eta * G @ V, V + eta * G.T @ U
    small = compression.compress(problem, network)
    run = compression.gradient_descent(small, learning_rate=eta, steps=9, record=[7])
    one = compression.Compressed(problem, small.problem, small.network, small.frozen[0])
    np.testing.assert_allclose(one.end_to_end(run["U"], run["V"])[0], U @ V.T, atol=1e-11)
    loss = 0.5 * ((problem.Y - problem.X @ U @ V.T) ** 2).sum() - problem.optimal_loss
    assert run["excess_loss"][0] == pytest.approx(loss, rel=1e-10)
    unseen = np.linalg.norm(problem.Phi2.T @ U @ V.T)
    assert one.unseen(run["V"])[0] == pytest.approx(unseen, rel=1e-10)


def test_a_draw_has_the_law_of_a_compressed_gaussian_network() -> None:
    """Moments of Z Z^T and of U2 Q: E Z Z^T = h, E (Z Z^T)_ij^2 = h off the diagonal, a row off the others h - 4."""
    problem, _ = setting(3)
    h, runs, scales = 12, 4000, (3.0, 0.5)
    drawn = compression.gaussian_compressed(problem, h, np.random.default_rng(1), scales=scales, runs=runs)
    rows = np.concatenate([drawn.network.V / scales[1], drawn.network.U / scales[0]], axis=1)
    gram = rows @ rows.mT
    size = np.arange(5)
    off = 1 / np.linalg.inv(gram)[:, size, size]
    # Five standard errors of each mean, chi^2 having variance twice its degrees of freedom.
    np.testing.assert_allclose(gram[:, size, size].mean(0), h, atol=5 * np.sqrt(2 * h / runs))
    np.testing.assert_allclose(off.mean(0), h - 4, atol=5 * np.sqrt(2 * (h - 4) / runs))
    np.testing.assert_allclose((gram[:, 0, 1:] ** 2).mean(0), h, rtol=5 * np.sqrt(2.5 / runs))
    assert drawn.frozen.shape == (runs, 4, 5)
    assert drawn.frozen.std() == pytest.approx(scales[0], rel=5 / np.sqrt(2 * drawn.frozen.size))


def test_a_draw_may_be_as_narrow_as_its_rows() -> None:
    problem, _ = setting(3)
    assert compression.gaussian_compressed(problem, 5, np.random.default_rng(0)).network.V.shape == (1, 2, 5)


def test_records_may_be_the_first_and_the_last_step() -> None:
    small = compression.compress(*setting(20, runs=1))
    run = compression.gradient_descent(small, learning_rate=0.01, steps=3, record=[3, 0, 3])
    np.testing.assert_allclose(run.t, [0, 0.03])
    with pytest.raises(InvalidArgument, match="record"):
        compression.gradient_descent(small, learning_rate=0.01, steps=3, record=[-1])
