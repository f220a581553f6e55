"""What an assertion says when it does not pass: the check as a diagnosis, and what would decide it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, inf, log, sqrt
from typing import Any

from theory.claims.check import Check
from theory.claims.few_runs import quantile
from theory.claims.verdicts import percent, times
from theory.core.validation import inside, positive

SIGNIFICANCE = 1e-3  # of an assertion: on fresh random numbers it raises a false alarm once in a thousand times
RESOLVES = 0.05
MANY = 10**6


class Undecided(AssertionError):
    """The data agree with what was asserted, and would with what is further off than was asked to be told."""


def settle(check: Check, resolves: float, decide: Callable[[], Iterator[str]]) -> None:
    """Return if the check passes and resolves that share; raise the diagnosis if not.

    Args:
        decide: lines that say what would decide; asked for only where the check does not.

    Raises:
        AssertionError: the check fails.
        Undecided: it passes, but would have passed with a constant further off than `resolves`.
    """
    check = replace(check, resolves=positive_or_inf("resolves", resolves))
    if check:
        return
    error = Undecided if check.passed else AssertionError
    raise error("\n  ".join(_diagnosis(check, list(decide()))))


def options(resolves: Any, significance: Any) -> None:
    """Refuse options out of range before any work."""
    positive_or_inf("resolves", resolves)
    inside("significance", significance, 0, 1, "()")


def positive_or_inf(name: str, value: Any) -> float:
    """`value` if it is a number above 0, infinity among them: any resolution will do."""
    return inf if isinstance(value, float) and value == inf else positive(name, value)


def _diagnosis(check: Check, decide: list[str]) -> Iterator[str]:
    verdict = "is undecided" if check.passed else "does not hold"
    yield f"{check.label} ({check.kind}) {verdict}"
    yield f"predicted   {check.predicted:.6g}"
    low, high = check.measured - check.tolerance, check.measured + check.tolerance
    chance = f" (missed by chance with probability {check.significance:g})" if check.significance else ""
    if check.kind == "law":
        yield f"measured    {check.measured:.6g} (mean); p-value {check.headroom * check.significance:.3g}"
    else:
        yield f"measured    {check.measured:.6g} +- {check.tolerance:.3g}, in [{low:.6g}, {high:.6g}]{chance}"
    if check.resolution is not None:
        yield f"resolution  {_fineness(check)}; asked: {percent(check.resolves)}"
    elif check.predicted and check.kind != "law":
        off = abs(check.measured - check.predicted)
        told, apart = (percent(number / abs(check.predicted)) for number in (check.tolerance, off))
        yield f"resolution  {told} of what is predicted; it is {apart} off"
    yield f"headroom    {check.headroom:.3g} (below 1 fails)"
    if check.where:
        yield f"worst at    {check.where} (counted from 0)"
    yield f"because     {check.reason}"
    yield from (f"would decide: {line}" for line in decide if check.passed)


def _fineness(check: Check) -> str:
    sharp = check.resolution or 0.0
    if check.kind in ("at_most", "at_least") and sharp > 1:
        return f"{times(sharp)} above"
    return percent(sharp)


def more_runs(runs: int, chance: float, goal: float, significance: float) -> int:
    """How many runs narrow a half-width of `chance` over so many runs to `goal`; at most `MANY`."""
    spread = chance * sqrt(runs) / quantile(runs, significance)
    needed = runs
    while needed < MANY and spread * quantile(needed, significance) / sqrt(needed) > goal:
        needed = ceil(1.2 * needed)
    return needed


def more_parts(left: float, goal: float, shrinks: float) -> int:
    """How many parts more shrink what is left to `goal`, each by the factor `shrinks`, which is at least 2."""
    return max(ceil(log(left / goal) / log(max(shrinks, 2.0))), 1) if left > goal else 0
