"""What can be varied of the draws and trainings on images, and what is refused, in a line."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.images import clean, flipped, norm
from experiments.images.settings import require_long_enough
from theory.claims import Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (clean.Sizes, {"images": 30}, "images = 30: expected a number in [40, 600]"),
        (clean.Sizes, {"close": 0.0}, "close = 0.0: expected a number in [0.02, 1]"),
        (flipped.Sizes, {"flipped": 0.5}, "flipped = 0.5: expected a number in [0.02, 0.3]"),
        (norm.Sizes, {"draws": 1}, "draws = 1: expected a number in [3, 300]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(kind, "smoke", given)
    assert "\n" not in str(refusal.value)


def test_training_that_is_too_short_for_a_users_parameters_is_refused() -> None:
    study = Study("minnorm.images_clean", "smoke", given={"draws": 30, "images": 40, "steps": 200, "width": 16})
    with pytest.raises(InvalidArgument, match="steps = 200: expected more, or other learning rates: this many become"):
        judge(clean.accuracy_is_boosted_over_cross_entropy, study)


@pytest.mark.parametrize(("profile", "steps"), [("smoke", 200), ("paper", 4000)])
def test_training_that_is_too_short_for_a_users_images_is_refused(profile: str, steps: int) -> None:
    study = Study("minnorm.images_flipped", profile, data=Path("mine"))
    sizes = at(flipped.Sizes, profile, {})
    require_long_enough(study, sizes, np.array([True, True]), "fit")
    require_long_enough(replace(study, data=None), sizes, np.array([True, False]), "fit")  # a check judges it
    with pytest.raises(InvalidArgument, match=f"steps = {steps}: expected more, .*: this many fit in 1 of 2 trainings"):
        require_long_enough(study, sizes, np.array([True, False]), "fit")


def test_flipped_labels_are_found_at_another_share() -> None:
    study = Study("minnorm.images_flipped", "smoke", 90001, given={"draws": 70, "images": 40, "flipped": 0.3})
    assert judge(flipped.multipliers_find_flipped_labels, study).verdict == "holds"
