"""All learning rates of a refinement as one batch: the numbers are those of one after the other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training import State, Trainee
from experiments.training.together import copies, refine_together, refined_together
from theory.claims import Study
from theory.core.validation import InvalidArgument

START = np.array([[1.0, -2.0], [0.5, 3.0]])


def quartic(state: State) -> Tensor:
    return (state["w"] ** 2 + state["w"] ** 4 / 8).sum(-1)


def trainee(start: np.ndarray) -> Trainee:
    return Trainee(Study("a.b"), quartic, {"w": start})


@pytest.mark.parametrize("levels", [1, 3])
def test_it_is_what_refining_one_after_the_other_gives(levels: int) -> None:
    apart = trainee(START).refine(learning_rate=0.05, horizon=1.0, records=5, levels=levels)
    many = trainee(copies(START, levels))
    together = refined_together(many, learning_rate=0.05, record=range(0, 21, 5), levels=levels)
    assert len(together) == levels
    for one, other in zip(apart, together):
        assert other.t == pytest.approx(one.t)
        assert np.allclose(other["w"], one["w"], rtol=1e-13)
    assert [training.steps for training in many.study.journal] == [20 * 2 ** (levels - 1)]


def test_records_need_not_be_evenly_spaced() -> None:
    runs = refined_together(trainee(copies(START, 2)), learning_rate=0.05, record=[3, 4, 11], levels=2)
    assert runs[1].t == pytest.approx(0.05 * np.array([3, 4, 11]))
    alone = trainee(START).train(learning_rate=0.025, steps=22, record=[6, 8, 22])
    assert np.allclose(runs[1]["w"], alone["w"], rtol=1e-13)


def test_every_copy_is_a_run_of_its_own() -> None:
    scales = replace(trainee(copies(START, 2)), observe=lambda state: {"first": state["w"][:, 0]})
    first = refined_together(scales, learning_rate=0.05, record=[0, 1], levels=2)
    assert [run["first"][0].tolist() for run in first] == [[1.0, 0.5]] * 2


def test_runs_that_are_not_so_many_copies_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="levels"):
        refined_together(trainee(START), learning_rate=0.05, record=[1], levels=3)


@pytest.mark.parametrize("learning_rate", [0.05, 0.06])
def test_a_trainee_is_copied_for_its_learning_rates(learning_rate: float) -> None:
    """One that does not divide the horizon is made to, as `Trainee.refine` does; starts may be tensors."""
    schedule = {"learning_rate": learning_rate, "horizon": 1.0, "records": 5, "levels": 4}
    apart = trainee(START).refine(**schedule)
    for start in (START, torch.tensor(START)):
        together = refine_together(trainee(start), **schedule)
        for one, other in zip(apart, together, strict=True):
            assert other.t == pytest.approx(one.t)
            assert other.facts["recorded"].tolist() == one.facts["recorded"].tolist()
            assert np.allclose(other["w"], one["w"], rtol=1e-13)


def test_a_loss_that_holds_data_of_each_run_is_not_copied() -> None:
    of_each = Trainee(Study("a.b"), lambda state: (state["w"] - torch.tensor(START)).square().sum(-1), {"w": START})
    with pytest.raises(RuntimeError, match="size of tensor"):
        refine_together(of_each, learning_rate=0.05, horizon=1.0, records=5)
