import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.homogeneous import normalisation
from theory.homogeneous.decomposition import Examples

RNG = np.random.default_rng(0)
X = RNG.standard_normal((10, 3)) + np.array([5.0, 0.0, -2.0])
W = RNG.standard_normal((4, 3))


def test_outputs_have_mean_zero_and_variance_one_at_any_size_of_the_weights():
    outputs = normalisation.normalised_outputs(X, W, 0.0)
    assert outputs.mean(-1) == pytest.approx(0, abs=1e-12)
    assert np.square(outputs).mean(-1) == pytest.approx(1)
    assert normalisation.normalised_outputs(X, 7 * W, 0.0) == pytest.approx(outputs)


@settings(deadline=None)
@given(st.floats(1e-6, 10))
def test_the_radial_derivative_is_the_difference_along_the_weights(eps):
    ends = [normalisation.normalised_outputs(X, (1 + s) * W, eps) for s in (1e-5, -1e-5)]
    found = normalisation.radial_derivative(X, W, eps)
    assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_whitened_margins_are_the_normalised_outputs():
    y = np.where(X[:, 0] > np.median(X[:, 0]), 1.0, -1.0)
    white = normalisation.whitened(Examples(X, y))
    u = normalisation.whitened_direction(X, W)
    assert u @ white.Z.T == pytest.approx(y * normalisation.normalised_outputs(X, W, 0.0))


def test_directions_without_variance_are_left_out():
    flat = np.column_stack([X, X[:, 0] + X[:, 1]])
    y = np.where(X[:, 0] > np.median(X[:, 0]), 1.0, -1.0)
    assert normalisation.whitened(Examples(flat, y)).Z.shape == (10, 3)


@settings(deadline=None)
@given(st.floats(0.1, 5), st.floats(0.01, 0.9), st.floats(0.05, 1.0))
def test_the_equilibrium_norm_rests(strength, learning_rate, decay):
    norm = normalisation.equilibrium_norm(strength, learning_rate, decay)
    squared = np.array(norm**2)
    stepped = normalisation.squared_norm_after_step(
        squared, strength**2 / squared, learning_rate, learning_rate * decay
    )
    assert stepped == pytest.approx(squared)
    beside = normalisation.squared_norm_after_step(
        squared * (1 + 1e-6), strength**2 / squared / (1 + 1e-6), learning_rate, learning_rate * decay
    )
    factor = normalisation.relaxation_factor(learning_rate, decay)
    assert (beside / squared - 1) / 1e-6 == pytest.approx(factor, abs=1e-4)


def test_what_is_outside_the_domain_is_named():
    with pytest.raises(InvalidArgument, match="learning_rate x decay = 2"):
        normalisation.equilibrium_norm(1.0, 2.0, 1.0)
    with pytest.raises(InvalidArgument, match="angular_gradient = 0"):
        normalisation.equilibrium_norm(0.0, 0.1, 1.0)
    with pytest.raises(InvalidArgument, match="separates"):
        normalisation.whitened(Examples(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, -1.0, 1.0, -1.0])))
