"""What can be varied of the draws and trainings on images, and what is refused, in a line."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY
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
        ("minnorm.images_clean", {"images": 52}, "images = 52: expected a multiple of 5, one part a fold"),
        ("minnorm.images_flipped", {"flipped": 0.5}, "flipped = 0.5: expected a number in [0.02, 0.3]"),
        ("minnorm.images_norm", {"draws": 1}, "draws = 1: expected a number in [3, 300]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
