"""Labels of no class, examples that are alone, sizes whose powers overflow: the right number, or one clear line."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.images import class_means, medians, ranking, solutions

X, Y = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), np.array([0, 1, 1])


def test_one_class_alone_is_nearer_than_any_other() -> None:
    found = class_means.beyond_the_nearest(X[None, 1:], Y[None, 1:], 3)
    assert np.isneginf(found).all()
    assert class_means.to_own_class(X[None], Y[None], 2)[0] == pytest.approx([np.inf, 5, 5])


def test_sizes_whose_powers_overflow() -> None:
    """0 / 10^-600 is 0, and 10^200 / 10^400 is no 0."""
    margin, square = np.array([0.0, 1e200, -3.0]), np.array([1e-300, 1e200, 1e-100])
    assert solutions.normalised_margin(margin, square, 4) == pytest.approx([0, 1e-200, -3e200])


def test_errors_as_large_as_numbers_are() -> None:
    assert ranking.chance_error(np.array([3e200, 4e200, np.nan])) == pytest.approx(2.5e200)


@pytest.mark.parametrize(("significance", "fewest"), [(0.5, 2), (0.05, 6), (2.0**-20, 21), (1e-300, 998)])
def test_as_many_draws_as_are_needed(significance: float, fewest: int) -> None:
    """2^(1 - R) <= significance."""
    assert medians.fewest_draws(significance) == fewest


REFUSED = {
    "y = 1: expected a number in [0, 0]": lambda: class_means.distances(X, Y, 1),
    "y = -1": lambda: class_means.to_own_class(X[None], Y[None] - 1, 2),
    "x[0, 0] = nan": lambda: class_means.distances(X * np.nan, Y, 2),
    "n = 1": lambda: class_means.beyond_the_nearest(X[None, :1], Y[None, :1], 2),
    "draws[1] = inf": lambda: medians.median(np.array([1.0, np.inf]), 0.5),
    "significance = 0.0": lambda: medians.median(np.arange(9.0), 0.0),
    "significance = 1.0": lambda: medians.fewest_draws(1.0),
    "errors = none that is known": lambda: ranking.chance_error(np.array([np.nan])),
    "false[1] = 1.5": lambda: ranking.roc(np.arange(3.0), Y == 1, np.array([0.0, 1.5])),
    "margin = inf": lambda: solutions.normalised_margin(np.array(np.inf), np.array(1.0), 2),
    "squared_norm = -1.0": lambda: solutions.normalised_margin(np.array(1.0), np.array(-1.0), 2),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_answer_is_named(message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        REFUSED[message]()
    assert str(refused.value).startswith(message)
