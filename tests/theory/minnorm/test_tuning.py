"""The three numbers of a flow, one or one a run."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning


def test_numbers_may_be_of_each_run() -> None:
    assert Tuning(np.array([1.0, 2.0]), 0.5, np.array([0.0, 1.0])).a.shape == (2,)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"a": 0.0}, "a = 0"),
        ({"a": np.array([1.0, -2.0])}, "a = -2"),
        ({"b": np.inf}, "b = inf"),
        ({"c": float("nan")}, "c = nan"),
    ],
)
def test_numbers_outside_their_domain_are_named(numbers: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Tuning(**numbers)
