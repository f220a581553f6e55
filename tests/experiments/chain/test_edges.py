"""Parameters of the claims about the sharpness of flow solutions: what is refused, and that they hold elsewhere."""

import re
from typing import Any

import pytest

from experiments.chain import flow_sharpness, landing
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (flow_sharpness.Steps, {"depths": (3, 3)}, "depths = (3, 3): expected depths that all differ"),
        (flow_sharpness.Steps, {"runs": 10}, "runs = 10: expected a number in [500, 100000]"),
        (flow_sharpness.Steps, {"learning_rate": 0.9}, "learning_rate = 0.9: expected a number in [0.01, 0.3]"),
        (landing.Landings, {"above": (1.0, 1.0)}, "above = (1.0, 1.0): expected starts that all differ"),
        (landing.Landings, {"delta": 0.5}, "delta = 0.5: expected a number in [0.02, 0.08]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("chain.flow_sharpness", {"depths": (4,), "target": 0.3, "input": 2.0, "runs": 500}),
        ("chain.landing", {"target": 5.0, "input": 0.3, "above": (2.0,), "delta": 0.06}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(id: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict == "holds", [check for check in evidence.checks if not check]
