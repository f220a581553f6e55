"""What can be varied in norm-minimising descent: what is refused, in a line, and claims that hold elsewhere."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

MODULES = (
    "any_loss",
    "bound",
    "flow",
    "least_squares",
    "nonconvex",
    "relu",
    "schedules",
    "squared_hinge",
)
for module in MODULES:
    import_module(f"experiments.halpern.{module}")


@pytest.mark.parametrize(
    ("id", "given", "line"),
    [
        ("lieder2021.bound", {"rank": 7}, "rank = 7: expected at most the examples 6 and below the inputs 12"),
        ("lieder2021.bound", {"smallest": 2.0}, "smallest = 2.0: expected at most the largest 1.3"),
        ("lieder2021.bound", {"steps": 0}, "steps = 0: expected a number in [20, 20000]"),
        (
            "banburski2019.nmgd_least_squares",
            {"smallest": 0.1},
            "steps = 250: expected 5619 or more: so long is e^-30 of the start left",
        ),
        ("banburski2019.nmgd_schedules", {"weight": 1.0}, "weight = 1.0: expected a number in [0.001, 0.9]"),
        (
            "banburski2019.nmgd_flow",
            {"largest": 2.6},
            "learning_rate = 0.05: expected at most 0.1 / largest^2 = 0.0148",
        ),
        ("banburski2019.nmgd_flow", {"c": (0.0,)}, "c = (0.0,): expected different numbers, one at least above 0"),
        ("banburski2019.nmgd_flow", {"powers": (0.5,)}, "powers = (0.5,): expected one above 1 at least"),
        ("banburski2019.nmgd_flow", {"smallest": 0.3}, "late = 64.0: expected 222.2 or more"),
        ("banburski2019.nmgd_flow", {"learning_rate": 0.0001}, "learning_rate = 0.0001: expected at least 0.0018"),
        ("banburski2019.nmgd_nonconvex", {"depths": (2, 2)}, "depths = (2, 2): expected different numbers"),
        ("banburski2019.nmgd_nonconvex", {"learning_rate": 0.01}, "end_steps = 250: expected 1021 or more"),
        ("banburski2019.nmgd_relu", {"examples": 10}, "examples = 10: expected fewer than the 10 inputs"),
        ("halpern.squared_hinge", {"inputs": 5}, "inputs = 5: expected a number in [6, 50]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("lieder2021.bound", {"inputs": 30, "examples": 20, "rank": 15, "steps": 60}),
        ("banburski2019.nmgd_schedules", {"weight": 0.2, "largest": 5.0, "smallest": 2.5}),
        ("banburski2019.nmgd_relu", {"widths": (4,), "learning_rate": 0.05, "steps": 30}),
    ],
)
def test_they_hold_elsewhere(id: str, given: Mapping[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict.startswith("holds")
    assert evidence.given == tuple(given)
    assert vars(at(REGISTRY[id].parameters, "smoke", given)) == dict(evidence.parameters)  # type: ignore[arg-type]
