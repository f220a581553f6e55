"""What can be varied in the claims of homogeneous networks: what is refused, in a line, and some judged elsewhere."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from theory.claims import REGISTRY, Evidence, Study, judge
from theory.claims.parameters import at, declared
from theory.claims.study import PROFILES
from theory.claims.verdicts import FAILS, UNDECIDED
from theory.core.validation import InvalidArgument

MODULES = {
    "homogeneous.margin_growth": "margin_growth",
    "banburski2019.curves_on_the_sphere": "curves_on_the_sphere",
    "banburski2019.balance": "balance",
    "banburski2019.five_dynamics": "dynamics",
    "homogeneous.free_sizes": "free_sizes",
    "homogeneous.curve_of_frozen_sizes": "curve",
    "homogeneous.curve_of_gradient_flow": "curve",
    "homogeneous.unseen_part": "unseen_part",
    "banburski2019.decomposition": "decomposition",
    "banburski2019.critical_points": "critical_points",
    "banburski2019.weight_normalisation": "weight_normalisation",
    "banburski2019.batch_normalisation": "batch_normalisation",
    "homogeneous.other_losses": "other_losses",
    "lyu2020.smoothed_margin": "smoothed_margin",
    "soudry2018.deep_networks": "deep_networks",
    "soudry2018.multiclass": "multiclass",
}


def judged(id: str, given: Mapping[str, Any]) -> Evidence:
    import_module(f"experiments.homogeneous.{MODULES[id]}")
    at(REGISTRY[id].parameters, "smoke", given)  # type: ignore[arg-type]
    return judge(REGISTRY[id], Study(id, "smoke", given=given))


@pytest.mark.parametrize(
    ("id", "given", "said"),
    [
        (
            "homogeneous.margin_growth",
            {"depths": (1,)},
            r"depths = \(1,\): expected different ones, one of",
        ),
        ("homogeneous.margin_growth", {"examples": 5}, r"examples = 5: expected at most the inputs 4"),
        ("homogeneous.margin_growth", {"product": 1.3}, r"product = 1.3: expected from a twentieth of the square 1.3"),
        (
            "homogeneous.margin_growth",
            {"two_points_horizon": 90.0},
            r"two_points_horizon = 90.0: expected from 5.56 to 31.1 at these two points",
        ),
        ("homogeneous.margin_growth", {"learning_rate": 1e-3}, r"learning_rate = 0.001: expected at least 0.006, 5000"),
        (
            "banburski2019.curves_on_the_sphere",
            {"frozen": (4.0, 1.5)},
            r"frozen = .*: expected at least two sizes",
        ),
        ("banburski2019.balance", {"widths": (5,)}, r"widths = \(5,\): expected two numbers, of the two hidden layers"),
        ("banburski2019.balance", {"scales": (1.0, 1.0)}, r"scales = .*: expected three numbers, of the three layers"),
        (
            "banburski2019.balance",
            {"widths": (64, 64), "steps": 2000},
            r"runs x steps x weights = \d+: expected at most 10000000",
        ),
        (
            "banburski2019.five_dynamics",
            {"scales": (1.0,)},
            r"scales = \(1.0,\): expected two numbers",
        ),
        ("homogeneous.free_sizes", {"scales": (1.0,)}, r"scales = \(1.0,\): expected two numbers"),
        ("homogeneous.curve_of_frozen_sizes", {"unequal": (1.0, 1.1)}, r"unequal = .*: expected two numbers, one 1.5"),
        ("homogeneous.curve_of_gradient_flow", {"size": 1.0}, r"size = 1.0: expected not 1: another clock is to show"),
        ("homogeneous.curve_of_gradient_flow", {"depths": (2, 3)}, r"depths = \(2, 3\): expected .* 1 among them"),
        ("banburski2019.decomposition", {"widths": (6,)}, r"widths = \(6,\): expected two numbers"),
        ("banburski2019.weight_normalisation", {"gains": (1.0,)}, r"gains = \(1.0,\): expected two numbers"),
        ("banburski2019.batch_normalisation", {"examples": 20}, r"examples = 20: expected a multiple of 6, four times"),
        ("homogeneous.other_losses", {"lengths": (1.0, 1.1)}, r"lengths = .*: expected two, one 1.2 times the other"),
        ("homogeneous.other_losses", {"scales": (1.0, 2.0)}, r"scales = .*: expected 0, and others above it"),
        (
            "lyu2020.smoothed_margin",
            {"networks": (2, 3)},
            r"networks = \(2, 3\): expected .* 1 among them",
        ),
        ("soudry2018.deep_networks", {"depths": (3, 4)}, r"depths = \(3, 4\): expected different ones, 2 among them"),
        ("soudry2018.multiclass", {"classes": 5}, r"classes = 5: expected a number in \[3, 4\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(id: str, given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refusal:
        judged(id, given)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("id", "given"),
    [
        ("banburski2019.balance", {"inputs": 7, "widths": (9, 3)}),
        ("homogeneous.free_sizes", {"inputs": 6, "width": 5, "scales": (0.7, 1.4)}),
        ("banburski2019.decomposition", {"widths": (3, 9), "scales": (0.5, 1.5, 0.8)}),
        ("banburski2019.weight_normalisation", {"width": 7, "decay": 0.2, "learning_rate": 0.1}),
        ("soudry2018.multiclass", {"examples": 12, "start": 0.3}),
    ],
)
def test_other_parameters_are_judged(id: str, given: Mapping[str, Any]) -> None:
    evidence = judged(id, given)
    assert evidence.verdict not in (FAILS, UNDECIDED)
    assert set(evidence.given) == set(given)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("id", MODULES)
def test_profiles_keep_to_their_ranges(id: str, profile: str) -> None:
    import_module(f"experiments.homogeneous.{MODULES[id]}")
    kind = REGISTRY[id].parameters
    assert kind is not None
    at(kind, profile, {name: parameter.values[profile] for name, parameter in declared(kind).items()})
