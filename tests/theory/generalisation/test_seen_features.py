"""Moments of learners that see some features: against enumeration, at their limits, and what harms the class mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.generalisation import seen_features as theory

shares = st.floats(0.01, 1)
sizes = st.integers(1, 200)
noises = st.floats(0, 5)


def test_one_feature_one_example_by_hand() -> None:
    """w = x z = x (b x + u), u of variance t: E w b = b^2, E w^2 = 3 b^2 + t."""
    found = theory.class_mean(0.25, 1.0, 1, 1, 0.5)
    assert found.overlap == 0.25
    assert found.squared_norm == pytest.approx(3 * 0.25 + (1 - 0.25 + 0.25))
    signs = theory.class_mean_of_signs(0.25, 1.0, 1, 1, 0.5)
    assert signs.overlap == pytest.approx(0.25 * np.sqrt(2 / np.pi / 1.25))
    assert signs.squared_norm == pytest.approx(1)


@given(shares, sizes, sizes, noises)
def test_the_minimum_norm_is_least_squares_and_a_projection(A: float, p: int, n: int, s: float) -> None:
    found = theory.minimum_norm(A, 1.0, p, n, s)
    assert found.overlap == pytest.approx(A * min(1, n / p))
    if abs(n - p) <= 1:
        assert found.squared_norm == (np.inf if 1 - A + s**2 > 0 else found.overlap)
        assert found.squared_cosine == (0 if 1 - A + s**2 > 0 else found.overlap)
        return
    alone = theory.minimum_norm(1.0, 1.0, p, n, 0.0).squared_norm
    assert alone == pytest.approx(min(1, n / p))
    noise = min(n, p) / (abs(n - p) - 1)
    assert found.squared_norm == pytest.approx(A * alone + (1 - A + s**2) * noise)
    assert found.risk(1.0, s) == pytest.approx(found.squared_norm - 2 * found.overlap + 1 + s**2)


@given(shares, sizes, sizes, noises)
def test_class_means_tend_to_the_teacher(A: float, p: int, n: int, s: float) -> None:
    many = theory.class_mean(A, 1.0, p, 10**12, s)
    assert many.squared_cosine == pytest.approx(A, rel=1e-6)
    found, signs = (f(A, 1.0, p, n, s) for f in (theory.class_mean, theory.class_mean_of_signs))
    assert 0 < found.squared_cosine < A
    # Of signs no more is left: Cauchy and Schwarz.
    assert signs.squared_cosine <= found.squared_cosine * (1 + 4 / n)


@given(shares, st.integers(1, 60), sizes, noises, st.floats(0.5, 0.999))
def test_a_feature_is_harmless_from_its_least_signal_on(A: float, p: int, n: int, s: float, less: float) -> None:
    total = 2.0
    a = float(theory.harmless_signal(A, total, p, n, s))
    assert 0 < a <= A / p / 2 * (1 + 1e-12)
    before = theory.class_mean(A, total, p, n, s).squared_cosine

    def after(signal: float) -> float:
        return float(theory.class_mean(A + signal, total, p + 1, n, s).squared_cosine)

    assert after(a) == pytest.approx(before, rel=1e-12)
    assert after(less * a) < before < after(a / less)


@given(st.floats(0.5, 3), st.integers(1, 50), st.floats(0, 1000))
def test_signals_in_order_do_no_harm_from_an_exponent_of_one_half(a: float, n: int, s: float) -> None:
    D = 40
    A = np.array([theory.power_law_signal(a, p, D) for p in range(1, D + 1)])
    cosine = np.array([theory.class_mean(A[p - 1], 1.0, p, n, s).squared_cosine for p in range(1, D + 1)])
    assert (np.diff(cosine) > -1e-12 * cosine[1:]).all()
    assert A[-1] == 1


def test_below_one_half_there_is_a_noise_that_does() -> None:
    A = [theory.power_law_signal(0.45, p, 40) for p in (39, 40)]
    early, late = (theory.class_mean(each, 1.0, p, 2, 30.0).squared_cosine for each, p in zip(A, (39, 40)))
    assert late < early


@given(st.integers(1, 30), st.integers(0, 30), noises, st.floats(0.1, 10))
def test_the_posterior_penalty_is_noise_over_signal(p: int, unseen: int, s: float, total: float) -> None:
    D = p + unseen
    entry = total / D
    assert theory.bayes_penalty(total, D, p, s) == pytest.approx((unseen * entry + s**2) / entry, rel=1e-9, abs=1e-9)


def test_many_signals_at_once() -> None:
    A = np.array([0.1, 0.5])
    found = theory.minimum_norm(A, np.array([1.0, 2.0]), 3, 9, 0.5)
    for i, total in enumerate((1.0, 2.0)):
        alone = theory.minimum_norm(A[i], total, 3, 9, 0.5)
        assert (found.overlap[i], found.squared_norm[i]) == (alone.overlap, alone.squared_norm)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((2.0, 1.0, 3, 3, 0.1), r"seen = 2.0: expected a signal of at most the total"),
        ((0.0, 1.0, 3, 3, 0.1), r"seen = 0.0: expected a number in \[1e-100, 1e\+100\]"),
        ((0.5, 1.0, 0, 3, 0.1), "p = 0: expected a whole number of at least 1"),
        ((0.5, 1.0, 3, 3, -1.0), r"noise = -1.0: expected a number in \[0, 1e\+50\]"),
    ],
)
def test_what_is_no_problem_is_named(arguments: tuple, line: str) -> None:
    for learner in (theory.class_mean, theory.class_mean_of_signs, theory.minimum_norm, theory.harmless_signal):
        with pytest.raises(InvalidArgument, match=line):
            learner(*arguments)


def test_no_more_features_than_there_are() -> None:
    with pytest.raises(InvalidArgument, match="D = 3: expected at least the p = 4 features seen"):
        theory.power_law_signal(0.5, 4, 3)
    with pytest.raises(InvalidArgument, match="D = 3: expected at least the p = 4 features seen"):
        theory.bayes_penalty(1.0, 3, 4, 0.1)
