"""Margins in the limit: stationary for the exponential loss, and classifiers of scaled examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from theory.core.separable import Separable, planted
from theory.core.validation import InvalidArgument
from theory.cost_sensitive import margins

seeds = st.integers(0, 10**6)


def drawn(seed: int, others: int) -> tuple[Separable, np.random.Generator]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(4)) + 0.1
    slack = rng.uniform(0.3, 1, others)
    return Separable(planted(rng, shares / shares.sum(), d=9, slack=slack, runs=2)), rng


@given(seeds, st.integers(0, 3))
@settings(max_examples=20)
def test_where_margins_stand_so_the_gradient_is_along_the_limit(seed: int, others: int) -> None:
    """On the support e^(log g - margin) is proportional to the duals, so its sum of examples to w_hat."""
    problem, rng = drawn(seed, others)
    log_g = rng.standard_normal(problem.duals.shape)
    found = margins.limit_margins(problem, log_g)
    assert np.array_equal(np.isfinite(found), problem.support)
    push = (np.exp(log_g - found)[..., None] * problem.Z).sum(-2)
    along = push / np.linalg.norm(push, axis=-1, keepdims=True)
    assert along == pytest.approx(problem.w * problem.margin[..., None], abs=1e-7)


@given(seeds)
@settings(max_examples=20)
def test_the_move_changes_the_margins_by_the_shift(seed: int) -> None:
    problem, rng = drawn(seed, 0)
    log_g = rng.standard_normal(problem.duals.shape)
    move = margins.limit_move(problem, log_g)
    assert (problem.Z @ move[..., None])[..., 0] == pytest.approx(log_g, abs=1e-8)
    before, after = (margins.limit_margins(problem, each) for each in (0 * log_g, log_g))
    assert after - before == pytest.approx(log_g - log_g.mean(-1, keepdims=True), abs=1e-10)


@given(seeds, st.floats(0.1, 10))
@settings(max_examples=20)
def test_scaled_examples(seed: int, factor: float) -> None:
    problem, rng = drawn(seed, 1)
    factors = rng.uniform(0.3, 3, problem.duals.shape)
    found = margins.scaled(problem.Z, factors)
    least = (factors * (problem.Z @ found.w[..., None])[..., 0]).min(-1)
    assert least == pytest.approx(np.ones(2), abs=1e-9)
    all_alike = margins.scaled(problem.Z, np.full(factors.shape, factor))
    assert all_alike.w * factor == pytest.approx(problem.w, rel=1e-6, abs=1e-9)


@given(seeds, st.floats(-40, 40))
def test_recall_of_a_direction(seed: int, size: float) -> None:
    w = np.random.default_rng(seed).standard_normal(3)
    found = margins.gaussian_recall(w, 0.0, size * w / np.linalg.norm(w))
    assert found == pytest.approx(norm.cdf(size), rel=1e-9)
    assert margins.gaussian_recall(w, size * np.linalg.norm(w), 0 * w) == pytest.approx(found)
    assert margins.gaussian_recall(1e200 * w, 0.0, 0 * w) == 0.5


def test_what_is_outside_the_domain_is_named() -> None:
    problem = Separable(np.eye(2))
    with pytest.raises(InvalidArgument, match=r"log_g.shape = \(3,\)"):
        margins.limit_margins(problem, np.zeros(3))
    with pytest.raises(InvalidArgument, match=r"factors\[1\] = 0"):
        margins.scaled(np.eye(2), np.array([1.0, 0.0]))
    with pytest.raises(InvalidArgument, match="w = 0: expected a classifier that is not 0"):
        margins.gaussian_recall(np.zeros(2), 0.0, np.ones(2))
    off = Separable(np.array([[1.0, 0.0], [3.0, 1.0]]))
    with pytest.raises(InvalidArgument, match="support = 1 examples: expected all 2 examples"):
        margins.limit_move(off, np.zeros(2))
