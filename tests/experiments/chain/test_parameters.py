"""Parameters of the claims about chains: what fits, what is refused, and that claims hold away from their own."""

import re
from typing import Any

import numpy as np
import pytest

from experiments.chain import (
    collapse,
    critical_augmentation,
    decay,
    discrete_law,
    gradient_flow,
    l2,
    lotka_volterra,
    schedules,
    spectrum,
    times,
    unsquared,
)
from experiments.chain.parameters import Units
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning

ALL = {
    "chain_collapse": collapse.Collapsing,
    "chain_critical_augmentation": critical_augmentation.Augmented,
    "chain_decay": decay.Forgetting,
    "chain_discrete_law": discrete_law.Stepping,
    "chain_gradient_flow": gradient_flow.Starts,
    "chain_l2": l2.Decaying,
    "chain_lotka_volterra": lotka_volterra.Orbits,
    "chain_schedules": schedules.Schedules,
    "chain_spectrum": spectrum.Spectra,
    "chain_times": times.Race,
    "chain_unsquared": unsquared.Unsquared,
}


@pytest.mark.parametrize("name", ALL)
def test_each_claim_declares_its_parameters(name: str) -> None:
    assert REGISTRY[f"minnorm.{name}"].parameters is ALL[name]


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (decay.Forgetting, {"depths": (2, 2)}, "depths = (2, 2): expected depths that all differ"),
        (spectrum.Spectra, {"depths": (1,)}, "depths = (1,): expected one of 2 or more among them"),
        (decay.Forgetting, {"depths": (1, 2)}, "depths = 1: expected a number in [2, 10]"),
        (decay.Forgetting, {"integration": (1.0,)}, "integration = (1.0,): expected two numbers, the smaller first"),
        (decay.Forgetting, {"learning_rate": 0.5}, "learning_rate = 0.5: expected a number in [0.0001, 0.02]"),
        (discrete_law.Stepping, {"steps": 0}, "steps = 0: expected a number in [1, 10000]"),
        (gradient_flow.Starts, {"balanced": (1.0,)}, "balanced = (1.0,): expected sizes other than 1"),
        (schedules.Schedules, {"annealed": (1.5,)}, "annealed = (1.5,): expected two numbers"),
        (collapse.Collapsing, {"depths": (2,)}, "depths = 2: expected a number in [3, 8]"),
        (collapse.Collapsing, {"criteria": (1.0,)}, "criteria = 1.0: expected a number in [0.1, 0.99]"),
        (times.Race, {"gammas": (0.3, 0.1)}, "gammas = (0.3, 0.1): expected three different weight decays"),
        (unsquared.Unsquared, {"powers": (1.0, 1.0)}, "powers = (1.0, 1.0): expected one for each of the depths (2,)"),
        (unsquared.Unsquared, {"powers": (2.0,)}, "powers = 2.0: expected a number in [1, 2)"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(kind: type, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(line)):
        at(kind, "smoke", given)


@pytest.mark.parametrize(("s", "x", "k"), [(0.3, 2.0, 2.0), (6.0, 0.5, 1.0), (0.7, 3.0, 1.5)])
def test_chains_of_a_depth_are_one_chain_in_their_units(s: float, x: float, k: float) -> None:
    chain = Chain(s, 3, x, k)
    units, tuning = Units(chain), Tuning(0.8, 0.6, 0.5)
    w, multiplier = np.array([0.7, -1.2, -0.9]), 0.4
    stated = np.append(*minnorm.velocity(units.stated_for, tuning, w, multiplier))
    state = w * units.weight, multiplier * units.multiplier
    velocity = np.append(*minnorm.velocity(chain, units.tuning(tuning), *state))
    assert velocity * units.time_of_minnorm / units.state == pytest.approx(stated)
    assert Units(units.stated_for).state == pytest.approx(np.ones(4), abs=0)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("chain_critical_augmentation", {"depths": (8,), "learning_rate": 0.05, "target": 0.2}),
        ("chain_decay", {"depths": (2, 4), "input": 5.0, "learning_rate": 0.02, "horizon": 0.2}),
        ("chain_discrete_law", {"depths": (9,), "learning_rate": 0.04, "steps": 20}),
        ("chain_spectrum", {"depths": (7,), "target": 8.0, "speed": 2.0}),
        ("chain_unsquared", {"depths": (3,), "powers": (1.7,), "target": 0.2}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(name: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[f"minnorm.{name}"], Study(f"minnorm.{name}", "smoke", given=given))
    assert evidence.verdict in ("holds", "holds, N times above")
    assert all(evidence.checks)
