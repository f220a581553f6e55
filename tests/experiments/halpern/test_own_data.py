"""The user's own data under Halpern's iteration: the same problem in another basis, what is said, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from experiments.halpern import least_squares, own_data
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import InvalidArgument
from theory.halpern.least_squares import solution

RNG = np.random.default_rng(0)
WIDE, TALL = RNG.standard_normal((4, 9)), RNG.standard_normal((12, 3))
TARGETS = RNG.standard_normal((12, 2))
SETTINGS = {"step": 0.45, "runs": 2, "steps": 100}


def study_of(folder: Path, X: Array, Y: Array) -> Study:
    np.savez(folder / "mine.npz", X=X, Y=Y)
    return Study("halpern.toy", "smoke", data=folder / "mine.npz")


@pytest.mark.parametrize("X", [WIDE, TALL], ids=["wide", "tall"])
def test_in_the_singular_basis_iterates_are_those_of_the_data_turned(X: Array) -> None:
    data = Regression(X, TARGETS[: len(X)])
    small, w = own_data.in_singular_basis(data), RNG.standard_normal((1, X.shape[1], 2))
    assert small.D == data.r + min(own_data.UNSEEN, data.D - data.r)
    frame = np.concatenate([data.Phi1, data.Phi2], axis=1)
    turned = (frame.T @ w)[:, : small.D]
    k, eta = np.arange(20), 0.3 / data.S[0] ** 2
    whole, less = solution(data, eta, w, 0 * w, k), solution(small, eta, turned, 0 * turned, k)
    assert np.allclose((frame.T @ whole)[:, :, : small.D], less)


def test_data_are_trained_until_the_slowest_direction_has_gone(tmp_path: Path) -> None:
    study = study_of(tmp_path, WIDE, TARGETS[:4])
    plan = own_data.plan(study, **SETTINGS)
    condition = plan.data.S[0] / plan.data.S[-1]
    assert plan.arrives and plan.steps >= own_data.needed_steps(0.45, condition**-2.0)
    assert "fewer examples than inputs (4 < 9): 5 directions no example sees" in study.remarks
    assert own_data.affords_user_code(study, plan.data)


def test_limits_out_of_reach_are_said(tmp_path: Path) -> None:
    study = study_of(tmp_path, np.diag([1.0, 1e-4]), np.ones(2))
    plan = own_data.plan(study, **SETTINGS)
    assert not plan.arrives and plan.steps > 1000
    assert any(line.startswith("limits are not judged: the slowest direction takes 3.33e+09") for line in study.remarks)


def test_conditions_that_rounding_does_not_bear_are_refused(tmp_path: Path) -> None:
    study = study_of(tmp_path, np.diag([1.0, 1e-8]), np.ones(2))
    with pytest.raises(InvalidArgument, match=r"mine.npz: condition number of X = 1e\+08: expected one whose square"):
        own_data.plan(study, **SETTINGS)


def test_what_takes_too_long_is_refused_before_it_is_decomposed(tmp_path: Path) -> None:
    study = study_of(tmp_path, np.ones((2500, 2500)), np.ones(2500))
    expected = r"X.shape = \(2500, 2500\): expected a decomposition in 30 seconds, .*; --profile quick takes the time"
    with pytest.raises(InvalidArgument, match=expected):
        own_data.plan(study, **SETTINGS)


def test_starts_have_the_size_of_the_solution() -> None:
    units = Regression(1e3 * WIDE, 1e-3 * TARGETS[:4])
    assert own_data.size(units) == pytest.approx(1e-6 * own_data.size(Regression(WIDE, TARGETS[:4])))
    assert own_data.size(Regression(WIDE, np.zeros((4, 1)))) == 1.0


def test_examples_keep_directions_that_none_sees(tmp_path: Path) -> None:
    y = np.array([1, 0, 1, 1])
    found = own_data.examples(study_of(tmp_path, WIDE, y), runs=2, steps=50)
    assert found.Z.shape == (4, 4 + own_data.UNSEEN) and found.unseen
    assert found.separable is not None
    labels = np.where(np.arange(12) % 2, 1, 0)
    study = study_of(tmp_path, TALL, labels)
    with pytest.raises(InvalidArgument, match="12 examples of rank 3 in 3 dimensions: expected inputs of a lower rank"):
        own_data.examples(study, runs=2, steps=50)
    collinear = np.c_[TALL, 2 * TALL[:, 0]]
    assert own_data.examples(study_of(tmp_path, collinear, labels), runs=2, steps=50).separable is None


def test_steps_that_take_too_long_are_none(tmp_path: Path) -> None:
    study = study_of(tmp_path, WIDE, TARGETS[:4])
    assert own_data.affordable_steps(study, WIDE, 100) == 100
    assert own_data.affordable_steps(study, WIDE, 10**9) == 0
    assert study.remarks == ["limits are not judged: the slowest direction takes 1e+09 steps (about 27.8 hours)"]


def test_starts_and_anchors_are_drawn_alike_but_for_the_first_anchor() -> None:
    w, v = least_squares.starts(np.random.default_rng(0), Regression(WIDE, TARGETS[:4]), 3, size=2.0)
    assert w.shape == v.shape == (3, 9, 2)
    assert not v[0].any() and v[1:].all() and np.std(w) == pytest.approx(2, rel=0.3)
