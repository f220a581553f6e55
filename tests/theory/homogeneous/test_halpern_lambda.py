"""The weights that normalisations have in place of Halpern's, against differences and limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.homogeneous import halpern_lambda as theory
from theory.homogeneous.decomposition import Examples, exponential_slope, log_slope, margins

SEEDS = st.integers(0, 10**6)


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_the_weight_is_minus_half_the_growth_of_the_loss_with_a_layer(seed):
    rng = np.random.default_rng(seed)
    examples = Examples(rng.standard_normal((5, 3)), rng.choice([-1.0, 1.0], 5), 0.2)
    V = [rng.standard_normal((4, 3)), rng.standard_normal((1, 4))]

    def loss(k: int, factor: float) -> float:
        W = [factor * layer if l == k else layer for l, layer in enumerate(V)]
        return float(np.exp(-margins(examples, W)).sum())

    found = theory.weight(margins(examples, V), exponential_slope)
    for k in range(2):
        radial = (loss(k, 1 + 1e-5) - loss(k, 1 - 1e-5)) / 2e-5
        assert found == pytest.approx(-radial / 2, rel=1e-5, abs=1e-7 * loss(k, 1))


@settings(deadline=None)
@given(st.lists(st.floats(-5, 300), min_size=1, max_size=8))
def test_the_weight_over_the_loss_lies_in_its_bounds(q):
    q = np.array(q)
    log_loss = np.log(np.exp(-(q - q.min())).sum()) - q.min()
    least, most = theory.weight_bounds(log_loss, len(q))
    ratio = 2 * theory.weight(q, log_slope)
    assert least - 1e-9 <= ratio <= most + 1e-9


def test_the_bounds_are_attained():
    """One example alone, and n alike."""
    least, _ = theory.weight_bounds(np.array(-7.0), 1)
    assert 2 * theory.weight(np.array([7.0]), log_slope) == pytest.approx(least)
    _, most = theory.weight_bounds(np.log(4) - np.array(7.0), 4)
    assert 2 * theory.weight(np.full(4, 7.0), log_slope) == pytest.approx(most)


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1e-2))
def test_the_work_is_the_growth_of_the_square(size, more):
    grown = size * (1 + more)
    assert theory.work(np.array(size), np.array(grown)) == pytest.approx((grown**2 - size**2) / 2, rel=1e-6)
    assert theory.work(np.array(size), np.array(size)) == 0


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.floats(1e-3, 10), st.floats(0.1, 10))
def test_a_step_of_the_direction_is_that_of_w(seed, eta, size):
    """w - eta g(w), g(w) = g(u) / |w| at a right angle to it: its direction, and lambda by its norm."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal(4)
    u /= np.linalg.norm(u)
    g = rng.standard_normal(4)
    g -= (g @ u) * u
    w = size * u - eta * g / size
    norms = np.array([size, np.linalg.norm(w)])
    stepped = theory.batch_step(u, g, np.array(size), eta)
    assert stepped == pytest.approx(w / norms[1])
    lam = theory.batch_weights(norms)[0]
    assert lam == pytest.approx(1 - norms[0] / norms[1], abs=1e-12)
    assert stepped == pytest.approx((1 - lam) * (u - eta / size**2 * g))
    # One step that makes the loss fall by eta |G|^2, G = g / |w|, to first order.
    fall = eta * (g @ g) / size**2
    assert theory.batch_work(np.array(fall), np.array(size), eta) == pytest.approx(-np.log1p(-lam), rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=9))
def test_the_product_of_what_is_left_telescopes(norms):
    lam = theory.batch_weights(np.array(norms))
    assert np.prod(1 - lam) == pytest.approx(norms[0] / norms[-1])


def test_what_is_no_norm_is_refused():
    with pytest.raises(InvalidArgument, match="norms"):
        theory.batch_weights(np.array([1.0, 0.0]))
    with pytest.raises(InvalidArgument, match="norms step by step"):
        theory.batch_weights(np.float64(1.0) * np.ones(()))
    with pytest.raises(InvalidArgument, match="fall"):
        theory.batch_work(np.array(-1.0), np.array(1.0), 0.1)
    with pytest.raises(InvalidArgument, match="slopes of the loss"):
        theory.weight(np.array([-1e4]), exponential_slope)
