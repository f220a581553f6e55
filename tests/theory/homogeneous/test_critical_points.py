import numpy as np
import pytest

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
