"""Gaussian classes on a line: intervals by brute force, equal recalls, duals against what no rule exceeds."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from theory.core.validation import InvalidArgument
from theory.cost_sensitive import coverage, gaussian_classes
from theory.cost_sensitive.gaussian_classes import Classes

seeds = st.integers(0, 10**6)


def drawn(seed: int, K: int | None = None) -> tuple[Classes, np.random.Generator]:
    rng = np.random.default_rng(seed)
    K = K or int(rng.integers(2, 6))
    means = np.cumsum(rng.uniform(0.5, 2.5, K)) - 3
    sigma = float(rng.uniform(0.5, 2))
    return Classes(sigma * means, _priors(rng, K), sigma), rng


def _priors(rng: np.random.Generator, K: int) -> np.ndarray:
    raw = rng.dirichlet(np.ones(K)) + 0.05
    return raw / raw.sum()


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_recalls_by_brute_force(seed: int) -> None:
    classes, rng = drawn(seed)
    log_a = rng.standard_normal(classes.K)
    x = np.linspace(classes.means[0] - 9 * classes.sigma, classes.means[-1] + 9 * classes.sigma, 40_001)
    best = (log_a + classes.log_densities(x)).argmax(1)
    density = np.exp(classes.log_densities(x)) * (x[1] - x[0])
    found = [density[best == i, i].sum() for i in range(classes.K)]
    assert gaussian_classes.recalls(classes, log_a) == pytest.approx(found, abs=1e-3)
    begin, end = gaussian_classes.edges(classes, log_a)
    for i in range(classes.K):
        assert ((x > begin[i]) & (x < end[i])).sum() == pytest.approx((best == i).sum(), abs=2)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_sensitivities_are_differences(seed: int) -> None:
    classes, rng = drawn(seed)
    log_a, h = gaussian_classes.equaliser(classes)[1] + 0.1 * rng.standard_normal(classes.K), 1e-5
    steps = h * np.eye(classes.K)
    slopes = [(gaussian_classes.recalls(classes, log_a + e) - gaussian_classes.recalls(classes, log_a - e)) / (2 * h)
              for e in steps]  # fmt: skip
    J = gaussian_classes.sensitivity(classes, log_a)
    assert J == pytest.approx(np.transpose(slopes), abs=1e-7)
    scaled = np.exp(log_a)[:, None] * J
    assert scaled == pytest.approx(scaled.T, abs=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_no_rule_has_a_larger_least_recall_than_the_equaliser(seed: int) -> None:
    classes, rng = drawn(seed)
    value, log_a = gaussian_classes.equaliser(classes)
    assert gaussian_classes.recalls(classes, log_a) == pytest.approx(np.full(classes.K, value), abs=1e-10)
    assert np.exp(log_a).sum() == pytest.approx(1)
    for other in log_a + rng.standard_normal((20, classes.K)):
        assert gaussian_classes.recalls(classes, other).min() <= value + 1e-12


@given(seeds, st.floats(0.1, 0.9))
@settings(max_examples=10, deadline=None)
def test_rounds_shrink_as_the_spectrum_says(seed: int, share: float) -> None:
    classes, _ = drawn(seed)
    spectrum = gaussian_classes.spectrum(classes)
    assert (spectrum > 0).all()
    step = share * 2 / spectrum[-1]
    goal = gaussian_classes.equaliser(classes)[1]
    path = gaussian_classes.exponentiated_gradient(classes, step, 3, goal + 1e-6 * np.arange(classes.K))
    away = np.linalg.norm((path - goal) * np.exp(goal / 2), axis=1)
    assert (away[1:] <= away[:-1] * (1 + 1e-4)).all()


@given(seeds, st.floats(0, 2))
@settings(max_examples=10, deadline=None)
def test_coverage_by_brute_force(seed: int, size: float) -> None:
    classes, rng = drawn(seed)
    lam = size * rng.uniform(0, 1, classes.K)
    reach = 9 * classes.sigma
    x = np.linspace(classes.means[0] - reach, classes.means[-1] + reach, 20_001)
    G = coverage.gain_matrix(classes, lam)
    best = (classes.posteriors(x) @ G).argmax(1)
    p = np.exp(classes.log_densities(x)) @ classes.priors * (x[1] - x[0])
    found = [p[best == i].sum() for i in range(classes.K)]
    assert coverage.coverage(classes, lam) == pytest.approx(found, abs=2e-3)
    confusion = coverage.confusion(classes, lam)
    assert confusion.sum(1) == pytest.approx(np.ones(classes.K))
    assert confusion == pytest.approx(coverage.confusion_between(classes, *coverage.rule(classes, lam)))


@example(40, 0.890625)  # a label's interval opens between two nodes
@example(22, 0.95)  # every multiplier could fall
@given(seeds, st.floats(0.05, 0.95))
@settings(max_examples=3, deadline=None)
def test_the_optimum_is_bound_where_it_pays(seed: int, share: float) -> None:
    classes, _ = drawn(seed, 3)
    least = share / 3
    value, lam = coverage.optimum(classes, least)
    covered = coverage.coverage(classes, lam)
    assert (covered >= least - 1e-8).all() and (lam >= 0).all()
    assert (lam * (covered - least)) == pytest.approx(np.zeros(3), abs=1e-8)
    # Weak duality: the Lagrangian's maximum is its value, which no rule that meets the constraint exceeds.
    dual = quad(lambda x: _lagrangian(classes, lam, x), -30 * classes.sigma, 30 * classes.sigma, limit=200, epsabs=1e-7)
    assert dual[0] - least * lam.sum() == pytest.approx(value, abs=1e-5)


def _lagrangian(classes: Classes, lam: np.ndarray, x: float) -> float:
    density = np.exp(classes.log_densities(np.array([x])))[0]
    return float((density / classes.K + lam * (density @ classes.priors)).max())


@given(seeds)
@settings(max_examples=6, deadline=None)
def test_curvatures_are_differences(seed: int) -> None:
    classes, rng = drawn(seed, 3)
    lam, h = rng.uniform(0.1, 1, 3), 1e-5
    H = coverage.curvature(classes, lam)
    steps = h * np.eye(3)
    slopes = [(coverage.coverage(classes, lam + e) - coverage.coverage(classes, lam - e)) / (2 * h) for e in steps]
    assert pytest.approx(np.transpose(slopes), rel=1e-3, abs=1e-4) == H


@given(seeds)
@settings(max_examples=2, deadline=None)
def test_dual_descent_comes_to_the_optimum(seed: int) -> None:
    classes, _ = drawn(seed, 2)
    goal = coverage.optimum(classes, 0.45)[1]
    step = 1 / max(np.linalg.eigvalsh(coverage.curvature(classes, goal))[-1], 1)
    path = coverage.dual_descent(classes, 0.45, step, 12)
    away = np.linalg.norm(path - goal, axis=1)
    assert away[-1] <= away[0] + 1e-9


def test_known_numbers() -> None:
    """Three classes whose equaliser was solved by other means."""
    classes = Classes(np.array([-2.0, 0.0, 1.5]), np.array([0.85, 0.12, 0.03]))
    assert gaussian_classes.equaliser(classes)[0] == pytest.approx(0.72992, abs=5e-6)
    plain = gaussian_classes.recalls(classes, np.log(classes.priors))
    assert plain == pytest.approx([0.976, 0.461, 0.431], abs=1e-3)
    assert gaussian_classes.recalls(classes, np.zeros(3)) == pytest.approx([0.841, 0.615, 0.773], abs=1e-3)


def test_what_is_outside_the_domain_is_named() -> None:
    priors = np.array([0.5, 0.5])
    with pytest.raises(InvalidArgument, match="steps between means, in sigma"):
        Classes(np.array([1.0, 0.0]), priors)
    with pytest.raises(InvalidArgument, match=r"priors.sum\(-1\) = 1.1"):
        Classes(np.array([0.0, 1.0]), np.array([0.5, 0.6]))
    with pytest.raises(InvalidArgument, match="two classes or more"):
        Classes(np.array([0.0]), np.array([1.0]))
    classes = Classes(np.array([0.0, 1.0]), priors)
    with pytest.raises(InvalidArgument, match=r"log_a.shape = \(3,\)"):
        gaussian_classes.recalls(classes, np.zeros(3))
    with pytest.raises(InvalidArgument, match="classes that overlap"):
        gaussian_classes.equaliser(Classes(np.array([0.0, 25.0, 50.0]), np.ones(3) / 3))
    with pytest.raises(InvalidArgument, match="step = 0"):
        gaussian_classes.exponentiated_gradient(classes, 0.0, 3, np.zeros(2))
    with pytest.raises(InvalidArgument, match=r"multipliers\[0\] = -1"):
        coverage.coverage(classes, np.array([-1.0, 0.0]))
    with pytest.raises(InvalidArgument, match="least = 0.6"):
        coverage.optimum(classes, 0.6)
    with pytest.raises(InvalidArgument, match="increasing numbers between 2 labels"):
        coverage.confusion_between(classes, np.array([1.0, 0.0]), np.array([0, 1]))
