"""Parameters of the claim about small chains, and that it holds away from its own."""

import re
from typing import Any

import pytest

from experiments.chain.escape_time import Escaping
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"size": 0.5}, "size = 0.5: expected a number in [0.2, 0.4]"),
        ({"runs": 1}, "runs = 1: expected a number in [2, 1000]"),
        ({"refinements": 3}, "refinements = 3: expected a number in [4, 5]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(Escaping, "smoke", given)


def test_the_claim_holds_away_from_its_own_parameters() -> None:
    given = {"target": 5.0, "input": 0.3, "runs": 3}
    evidence = judge(REGISTRY["chain.escape_time"], Study("chain.escape_time", "smoke", given=given))
    assert evidence.verdict == "holds"
