"""The checks as functions of everything at once."""

from typing import Any

from theory.claims import check as _check
from theory.claims.check import Check, _refuted, frequency, measured, residual, samples
from theory.claims.tolerance import Tolerance


def equal(name: str, value: Any, predicted: Any, *, tolerance: Any, because: str) -> Check:
    return measured(name, value, within=Tolerance(tolerance, because)).equals(predicted)


def at_most(name: str, value: Any, bound: Any, *, because: str, slack: Any = 0.0) -> Check:
    return measured(name, value, within=Tolerance(slack, because)).at_most(bound)


def at_least(name: str, value: Any, bound: Any, *, because: str, slack: Any = 0.0) -> Check:
    return measured(name, value, within=Tolerance(slack, because)).at_least(bound)


def order(name: str, estimate: Any, predicted: Any, *, excludes: Any) -> Check:
    return _check.order(name, estimate).equals(predicted, excludes=excludes)


def slope(name: str, estimate: Any, predicted: Any, *, excludes: Any) -> Check:
    return _check.slope(name, estimate).equals(predicted, excludes=excludes)


def rate(name: str, estimate: Any, predicted: Any, *, excludes: Any) -> Check:
    return _check.rate(name, estimate).equals(predicted, excludes=excludes)


def frequency_at_least(name: str, successes: int, trials: int, probability: float, *, because: str) -> Check:
    return frequency(name, successes, trials, because=because).at_least(probability)


def distributed(name: str, draws: Any, law: Any, *, because: str) -> Check:
    return samples(name, draws, because=because).follow(law)


def identity(name: str, expression: Any, *, because: str) -> Check:
    return residual(name, expression, because=because).vanishes()


def refuted(name: str, check: Check) -> Check:
    return _refuted(name, check)


def misprint(name: str, check: Check, *, correction: str) -> Check:
    return _check._misprinted(f"as printed: {name}", correction, check)
