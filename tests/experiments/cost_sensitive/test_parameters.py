"""Parameters of the claims on cost-sensitive losses: what is refused, and that claims hold away from their own."""

import re
from typing import Any

import pytest

from experiments.cost_sensitive import (
    coverage,
    distillation,
    implicit_bias,
    proposition_1,
    proposition_4,
    reweighting,
    worst_case_recall,
)
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (worst_case_recall.Rounds, {"closest": 3.0}, "farthest = 2.2: expected at least 3"),
        (worst_case_recall.Rounds, {"step": 1.1}, "step = 1.1: expected a number in [0.02, 0.95]"),
        (coverage.Rounds, {"least": 1.0}, "least = 1.0: expected a number in [0.5, 0.98]"),
        (distillation.Labels, {"samples": 40, "labels": 5}, "cells x matrices x samples of labels = "),
        (implicit_bias.Examples, {"support": 12}, "support = 12: expected at most the inputs, 9"),
        (reweighting.Examples, {"inputs": 10}, "inputs = 10: expected at least the 19 examples"),
        (reweighting.Examples, {"rare": 15}, "rare = 15: expected fewer than the 15 of the common class"),
        (proposition_4.Training, {"labels": 1}, "labels = 1: expected a number in [2, 12]"),
    ],
)
def test_what_does_not_fit_is_named(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "quick", given)


@pytest.mark.parametrize(
    ("module", "name", "given"),
    [
        (proposition_1, "narasimhan2021.proposition_1", {"labels": 2}),
        (proposition_4, "narasimhan2021.proposition_4", {"labels": 6, "spread": 1.5}),
        (worst_case_recall, "narasimhan2021.worst_case_recall", {"classes": 4, "step": 0.8}),
        (distillation, "narasimhan2021.distillation", {"labels": 2, "samples": 3, "share": 0.2}),
        (implicit_bias, "cost_sensitive.implicit_bias", {"support": 3, "gain": 3.0}),
    ],
)
def test_claims_hold_away_from_their_own_values(module: Any, name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[name], Study(name, "smoke", 5, given=given))
    assert evidence.verdict.startswith("holds")
