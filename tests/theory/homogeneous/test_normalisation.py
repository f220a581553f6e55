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


def test_variances_are_over_n():
    assert normalisation.covariance(X) == pytest.approx(np.cov(X.T, bias=True))
    outputs = normalisation.normalised_outputs(X, W, 0.7)
    variances = np.var(X @ W.T, axis=0)
    assert outputs.std(-1) == pytest.approx(np.sqrt(variances / (variances + 0.7)))


def test_a_step_across_lengthens_by_pythagoras():
    w, gradient = np.array([[2.0, 1.0, -0.5]]), np.array([[0.5, -0.5, 1.0]])
    stepped = 0.9 * w - 0.3 * gradient
    found = normalisation.squared_norm_after_step((w**2).sum(-1), (gradient**2).sum(-1), 0.3, 0.1)
    assert found == pytest.approx((stepped**2).sum(-1))
    kept = normalisation.squared_norm_after_step((w**2).sum(-1), (gradient**2).sum(-1), 0.3)
    assert kept == pytest.approx(((w - 0.3 * gradient) ** 2).sum(-1))


def test_the_equilibrium_norm_by_hand():
    """0.2 x 1.5 squared over 1 - 0.36, with eta lambda = 0.4."""
    assert normalisation.equilibrium_norm(1.5, 0.2, 2.0) ** 4 == pytest.approx(0.09 / 0.64)
    assert normalisation.relaxation_factor(0.2, 2.0) == pytest.approx(2 * 0.36 - 1)


def test_flat_directions_are_those_below_the_rank_kept():
    for spread, dimensions in ((3e-5, 3), (3e-12, 3), (3e-17, 2)):
        scaled = (X - X.mean(0)) @ np.linalg.svd(X - X.mean(0))[2].T
        scaled = scaled / scaled.std(0) * np.array([1.0, 0.5, spread])
        assert normalisation.whitened_direction(scaled, W).shape == (4, dimensions)


def test_what_is_outside_the_domain_is_named():
    with pytest.raises(InvalidArgument, match="learning_rate x decay = 2"):
        normalisation.equilibrium_norm(1.0, 2.0, 1.0)
    with pytest.raises(InvalidArgument, match="angular_gradient = 0"):
        normalisation.equilibrium_norm(0.0, 0.1, 1.0)
    with pytest.raises(InvalidArgument, match="separates"):
        normalisation.whitened(Examples(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, -1.0, 1.0, -1.0])))
