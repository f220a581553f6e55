"""Scores held against each other: which wrong sentences are refused."""

import numpy as np
import pytest

from experiments.images.comparison import CLASS_MEANS, MULTIPLIERS, SHUFFLED, errors_less, require_some, scores_find
from theory.claims import Check
from theory.core.validation import InvalidArgument

SEEDS, N = 96, 150  # more than the claims take: these scores vary independently of each other
WANTED = np.tile(np.arange(N) < 15, (SEEDS, 1))


def score(strength: float, cell: int) -> np.ndarray:
    """Scores that are larger by so many standard deviations for the wanted examples."""
    return np.random.default_rng(cell).normal(size=(SEEDS, N)) + strength * WANTED


def judged(multipliers: float, means: float) -> dict[str, Check]:
    strengths = {MULTIPLIERS: multipliers, CLASS_MEANS: means, SHUFFLED: 0.0}
    scores = {name: score(strength, cell) for cell, (name, strength) in enumerate(strengths.items())}
    known, shuffled, more = (item for item in scores_find(scores, WANTED) if isinstance(item, Check))
    return {"known": known, "shuffled": shuffled, "more": more}


def test_what_is_so_holds() -> None:
    assert all(check.passed and not check.is_undecided for check in judged(1.3, 1.8).values())


@pytest.mark.parametrize(
    ("multipliers", "means", "refused_by"),
    [
        (1.7, 1.3, "more"),  # the multipliers find more than class means
        (1.5, 1.5, "more"),  # as many
        (0.0, 0.0, "known"),  # the multipliers know nothing
    ],
)
def test_what_is_not_so_is_refused(multipliers: float, means: float, refused_by: str) -> None:
    check = judged(multipliers, means)[refused_by]
    assert not check.passed or check.is_undecided


def test_shuffled_multipliers_that_find_are_noticed() -> None:
    scores = {name: score(1.7, cell) for cell, name in enumerate((MULTIPLIERS, CLASS_MEANS, SHUFFLED))}
    control = next(item for item in scores_find(scores, WANTED) if isinstance(item, Check) and item.is_control)
    assert not control.passed


def test_draws_without_wanted_examples_do_not_count() -> None:
    scores = {name: score(1.7, cell) for cell, name in enumerate((MULTIPLIERS, CLASS_MEANS, SHUFFLED))}
    wanted = WANTED.copy()
    wanted[::2] = False
    known = next(item for item in scores_find(scores, wanted) if isinstance(item, Check))
    assert "48 independent runs" in known.reason
    wanted[3:] = False
    with pytest.raises(InvalidArgument, match="wanted examples = some, and others, in 1 of 96 draws"):
        list(scores_find(scores, wanted))


def test_errors_less_are_of_the_first_method() -> None:
    outcomes = {"a": {"test": np.array([0.9, 0.8])}, "b": {"test": np.array([0.7, 0.9])}}
    assert errors_less(outcomes, "a", "b") == pytest.approx([-0.2, 0.1])


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
