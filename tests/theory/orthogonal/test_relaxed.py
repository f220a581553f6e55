"""Minimisers under a penalty: their limits; errors."""

import numpy as np
import pytest
from scipy import optimize

from theory.core.validation import InvalidArgument
from theory.orthogonal import relaxed


def test_without_weight_to_speak_of_the_target_is_reached_and_with_all_of_it_the_orthogonal_matrix() -> None:
    s = np.array([2.0, 0.5])
    for minimiser in (relaxed.squared_penalty_minimiser, relaxed.unsquared_penalty_minimiser):
        assert minimiser(s, 1e-9) == pytest.approx(s, rel=1e-7)
        assert minimiser(s, 1e9) == pytest.approx(1, rel=1e-8)


def test_the_unsquared_minimiser_is_continuous_at_the_threshold() -> None:
    s = np.array([1.8, 1.1, 0.6])
    below = relaxed.unsquared_penalty_minimiser(s, relaxed.threshold(s) * (1 - 1e-6))
    assert below == pytest.approx(1, abs=1e-4)
    assert not np.array_equal(below, np.ones(3))
    assert np.array_equal(relaxed.unsquared_penalty_minimiser(s, relaxed.threshold(s)), np.ones(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relaxed.squared_penalty_minimiser(np.ones(2), 0), "weight = 0: expected a finite number above 0"),
        (lambda: relaxed.unsquared_penalty_minimiser(np.ones(2), -1), "weight = -1"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


S = np.array([1.8, 1.1, 0.6])


@pytest.mark.parametrize("weight", [0.07, 0.3, 2.0])
def test_the_squared_minimiser_is_one(weight: float) -> None:
    total = lambda r: 0.5 * ((r - S) ** 2).sum() + weight * ((r**2 - 1) ** 2).sum()  # noqa: E731
    found = optimize.minimize(total, S, tol=1e-14).x
    assert relaxed.squared_penalty_minimiser(S, weight) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_the_unsquared_minimiser_is_one(share: float) -> None:
    weight = share * relaxed.threshold(S)
    total = lambda r: 0.5 * ((r - S) ** 2).sum() + weight * np.sqrt(((r**2 - 1) ** 2).sum())  # noqa: E731
    found = optimize.minimize(total, S, tol=1e-14).x
    assert relaxed.unsquared_penalty_minimiser(S, weight) == pytest.approx(found, abs=1e-5)


def test_one_number_under_the_unsquared_penalty() -> None:
    assert relaxed.unsquared_penalty_minimiser(np.array([1.8]), 0.3) == pytest.approx(1.8 / 1.6)


def test_the_limit_of_the_defect_and_the_threshold() -> None:
    weight = 1e7
    defect = np.linalg.norm(relaxed.squared_penalty_minimiser(S, weight) ** 2 - 1)
    assert weight * defect == pytest.approx(relaxed.limiting_defect(S), rel=1e-6)
    assert relaxed.threshold(S) == pytest.approx(np.linalg.norm(S - 1) / 2)
    above = relaxed.unsquared_penalty_minimiser(S, 1.0001 * relaxed.threshold(S))
    assert np.array_equal(above, np.ones(3))
    assert not np.array_equal(relaxed.unsquared_penalty_minimiser(S, 0.9999 * relaxed.threshold(S)), np.ones(3))
