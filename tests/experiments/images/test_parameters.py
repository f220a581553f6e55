"""What can be varied of the draws and trainings on images, and what is refused, in a line."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

MODULES = (
    "clean",
    "flipped",
    "norm",
)
for module in MODULES:
    import_module(f"experiments.images.{module}")


@pytest.mark.parametrize(
    ("id", "given", "line"),
    [
        ("minnorm.images_clean", {"images": 30}, "images = 30: expected a number in [40, 600]"),
        ("minnorm.images_clean", {"close": 0.0}, "close = 0.0: expected a number in [0.02, 1]"),
        ("minnorm.images_flipped", {"flipped": 0.5}, "flipped = 0.5: expected a number in [0.02, 0.3]"),
        ("minnorm.images_norm", {"draws": 1}, "draws = 1: expected a number in [3, 300]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_training_that_is_too_short_for_a_users_parameters_is_refused() -> None:
    study = Study("minnorm.images_clean", "smoke", given={"draws": 30, "images": 40, "steps": 200, "width": 16})
    with pytest.raises(InvalidArgument, match="steps = 200: expected more, or other learning rates: this many become"):
        judge(REGISTRY[study.claim], study)


def test_flipped_labels_are_found_at_another_share() -> None:
    study = Study("minnorm.images_flipped", "smoke", 90001, given={"draws": 70, "images": 40, "flipped": 0.3})
    assert judge(REGISTRY[study.claim], study).verdict == "holds"
