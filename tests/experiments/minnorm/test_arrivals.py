"""Gradients are counted until an error stays within a level for good, on the run that is trained."""

import numpy as np
import pytest
import torch

from experiments.minnorm.arrivals import Counted, gradients_until
from experiments.updates import GradientDescent, State
from theory.claims import Study

STUDY = Study("minnorm.arrivals_test", "smoke")


def away(state: State) -> torch.Tensor:
    return state["w"].abs()


def halving() -> GradientDescent:
    return GradientDescent(lambda state: state["w"].square() / 4)  # w <- w / 2 at learning rate 1


def test_counts_are_the_steps_until_the_error_is_there() -> None:
    counts = gradients_until(STUDY, halving(), torch.tensor([1.0, 8.0]), away, (1.0, 0.5, 0.01), 9)
    assert counts.tolist() == [[0, 1, 7], [3, 4, 10]]  # 8 / 2^9 is above 0.01: more than the budget


def test_an_error_that_returns_does_not_count_as_arrived() -> None:
    there_and_back = torch.tensor([3.0, 0.1, 2.0, 0.1, 0.1])

    class Shown(GradientDescent):
        def apply(self, state: State, work: object, learning_rate: torch.Tensor) -> None:
            state["w"].copy_(there_and_back[int(state["steps"][0]) + 1])

    counts = gradients_until(STUDY, Shown(lambda s: s["w"]), there_and_back[:1].clone(), away, (1.0,), 4)
    assert counts.tolist() == [[3]]


def test_an_error_that_is_no_number_is_above_every_level() -> None:
    rule = Counted(halving(), lambda state: state["w"] * torch.nan, (np.inf, 1.0))
    state = {"w": torch.ones(2)}
    rule.begin(state)
    rule.apply(state, rule.evaluate(state)[1], torch.ones(2))
    assert state["arrived"].tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize("steps", [1, 5])
def test_what_is_trained_is_the_rule(steps: int) -> None:
    state = {"w": torch.tensor([4.0])}
    rule = Counted(halving(), away, (1.0,))
    rule.begin(state)
    for _ in range(steps):
        rule.apply(state, rule.evaluate(state)[1], torch.ones(1))
    assert state["w"].item() == 4.0 / 2**steps
