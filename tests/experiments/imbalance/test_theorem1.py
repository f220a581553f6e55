"""Theorem 1 on a user's own data: it holds, or it is said in one line what judging it would take."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.imbalance import appendix_a1, own_data, theorem1
from theory.claims import Check, Study, judge
from theory.claims.parameters import at
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument

SIZES = at(appendix_a1.AppendixA1, "smoke", {})


def study_of(path: Path, X: Array, Y: Array, profile: str = "smoke") -> Study:
    np.savez(path / "mine.npz", X=X, Y=Y)
    return Study("min2021.theorem1", profile, data=path / "mine.npz")


def checks_on(path: Path, X: Array, Y: Array) -> list[Check]:
    judged = theorem1._at_the_data_of_the_paper_or_the_user(study_of(path, X, Y), SIZES)
    return [item for item in judged if isinstance(item, Check)]


def planned(path: Path, X: Array, Y: Array, profile: str = "smoke") -> own_data.Plan:
    return own_data.plan(study_of(path, X, Y, profile), np.random.default_rng(0), appendix_a1.SCALES)


def noisy(n: int, D: int, m: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng((seed, n, D, m))
    X = rng.standard_normal((n, D))
    return X, X @ rng.standard_normal((D, m)) + 0.1 * rng.standard_normal((n, m))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 9, 1), (60, 1, 3), (60, 8, 1), (4, 9, 7)])
def test_it_holds_on_data_of_every_shape(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    checks = checks_on(tmp_path, *noisy(*shape))
    assert len(checks) == 7 and all(check.passed for check in checks)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("units", [(1e60, 1e60), (1e-60, 1e60), (1.0, 0.0)])
def test_it_holds_in_any_units(tmp_path: Path, units: tuple[float, float]) -> None:
    X, Y = noisy(12, 2, 2)
    assert all(check.passed for check in checks_on(tmp_path, units[0] * X, units[1] * Y))


def test_the_same_steps_in_other_units(tmp_path: Path) -> None:
    X, Y = noisy(12, 3, 2)
    one, other = planned(tmp_path, X, Y), planned(tmp_path, 1e6 * X, 1e-6 * Y)
    # U and V are in units of (Y / X)^(1/2), a step in those of 1 / (X Y).
    np.testing.assert_allclose(other.network.U, 1e-6 * one.network.U, rtol=1e-9)
    assert other.steps == one.steps and other.learning_rate == pytest.approx(one.learning_rate)


def test_which_checks_are_of_the_users_data(tmp_path: Path) -> None:
    evidence = judge(theorem1.loss_decays_at_the_rate_of_the_imbalance, study_of(tmp_path, *noisy(9, 2, 1)))
    assert evidence.in_words.endswith("times above")
    on_data = [check.label for check in evidence.checks if check.data == "mine.npz"]
    assert "start: |grad L|^2 on X and Y as they are" in on_data and "trained: loss" in on_data
    assert not any("sharp" in label or "random problems" in label for label in on_data)


def test_many_inputs_take_seconds(tmp_path: Path) -> None:
    begun = time.perf_counter()
    plan = planned(tmp_path, *noisy(50, 12_000, 1))
    assert plan.problem.D == 50 and plan.network.U.shape == (4, 50, 51)
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize(
    ("X", "Y", "said"),
    [
        (np.diag([1.0, 1, 1, 1e-4]), np.ones((4, 1)), r"4 directions, 1 outputs, condition number 1e\+04: .* steps of"),
        (np.eye(400), np.ones((400, 20)), r"400 directions, 20 outputs, condition number 1: .*--profile quick takes"),
        (
            np.ones((2300, 2300)),
            np.ones((2300, 1)),
            r"X.shape = \(2300, 2300\): expected a decomposition .*quick takes",
        ),
    ],
)
def test_what_would_take_too_long_is_refused_before_any_work(tmp_path: Path, X: Array, Y: Array, said: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(InvalidArgument, match=f"data .*mine.npz.*{said}") as refusal:
        checks_on(tmp_path, X, Y)
    assert "\n" not in str(refusal.value) and time.perf_counter() - begun < 10


def test_how_long_it_would_take_is_what_it_would_take(tmp_path: Path) -> None:
    """The condition number squared: needed steps grow a hundredfold from 10 times the condition number on."""
    needed = []
    for condition in (1e3, 1e4):
        with pytest.raises(InvalidArgument) as refusal:
            planned(tmp_path, np.diag([1.0, 1 / condition]), np.array([[1.0], [1 / condition]]))
        needed.append(float(re.findall(r"not in (\S+) steps", str(refusal.value))[0]))
    assert needed[1] / needed[0] == pytest.approx(100, rel=0.05)


@given(n=st.integers(1, 12), D=st.integers(1, 12), m=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_plans_train_at_a_stable_step_for_at_least_a_factor_e(
    tmp_path_factory: pytest.TempPathFactory, n: int, D: int, m: int
) -> None:
    plan = planned(tmp_path_factory.mktemp("data"), *noisy(n, D, m), profile="paper")
    Z = np.concatenate([plan.network.V, plan.network.U], axis=-2)
    largest = np.linalg.norm(Z, ord=2, axis=(-2, -1)).max() ** 2 * plan.problem.S[0] ** 2
    assert plan.learning_rate * largest < 0.1
    rates = own_data.convergence.convergence_rate(plan.problem, plan.network)
    assert 1 <= (rates * plan.learning_rate * plan.steps).max()
    assert rates[-1] == pytest.approx(0, abs=1e-9 * rates.max())
