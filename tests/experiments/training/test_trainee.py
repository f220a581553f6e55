"""What a claim trains: on its device, in its journal, and refined by halves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from experiments.training import GradientDescent, State, Trainee, extrapolated, extrapolated_ratio, tends_to
from experiments.updates import Momentum
from theory.claims import Study

START = np.array([[1.0, -2.0], [0.5, 3.0]])


def quadratic(state: State) -> Tensor:
    return 0.5 * state["w"].square().sum(-1)


def trainee(study: Study) -> Trainee:
    return Trainee(study, quadratic, {"w": START})


def test_the_whole_state_is_recorded_unless_told_otherwise() -> None:
    run = trainee(Study("a.b")).train(learning_rate=0.1, steps=3, record=[0, 3])
    assert np.allclose(run["w"], START * 0.9 ** np.array([0, 3])[:, None, None])
    losses = replace(trainee(Study("a.b")), observe=lambda state: {"loss": quadratic(state)})
    assert set(losses.train(learning_rate=0.1, steps=1, record=[1]).arrays) == {"loss"}


def test_the_rule_is_gradient_descent_unless_told_otherwise() -> None:
    fast = replace(trainee(Study("a.b")), rule=Momentum(quadratic))
    ends = [each.train(learning_rate=0.1, steps=3, record=[3])["w"] for each in (fast, trainee(Study("a.b")))]
    given = replace(trainee(Study("a.b")), rule=GradientDescent(quadratic))
    assert np.array_equal(ends[1], given.train(learning_rate=0.1, steps=3, record=[3])["w"])
    assert not np.array_equal(*ends)


def test_the_journal_says_what_was_trained() -> None:
    study = Study("a.b")
    trainee(study).train(learning_rate=np.array([0.1, 0.2]), steps=3, record=[0])
    assert study.trained == ("w (2, 2) by GradientDescent: 3 steps of 0.1 to 0.2",)


def test_refined_by_halves() -> None:
    study = Study("a.b")
    runs = trainee(study).refine(learning_rate=0.1, horizon=1.0, records=3, levels=3)
    assert [training.steps for training in study.journal] == [10, 20, 40]
    for run in runs:
        assert run.t == pytest.approx([0, 0.5, 1.0])
    flow = np.exp(-runs[0].t)[:, None, None] * START
    errors = [np.abs(run["w"] - flow).max() for run in runs]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1) and errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def test_a_learning_rate_that_does_not_divide_the_horizon_becomes_smaller() -> None:
    study = Study("a.b")
    (run, *_) = trainee(study).refine(learning_rate=0.3, horizon=1.0, records=3)
    assert study.journal[0].steps == 4 and run.t[-1] == pytest.approx(1.0)


def test_training_tends_to_its_flow_and_to_no_other() -> None:
    runs = trainee(Study("a.b")).refine(learning_rate=0.05, horizon=1.0, records=5, levels=4)
    values, t = [run["w"] for run in runs], runs[0].t[:, None, None]
    for check in tends_to("w", values, np.exp(-t) * START, case="quadratic"):
        assert check.passed and check.case == "quadratic"
    limit = extrapolated("w", values)
    assert not limit.equals(np.exp(-1.01 * t) * START).passed
    assert limit.control("1 % faster").equals(np.exp(-1.01 * t) * START).passed
    assert limit.equals(np.exp(-1.01 * t) * START).where.startswith("t ")


def test_ratios_to_a_bound() -> None:
    runs = trainee(Study("a.b")).refine(learning_rate=0.05, horizon=1.0, records=5)
    ratios = [(run["w"] / START / np.exp(-run.t)[:, None, None])[1:] for run in runs]
    assert extrapolated_ratio("w over its bound", ratios).at_most(1.0).passed
    assert not extrapolated_ratio("w over its bound", [1.05 * ratio for ratio in ratios]).at_most(1.0).passed


def test_unfinished_training_goes_on_where_it_was(tmp_path: Path) -> None:
    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    def run(study: Study) -> np.ndarray:
        return trainee(study).train(learning_rate=1e-3, steps=2000, record=[2000])["w"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.training.loop.SAVE_EVERY", 0.0)
        with pytest.raises(KeyboardInterrupt):
            run(Study("a.b", scratch=tmp_path, progress=interrupt))
    assert len(list(tmp_path.iterdir())) == 1
    fractions: list[float] = []
    resumed = run(Study("a.b", scratch=tmp_path, progress=fractions.append))
    assert fractions[0] == 0.5 and np.array_equal(resumed, run(Study("a.b")))
