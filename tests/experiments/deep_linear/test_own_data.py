"""The user's own regression as linear students see it: fewer examples, units, what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from experiments.deep_linear import forgetting, frozen, held_out, limit, own_data, spectrum
from theory.claims import Check, Study
from theory.claims.parameters import at
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument


def study_of(folder: Path, X: Array, Y: Array, id: str = "tests.deep_linear") -> Study:
    np.savez(folder / "mine.npz", X=X, Y=Y)
    return Study(id, "smoke", data=folder / "mine.npz")


def drawn(n: int, d: int, K: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.standard_normal((n, K))


@pytest.mark.parametrize(("n", "d"), [(4, 9), (30, 5), (6, 6)])
def test_students_see_as_many_examples_as_the_rank_and_the_same_solution(tmp_path: Path, n: int, d: int) -> None:
    X, Y = drawn(n, d, 2)
    own = own_data.own(study_of(tmp_path, X, Y))
    assert own.problem.X.shape == (1, d, min(n, d))
    assert np.linalg.norm(own.problem.X[0], 2) == pytest.approx(1)
    assert own.strengths[0] == pytest.approx(1)
    solution = own.problem.minimum_norm_solution[0] * own.of_labels / own.of_inputs
    assert solution == pytest.approx((np.linalg.pinv(X) @ Y).T)
    # The force on a student W of the original examples, in these units.
    W = np.ones((2, d))
    force = (Y.T / own.of_labels - W @ X.T / own.of_inputs) @ X / own.of_inputs
    assert (own.problem.Y - W @ own.problem.X)[0] @ own.problem.X[0].T == pytest.approx(force)


def test_what_the_data_lack_is_said(tmp_path: Path) -> None:
    study = study_of(tmp_path, *drawn(30, 5))
    own_data.own(study)
    assert any("no weights interpolate" in remark for remark in study.remarks)
    assert "n = 30 examples as 5, the rank" in study.remarks[-1]


def test_outputs_that_depend_on_each_other_are_judged_at_depth_one(tmp_path: Path) -> None:
    X, Y = drawn(8, 12, 2)
    study = study_of(tmp_path, X, np.c_[Y, Y.sum(1)])
    assert own_data.depths(study, own_data.own(study)) == (1,)
    assert "rank 2 of 3" in study.remarks[-1]


@pytest.mark.parametrize(
    ("X", "Y", "line"),
    [
        (drawn(3, 2001)[0], np.ones((3, 1)), "X.shape = (3, 2001): expected at most 2000 columns"),
        (drawn(5, 7)[0], np.zeros((5, 1)), "Y X^+ = 0: expected labels of which weights explain something"),
        (drawn(5, 4)[0] * [1, 1, 1, 1e-9], np.ones((5, 1)), "condition number of X ="),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_line(tmp_path: Path, X: Array, Y: Array, line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        own_data.own(study_of(tmp_path, X, Y))


def test_every_claim_on_own_data_refuses_what_it_has_no_use_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"rank of X = 3: expected fewer than columns"):
        list(frozen._of_own_data(study_of(tmp_path, *drawn(9, 3)), 3))
    with pytest.raises(InvalidArgument, match=r"columns \+ rank = 105: expected at most 100"):
        list(spectrum._of_own_data(study_of(tmp_path, *drawn(5, 100))))
    with pytest.raises(InvalidArgument, match=r"examples = 3: expected 4 at least"):
        list(held_out.errors_on_own_data(study_of(tmp_path, *drawn(3, 9))))
    ill = drawn(9, 3)[0] * [1, 1, 1e-3]
    with pytest.raises(InvalidArgument, match=r"training of 30 seconds at most, not .*standardised columns take less"):
        list(limit._of_own_data(study_of(tmp_path, ill, np.ones((9, 1))), at(limit.Limits, "smoke", {})))


@pytest.mark.parametrize(("n", "d", "K"), [(4, 7, 2), (20, 3, 1)])
def test_claims_hold_on_own_data(tmp_path: Path, n: int, d: int, K: int) -> None:
    study = study_of(tmp_path, *drawn(n, d, K))
    found = [
        *forgetting._of_own_data(study, at(forgetting.Forgetting, "smoke", {})),
        *spectrum._of_own_data(study),
        *held_out.errors_on_own_data(study),
    ]
    checks = [check for check in found if isinstance(check, Check)]
    assert all(checks)
    assert {check.data for check in checks} == {"mine.npz"}
