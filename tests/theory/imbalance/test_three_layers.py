"""Deeper linear networks: what the claim does not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core import flows
from theory.core.linear_networks import end_to_end, gaussian_stack, imbalances, layer_gradients
from theory.core.validation import InvalidArgument
from theory.imbalance import three_layers
from theory.imbalance.convergence import exponential_bound
from theory.imbalance.three_layers import FullRankRegression


def example(seed: int, widths=(3, 5, 4, 2), runs: int = 3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((widths[0] + 2, widths[0]))
    problem = FullRankRegression(X, rng.standard_normal((widths[0] + 2, widths[-1])))
    return problem, gaussian_stack(rng, widths, 0.6, runs=runs)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.tuples(*[st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)]))
def test_delta_star_bounds_the_smallest_curvature(seed, widths):
    _, layers = example(seed, widths, runs=20)
    bound = three_layers.three_layer_bound(*imbalances(layers), widths[0], widths[-1])
    size = sum((W**2).sum((-2, -1)) for W in layers) ** 2
    assert (bound >= -1e-12 * size).all()
    assert (three_layers.smallest_curvature(layers) >= bound - 1e-12 * size).all()


def test_delta_star_is_the_same_read_from_the_other_end():
    _, layers = example(0)
    D1, D2 = imbalances(layers)
    mirrored = imbalances([W.mT for W in reversed(layers)])
    here = three_layers.three_layer_bound(D1, D2, 3, 2)
    np.testing.assert_allclose(three_layers.three_layer_bound(*mirrored, 2, 3), here, atol=1e-12)


def test_flow_conserves_the_imbalances_and_decays_at_the_bound():
    problem, (W1, W2, W3) = example(1, widths=(1, 6, 5, 2), runs=1)
    layers = (2 * W1, 0.2 * W2, 3 * W3)

    def velocity(_, state):
        weights = [state[name] for name in ("W1", "W2", "W3")]
        gradients = layer_gradients(weights, problem.gradient(end_to_end(weights)))
        return {name: -G for name, G in zip(("W1", "W2", "W3"), gradients, strict=True)}

    t = np.linspace(0, 0.2, 11)
    run = flows.flow(velocity, dict(zip(("W1", "W2", "W3"), layers, strict=True)), t)
    path = [run[name] for name in ("W1", "W2", "W3")]
    before, after = imbalances(layers), imbalances([W[-1] for W in path])
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-7)
    rate = problem.pl_constant * three_layers.three_layer_bound(*before, 1, 2)
    assert rate > 1
    excess = problem.excess(end_to_end(path))
    assert (excess <= exponential_bound(excess[0], rate, t) * (1 + 1e-8)).all()


def test_layer_gradients_are_the_slopes_of_the_loss():
    problem, layers = example(2, runs=1)
    gradients = layer_gradients(layers, problem.gradient(end_to_end(layers)))
    for l, G in enumerate(gradients):
        direction = np.random.default_rng(l).standard_normal(G.shape)
        ahead, behind = (
            problem.excess(end_to_end([*layers[:l], layers[l] + s * direction, *layers[l + 1 :]]))
            for s in (1e-6, -1e-6)
        )
        np.testing.assert_allclose((ahead - behind) / 2e-6, (G * direction).sum((-2, -1)), rtol=1e-6, atol=1e-7)


def test_bound_at_time_zero_at_infinity_and_composed():
    start, rate = np.array([2.0, 3.0]), np.array([0.5, 0.0])
    bound = exponential_bound(start, rate, np.array([0.0, 1.0, 2.5, np.inf]))
    assert bound.shape == (4, 2)
    np.testing.assert_array_equal(bound[0], start)
    np.testing.assert_array_equal(bound[-1], [0.0, 3.0])
    np.testing.assert_allclose(exponential_bound(bound[1], rate, np.array(1.5)), bound[2])
    with pytest.raises(InvalidArgument, match="t = "):
        exponential_bound(start, rate, np.array([-1.0]))


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_unimodal_layers_have_the_signs_they_promise(turn):
    layers = three_layers.unimodal_layers(np.random.default_rng(turn), widths=(2, 4, 5, 3), turn=turn, gap=0.5, runs=4)
    assert [W.shape for W in layers] == [(4, 4, 2), (4, 5, 4), (4, 3, 5)]
    assert (three_layers.unimodal_bound(layers, turn) > 0).all()
    other = 3 if turn == 1 else 1
    with pytest.raises(InvalidArgument, match="wrong sign"):
        three_layers.unimodal_bound(layers, other)


@pytest.mark.parametrize(
    "change, message",
    [({"turn": 0}, "turn"), ({"turn": 4}, "turn"), ({"gap": 0.0}, "gap"), ({"widths": (2, 2, 5, 3)}, "widths")],
)
def test_unimodal_layers_name_what_is_wrong(change, message):
    arguments = {"widths": (2, 4, 5, 3), "turn": 2, "gap": 0.5, **change}
    with pytest.raises(InvalidArgument, match=message):
        three_layers.unimodal_layers(np.random.default_rng(0), **arguments)


def test_regression_names_what_is_wrong():
    with pytest.raises(InvalidArgument, match="rank X = 1"):
        FullRankRegression(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(InvalidArgument, match=r"Y\.shape"):
        FullRankRegression(np.eye(3), np.ones((2, 1)))


def test_regression_constants():
    problem, _ = example(3)
    W = problem.minimiser + np.random.default_rng(0).standard_normal((50, 2, 3))
    squared = (problem.gradient(W) ** 2).sum((-2, -1))
    assert (squared >= problem.pl_constant * problem.excess(W) * (1 - 1e-12)).all()
    assert (squared <= 2 * problem.smoothness * problem.excess(W) * (1 + 1e-12)).all()
    loss = 0.5 * ((problem.Y - problem.X @ W.mT) ** 2).sum((-2, -1))
    np.testing.assert_allclose(problem.excess(W) + problem.optimal_loss, loss)


def test_fan_out_scales():
    np.testing.assert_allclose(three_layers.fan_out_scales((5, 100, 4)), [0.1, 0.5])
