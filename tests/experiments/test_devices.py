"""Training touches one device only: every step runs on `meta` while mixing devices is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.classifiers.examples import Examples
from experiments.classifiers.losses import cross_entropy
from experiments.classifiers.tasks import Split
from experiments.images.descent import Annealed, Penalised
from experiments.images.minnorm import MinibatchMinnorm
from experiments.imbalance.networks import LinearDescent, squared_loss, weights
from experiments.training.batches import stack
from experiments.training.loop import sharpness
from experiments.updates import Adam, GradientDescent, Momentum, State, Update
from one_device import MixedDevices, OneDevice
from theory.core.regression import random_regression

PROBLEM = random_regression(np.random.default_rng(0), D=6, n=5, m=2, singular_values=np.array([2.0, 1.0, 0.5]))
RUNS, WIDTH = 3, 4


def state_on(device: str) -> State:
    U = torch.zeros(RUNS, PROBLEM.D, WIDTH, dtype=torch.float64, device=device)
    V = torch.zeros(RUNS, PROBLEM.m, WIDTH, dtype=torch.float64, device=device)
    return {"U": U, "V": V}


RULES: list[Callable[[str], Update]] = [
    lambda device: LinearDescent(PROBLEM, device),
    lambda device: GradientDescent(squared_loss(PROBLEM, device)),
    lambda device: Momentum(squared_loss(PROBLEM, device)),
    lambda device: Adam(squared_loss(PROBLEM, device)),
]
NAMES = ["fused", "gradient descent", "momentum", "Adam"]


def step(rule: Update, state: State, rates: Tensor) -> None:
    rule.begin(state)
    losses, work = rule.evaluate(state)
    rule.apply(state, work, rates)
    assert losses.device == rates.device
    assert {str(tensor.device) for tensor in state.values()} == {str(rates.device)}


@pytest.mark.parametrize("make", RULES, ids=NAMES)
def test_a_step_stays_on_its_device(make: Callable[[str], Update]) -> None:
    with OneDevice():
        step(make("meta"), state_on("meta"), torch.ones(RUNS, dtype=torch.float64, device="meta"))


@pytest.mark.parametrize("make", RULES, ids=NAMES)
def test_data_left_on_another_device_are_noticed(make: Callable[[str], Update]) -> None:
    with pytest.raises(RuntimeError), OneDevice():
        step(make("cpu"), state_on("meta"), torch.ones(RUNS, dtype=torch.float64, device="meta"))


@pytest.mark.parametrize("make", RULES, ids=NAMES)
def test_learning_rates_left_on_another_device_are_noticed(make: Callable[[str], Update]) -> None:
    rule, state = make("meta"), state_on("meta")
    rule.begin(state)
    with OneDevice(), pytest.raises(RuntimeError):
        rule.apply(state, rule.evaluate(state)[1], torch.ones(RUNS, dtype=torch.float64))


def test_the_mode_refuses_what_meta_lets_through() -> None:
    mixed = torch.ones(2, 2), torch.ones(2, 2, device="meta")
    with OneDevice(), pytest.raises(MixedDevices):
        torch.mm(*mixed)


def test_observations_and_sharpness_stay_on_their_device() -> None:
    state, loss = state_on("meta"), squared_loss(PROBLEM, "meta")
    with OneDevice():
        assert {str(tensor.device) for tensor in weights(state).values()} == {"meta"}
        assert sharpness(loss, state, iterations=2).device.type == "meta"


NETWORK = stack((6, 4, 3), torch.nn.ReLU)
SPLIT, CELLS = Split(np.ones((2, 8, 6), np.float32), np.zeros((2, 8), np.int64)), 2


@pytest.mark.parametrize(
    "make",
    [
        lambda examples: Penalised(NETWORK, examples, 5, cross_entropy, np.ones(2 * CELLS)),
        lambda examples: MinibatchMinnorm(NETWORK, examples, 5, 0.2, dual_learning_rate=0.1, augmentation=0.5),
    ],
    ids=["penalised", "Minnorm"],
)
def test_training_on_images_stays_on_its_device(make: Callable[[Examples], Annealed]) -> None:
    with OneDevice():
        examples = Examples(SPLIT, CELLS, 4, np.random.default_rng(0), "meta")
        rule = make(examples)
        runs = 2 * CELLS
        state = {"W1": torch.zeros(runs, 4, 6, device="meta"), "W2": torch.zeros(runs, 3, 4, device="meta")}
        step(rule, state, torch.ones(runs, device="meta"))
        seen = {**rule.look(state), "accuracy": examples.accuracy(NETWORK, state)}
    assert {str(tensor.device) for tensor in seen.values()} == {"meta"}
