"""Parameters of the claims about deep linear networks: what fits, what is refused, and claims away from their own."""

import re
from typing import Any

import pytest

from experiments.deep_linear import (
    completion,
    crossover,
    double_descent,
    forgetting,
    frozen,
    generalisation,
    limit,
    mode_chains,
    mode_collapse,
    mode_return,
    mode_threshold,
    modes,
    spectrum,
    test_error,
)
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

ALL = {
    "advani2017.frozen_subspace": frozen.Frozen,
    "advani2017.generalisation_error": generalisation.Noisy,
    "minnorm.deep_completion": completion.Completing,
    "minnorm.deep_crossover": crossover.Crossing,
    "minnorm.deep_double_descent": double_descent.Peak,
    "minnorm.deep_forgetting": forgetting.Forgetting,
    "minnorm.deep_limit": limit.Limits,
    "minnorm.deep_mode_chains": mode_chains.Chained,
    "minnorm.deep_mode_collapse": mode_collapse.Losing,
    "minnorm.deep_mode_return": mode_return.Collapsed,
    "minnorm.deep_mode_threshold": mode_threshold.Augmented,
    "minnorm.deep_spectrum": spectrum.Resting,
    "minnorm.deep_test_error": test_error.Students,
    "saxe2014.modes": modes.Learned,
}


@pytest.mark.parametrize("id", ALL)
def test_each_claim_declares_its_parameters(id: str) -> None:
    assert REGISTRY[id].parameters is ALL[id]


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (frozen.Frozen, {"depths": (2, 2)}, "depths = (2, 2): expected depths that all differ"),
        (
            generalisation.Noisy,
            {"examples": 50},
            "examples = 50: expected a quarter to three quarters of the inputs, 60",
        ),
        (crossover.Crossing, {"inputs": 150}, "examples = 30: expected a quarter to three quarters of the inputs, 150"),
        (
            double_descent.Peak,
            {"examples": (28, 6)},
            "examples = 28: expected a quarter of the inputs, 30, away from them",
        ),
        (double_descent.Peak, {"examples": (60,)}, "examples = (60,): expected one below the inputs, 30, among them"),
        (forgetting.Forgetting, {"examples": 6}, "examples = 6: expected fewer than the inputs, 6"),
        (
            forgetting.Forgetting,
            {"inputs": 100, "examples": 99, "outputs": 10},
            "learning_rate = 0.02: expected at most 0.0068 for so many examples and layers",
        ),
        (limit.Limits, {"networks": (1, 2, 3)}, "networks = (1, 2, 3): expected pairs of a depth, at most 4"),
        (limit.Limits, {"networks": (5, 1)}, "networks = (5, 1): expected pairs of a depth, at most 4"),
        (limit.Limits, {"width": 2}, "width = 2: expected at least the rank of the labels, 3"),
        (mode_chains.Chained, {"strengths": (1.0, 2.0)}, "strengths = (1.0, 2.0): expected two or more, decreasing"),
        (mode_chains.Chained, {"examples": 2}, "examples = 2: expected at least one a mode, 3"),
        (mode_chains.Chained, {"inputs": 3}, "examples = 4: expected at most the inputs, 3: more are not whitened"),
        (mode_collapse.Losing, {"start": 0.1}, "start = 0.1: expected one at which the criterion of the others, 0.778"),
        (
            mode_collapse.Losing,
            {"strengths": (3.0, 1.5, 1.0)},
            "start = 0.3: expected one at which the criterion of the",
        ),
        (spectrum.Resting, {"depths": (1,)}, "depths = (1,): expected one of 2 or more among them"),
        (spectrum.Resting, {"examples": 6}, "examples = 6: expected at most the inputs, 5"),
        (test_error.Students, {"examples": 20}, "examples = 20: expected at most three quarters of the inputs, 24"),
        (modes.Learned, {"strengths": (1.0, 0.9)}, "strengths = (1.0, 0.9): expected each 1.5 times the next at least"),
        (modes.Learned, {"width": 5}, "width = 5: expected at least two a mode, 6"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("minnorm.deep_mode_return", {"strengths": (4.0, 0.5), "augmentation": 1.0, "width": 3, "inputs": 9}),
        ("minnorm.deep_mode_threshold", {"depths": (5,), "strengths": (3.0, 0.5), "learning_rate": 0.02}),
        ("minnorm.deep_crossover", {"inputs": 40, "examples": 12, "noise": 0.9}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(id: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict in ("holds", "holds, N times above")
    assert all(evidence.checks)
