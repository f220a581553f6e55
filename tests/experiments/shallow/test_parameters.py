"""Parameters of the claims about linear classifiers: what fits, what is refused, and that claims hold away from their
own."""

import re
from typing import Any

import pytest

from experiments.shallow import (
    clocks,
    closed_forms,
    degenerate,
    direction,
    event_driven,
    flow,
    freeze,
    heavy_ball,
    hitting_times,
    margin,
    nonseparable,
    rescaling,
    scoreboard,
    traps,
)
from theory.claims import REGISTRY, Study, judge
from theory.claims.parameters import at
from theory.core.validation import InvalidArgument

ALL = {
    "minnorm.shallow_degenerate": degenerate.Duplicates,
    "minnorm.shallow_event_driven": event_driven.Flows,
    "minnorm.shallow_flow": flow.Flow,
    "minnorm.shallow_heavy_ball": heavy_ball.Ball,
    "minnorm.shallow_hitting_times": hitting_times.Race,
    "minnorm.shallow_nonseparable": nonseparable.Contradicting,
    "shallow.alternating_traps": traps.Traps,
    "shallow.closed_forms": closed_forms.Orthogonal,
    "shallow.large_steps_freeze": freeze.Frozen,
    "shallow.rescaling": rescaling.Rescaled,
    "shallow.scoreboard": scoreboard.Scoreboard,
    "shallow.three_clocks": clocks.Clocks,
    "soudry2018.direction": direction.Directions,
    "soudry2018.margin": margin.Starts,
}


@pytest.mark.parametrize("claim", ALL)
def test_each_claim_declares_its_parameters(claim: str) -> None:
    assert REGISTRY[claim].parameters is ALL[claim]


