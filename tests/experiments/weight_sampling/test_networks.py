"""What the claims train: kicks add up to variances, orders are without replacement, and one device."""

import numpy as np
import pytest
import torch

from experiments.weight_sampling.networks import Networks, Regression, batches, random_start, rises
from experiments.weight_sampling.noisy import Quadratic, kicks, spread, steps_to_forget
from experiments.weight_sampling.ratios import around_ratio
from one_device import OneDevice
from theory.claims import Study
from theory.core.validation import InvalidArgument
from theory.weight_sampling.descent import Descent, kept

STUDY = Study("toy.claim", "smoke")


def test_kicks_come_once_a_run_and_direction() -> None:
    together = torch.stack(list(kicks(3, 2.0, 2)))
    assert together.shape == (3, 6, 2)
    assert torch.equal(together.sum(0), 2 * torch.eye(2, dtype=torch.float64).repeat(3, 1))
    assert np.array_equal(spread(torch.tensor([[1.0, 2.0], [3.0, 0.0]])), [10.0, 4.0])


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_what_is_forgotten_is_a_rounding(beta: float) -> None:
    descent = Descent(0.7, 0.2)
    steps = steps_to_forget(descent, beta)
    if beta == 0:
        assert float(kept(descent, 2 * steps)) <= 2.3e-16 < float(kept(descent, 2 * (steps - 1)))
    assert steps_to_forget(Descent(1.0, 1.0)) == 1


def test_epochs_are_without_replacement() -> None:
    sizes = Regression(runs=48, examples=64, batch=2, samples=4, epochs=8)
    drawn = torch.cat(list(batches(STUDY, sizes, "SGD")), dim=1).reshape(48, 8, 64)
    assert torch.equal(drawn.sort(-1).values, torch.arange(64).expand(48, 8, 64))
    assert not torch.equal(drawn[0, 0], drawn[1, 0])


def test_each_run_has_its_own_network() -> None:
    start = random_start(np.random.default_rng(0), 3, 2, 5)
    network, x = Networks(start, "cpu"), torch.randn(3, 4, 2, dtype=torch.float64)
    for run in range(3):
        hidden = np.tanh(x[run].numpy() @ start["W1"][run] + start["b1"][run])
        assert np.allclose(network(x)[run].detach().numpy(), (hidden @ start["w2"][run] + start["b2"][run])[:, 0])


def test_gradients_stay_on_their_device() -> None:
    with OneDevice():
        module = Quadratic(np.zeros((3, 2)), np.eye(2), "meta")
        module(torch.zeros(3, 2, dtype=torch.float64, device="meta")).backward()
        assert module.w.grad.device.type == "meta"


def test_only_rises_count() -> None:
    assert np.array_equal(rises(np.array([[1.0, 3.0], [2.0, 2.0], [1.5, 1.0]])), [1.0, 0.0])


def test_ratios_of_means() -> None:
    above, below = np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 4.0])
    assert np.allclose(around_ratio(above, below), 0.5)
    with pytest.raises(InvalidArgument, match="below = numbers of mean 0: expected a mean above 0"):
        around_ratio(above, 0 * below)
