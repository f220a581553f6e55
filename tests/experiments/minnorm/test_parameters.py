"""What can be varied of the method itself, and what is refused, in a line."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

MODULES = (
    "method",
    "stable_range",
    "training_speed",
)
for module in MODULES:
    import_module(f"experiments.minnorm.{module}")


@pytest.mark.parametrize(
    ("id", "given", "line"),
    [
        ("minnorm.method", {"width": 4}, "width = 4: expected a number in [8, 128]"),
        ("minnorm.training_speed", {"settings": 12}, "settings = 12: expected a square number"),
        ("minnorm.training_speed", {"draws": 40}, "draws = 40: expected a number in [64, 500]"),
        ("minnorm.stable_range", {"target": 5.0}, "target = 5.0: expected a number in [1.2, 2.5]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_an_augmentation_whose_edges_lie_elsewhere_is_refused() -> None:
    study = Study("minnorm.stable_range", "smoke", given={"integration": 0.9})
    with pytest.raises(
        InvalidArgument, match="augmentation = 0.4: expected 0.506 or more: below 0.456 no simultaneous"
    ):
        judge(REGISTRY[study.claim], study)


def test_problems_whose_condition_is_never_such_are_refused() -> None:
    study = Study("minnorm.training_speed", "smoke", given={"examples": 100, "inputs": 20})
    with pytest.raises(InvalidArgument, match="examples = 100: expected numbers whose condition is mostly between 20"):
        judge(REGISTRY[study.claim], study)


def test_minnorm_is_faster_away_from_the_profiles_own_sizes() -> None:
    given = {"examples": 30, "inputs": 6}
    evidence = judge(REGISTRY["minnorm.training_speed"], Study("minnorm.training_speed", "smoke", 90005, given=given))
    assert evidence.verdict == "holds on a condition"