@pytest.mark.parametrize(
    ("claim", "given", "line"),
    [
        ("minnorm.shallow_degenerate", {"inputs": 2}, "shares = 3 of them: expected as many as the 2 inputs at most"),
        ("minnorm.shallow_degenerate", {"runs": 1}, "runs = 1: expected a number in [2, 100]"),
        ("minnorm.shallow_event_driven", {"runs": 100}, "runs = 100: expected at most 83 of 12 examples each"),
        (
            "minnorm.shallow_flow",
            {"ratios": (1.0, 0.26)},
            "ratios = (1.0, 0.26): expected numbers off the kink at 0.25",
        ),
        ("minnorm.shallow_heavy_ball", {"inputs": 4}, "shares = 4 of them: expected 2 at least, and fewer than the 4"),
        ("minnorm.shallow_heavy_ball", {"weight_step": 0.5}, "weight_step = 0.5: expected a number in [0.01, 0.45]"),
        ("minnorm.shallow_hitting_times", {"longer": 300}, "longer = 300: expected at least the budget 1500"),
        ("minnorm.shallow_nonseparable", {"b": 0.1}, "time = 90.0: expected at least 353, at these speeds a and b"),
        ("minnorm.shallow_nonseparable", {"learning_rate": 0.005, "time": 300.0}, "time = 300.0: expected at most 200"),
        ("shallow.alternating_traps", {"shares": (1.0, 1.0)}, "shares = 2 of them: expected 3 at least"),
        ("shallow.closed_forms", {"lengths": (1.0,)}, "lengths = 1 of them: expected 2 at least"),
        ("shallow.large_steps_freeze", {"learning_rate": 1.0}, "learning_rate = 1.0: expected a number in [80, 500]"),
        ("shallow.rescaling", {"shares": (1.0, 2.0)}, "shares = 2 of them: expected 3 at least"),
        ("shallow.scoreboard", {"shares": (1.0, 2.0)}, "shares = 2 of them: expected 3 at least"),
        (
            "shallow.scoreboard",
            {"shares": (1.0, 1.0, 1.0)},
            "shares = (1.0, 1.0, 1.0): expected a largest at least 1.2",
        ),
        ("shallow.three_clocks", {"shares": (1.0, 1.0, 1.1)}, "shares = (1.0, 1.0, 1.1): expected a largest at least"),
        ("shallow.three_clocks", {"inputs": 3}, "shares = 3 of them: expected 3 at least, and fewer than the 3 inputs"),
        ("soudry2018.direction", {"horizon": 20.0, "steps": 100}, "steps = 100: expected at least 200"),
        ("soudry2018.direction", {"inputs": 3}, "shares = 3 of them: expected 2 at least, and fewer than the 3 inputs"),
        ("soudry2018.margin", {"shares": (1.0, 1.0)}, "shares = (1.0, 1.0): expected a largest at least 1.2 times"),
        ("soudry2018.margin", {"margin": 1.0}, "margin = 1.0: expected a number in [0.5, 0.9]"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(claim: str, given: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{re.escape(line)}"):
        at(ALL[claim], "quick", given)


@pytest.mark.parametrize(
    ("claim", "given", "line"),
    [
        ("minnorm.shallow_degenerate", {"b": 3.0}, "b x learning rate = 0.6: expected at most 0.378"),
        ("minnorm.shallow_degenerate", {"a": 0.2}, "steps = 1000: expected at least 1803"),
        ("minnorm.shallow_degenerate", {"shares": (0.1, 1.0, 10.0)}, "shift = 0.02: expected one after which"),
        ("minnorm.shallow_flow", {"learning_rate": 0.2}, "b x learning rate = 0.14: expected at most 0.0582"),
        ("minnorm.shallow_nonseparable", {"inputs": 4, "examples": 4}, "problems = 0 of 150 with 4 examples of 4"),
        ("shallow.closed_forms", {"lengths": (3.0, 3.0), "horizon": 20.0, "scale": 1.0}, "steps = "),
        (
            "shallow.large_steps_freeze",
            {"shares": (10.0, 0.1)},
            "shares = (10.0, 0.1) (0 of 240 problems fit): expected 4 whose",
        ),
        (
            "shallow.rescaling",
            {"shares": (10.0, 0.1, 0.1)},
            "shares = [0.98 0.01 0.01] (0 of 160 problems fit): expected",
        ),
        (
            "shallow.scoreboard",
            {"margin": 0.4, "shares": (5.0, 0.2, 0.2)},
            "shares = [0.926 0.037 0.037]: expected more",
        ),
        ("shallow.three_clocks", {"shares": (10.0, 0.1, 0.1)}, "shares = [0.98 0.01 0.01] (0 of 160 problems fit)"),
        ("soudry2018.margin", {"shares": (0.9, 0.05, 0.05)}, "shares = (0.9, 0.05, 0.05) (0 of 60 problems settle)"),
    ],
)
def test_what_is_drawn_and_does_not_fit_is_refused_before_training(
    claim: str, given: dict[str, Any], line: str
) -> None:
    study = Study(claim, "smoke", given=given)
    with pytest.raises(InvalidArgument, match=f"^{re.escape(line)}"):
        judge(REGISTRY[claim], study)
    assert not study.journal


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        ("minnorm.shallow_degenerate", {"shares": (1.0, 2.0), "learning_rate": 0.1, "runs": 2}),
        ("minnorm.shallow_event_driven", {"inputs": 3, "examples": 4, "runs": 2, "integrated": 1, "a": 2.0}),
        ("minnorm.shallow_event_driven", {"b": 2.0, "steps": 100, "runs": 2, "integrated": 1}),
        ("minnorm.shallow_flow", {"a": 0.5, "ratios": (0.1, 1.0), "examples": 6, "runs": 1}),
        ("minnorm.shallow_heavy_ball", {"condition": 40.0, "shares": (1.0, 1.0), "grid": 50}),
        ("minnorm.shallow_nonseparable", {"examples": 6, "b": 2.0, "runs": 1, "learning_rate": 0.1}),
        ("shallow.closed_forms", {"inputs": 9, "lengths": (0.5, 2.0), "horizon": 2.0}),
        ("shallow.large_steps_freeze", {"inputs": 3, "shares": (2.0, 1.0), "runs": 2, "learning_rate": 200.0}),
        ("soudry2018.direction", {"inputs": 4, "shares": (3.0, 2.0), "steps": 80, "slack": (2.0,), "runs": 1}),
        ("soudry2018.margin", {"inputs": 12, "margin": 0.6, "shares": (1.0, 2.0), "runs": 1}),
    ],
)
def test_claims_hold_away_from_their_own_parameters(claim: str, given: dict[str, Any]) -> None:
    evidence = judge(REGISTRY[claim], Study(claim, "smoke", given=given))
    assert evidence.given == tuple(given) and evidence.in_words.startswith("holds"), evidence.in_words
