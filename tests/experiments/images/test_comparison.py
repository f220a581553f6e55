"""Scores held against each other: which wrong sentences are refused."""

import numpy as np
import pytest

from experiments.images.comparison import (
    CLASS_MEANS,
    LOOKS,
    MULTIPLIERS,
    OWN_MEAN,
    SHUFFLED,
    above,
    over_draws,
    require_some,
    scores_find,
)
from theory.claims import Check
from theory.claims.estimates import SIGNIFICANCE
from theory.core.validation import InvalidArgument
from theory.images.medians import median

SEEDS, N = 96, 150  # more than the claims take: these scores vary independently of each other
WANTED = np.tile(np.arange(N) < 15, (SEEDS, 1))


def score(strength: float, cell: int) -> np.ndarray:
    """Scores that are larger by so many standard deviations for the wanted examples."""
    return np.random.default_rng(cell).normal(size=(SEEDS, N)) + strength * WANTED


def judged(multipliers: float, own: float, means: float) -> dict[str, Check]:
    strengths = {MULTIPLIERS: multipliers, OWN_MEAN: own, CLASS_MEANS: means, SHUFFLED: 0.0}
    scores = {name: score(strength, cell) for cell, (name, strength) in enumerate(strengths.items())}
    checks = scores_find(scores, WANTED, no_less_than=[OWN_MEAN], no_more_than=[CLASS_MEANS])
    known, shuffled, less, more = checks
    return {"known": known, "shuffled": shuffled, "less": less, "more": more}


def test_what_is_so_holds() -> None:
    assert all(check.passed and not check.is_undecided for check in judged(1.7, 1.6, 1.8).values())


@pytest.mark.parametrize(
    ("multipliers", "own", "means", "refused_by"),
    [
        (1.7, 3.0, 3.5, "less"),  # the distance to the own class finds more
        (1.7, 0.5, 0.8, "more"),  # the multipliers find more than class means
        (0.0, 0.0, 0.0, "known"),  # the multipliers know nothing
    ],
)
def test_what_is_not_so_is_refused(multipliers: float, own: float, means: float, refused_by: str) -> None:
    check = judged(multipliers, own, means)[refused_by]
    assert not check.passed or check.is_undecided


def test_shuffled_multipliers_that_find_are_noticed() -> None:
    scores = {name: score(1.7, cell) for cell, name in enumerate((MULTIPLIERS, SHUFFLED))}
    control = list(scores_find(scores, WANTED))[1]
    assert control.is_control and not control.passed


def test_each_look_has_its_share_of_the_significance() -> None:
    values = np.random.default_rng(0).gamma(4.0, size=30)
    estimate = over_draws(np.append(values, np.nan), LOOKS)
    assert estimate == median(values, SIGNIFICANCE / 5)
    assert above(estimate, LOOKS).value == pytest.approx(estimate.high - estimate.value)
    assert above(estimate, LOOKS).significance == pytest.approx(SIGNIFICANCE / 5)


def test_draws_without_wanted_examples() -> None:
    with pytest.raises(InvalidArgument, match="wanted examples = some, and others, in 2 of 4 draws"):
        over_draws(np.array([0.1, np.nan, 0.3, np.nan]), 1)


def test_too_few_draws_with_something_to_find_are_refused() -> None:
    wanted = WANTED.copy()
    wanted[:-24] = False
    require_some(wanted, "difficult", SEEDS)
    wanted[-1] = True  # nothing else is left there
    message = r"23 of 96 draws of 150 images with some that are difficult, and others: expected 24 of 96 or more"
    with pytest.raises(InvalidArgument, match=message):
        require_some(wanted, "difficult", SEEDS)


@pytest.mark.parametrize(("draws", "fewest"), [(29, 4), (48, 1)])
def test_a_first_look_refuses_what_is_hopeless(draws: int, fewest: int) -> None:
    """P(Bin(8, 24/29) <= 3) = 0.005 and P(Bin(8, 1/2) <= 0) = 0.004."""
    first = WANTED[:8].copy()
    first[fewest:] = False
    require_some(first, "difficult", draws)
    first[fewest - 1] = False
    with pytest.raises(InvalidArgument, match=f"{fewest - 1} of 8 draws"):
        require_some(first, "difficult", draws)
