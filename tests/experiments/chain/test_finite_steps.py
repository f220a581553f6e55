"""Claims about chains beyond the edge of stability: what is refused in a line, and what holds elsewhere."""

import re
from typing import Any

import pytest

from experiments.chain import large_steps_forget, minnorm_quadratic, solvable_chaos, two_cycles
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at, declared
from theory.claims.study import PROFILES
from theory.core.validation import InvalidArgument

ALL = {
    "two_cycles": two_cycles.Cycles,
    "large_steps_forget": large_steps_forget.Annealed,
    "solvable_chaos": solvable_chaos.Chaos,
    "minnorm_quadratic": minnorm_quadratic.Nilpotent,
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_within_its_own_ranges(name: str, profile: str) -> None:
    kind = REGISTRY[f"chain.{name}"].parameters
    assert kind is ALL[name]
    at(kind, profile, {each: parameter.values[profile] for each, parameter in declared(kind).items()})


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (two_cycles.Cycles, {"ratios": (1.3, 1.3)}, "ratios = (1.3, 1.3): expected ratios that all differ"),
        (two_cycles.Cycles, {"ratios": (2.7,)}, "ratios = 2.7: expected a number in [1.02, 1.95]"),
        (two_cycles.Cycles, {"depths": (2, 2)}, "depths = (2, 2): expected depths that all differ"),
        (large_steps_forget.Annealed, {"depths": (3,)}, "depths = (3,): expected 2 among them"),
        (large_steps_forget.Annealed, {"share": 1.0}, "share = 1.0: expected a number in [0.6, 0.9]"),
        (solvable_chaos.Chaos, {"runs": 100}, "runs = 100: expected a number in [2000, 1e+06]"),
        (minnorm_quadratic.Nilpotent, {"speed": 0.0}, "speed = 0.0: expected a number in [0.1, 3]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("two_cycles", {"depths": (4,), "ratios": (1.03,), "runs": 2, "pixels": 8, "target": 0.2, "input": 4.0}),
        ("large_steps_forget", {"depths": (2, 3), "share": 0.7, "pixels": 8, "target": 8.0}),
        ("solvable_chaos", {"target": 0.3, "input": 5.0, "runs": 3000}),
        ("minnorm_quadratic", {"depths": (7,), "speed": 2.5, "target": 6.0, "input": 0.3}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[f"chain.{name}"], Study(f"chain.{name}", "smoke", given=given))
    assert evidence.verdict == "holds", [check for check in evidence.checks if not check]
