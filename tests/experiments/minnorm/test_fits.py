"""Fits: what they return and note, and the reference that is written out beside the method."""

import numpy as np
import pytest
import torch

from experiments.methods.minnorm import Margin
from experiments.minnorm.fits import DescentWithDecay, LinearModels, around, fit, path
from theory.claims import Study

STUDY = Study("tests.minnorm", "smoke")
Z = np.random.default_rng(0).normal(size=(5, 1, 3))
INPUTS, TARGETS = torch.tensor(Z), torch.ones(5, 1, dtype=torch.float64)
RATES = 0.1, 0.2, 0.3


def test_a_fit_returns_every_step_and_is_noted() -> None:
    study = Study("tests.minnorm", "smoke")
    network = LinearModels(1, 3)
    states = fit(study, network, around(network, Margin(5, 1), RATES), (INPUTS, TARGETS, [None] * 4))
    assert states.shape == (4, 3 + 5)
    assert np.array_equal(states[-1, :3], network.weight.detach().numpy()[0])
    assert study.trained == ("weight (1, 3) by Minnorm: 4 steps of 0.1",)
    network = LinearModels(1, 3)
    half = path(network, around(network, Margin(5, 1), RATES), (INPUTS, TARGETS, [None] * 2))
    assert np.array_equal(half, states[:2])
    assert len(study.trained) == 1


@pytest.mark.parametrize("simultaneous", [False, True])
@pytest.mark.parametrize(("decay", "least"), [(1.0, 0.0), (0.0, -np.inf)])
def test_the_reference_takes_the_step_of_the_equations(simultaneous: bool, decay: float, least: float) -> None:
    A, B, c = RATES
    network, rows = LinearModels(1, 3), np.array([0, 2])
    w, multipliers, x = np.array([0.3, -0.2, 0.5]), np.array([0.0, 0.1, 0.7, 0.2, 0.0]), Z[rows, 0]
    network.weight.data[0] = torch.tensor(w)
    method = DescentWithDecay(network, TARGETS, RATES, simultaneous=simultaneous, decay=decay, least=least)
    method.multipliers[:, 0] = torch.tensor(multipliers)
    end = fit(STUDY, network, method, (INPUTS, TARGETS, [torch.tensor(rows)]))[-1]
    h, share = 1 - x @ w, 5 / 2
    after = np.maximum(multipliers[rows] + share * B * h, least)
    force = np.maximum((multipliers[rows] if simultaneous else after) + c * h, least)
    expected = multipliers.copy()
    expected[rows] = after
    assert np.allclose(end[:3], w - A * (decay * w - share * force @ x), atol=1e-15)
    assert np.allclose(end[3:], expected, atol=1e-15)
