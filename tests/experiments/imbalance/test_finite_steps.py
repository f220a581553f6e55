"""Claims about finite steps of one mode: a rule that holds what is decided, what is refused, what holds elsewhere."""

import re
from typing import Any

import numpy as np
import pytest

from experiments.imbalance import critical_learning_rate, descent_ellipse
from experiments.imbalance.one_mode_descent import escaped_loss, held_one_mode, one_mode
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument
from theory.imbalance import finite_step

STUDY = Study("tests.one_mode", "smoke")
U, V = np.array([[0.9, 0.4], [4.0, 1.0], [1.0, 0.0]]), np.array([[0.3, 0.5], [1.0, 3.0], [1.0, 0.0]])


def test_a_step_is_that_of_the_theory() -> None:
    eta = np.array([0.3, 0.2, 0.4])
    run = one_mode(STUDY, 1.2, U, V).train(learning_rate=eta, steps=1, record=[0, 1])
    E = finite_step.scaled_error(U, V, 1.2, eta)[:, None]
    assert np.allclose(run["u"][1], U - E * V, atol=1e-14)
    assert np.allclose(run["v"][1], V - E * U, atol=1e-14)


def test_runs_are_held_once_decided_and_count_their_steps() -> None:
    """The first converges, the second escapes, the third starts at its minimum; none moves after."""
    eta, y, low = 0.3, 1.0, 1e-8
    run = held_one_mode(STUDY, y, U, V, eta, low).train(learning_rate=eta, steps=60, record=range(61))
    loss = 0.5 * (y - (run["u"] * run["v"]).sum(-1)) ** 2
    decided = (loss < low) | (loss > escaped_loss(eta))
    assert (decided.argmax(0) == run["taken"][-1]).all()
    assert run["taken"][-1, 2] == 0
    assert [loss[-1, 0] < low, loss[-1, 1] > escaped_loss(eta)] == [True, True]
    assert np.array_equal(run["u"][30], run["u"][60])


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (descent_ellipse.OneMode, {"rates": (0.3, 0.3)}, "rates = (0.3, 0.3): expected different ones"),
        (descent_ellipse.OneMode, {"rates": (0.3, 0.7)}, "rates = (0.3, 0.7): expected one of at most 0.8 and one of"),
        (descent_ellipse.OneMode, {"rates": (0.3, 2.0)}, "rates = 2.0: expected a number in [0.1, 1.9]"),
        (descent_ellipse.OneMode, {"shown": 1.1}, "shown = 1.1: expected a number in [0.1, 0.98]"),
        (critical_learning_rate.Starts, {"squares": (2.0, 200.0)}, "squares = (2.0, 200.0): expected two numbers"),
        (critical_learning_rate.Starts, {"squares": (0.5, 900.0)}, "steps = 800: expected at least 3600, for the"),
        (critical_learning_rate.Starts, {"width": 1}, "width = 1: expected a number in [2, 50]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("descent_ellipse", {"target": 0.05, "width": 1, "rates": (0.2, 1.2), "pixels": 8}),
        ("critical_learning_rate", {"target": 40.0, "width": 9, "squares": (0.3, 100.0), "runs": 4, "steps": 400}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[f"imbalance.{name}"], Study(f"imbalance.{name}", "smoke", given=given))
    assert evidence.verdict == "holds", [check for check in evidence.checks if not check]
