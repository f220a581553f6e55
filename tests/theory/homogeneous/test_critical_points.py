import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from theory.core.separable import Separable, planted
from theory.core.validation import InvalidArgument
from theory.homogeneous.critical_points import curvature, equilibrium, tangential_gradient
from theory.homogeneous.max_margin import approach_constant

PROBLEM = Separable(planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=4, margin=0.8)[0])


def test_the_gradient_vanishes_at_rest_and_the_shape_is_that_of_the_sizes():
    rho = np.geomspace(2, 500, 6)
    V = equilibrium(PROBLEM, rho)
    assert V.shape == (6, 4)
    assert np.linalg.norm(V, axis=-1) == pytest.approx(1)
    assert tangential_gradient(PROBLEM, rho, V) == pytest.approx(0, abs=1e-11)


def test_the_curvature_is_the_derivative_of_the_gradient():
    rho, V = np.array(6.0), np.array([0.6, 0.0, 0.8, 0.0])
    step = np.array([-0.8, 0.0, 0.6, 0.0])
    ends = [np.cos(s) * V + np.sin(s) * step for s in (1e-5, -1e-5)]
    # Along a geodesic the gradient changes by minus the curvature, up to its part along V.
    change = (tangential_gradient(PROBLEM, rho, ends[0]) - tangential_gradient(PROBLEM, rho, ends[1])) / 2e-5
    change -= (change @ V) * V
    assert change == pytest.approx(-curvature(PROBLEM, rho, V) @ step, abs=1e-8)


def test_at_rest_the_direction_tends_to_the_max_margin_like_one_over_the_size():
    V = equilibrium(PROBLEM, np.array([1e4]))[0]
    angle = np.linalg.norm(V - PROBLEM.w * PROBLEM.margin)
    assert 1e4 * angle == pytest.approx(approach_constant(PROBLEM, np.zeros(PROBLEM.Z.shape[-1])), rel=1e-3)


def test_no_rest_is_found_where_newton_does_not_settle():
    with pytest.raises(InvalidArgument, match="rho = "):
        equilibrium(PROBLEM, np.array([-5.0]))


def log_loss(rho, V):
    return logsumexp(-rho * PROBLEM.Z @ V)


def test_the_gradient_is_minus_the_slope_of_the_log_loss_along_the_sphere():
    rho, V = 3.0, np.array([0.6, 0.0, 0.64, 0.48])
    across = np.linalg.svd(V[None])[2][1:]
    ends = [[log_loss(rho, (V + s * step) / np.linalg.norm(V + s * step)) for s in (1e-5, -1e-5)] for step in across]
    slopes = np.array([(high - low) / 2e-5 / rho for high, low in ends])
    assert across @ tangential_gradient(PROBLEM, np.array(rho), V) == pytest.approx(-slopes, abs=1e-8)


def test_the_curvature_along_the_direction_is_the_force_on_the_size():
    rho, V = 3.0, np.array([0.6, 0.0, 0.64, 0.48])
    force = -(log_loss(rho + 1e-5, V) - log_loss(rho - 1e-5, V)) / 2e-5
    assert curvature(PROBLEM, np.array(rho), V) @ V == pytest.approx(force * V, abs=1e-8)


@pytest.mark.parametrize("rho", [0.5, 4.0, 30.0])
def test_rest_is_where_the_loss_is_least(rho):
    found = minimize(lambda w: log_loss(rho, w / np.linalg.norm(w)), PROBLEM.w, tol=1e-14).x
    V = equilibrium(PROBLEM, np.array([rho]))[0]
    assert pytest.approx(found / np.linalg.norm(found), abs=1e-5) == V


def test_problems_in_a_batch_rest_each_at_its_own():
    batch = Separable(planted(np.random.default_rng(1), np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=3))
    rho = np.array([2.0, 10.0, 50.0])
    alone = [equilibrium(batch.run(i), rho[i : i + 1])[0] for i in range(3)]
    assert equilibrium(batch, rho) == pytest.approx(np.array(alone), abs=1e-10)
