"""Random layers: what is drawn, what descent leaves, and what is noted of it."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.orthogonal.layers import energy_rounding, gaussian, least_energies, pairs, sgd
from theory.claims import Study
from theory.orthogonal import energy


def test_pairs_are_ordered() -> None:
    assert np.array_equal(pairs(np.array([2, 3, 10])), [2, 6, 90])


def test_descent_by_torch_says_where_it_began_and_is_noted() -> None:
    study, parameter = Study("test.layers", "smoke"), nn.Parameter(torch.tensor([1.0, -2.0]))
    first = sgd(study, parameter, lambda: parameter.square().sum() / 2, learning_rate=0.5, steps=3)
    assert first == 2.5
    assert parameter.tolist() == [0.125, -0.25]
    assert study.trained == ("parameter (2,) by SGD: 3 steps of 0.5",)


def test_the_least_energy_of_four_neurons_in_space_is_the_simplex() -> None:
    study = Study("test.layers", "smoke")
    E, W = least_energies(study, gaussian(study.rng("start"), (3, 4, 3)), 1)
    assert E.numpy() == pytest.approx(energy.simplex_energy(4, 1), rel=1e-9)
    assert torch.allclose(W.norm(dim=-1), torch.ones(3, 4).double())


@pytest.mark.parametrize("s", [0, 1, 2])
def test_roundings_of_a_distance_cost_what_the_derivative_says(s: int) -> None:
    W = np.eye(3)  # six ordered pairs at squared distance 2
    slope = 0.5 if s == 0 else s / 2
    assert energy_rounding(W, s).value == pytest.approx(16 * 3 * np.finfo(float).eps * slope * 6 * 2 ** (-(s + 2) / 2))
