"""What can be varied of orthogonal layers: what is refused, in a line, and claims that hold elsewhere."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

MODULES = (
    "asymptotic_minimality",
    "cayley_power_law",
    "coordinate_system",
    "discrete_steps",
    "double_bracket",
    "energy_at_random_start",
    "energy_invariance",
    "energy_minima",
    "expressivity_gap",
    "generalises_better",
    "landscape",
    "map_gradients",
    "neumann_map",
    "orthogonal_maps",
    "preserving_descent",
    "procrustes_flow",
    "procrustes_limit",
    "relaxed",
    "scalability",
    "spectrum",
    "stochastic",
    "superiority",
    "training",
    "two_sided",
)
for module in MODULES:
    import_module(f"experiments.orthogonal.{module}")


@pytest.mark.parametrize(
    ("id", "given", "line"),
    [
        (
            "orthogonal.landscape",
            {"singular_values": (1.0, 0.5)},
            "singular_values = (1.0, 0.5): expected three to six numbers",
        ),
        (
            "orthogonal.discrete_steps",
            {"singular_values": (2.0, 1.0, 1.0)},
            "singular_values = (2.0, 1.0, 1.0): expected each 0.05 or more below the one before",
        ),
        (
            "orthogonal.procrustes_limit",
            {"singular_values": (3.0, 2.9, 0.15, 0.1)},
            "singular_values = (3.0, 2.9, 0.15, 0.1): expected s_1 + s_2 at most 23.1 (s_(d-1) + s_d)",
        ),
        ("orthogonal.two_sided", {"targets": (1.9, 1.3)}, "targets = (1.9, 1.3): expected three to six numbers"),
        (
            "orthogonal.two_sided",
            {"targets": (1.9, 1.3, 0.9, 0.5)},
            "targets = (1.9, 1.3, 0.9, 0.5): expected as many numbers as the 3 of the neurons",
        ),
        ("orthogonal.cayley_power_law", {"pair": (1.0,)}, "pair = (1.0,): expected two numbers"),
        (
            "liu2021.asymptotic_minimality",
            {"narrowest": 40, "doublings": 4},
            "narrowest = 40: expected at most 20: 320 neurons at the widest",
        ),
        ("liu2021.energy_at_random_start", {"power": 3.0}, "power = 3.0: expected below (d - 1) / 6 = 2.5"),
        ("liu2021.energy_minima", {"widths": (2, 2)}, "widths = (2, 2): expected different numbers"),
        (
            "liu2021.relaxed",
            {"singular_values": (1.2, 0.9)},
            "singular_values = (1.2, 0.9): expected one of 1.5 at least",
        ),
        ("liu2021.spectrum", {"neurons": 40}, "neurons = 40: expected a tenth to a half of the 64 inputs"),
        (
            "liu2021.stochastic",
            {"block": 5},
            "block = 5: expected at least a quarter of the 24 inputs, and fewer than inputs and neurons (12)",
        ),
        (
            "liu2021.generalises_better",
            {"neurons": (5, 9)},
            "neurons = (5, 9): expected one below the 5 inputs",
        ),
        ("liu2021.generalises_better", {"neurons": (3, 3)}, "neurons = (3, 3): expected different numbers"),
        ("liu2021.generalises_better", {"inputs": 6}, "few = 60: expected a number in [72, inf)"),
        (
            "liu2021.scalability",
            {"block": 6},
            "block = 6: expected a third of the 6 inputs at least, and fewer than these",
        ),
        ("liu2021.superiority", {"beside": 250}, "beside = 250: expected a number in [64, 192]"),
        ("liu2021.coordinate_system", {"few": 81}, "few = 81: expected a number in [40, 80]"),
        ("orthogonal.neumann_map", {"angles": (0.4, 0.4)}, "angles = (0.4, 0.4): expected different numbers"),
        (
            "orthogonal.neumann_map",
            {"block": 3},
            "block = 3: expected an even number: halves of blocks are mixed",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)) as refusal:
        at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("orthogonal.landscape", {"singular_values": (2.5, 1.2, 0.7, 0.3), "runs": 2}),
        ("orthogonal.expressivity_gap", {"singular_values": (3.0, 1.0, 0.4)}),
        ("liu2021.map_gradients", {"inputs": 4, "condition": 30.0}),
        ("liu2021.energy_invariance", {"inputs": 5, "neurons": 9}),
        ("liu2021.generalises_better", {"inputs": 4, "neurons": (2, 6), "noise": 1.5, "draws": 2000}),
        ("liu2021.scalability", {"inputs": 5, "block": 2, "runs": 1500}),
        ("orthogonal.neumann_map", {"angles": (0.3, 1.1), "block": 4, "factors": 2}),
    ],
)
def test_they_hold_elsewhere(id: str, given: Mapping[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict.startswith("holds")
    assert evidence.given == tuple(given)
    assert vars(at(REGISTRY[id].parameters, "smoke", given)) == dict(evidence.parameters)  # type: ignore[arg-type]
