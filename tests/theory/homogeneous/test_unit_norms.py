"""Least losses in the balls of several norms: conditions of optimality, limits, how far a point can be from them."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from theory.core.separable import Separable
from theory.core.validation import InvalidArgument
from theory.homogeneous import unit_norms
from theory.homogeneous.critical_points import equilibrium

SEEDS, SIZES = st.integers(0, 10**6), st.floats(0.1, 60)


def problem(seed: int, n: int = 9, d: int = 5) -> np.ndarray:
    """Separable examples times labels."""
    rng = np.random.default_rng(seed)
    mean = 2.5 * rng.choice([-1.0, 1.0], d)
    Z = rng.standard_normal((n, d)) + mean
    return Z * np.sign(Z @ mean)[:, None]


def metric(seed: int, d: int = 5) -> np.ndarray:
    half = np.random.default_rng(seed).standard_normal((d, d)) + 2 * np.eye(d)
    return half @ half.T


def loss(Z: np.ndarray, rho: float, beta: np.ndarray) -> float:
    return float(logsumexp(-rho * Z @ beta) / rho)


def slope(Z: np.ndarray, rho: float, beta: np.ndarray) -> np.ndarray:
    return Z.T @ softmax(-rho * Z @ beta)


@settings(deadline=None, max_examples=30)
@given(SEEDS, SIZES)
def test_in_the_l1_ball_entries_are_where_the_slope_is_steepest(seed, rho):
    Z = problem(seed)
    beta = unit_norms.in_l1_ball(Z, rho)
    steep = slope(Z, rho, beta)
    assert np.abs(beta).sum() == pytest.approx(1, abs=1e-9)
    on = beta != 0
    assert steep[on] * np.sign(beta[on]) == pytest.approx(np.abs(steep).max(), abs=1e-7 * np.abs(Z).max())


@settings(deadline=None, max_examples=30)
@given(SEEDS, SIZES)
def test_in_an_ellipsoid_the_slope_is_along_the_normal(seed, rho):
    Z, C = problem(seed), metric(seed)
    beta = unit_norms.in_ellipsoid(Z, C, rho)
    assert beta @ C @ beta == pytest.approx(1)
    normal = C @ beta
    steep = slope(Z, rho, beta)
    assert steep == pytest.approx(normal * (steep @ beta), abs=1e-6 * np.abs(steep).max())
    assert unit_norms.in_ellipsoid(Z, np.eye(5), rho) == pytest.approx(equilibrium(Separable(Z), np.float64(rho)))


@settings(deadline=None, max_examples=20)
@given(SEEDS, SIZES)
def test_inputs_of_very_different_sizes_are_no_hindrance(seed, rho):
    Z = problem(seed) * np.logspace(-1.5, 1.5, 5)
    V = equilibrium(Separable(Z), np.float64(rho))
    force = slope(Z, rho, V)
    assert force == pytest.approx(V * (force @ V), abs=1e-7 * np.abs(Z).max())
    assert force @ V > 0  # of the convex problem's two signs that of the minimum


@settings(deadline=None, max_examples=20)
@given(SEEDS)
@example(208243)  # at rho = 60 a vertex is about to leave the face
def test_margins_grow_to_the_largest(seed):
    Z = problem(seed)
    largest = unit_norms.l1_margin(Z)
    for rho in (10.0, 60.0):
        short = largest - (Z @ unit_norms.in_l1_ball(Z, rho)).min()
        assert -1e-9 <= short <= np.log(len(Z)) / rho
    assert unit_norms.l1_margin(3 * Z) == pytest.approx(3 * largest)
    assert unit_norms.l1_margin(np.vstack([Z, -Z])) == pytest.approx(0, abs=1e-9)
    assert unit_norms.in_ellipsoid(Z, np.eye(5), np.inf) == pytest.approx(Separable(Z).w * Separable(Z).margin)


@settings(deadline=None, max_examples=30)
@given(SEEDS, SIZES, st.floats(1e-9, 1e-2))
def test_the_distance_is_not_underrated(seed, rho, off):
    """Of points of the ball, off the optimum by so much: in an ellipsoid always, in the l1 ball near to it.

    The optimum that is computed is off, too, by as much as is said of it.
    """
    Z, C, rng = problem(seed), metric(seed), np.random.default_rng(seed)
    try:
        best = unit_norms.in_ellipsoid(Z, C, rho)
    except InvalidArgument:  # sizes at which it says that it does not settle
        assume(False)
    beta = best + off * rng.standard_normal(5)
    beta /= np.sqrt(max(beta @ C @ beta, 1))
    apart = beta - best
    bound = unit_norms.distance_in_ellipsoid(Z, C, rho, beta)
    assert np.sqrt(apart @ C @ apart) <= bound + unit_norms.distance_in_ellipsoid(Z, C, rho, best)
    best = unit_norms.in_l1_ball(Z, rho)
    beta = best + 1e-3 * off * rng.standard_normal(5)
    beta /= max(np.abs(beta).sum(), 1)
    assert np.abs(beta - best).max() <= sum(unit_norms.distance_in_l1_ball(Z, rho, b) for b in (beta, best))


def test_the_distance_of_the_optimum_is_rounding():
    Z, C = problem(3), metric(3)
    assert unit_norms.distance_in_ellipsoid(Z, C, 5.0, unit_norms.in_ellipsoid(Z, C, 5.0)) < 1e-6
    assert unit_norms.distance_in_l1_ball(Z, 5.0, unit_norms.in_l1_ball(Z, 5.0)) < 1e-5


@pytest.mark.parametrize("alike", [[0, 1, 2, 0], [0, 0, 0], [2, 1, 1]])
def test_features_that_are_alike_leave_more_than_one_optimum(alike):
    Z = np.array([[0.46, 0.88, 0.08], [0.50, 0.19, 0.57], [0.45, 0.22, 0.38], [0.58, 0.37, 0.72]])
    assert unit_norms.distance_in_l1_ball(Z, 3.0, unit_norms.in_l1_ball(Z, 3.0)) < 1e-9
    assert unit_norms.distance_in_l1_ball(Z[:, alike], 3.0, unit_norms.in_l1_ball(Z[:, alike], 3.0)) == np.inf


def test_a_general_solver_finds_no_lower_loss():
    Z = problem(1)
    best = unit_norms.in_l1_ball(Z, 7.0)
    vertices = np.hstack([Z, -Z])
    found = minimize(
        lambda theta: loss(vertices, 7.0, theta),
        np.full(10, 0.1),
        bounds=[(0, 1)] * 10,
        constraints={"type": "eq", "fun": lambda theta: theta.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert loss(Z, 7.0, best) == pytest.approx(found.fun, abs=1e-10)


@pytest.mark.parametrize(
    ("Z", "C", "rho", "line"),
    [
        (np.eye(2), np.diag([1.0, -1.0]), 1.0, "C = a matrix of shape"),
        (np.eye(2), np.array([[1.0, 0.5], [0.0, 1.0]]), 1.0, "symmetric, positive definite"),
        (np.array([[1.0], [-1.0]]), np.eye(1), 1.0, "examples that a classifier without bias separates"),
    ],
)
def test_what_is_no_ellipsoid_or_not_separable_is_refused(Z, C, rho, line):
    with pytest.raises(InvalidArgument, match=line):
        unit_norms.in_ellipsoid(Z, C, rho)


@pytest.mark.parametrize("rho", [0.0, -1.0, 1e5, np.nan])
def test_sizes_that_resolve_no_face_are_refused(rho):
    with pytest.raises(InvalidArgument, match="rho"):
        unit_norms.in_l1_ball(np.eye(2), rho)
