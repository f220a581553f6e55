"""How well scores rank, against scikit-learn and against chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from theory.images.ranking import chance_error, ranking, ranking_error, roc

RNG = np.random.default_rng(0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_the_area_is_that_under_the_curve(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (3, n)).astype(float)  # with ties
    wanted = np.stack([rng.permutation(n) < rng.integers(1, n) for _ in range(3)])
    expected = [roc_auc_score(*pair) for pair in zip(wanted, scores)]
    assert ranking(scores, wanted) == pytest.approx(expected, abs=1e-12)
    assert ranking(-scores, wanted) == pytest.approx(1 - np.array(expected), abs=1e-12)


def test_nothing_to_rank() -> None:
    scores, wanted = RNG.normal(size=(2, 4)), np.array([[False] * 4, [True, False, False, False]])
    areas, errors = ranking(scores, wanted), ranking_error(wanted)
    assert np.isnan(areas[0]) and np.isnan(errors[0]) and np.isfinite(areas[1])
    assert chance_error(errors) == pytest.approx(errors[1])
    assert chance_error(np.array([0.3, np.nan, 0.4])) == pytest.approx(0.25)


def test_scores_that_know_nothing_have_the_error_of_mann_and_whitney() -> None:
    wanted = np.tile(np.arange(12) < 4, (20000, 1))
    areas = ranking(RNG.random(wanted.shape), wanted)
    assert areas.mean() == pytest.approx(0.5, abs=5 * ranking_error(wanted)[0] / 20000**0.5)
    assert areas.std() == pytest.approx(ranking_error(wanted)[0], rel=0.03)
    groups = areas.reshape(2000, 10), ranking_error(wanted).reshape(2000, 10)
    standard = np.array([(some.mean() - 0.5) / chance_error(errors) for some, errors in zip(*groups)])
    assert standard.std() == pytest.approx(1, rel=0.1)


def test_the_area_is_that_under_our_curve() -> None:
    scores, wanted = RNG.integers(0, 6, (3, 40)).astype(float), np.tile(np.arange(40) < 10, (3, 1))
    false = np.linspace(0, 1, 3001)  # holds every share of 30
    assert np.trapezoid(roc(scores, wanted, false), false, axis=-1) == pytest.approx(ranking(scores, wanted), abs=1e-9)


def test_the_curve_of_a_perfect_score_and_of_none() -> None:
    wanted = np.arange(200) < 20
    false = np.linspace(0, 1, 11)
    assert (roc(wanted * 1.0, wanted, false)[1:] == 1).all()
    chance = roc(RNG.random((50, 200)), np.tile(wanted, (50, 1)), false)
    assert chance.shape == (50, 11)
    assert chance.mean(0) == pytest.approx(false, abs=0.08)
