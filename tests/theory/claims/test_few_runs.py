"""Student's interval, widened to where exponential samples lie as often as stated."""

import numpy as np
import pytest
from scipy import stats

from theory.claims.estimates import FEW, mean
from theory.claims.few_runs import half_width, mean_of_runs, quantile
from theory.core.validation import InvalidArgument


@pytest.mark.parametrize("runs", [3, 5, 10, 30, 200])
@pytest.mark.parametrize("level", [0.2, 0.05, 1e-3, 1e-6])
def test_it_is_never_narrower_than_students_and_tends_to_it(runs: int, level: float) -> None:
    ratio = quantile(runs, level) / stats.t.isf(level / 2, runs - 1)
    assert 1 <= ratio < 3
    assert quantile(2000, level) < 1.15 * stats.t.isf(level / 2, 1999)


def test_the_rarest_misses_of_three_exponential_samples() -> None:
    """As the level tends to 0 both laws of the statistic T have tails C / q^2, C the integral of f(x)^3 (x - mu)^2.

    Exponential samples have 5/27, normal ones (2 pi)^(-3/2) (2 pi / 3)^(1/2) / 3: so the quantiles have the ratio of
    the square root.
    """
    ratio = np.sqrt(5 / 27 / ((2 * np.pi) ** -1.5 * np.sqrt(2 * np.pi / 3) / 3))
    assert quantile(3, 1e-6) / stats.t.isf(5e-7, 2) == pytest.approx(ratio, rel=1e-2)


def test_the_interval() -> None:
    samples = np.array([1.0, 2.0, 4.0])
    found = mean_of_runs(samples, 0.01)
    assert found.value == pytest.approx(7 / 3)
    assert found.half_width == pytest.approx(quantile(3, 0.01) * stats.sem(samples))
    assert found.half_width == pytest.approx(float(half_width(samples, 0.01)))
    assert found.significance == 0.01 and "3 independent runs" in found.reason
    many = np.stack([samples, 2 * samples], axis=1)
    assert half_width(many, 0.01) == pytest.approx(found.half_width * np.array([1, 2]))


@pytest.mark.parametrize("samples", [[1.0, 2.0], [1.0, np.nan, 2.0]])
def test_what_it_refuses(samples: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="samples"):
        mean_of_runs(np.array(samples))
    with pytest.raises(InvalidArgument, match="significance = 1"):
        mean_of_runs(np.arange(3.0), 1.0)


@pytest.mark.parametrize(("runs", "level", "expected"), [(5, 0.01, 0.033), (10, 0.01, 0.020), (10, 1e-3, 0.0058)])
def test_why_halls_transformation_is_not_enough(runs: int, level: float, expected: float) -> None:
    """How often it misses, of exponential samples, by its own formula; and this one, of the same."""
    samples = np.random.default_rng(0).exponential(size=(runs, 20_000))
    T = (samples.mean(0) - 1) / (samples.std(0, ddof=1) / np.sqrt(runs))
    g = stats.skew(samples) / np.sqrt(runs)
    beyond = np.abs(T + g * T**2 / 3 + g**2 * T**3 / 27 + g / 6) > stats.t.isf(level / 2, runs - 1)
    assert abs(beyond.mean() - expected) < 4 * np.sqrt(expected / 20_000)
    wider = np.abs(samples.mean(0) - 1) > half_width(samples, level)
    assert stats.binomtest(int(wider.sum()), 20_000, level, "greater").pvalue > 1e-4


def test_the_mean_of_few_samples_is_that_of_few_runs() -> None:
    few, enough = (np.random.default_rng(1).exponential(size=n) for n in (FEW - 1, FEW))
    assert mean(few, 1e-3) == mean_of_runs(few, 1e-3)
    student = stats.sem(enough) * stats.t.isf(5e-4, FEW - 1)
    found = mean(enough, 1e-3)
    assert found.low <= found.value - student and found.high > found.value + student  # skewed to the right
