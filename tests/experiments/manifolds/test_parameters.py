"""What can be varied on weight manifolds: what is refused, in a line, and claims that hold elsewhere."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

MODULES = (
    "accuracy",
    "brockett",
    "closer_to_bounds",
    "convergence_to_minima",
    "curvature",
    "groupings",
    "layer_norms",
    "lyapunov",
    "noise_laws",
    "norm_ranges",
    "oblique",
    "rank_one",
    "rayleigh",
    "renormalisation",
    "schedules",
    "step_cap",
)
for module in MODULES:
    import_module(f"experiments.manifolds.{module}")


@pytest.mark.parametrize(
    ("id", "given", "line"),
    [
        (
            "manifolds.rayleigh",
            {"eigenvalues": (1.0, 1.0)},
            "eigenvalues = (1.0, 1.0): expected each 0.05 or more below the one before",
        ),
        (
            "manifolds.rayleigh",
            {"learning_rate": 0.4},
            "learning_rate = 0.4: expected at most 0.9 / 2.5, the largest rate: 0.36",
        ),
        (
            "manifolds.brockett",
            {"weights": (3.0, 1.0)},
            "weights = (3.0, 1.0): expected m_1 (l_1 - l_n) at most 6, not 8.1",
        ),
        ("manifolds.brockett", {"eigenvalues": (3.0, 2.0)}, "weights = (1.5, 1.0, 0.6): expected at most 2 numbers"),
        (
            "manifolds.rank_one_product",
            {"singular_values": (2.0,)},
            "singular_values = (2.0,): expected two to eight numbers",
        ),
        (
            "manifolds.oblique",
            {"lengths": (1.0, 1.0)},
            "lengths = (1.0, 1.0): expected two to twenty different numbers",
        ),
        ("ozay2019.norm_ranges", {"rows": 6}, "rows = 6: expected a power of 2"),
        ("ozay2019.norm_ranges", {"columns": 3}, "columns = 3: expected a divisor of the 8 rows"),
        ("ozay2019.noise_laws", {"constant": 0.1}, "constant = 0.1: expected g h of 0.3 to 1, not 0.15"),
        ("ozay2019.noise_laws", {"c": 1.5}, "c = 1.5: expected c h above 0.6 and below 2, not 2.25"),
        ("ozay2019.schedules", {"rate": 0.1}, "c = 1.0: expected c h of 0.25 to 1, not 0.1"),
        ("ozay2019.layer_norms", {"inputs": 1, "outputs": 1}, "outputs = 1: expected two kernels at least"),
        ("ozay2019.renormalisation", {"hidden": (16, 32)}, "hidden = (16, 32): expected widths from 64 to 10"),
        ("ozay2019.convergence_to_minima", {"starts": (24, 8)}, "starts = (24, 8): expected two at least, growing"),
        ("ozay2019.convergence_to_minima", {"harmonic": 4.0, "starts": (4, 6)}, "starts = (4, 6): expected a last one"),
        (
            "ozay2019.closer_to_bounds",
            {"rates": (1.0, 1.0, 1.0, 1.0)},
            "rates = (1.0, 1.0, 1.0, 1.0): expected at most 3",
        ),
        ("ozay2019.closer_to_bounds", {"batch": 33}, "batch = 33: expected a divisor of the 100 images"),
        ("ozay2019.closer_to_bounds", {"hidden": (12, 24)}, "hidden = (12, 24): expected widths from 64 to 10"),
        ("ozay2019.accuracy", {"hidden": (24,)}, "rates = (0.7, 20.0, 10.0): expected 3 numbers and as many layers"),
        (
            "ozay2019.layer_norms",
            {"inputs": 32, "outputs": 32, "draws": 20000},
            "draws = 20000: expected at most 1e+08 weights in all",
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
        ("ozay2019.norm_ranges", {"rows": 16, "columns": 2}),
        ("ozay2019.groupings", {"inputs": 20, "outputs": 9, "side": 6}),
        ("ozay2019.lyapunov", {"rows": 9, "furthest": 6.0}),
        ("ozay2019.step_cap", {"distance": 2.0, "curvature": 3.0}),
        ("ozay2019.renormalisation", {"hidden": (24,), "classes": 3, "steps": 5}),
        ("ozay2019.convergence_to_minima", {"dimensions": 3, "harmonic": 2.0, "starts": (6, 12)}),
        ("ozay2019.closer_to_bounds", {"rates": (14.0,), "steps": 140}),
    ],
)
def test_they_hold_elsewhere(id: str, given: Mapping[str, Any]) -> None:
    evidence = judge(REGISTRY[id], Study(id, "smoke", given=given))
    assert evidence.verdict.startswith("holds")
    assert evidence.given == tuple(given)
    assert vars(at(REGISTRY[id].parameters, "smoke", given)) == dict(evidence.parameters)  # type: ignore[arg-type]
