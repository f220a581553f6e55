"""The max-margin claims on a user's own examples: they hold, or a line says what cannot be judged there."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.shallow import direction, event_driven, flow, margin, nonseparable, own_data
from theory.claims import Check, Study
from theory.claims.judging import Experiment
from theory.claims.parameters import at
from theory.core.arrays import Array
from theory.core.separable import Separable, direction_error, margin_gap, planted
from theory.core.validation import InvalidArgument
from theory.shallow import gradient_flow

ON_DATA: dict[ModuleType, tuple[type, Experiment]] = {
    direction: (direction.Directions, direction._on_own_data),
    event_driven: (event_driven.Flows, event_driven._on_own_data),
    flow: (flow.Flow, flow._lyapunov_on_own_data),
    margin: (margin.Starts, margin._on_own_data),
    nonseparable: (nonseparable.Contradicting, nonseparable._on_own_data),
}


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No time for late trainings, except where a test asks for one."""
    monkeypatch.setattr("experiments.data.budget.SECONDS", {"smoke": 1, "quick": 300, "paper": 3600})
    yield


def study_of(path: Path, X: Array, y: Array) -> Study:
    np.savez(path / "mine.npz", X=X, y=y)
    return Study("a.b", "smoke", data=path / "mine.npz")


def checks(items: Iterator[object]) -> list[Check]:
    found = [item for item in items if isinstance(item, Check)]
    assert found and all(check.data == "mine.npz" for check in found)
    return found


def own(claim: ModuleType, study: Study) -> Iterator[object]:
    """What the claim of this module yields on the study's data."""
    sizes, experiment = ON_DATA[claim]
    yield from experiment(study, at(sizes, study.profile, {}))


def planted_data(seed: int, d: int = 4) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    Z = planted(rng, np.array([0.5, 0.3, 0.2]), d=d, margin=0.8, slack=np.array([0.3, 0.7]))[0]
    y = rng.choice([-1.0, 1.0], len(Z))
    y[:2] = -1, 1
    return Z * y[:, None], y


@pytest.mark.parametrize("seed", range(5))
def test_limits_of_the_flow(tmp_path: Path, seed: int) -> None:
    study = study_of(tmp_path, *planted_data(seed))
    assert all(checks(own(direction, study))) and all(checks(own(margin, study)))
    assert any(line.startswith("separable, the longest example ") for line in study.remarks)


def test_in_any_units_and_types(tmp_path: Path) -> None:
    X, y = planted_data(0)
    for inputs in (1e3 * X, 1e-3 * X, X.astype(np.float16), np.asfortranarray(X), np.hstack([X, X[:, :1]])):
        assert all(checks(own(direction, study_of(tmp_path, inputs, y))))
    wide = np.random.default_rng(0).standard_normal((6, 300))
    study = study_of(tmp_path, wide, np.array(list("ababab")))
    assert all(checks(own(direction, study)))
    assert "fewer examples than inputs (6 < 300): 294 directions no example sees" in study.remarks


@pytest.mark.parametrize("X", [np.array([[1.0], [-2.0], [3.0]]), np.array([[1.0, 0.0], [-2.0, 0.5], [3.0, 0.2]])])
def test_a_single_support_vector(tmp_path: Path, X: Array) -> None:
    study = study_of(tmp_path, X, np.array([1, -1, 1]))
    assert all(checks(own(direction, study))) and all(checks(own(margin, study)))
    assert any("1 support vectors of 3 examples" in line for line in study.remarks)


def test_training_reaches_the_same_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.budget.SECONDS", {"smoke": 60, "quick": 300, "paper": 3600})
    X, y = np.array([[1.0, 0.2], [0.8, -1.0], [-2.0, 0.1]]), np.array([1, 1, -1])
    found = checks(own(direction, study_of(tmp_path, X, y)))
    assert [check.case for check in found][-1] == "own data, training" and all(found)
    found = checks(own(margin, study_of(tmp_path, X, y)))
    assert [check.case for check in found] == ["own data, flow", "own data, training"] and all(found)


