"""Parameters of the claims on generalisation: what is refused, and that claims hold away from their own values."""

import re
from typing import Any

import pytest

from experiments.generalisation import (
    generalisation,
    leave_one_out,
    log_loss,
    more_parameters,
    norm_constraint,
    seen_features,
)
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (generalisation.Sizes, {"examples": 49}, "examples = 49: expected at most four fifths of the dimensions 50"),
        (generalisation.Sizes, {"scales": (0.3, 1.0)}, "scales = (0.3, 1.0): expected rising, from 0 to 0.8 at least"),
        (generalisation.Sizes, {"norms": (1.0, 2.0, 3.0)}, "norms = (1.0, 2.0, 3.0): expected two numbers"),
        (seen_features.Draws, {"examples": 21}, "examples = 21: expected an even number, at most a third of the 60"),
        (seen_features.Draws, {"features": 50}, "examples = 20: expected an even number, at most a third of the 50"),
        (
            log_loss.Training,
            {"angles": (0.1, 0.3)},
            "angles = (0.1, 0.3): expected two different ones or more, one",
        ),
        (leave_one_out.Pairs, {"pairs": (0, 1, 3)}, "pairs = (0, 1, 3): expected two classes a pair"),
        (leave_one_out.Pairs, {"pairs": (4, 4)}, "pairs = (4, 4): expected two different classes a pair"),
        (
            more_parameters.Training,
            {"widths": (8, 16)},
            "widths = (8, 16): expected rising, one of them 4 times another",
        ),
        (
            more_parameters.Training,
            {"widths": (32, 8)},
            "widths = (32, 8): expected rising, one of them 4 times another",
        ),
        (norm_constraint.Training, {"draws": 63}, "draws = 63: expected"),
    ],
)
def test_what_does_not_fit_is_named(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "quick", given)


@pytest.mark.parametrize(
    ("module", "name", "given"),
    [
        (seen_features, "generalisation.seen_features", {"examples": 12, "features": 40, "noise": 1.0}),
        (log_loss, "generalisation.log_loss", {"inputs": 24, "angles": (0.2, 1.0)}),
    ],
)
def test_claims_hold_away_from_their_own_values(module: Any, name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[name], Study(name, "smoke", 5, given=given))
    assert evidence.verdict.startswith("holds")


def test_more_images_than_a_pair_has_are_refused() -> None:
    study = Study("generalisation.leave_one_out", "smoke", 5, given={"examples": 300})
    with pytest.raises(
        InvalidArgument, match="examples = 300: expected 100 fewer than the 36. images of classes 3 and 5"
    ):
        judge(REGISTRY[study.claim], study)
