"""What an assertion says when it does not pass: the check as a diagnosis, and what would decide it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, inf, log, sqrt
from typing import Any

from scipy import stats

from theory.claims.check import Check
from theory.claims.few_runs import quantile
from theory.claims.subject import over
from theory.claims.verdicts import percent, times
from theory.core.validation import inside, positive

SIGNIFICANCE = 1e-3  # of an assertion: on fresh random numbers it raises a false alarm once in a thousand times
RESOLVES = 0.05
FEW, MANY = 50, 10**6  # runs: from few on, normal quantiles will do; that many would be too many
LARGEST = 1e12  # times too wide, of an interval that could be narrowed


class Undecided(AssertionError):
    """The data agree with what was asserted, and would with what is further off than was asked to be told."""


def settle(
    check: Check, resolves: float, decide: Callable[[], Iterator[str]], told: Callable[[], float] | None = None
) -> None:
    """Return if the check passes and resolves that share; raise the diagnosis if not.

    Args:
        decide: lines that say what would decide; asked for only where the check does not.
        told: what the data could tell, of a check that failed; by default its tolerance, as a share of the prediction.

    Raises:
        AssertionError: the check fails.
        Undecided: it passes, but would have passed with a constant further off than `resolves`.
    """
    __tracebackhide__ = True
    check = replace(check, resolves=positive_or_inf("resolves", resolves))
    if check:
        return
    if not check.passed:
        share = over(check.tolerance, check.predicted) if told is None else told()
        raise AssertionError("\n  ".join(_diagnosis(check, "does not hold", f"{percent(share)} would have been seen")))
    lines = _diagnosis(check, "is undecided", f"{_fineness(check)}; asked: {percent(check.resolves)}")
    ways = list(decide()) or ["any narrower interval, which would hold what is asserted no longer, or more finely"]
    raise Undecided("\n  ".join([*lines, *(f"would decide: {way}" for way in ways)]))


def options(resolves: Any, significance: Any) -> None:
    """Refuse options out of range before any work."""
    positive_or_inf("resolves", resolves)
    inside("significance", significance, 0, 1, "()")


def positive_or_inf(name: str, value: Any) -> float:
    """`value` if it is a number above 0, infinity among them: any resolution will do."""
    return inf if isinstance(value, float) and value == inf else positive(name, value)


def _diagnosis(check: Check, verdict: str, resolution: str) -> Iterator[str]:
    yield f"{check.label} ({check.kind}) {verdict}"
    yield f"predicted   {check.predicted:.6g}"
    low, high = check.measured - check.tolerance, check.measured + check.tolerance
    chance = f" (missed by chance with probability {check.significance:g})" if check.significance else ""
    if check.kind == "law":
        yield f"measured    {check.measured:.6g} (means); p-value {check.headroom * check.significance:.3g}"
    else:
        yield f"measured    {check.measured:.6g} +- {check.tolerance:.3g}, in [{low:.6g}, {high:.6g}]{chance}"
    yield f"resolution  {resolution}"
    yield f"headroom    {check.headroom:.3g} (below 1 fails)"
    if check.where:
        yield f"worst at    {check.where}"
    yield f"because     {check.reason}"


def _fineness(check: Check) -> str:
    sharp = check.resolution or 0.0
    if check.kind in ("at_most", "at_least") and sharp > 1:
        return f"{times(sharp)} above"
    return percent(sharp)


def more_runs(runs: int, chance: float, goal: float, significance: float) -> int:
    """About how many runs narrow a half-width of `chance` over so many runs to `goal`; at most `MANY`."""
    if not 0 < chance < LARGEST * goal:
        return MANY
    spread = chance * sqrt(runs) / quantile(runs, significance)
    needed = runs + 1
    while needed < FEW:
        if spread * quantile(needed, significance) / sqrt(needed) <= goal:
            return needed
        needed = ceil(1.1 * needed)
    return min(max(ceil((spread * stats.norm.isf(significance / 2) / goal) ** 2), FEW), MANY)


def more_parts(left: float, goal: float, shrinks: float) -> int:
    """How many parts more shrink what is left to `goal`, each by the factor `shrinks`, which is at least 2."""
    if not 0 < left < LARGEST * goal:
        return MANY
    return max(ceil(log(left / goal) / log(max(shrinks, 2.0))), 0)
