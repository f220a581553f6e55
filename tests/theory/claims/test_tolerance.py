"""Tolerances add and scale as numbers do, and keep their reasons."""

import numpy as np

from theory.claims import Tolerance, by_chance, exactly, rounding
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import EPS


def test_tolerances_add() -> None:
    both = Tolerance(np.array([1.0, 2.0]), "one") + Tolerance(0.5, "other")
    assert np.array_equal(both.value, [1.5, 2.5]) and both.reason == "one; other"


def test_tolerances_scale() -> None:
    scaled = Tolerance(2.0, "one") * np.array([1.0, 3.0])
    assert np.array_equal(scaled.value, [2.0, 6.0]) and scaled.reason == "one"


def test_roundings_are_counted() -> None:
    tolerance = rounding(8, np.array([1.0, 2.0]), of="the weights")
    assert np.array_equal(tolerance.value, [8 * EPS, 16 * EPS]) and tolerance.reason == "8 roundings of the weights"
    assert rounding(np.array([1.0, 40.0]), of="a step").reason == "40 roundings of a step"


def test_no_slack() -> None:
    assert exactly("counting") == Tolerance(0.0, "counting")


def test_what_is_exceeded_by_chance_says_how_often() -> None:
    interval = mean([1.0, 2.0, 4.0], significance=1e-3)
    within = by_chance(interval, "energies")
    assert within.value == interval.half_width and within.significance == 1e-3
    assert within.reason == f"energies; {interval.reason}" and by_chance(interval).reason == interval.reason
    both = within * 2 + by_chance(mean([1.0, 2.0, 3.0])) + rounding(3, of="it")
    assert both.significance == 1e-3 + SIGNIFICANCE and exactly("counting").significance == 0
