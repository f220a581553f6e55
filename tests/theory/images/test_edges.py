"""Labels of no class, examples that are alone, sizes whose powers overflow: the right number, or one clear line."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.images import class_means, held_out, ranking, solutions

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


def test_examples_that_coincide_are_classified_by_the_others_alike() -> None:
    """All in one place, four to one: the majority is right, the other wrong. With one apart there is no scale."""
    x, y = np.zeros((1, 5, 2)), np.array([[0, 0, 0, 0, 1]])
    assert (np.sign(held_out.left_out_margins(x, y, 2)) == [[1, 1, 1, 1, -1]]).all()
    x[0, -1] = 1e-3
    margins = held_out.left_out_margins(x, y, 2)[0]
    assert (margins[:4] > 0).all() and margins[4] == pytest.approx(0, abs=1e-12)


REFUSED = {
    "y = 1: expected a number in [0, 0]": lambda: class_means.distances(X, Y, 1),
    "y = -1": lambda: class_means.to_own_class(X[None], Y[None] - 1, 2),
    "x[0, 0] = nan": lambda: class_means.distances(X * np.nan, Y, 2),
    "n = 1": lambda: class_means.beyond_the_nearest(X[None, :1], Y[None, :1], 2),
    "n = 1: expected a number in [2, inf)": lambda: held_out.left_out_margins(X[None, :1], Y[None, :1], 2),
    "classes = 1": lambda: held_out.left_out_margins(X[None], 0 * Y[None], 1),
    "y = 2": lambda: held_out.left_out_margins(X[None], Y[None] + 1, 2),
    "width = 0": lambda: held_out.left_out_margins(X[None], Y[None], 2, width=0.0),
    "ridge = 0": lambda: held_out.left_out_margins(X[None], Y[None], 2, ridge=0.0),
    "x[0, 0, 0] = inf": lambda: held_out.left_out_margins(X[None] + np.inf, Y[None], 2),
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
