"""Draws in rounds: they end when everything is told, and a line says how many draws would tell what is not."""

import numpy as np
import pytest

from experiments.classifiers.paired import paired, power
from experiments.images.clean import Sizes, _accuracy
from experiments.images.methods import CROSS_ENTROPY, L2, MINNORM
from experiments.images.rounds import ROUNDS, Results, draws_to_tell, in_rounds, with_draws
from theory.claims import Check
from theory.claims.check import CONDITION, OVERSTATEMENT

DRAWS = 100


def results(seed: int, gain: float = 0.0, draws: int = DRAWS) -> Results:
    """Accuracies of three methods: Minnorm's is larger than that of cross-entropy by so much, and L2's no less."""
    rng = np.random.default_rng(seed)
    base, noise = 0.8 + rng.normal(scale=0.02, size=draws), rng.normal(scale=0.01, size=(2, draws))
    tests = {CROSS_ENTROPY: base, L2: base + 0.01 + gain + noise[0], MINNORM: base + gain + noise[1]}
    return Results({name: {"test": test} for name, test in tests.items()}, {}, np.zeros((draws, 3), bool))


def less(found: Results) -> list[Check]:
    gained = found.outcomes[CROSS_ENTROPY]["test"] - found.outcomes[MINNORM]["test"]
    return [with_draws(paired("less", gained).below(0.0), gained)]


def test_rounds_end_when_all_is_told() -> None:
    found, (check,) = in_rounds(ROUNDS, lambda count: results(count, gain=0.02), less)
    assert check and len(found.wanted) == DRAWS
    found, (check,) = in_rounds(ROUNDS, lambda count: results(count, gain=0.003), less)
    assert check and DRAWS < len(found.wanted) <= ROUNDS * DRAWS
    assert len(found.outcomes[L2]["test"]) == len(found.wanted)


def test_what_is_not_told_says_how_many_draws_would_tell() -> None:
    found, (check,) = in_rounds(2, lambda count: results(count, gain=1e-4), less)
    assert len(found.wanted) == 2 * DRAWS and check.is_undecided
    assert "if their mean is where it is now, about" in check.reason and "in place of 200 would tell" in check.reason


@pytest.mark.parametrize("distance", [1e-3, 1e-4])
def test_so_many_draws_have_the_power(distance: float) -> None:
    differences = np.random.default_rng(0).normal(size=DRAWS)
    half = paired("any", differences).estimate.half_width
    draws = draws_to_tell(distance, half, differences)
    assert power(distance / differences.std(ddof=1), int(draws)) == pytest.approx(0.999, abs=1e-3)
    assert draws_to_tell(0.0, half, differences) == np.inf


@pytest.mark.parametrize(
    ("gain", "users", "kind", "decided"),
    [
        (0.02, True, CONDITION, True),  # a boost
        (0.0, True, OVERSTATEMENT, True),  # none
        (-0.05, True, OVERSTATEMENT, True),  # a loss, but of another kind
        (0.0, False, CONDITION, False),  # the digits' statement takes no other answer
    ],
)
def test_users_get_the_answer_of_their_images(gain: float, users: bool, kind: str, decided: bool) -> None:
    judged = _accuracy(results(0, gain).outcomes, Sizes(), 36, users)
    checks = [check for check in judged if isinstance(check, Check)]
    assert kind in {check.kind for check in checks}
    assert all(checks) == decided
