"""Linear networks of any depth: the order of the layers, and the rate against its formula for two layers."""

import numpy as np
import torch

from experiments.imbalance.deep_networks import deep_loss, deep_network, measured_rate
from experiments.training.batches import layers_of, state_of
from theory.claims import Study
from theory.core.linear_networks import end_to_end, gaussian_stack
from theory.core.regression import random_regression
from theory.imbalance.convergence import pointwise_rate
from theory.imbalance.problem import coordinates, gaussian

STUDY = Study("test.deep", profile="smoke")


def test_twelve_layers_are_taken_in_their_order() -> None:
    rng = np.random.default_rng(0)
    problem = random_regression(rng, D=3, n=4, m=2, singular_values=np.array([1.5, 1.0, 0.6]))
    W = gaussian_stack(rng, (3, 4, 5, 2, 6, 3, 4, 2, 5, 3, 4, 6, 2), 0.3, runs=5)
    state = {name: torch.tensor(layer) for name, layer in state_of(W).items()}
    expected = 0.5 * ((problem.Y - problem.X @ end_to_end(W).mT) ** 2).sum((1, 2))
    np.testing.assert_allclose(deep_loss(problem, "cpu")(state).numpy(), expected, rtol=1e-12)
    run = deep_network(STUDY, problem, W).train(learning_rate=1e-3, steps=3, record=[0, 3])
    for layer, recorded in zip(W, layers_of(run.arrays)):
        assert np.array_equal(recorded[0], layer)
        assert not np.array_equal(recorded[1], layer)


def test_the_rate_of_two_layers_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    problem = random_regression(rng, D=5, n=6, m=2, singular_values=np.array([1.5, 1.0, 0.6]))
    network = gaussian(problem, 4, rng, scales=(0.5, 0.5), runs=6)
    batch = [weights.reshape(2, 3, *weights.shape[1:]) for weights in (network.U.mT, network.V)]
    rate, slack = measured_rate(STUDY, problem, batch)
    assert rate.shape == slack.shape == (2, 3)
    assert (slack > 0).all() and (slack < 1e-9 * rate).all()
    formula = pointwise_rate(problem, coordinates(problem, network)).reshape(2, 3)
    assert (np.abs(rate - formula) <= slack).all()