def test_what_would_take_too_long_is_followed_by_the_flow_alone(tmp_path: Path) -> None:
    study = study_of(tmp_path, *planted_data(1))
    own_data.trained(study, own_data.examples(study), np.ones((1, 4)), np.array([1.0]))
    assert "--profile" in study.remarks[-1]
    assert study.remarks[-1].startswith("not trained to the limit: ")


def test_other_duals_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradient_flow.settled_duals
    monkeypatch.setattr(gradient_flow, "settled_duals", lambda problem: right(problem) * [1.01, *[1] * 4])
    found = checks(own(direction, study_of(tmp_path, *planted_data(2))))
    assert not all(check.passed for check in found)


def test_an_example_whose_dual_is_0_is_said(tmp_path: Path) -> None:
    X, y = np.array([[1.0, 0.0], [1.0, 1.0], [-3.0, 0.0]]), np.array([1, 1, -1])
    study = study_of(tmp_path, X, y)
    with pytest.raises(InvalidArgument, match="an example on the margin whose dual is 0"):
        list(own(margin, study))
    assert any("on the margin beside the support: example 1" in line for line in study.remarks)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_what_is_read_off_the_flow(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    study = study_of(tmp_path_factory.mktemp("data"), *planted_data(seed))
    problem, rng = own_data.examples(study), np.random.default_rng(seed)
    w0 = own_data.starts(rng, problem.Z, 2)
    np.testing.assert_allclose(np.abs(w0 @ problem.Z.T).max(1), own_data.STARTING_MARGIN)
    late = own_data.LateFlow(study, problem, w0, np.ones(1))
    w = late.rho + problem.w * late.tau[:, None, None]
    np.testing.assert_allclose(late.direction_errors(), direction_error(problem, w), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(late.margin_gaps(), margin_gap(problem, w), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("shape", [(30, 4), (5, 12), (40, 40)])
def test_minnorms_lyapunov_function(tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    X = 100 * rng.standard_normal(shape)
    y = np.sign(X @ rng.standard_normal(shape[1]))
    assert all(checks(own(flow, study_of(tmp_path, X, y))))


def test_minnorm_through_every_change_of_the_active_set(tmp_path: Path) -> None:
    study = study_of(tmp_path, *planted_data(3))
    found = checks(own(event_driven, study))
    assert all(found) and {"limit of w", "limit of multipliers"} <= {check.name for check in found}
    contradicting = np.random.default_rng(0).standard_normal((12, 2)), np.array([0, 1] * 6)
    study = study_of(tmp_path, *contradicting)
    found = checks(own(event_driven, study))
    assert all(found) and len(found) == 2 and own_data.NOT_SEPARABLE in study.remarks


def test_unavoidable_violations(tmp_path: Path) -> None:
    study = study_of(tmp_path, np.random.default_rng(0).standard_normal((12, 2)), np.array([0, 1] * 6))
    found = checks(own(nonseparable, study))
    assert all(found) and [check.name for check in found] == [
        "v . lambda', first 200 steps",
        "slopes of the multipliers",
    ]


def test_more_examples_than_are_followed_one_by_one(tmp_path: Path) -> None:
    study = study_of(tmp_path, np.ones((11, 1)), np.array([0, 1] * 5 + [1]))
    with pytest.raises(InvalidArgument, match=r"X.shape = \(11, 1\): expected 10 examples at most, whose multipliers"):
        own_data.any_examples(study, 10)


def test_duals_that_are_not_unique(tmp_path: Path) -> None:
    X, y = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]), np.array([1, 1, -1])
    study = study_of(tmp_path, X, y)
    assert not own_data.has_unique_duals(study, own_data.examples(study))
    assert study.remarks[-1] == "what needs unique duals is not judged"
    assert own_data.has_unique_duals(study, Separable(X[1:]))
