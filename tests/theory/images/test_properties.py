"""What distances, margins and rankings satisfy at any data: covariance, brute force, exact probabilities."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.images import class_means, held_out
from theory.images.ranking import chance_error, ranking, ranking_error, roc

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


@few
@given(seeds, st.integers(2, 9), st.integers(1, 4), st.sampled_from([1e-120, 1.0, 1e120]))
def test_distances_to_means_of_the_others(seed: int, n: int, classes: int, unit: float) -> None:
    """Example by example; they do not see where the origin is, nor the order, and follow the unit."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, n, 3)), rng.integers(0, classes, (2, n))
    x[:, -1] = x[:, 0]
    expected = np.full((2, n, classes), np.inf)
    for run, i, k in np.ndindex(2, n, classes):
        others = [x[run, j] for j in range(n) if j != i and y[run, j] == k]
        if others:
            expected[run, i, k] = np.linalg.norm(x[run, i] - np.mean(others, axis=0))
    order = rng.permutation(n)
    for run in range(2):
        moved = class_means.distances(unit * (x[run, order] + [3.0, -1.0, 2.0]), y[run, order], classes)
        assert moved / unit == pytest.approx(expected[run, order], abs=1e-12)
    own = np.take_along_axis(expected, y[..., None], -1)[..., 0]
    assert class_means.to_own_class(x, y, classes) == pytest.approx(own, abs=1e-12)
    away = np.where(np.arange(classes) == y[..., None], np.inf, expected).min(-1)
    assert class_means.beyond_the_nearest(x, y, classes) == pytest.approx(own - away, abs=1e-12)


@few
@given(seeds, st.integers(4, 12), st.integers(2, 4), st.floats(0.1, 3), st.floats(0.01, 10))
def test_margins_of_examples_left_out(seed: int, n: int, classes: int, width: float, ridge: float) -> None:
    """Against as many regressions, each without one example, in the kernel that all of them share; in any order and
    unit of the inputs."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((1, n, 3)), rng.integers(0, classes, (1, n))
    found = held_out.left_out_margins(x, y, classes, width, ridge)[0]
    squares = ((x[0, :, None] - x[0]) ** 2).sum(-1)
    median = np.median(np.sqrt(squares)[np.triu_indices(n, 1)]) ** 2
    K, targets = np.exp(-squares / width / median), np.eye(classes)[y[0]]
    for i in range(n):
        kept = np.arange(n) != i
        f = K[i, kept] @ np.linalg.solve(K[np.ix_(kept, kept)] + ridge * np.eye(n - 1), targets[kept])
        assert found[i] == pytest.approx(f[y[0, i]] - np.delete(f, y[0, i]).max(), abs=1e-9)
    order = rng.permutation(n)
    moved = held_out.left_out_margins(5 * x[:, order] + 2, y[:, order], classes, width, ridge)[0]
    assert moved == pytest.approx(found[order], abs=1e-9)


@few
@given(st.integers(2, 8), st.integers(1, 7))
def test_the_error_of_chance_is_that_over_all_rankings(n: int, hits: int) -> None:
    hits = min(hits, n - 1)
    wanted = np.array([[i in chosen for i in range(n)] for chosen in combinations(range(n), hits)])
    areas = ranking(np.tile(np.arange(n) * 1.0, (len(wanted), 1)), wanted)
    assert areas.mean() == pytest.approx(0.5)
    assert ranking_error(wanted) == pytest.approx(areas.std())


@few
@given(st.lists(st.floats(1e-3, 10), min_size=1, max_size=6), st.integers(1, 5))
def test_errors_of_means_of_independent_areas(errors: list[float], copies: int) -> None:
    """Variances add up; unknown ones do not count, and copies make the mean as many roots better."""
    once = chance_error(np.array([*errors, np.nan]))
    assert once**2 == pytest.approx(sum(error**2 for error in errors) / len(errors) ** 2)
    assert chance_error(np.array(errors * copies)) == pytest.approx(once / np.sqrt(copies))


@few
@given(seeds, st.integers(2, 12))
def test_curves_rise_enclose_the_area_and_see_the_order_alone(seed: int, n: int) -> None:
    """Straight between multiples of 1 / (number of others): the rule of midpoints is exact there."""
    rng = np.random.default_rng(seed)
    scores, wanted = rng.standard_normal((2, n)), rng.permutation(np.arange(n) < rng.integers(1, n))
    middles = (np.arange((~wanted).sum()) + 0.5) / (~wanted).sum()
    both = np.stack([wanted, wanted])
    found = roc(scores, both, middles)
    assert found.mean(-1) == pytest.approx(ranking(scores, both))
    assert (np.diff(found) >= 0).all() and (found >= 0).all() and (found <= 1).all()
    order = rng.permutation(n)
    assert roc(np.exp(scores)[:, order], both[:, order], middles) == pytest.approx(found)
    assert roc(scores, both, np.ones(1)) == pytest.approx(1)
    tied = roc(np.zeros((2, n)), both, middles)
    assert tied == pytest.approx(np.stack([middles, middles]))
