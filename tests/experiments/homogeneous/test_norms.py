"""How far roundings part two paths is told by jolts, which part them as far, a million times larger."""

import numpy as np
import pytest
from torch import Tensor

from experiments.homogeneous import norms
from experiments.training import GradientDescent, Loss, State, Trainee
from theory.claims import Study

STABLE, UNSTABLE = 0.5, 22.0  # curvatures across; descent at learning rate 0.1 is stable below 20
START = np.array([[1.0, 1.0]])


def valley(curvature: float) -> Loss:
    """1/2 along^2 + curvature/2 across^2, along and across at 45 degrees to the weights."""

    def loss(state: State) -> Tensor:
        w1, w2 = state["w"].unbind(-1)
        return ((w1 + w2) ** 2 + curvature * (w1 - w2) ** 2) / 4

    return loss


def expanded(curvature: float) -> Loss:
    """The same function, which rounds otherwise."""

    def loss(state: State) -> Tensor:
        w1, w2 = state["w"].unbind(-1)
        return (1 + curvature) / 4 * (w1**2 + w2**2) + (1 - curvature) / 2 * w1 * w2

    return loss


def path(rule: GradientDescent, start: np.ndarray = START) -> np.ndarray:
    trainee = Trainee(Study("a.b"), rule.loss, {"w": start}, rule)
    return trainee.train(learning_rate=0.1, steps=50, record=range(51))["w"]


@pytest.mark.parametrize("curvature", [STABLE, UNSTABLE])
def test_what_roundings_part_is_within_what_jolts_tell(curvature: float) -> None:
    one, other = (path(GradientDescent(loss(curvature))) for loss in (valley, expanded))
    jolted = path(norms.Jolted(valley(curvature)))
    assert norms.turned("directions", other, one, jolted, examples=6).equals(0.0).passed


def test_jolts_tell_an_unstable_path_from_a_stable_one() -> None:
    parted = {}
    for curvature in (STABLE, UNSTABLE):
        one, jolted = (path(rule(valley(curvature))) for rule in (GradientDescent, norms.Jolted))
        parted[curvature] = np.abs(norms.units(jolted) - norms.units(one)).max() / norms.JOLT
    assert parted[STABLE] < 10 and parted[UNSTABLE] > 1e4


def test_paths_that_differ_are_told_apart() -> None:
    one, jolted = (path(rule(valley(STABLE))) for rule in (GradientDescent, norms.Jolted))
    other = path(GradientDescent(valley(STABLE)), START * (1 + 1e-11 * np.array([1.0, -1.0])))
    assert not norms.turned("directions", other, one, jolted, examples=6).equals(0.0).passed
