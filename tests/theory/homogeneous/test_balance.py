import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.linear_networks import gaussian_stack
from theory.core.validation import InvalidArgument
from theory.homogeneous import balance, dynamics
from theory.homogeneous.decomposition import Examples, gradients, margins

seeds = st.integers(0, 2**32 - 1)
RATES = np.array([0.1, 0.03, 0.2])


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([(1.0, balance.matrices), (0.0, balance.neurons), (0.2, balance.layers)]))
def test_after_step_is_the_imbalance_after_the_step(seed, case):
    """The theory's own gradients: the law needs nothing of them but that they are gradients."""
    leak, law = case
    rng = np.random.default_rng(seed)
    examples = Examples(rng.standard_normal((5, 4)), rng.choice([-1.0, 1.0], 5), leak)
    W = gaussian_stack(rng, (4, 3, 2, 1), 0.7, runs=2)
    G = [-g for g in gradients(examples, W, np.exp(-np.abs(margins(examples, W))))]
    stepped = [0.9 * layer - rate * g for layer, g, rate in zip(W, G, RATES)]
    predicted = balance.after_step(law, W, G, RATES, 0.1)
    for now, then in zip(balance.imbalance(law, stepped, RATES), predicted):
        assert now.shape == then.shape
        assert now == pytest.approx(then, abs=1e-12 * (1 + np.abs(then).max()) * 100)


def test_traces_of_matrices_are_sums_of_neurons_and_those_are_layers():
    W = gaussian_stack(np.random.default_rng(0), (4, 3, 2, 1), 1.0, runs=5)
    for matrix, neuron, layer in zip(balance.matrices(W), balance.neurons(W), balance.layers(W)):
        assert np.diagonal(matrix, axis1=-2, axis2=-1) == pytest.approx(neuron, abs=1e-13)
        assert neuron.sum(-1) == pytest.approx(layer, abs=1e-12)


def test_the_last_column_of_a_layer_with_biases_is_no_outgoing_weight():
    hidden, bias = np.full((1, 2, 3), 1.0), np.full((1, 2, 1), 2.0)
    after = np.array([[[3.0, 4.0, 100.0]]])
    (found,) = balance.neurons([np.concatenate([hidden, bias], axis=-1), after])
    assert found == pytest.approx(np.array([[9.0 - 7.0, 16.0 - 7.0]]))


def test_forgetting_composes_and_has_its_limits():
    t = np.array([0.0, 0.7, 1.1, np.inf])
    assert balance.solution(0.3, t)[0] == 1
    assert balance.solution(0.3, t)[-1] == 0
    assert balance.solution(0.3, 0.0) == 1
    assert balance.solution(0.3, np.ones((2, 3))).shape == (2, 3)
    assert balance.solution(0.3, np.array(1.8)) == pytest.approx(float(np.prod(balance.solution(0.3, t[1:3]))))
    assert (balance.solution(0.0, t) == 1).all()
    with pytest.raises(InvalidArgument, match="t = -1"):
        balance.solution(0.3, np.array([-1.0]))


def test_forgetting_is_that_of_many_small_steps():
    t, steps = np.array([0.4, 1.7]), 10**6
    assert balance.solution(0.3, t) == pytest.approx((1 - 0.3 * t / steps) ** (2 * steps), rel=1e-5)


def test_laws_by_hand():
    """Unequal widths, and layers of which no two have the same norms."""
    W = [np.array([[[1.0, 2.0], [0.0, 3.0], [1.0, 1.0]]]), np.array([[[2.0, 0.0, 1.0]]])]
    assert np.array_equal(balance.matrices(W)[0][0], [[4 - 5, -6, 2 - 3], [-6, -9, -3], [2 - 3, -3, 1 - 2]])
    assert np.array_equal(balance.neurons(W)[0], [[4 - 5, 0 - 9, 1 - 2]])
    assert np.array_equal(balance.layers(W)[0], [5 - 16])
    assert np.allclose(balance.imbalance(balance.layers, W, np.array([4.0, 0.5]))[0], 5 / 0.5 - 16 / 4)


def test_one_growth_for_every_layer_of_the_flow():
    from theory.homogeneous.decomposition import exponential_slope, polar

    rng = np.random.default_rng(1)
    examples = Examples(rng.standard_normal((5, 3)), rng.choice([-1.0, 1.0], 5))
    W = gaussian_stack(rng, (3, 2, 1), 0.6, runs=2)
    path = dynamics.flow(dynamics.gradient_flow, examples, polar(W), np.linspace(0, 1, 5), exponential_slope)
    growth = path["rho"] ** 2 - path["rho"][:1] ** 2
    assert growth[..., 0] == pytest.approx(growth[..., 1], abs=1e-8)
