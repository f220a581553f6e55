"""Unit norms, depth and balance, Halpern's weights: what is refused, and claims away from their own parameters."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from theory.claims import REGISTRY, VERDICTS, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


def claim_of(name: str) -> Any:
    import_module(f"experiments.homogeneous.{name}")
    return REGISTRY[f"banburski2019.{name}"]


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("unit_norm", {"examples": 7}, "examples = 7: expected an even number, two more than the inputs 6 at least"),
        ("unit_norm", {"sizes": (0.5,)}, "sizes = 0.5: expected a number in [2, 30]"),
        ("depth_and_balance", {"imbalances": (1.0,)}, "imbalances = (1.0,): expected kappa = 1 first, and one"),
        ("depth_and_balance", {"imbalances": (3.0, 1.0)}, "imbalances = (3.0, 1.0): expected kappa = 1 first"),
        ("depth_and_balance", {"depths": (1,)}, "depths = 1: expected a number in [2, 6]"),
        ("balance_on_digits", {"depths": (2, 2)}, "depths = (2, 2): expected different ones"),
        ("balance_on_digits", {"imbalance": 1.0}, "imbalance = 1.0: expected a number in [3, 8]"),
        ("halpern_lambda", {"inputs": 3}, "inputs = 3: expected a number in [4, 30]"),
        ("halpern_lambda", {"learning_rate": 2.0}, "learning_rate = 2.0: expected a number in [0.05, 1]"),
    ],
)
def test_what_does_not_fit_is_named(name: str, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(claim_of(name).parameters, "quick", given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("unit_norm", {"inputs": 4, "width": 2, "sizes": (8.0,)}),
        ("depth_and_balance", {"depths": (2,), "imbalances": (1.0, 2.0), "margin": 5.0}),
        ("halpern_lambda", {"widths": (2,), "gain": 1.0, "examples": 12}),
    ],
)
def test_claims_hold_away_from_their_own_values(name: str, given: dict[str, Any]) -> None:
    claim = claim_of(name)
    assert judge(claim, Study(claim.id, "smoke", 5, given=given)).verdict == "holds on a condition"


def test_a_training_that_is_cut_short_decides_nothing() -> None:
    claim = claim_of("unit_norm")
    evidence = judge(claim, Study(claim.id, "smoke", 5, given={"steps": 100}))
    assert evidence.verdict == "undecided"


@pytest.mark.parametrize(
    ("name", "function", "wrong"),
    [
        ("full, one norm a row", "a radius 5 % smaller", lambda ball, _: (ball[0], 0.95 * ball[1])),
        (
            "full, batch-normalised",
            "the diagonal of the covariance",
            lambda ball, _: (np.diag(np.diag(ball[0])), ball[1]),
        ),
    ],
)
def test_another_ball_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, function: str, wrong: Any) -> None:
    claim, module = claim_of("unit_norm"), import_module("experiments.homogeneous.unit_norm")
    right = module.ball_of

    def ball_of(network: str, problem: Any, width: int) -> Any:
        ball = right(network, problem, width)
        return wrong(ball, problem) if network == name else ball

    monkeypatch.setattr(module, "ball_of", ball_of)
    given = {"sizes": (8.0,)}
    verdict = judge(claim, Study(claim.id, "smoke", 5, given=given)).verdict
    assert VERDICTS[verdict] == 1, function
