"""What a claim is and how it is judged.

A claim is a theorem beside its experiment: a generator that yields `Check`s (each one judged number) and `Curves`
(what a figure needs). Every claim names its negative controls when it is registered, and every named control has to
be yielded as a `refuted` check: a hypothesis is broken, and the check must then fail. A theorem whose printed form
fails while a corrected one holds yields `misprint` for the printed form.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy
from scipy import stats

from theory.rates import SIGNIFICANCE, Estimate
from theory.study import Study
from theory.validation import Array, reject

HOLDS, FAILS, MISPRINTED = "holds", "fails", "holds, not as printed"


@dataclass(frozen=True)
class Check:
    """One judged number.

    Attributes:
        kind: equal, at_most, at_least, order, slope, rate, probability, identity or refuted.
        predicted, measured: the two numbers at the worst point of what was compared.
        tolerance: what they may differ by, in their own units; `reason` says where it comes from.
        margin: how far the check was from the other verdict, as a ratio above 1 if passed (1 is on the edge). For
            `refuted`, how far the broken hypothesis took the claim beyond its tolerance.
    """

    name: str
    kind: str
    predicted: float
    measured: float
    tolerance: float
    reason: str
    passed: bool
    margin: float
    misprint: bool = False


@dataclass(frozen=True)
class Curves:
    """Named arrays for the figures; all curves of a claim share one name space."""

    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Claim:
    """A theorem that can be run. See `claim`."""

    id: str
    source: str
    statement: str
    hypotheses: tuple[str, ...]
    controls: tuple[str, ...]
    experiment: Callable[[Study], Iterator[Check | Curves]]
    accepts_data: str = ""

    @property
    def setting(self) -> str:
        """Name of the module that states the claim."""
        return self.experiment.__module__


@dataclass(frozen=True)
class Evidence:
    """What judging a claim left behind: checks, curves, and where they come from."""

    id: str
    source: str
    statement: str
    hypotheses: tuple[str, ...]
    checks: tuple[Check, ...]
    curves: Mapping[str, Array] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if not all(check.passed for check in self.checks):
            return FAILS
        return MISPRINTED if any(check.misprint for check in self.checks) else HOLDS


REGISTRY: dict[str, Claim] = {}


def claim(
    id: str,
    *,
    source: str,
    statement: str,
    hypotheses: Sequence[str],
    controls: Sequence[str],
    accepts_data: str = "",
) -> Callable[[Callable[[Study], Iterator[Check | Curves]]], Claim]:
    """Register a generator of checks and curves as the claim `id`.

    Args:
        id: `paper.name` for what a paper states, `setting.name` for what is ours.
        source: paper and number.
        statement: LaTeX, without dollar signs.
        hypotheses: in words.
        controls: names of the negative controls; `judge` fails unless each is yielded by `refuted` or `misprint`.
        accepts_data: kind of data (`theory.options.READERS`) that the claim is judged on where `study.data` is given.

    Raises:
        InvalidArgument: the id is taken or malformed, or there is no negative control.
    """
    if id in REGISTRY:
        reject("id", id, "an id that no other claim has")
    if id.count(".") != 1:
        reject("id", id, "'paper.name' or 'setting.name'")
    if not controls:
        reject("controls", "()", f"at least one negative control for {id}: a check that cannot fail proves nothing")

    def register(experiment: Callable[[Study], Iterator[Check | Curves]]) -> Claim:
        REGISTRY[id] = Claim(id, source, statement, tuple(hypotheses), tuple(controls), experiment, accepts_data)
        return REGISTRY[id]

    return register


def judge(subject: Claim, study: Study) -> Evidence:
    """Run a claim's experiment and collect its evidence.

    Raises:
        InvalidArgument: the negative controls yielded are not those declared, two curves or checks share a name, or
            nothing but negative controls was yielded.
    """
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for item in subject.experiment(study):
        if isinstance(item, Check):
            checks.append(item)
            continue
        taken = curves.keys() & item.arrays.keys()
        if taken:
            reject("curves", sorted(taken), f"names not used before in {subject.id}")
        curves.update({name: np.asarray(array) for name, array in item.arrays.items()})
    names = [check.name for check in checks]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        reject("checks", twice, f"names not used before in {subject.id}")
    broken = {check.name for check in checks if check.kind == "refuted"}
    if broken != set(subject.controls):
        differing = sorted(broken ^ set(subject.controls))
        reject("controls", differing, f"{subject.id} to yield a refuted check for each declared control and no other")
    if len(broken) == len(checks):
        reject("checks", "negative controls only", f"{subject.id} to check what it claims")
    return Evidence(subject.id, subject.source, subject.statement, subject.hypotheses, tuple(checks), curves)


def curves(**arrays: Any) -> Curves:
    """Arrays a figure will draw, by name."""
    return Curves({name: np.asarray(array) for name, array in arrays.items()})


def equal(name: str, measured: Any, predicted: Any, *, tolerance: Any, because: str) -> Check:
    """|measured - predicted| <= tolerance, everywhere; arrays broadcast, the worst entry is reported."""
    m, p, tol = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (measured, predicted, tolerance)))
    if not (tol > 0).all():
        reject(f"tolerance of '{name}'", tol.min(), "a derived tolerance above 0")
    excess = np.nan_to_num(np.abs(m - p) / tol, nan=np.inf)
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    return _judged(name, "equal", p[worst], m[worst], tol[worst], because, _inverse(excess[worst]))


def at_most(name: str, measured: Any, bound: Any, *, because: str, slack: Any = 0.0) -> Check:
    """measured <= bound + slack everywhere (bounds on positive quantities; slack is rounding or discretisation).

    The margin is the smallest (bound + slack) / measured: how tight the bound is at its tightest.
    """
    m, b, s = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (measured, bound, slack)))
    ratio = _ratio(b + s, m)
    worst = np.unravel_index(np.argmin(ratio), ratio.shape)
    return _judged(name, "at_most", b[worst], m[worst], s[worst], because, ratio[worst])


def at_least(name: str, measured: Any, bound: Any, *, because: str, slack: Any = 0.0) -> Check:
    """measured + slack >= bound everywhere; the margin is the smallest (measured + slack) / bound."""
    m, b, s = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (measured, bound, slack)))
    ratio = _ratio(m + s, b)
    worst = np.unravel_index(np.argmin(ratio), ratio.shape)
    return _judged(name, "at_least", b[worst], m[worst], s[worst], because, ratio[worst])


def order(name: str, estimate: Estimate, predicted: float, *, excludes: Sequence[float]) -> Check:
    """An observed order whose interval holds the prediction and none of `excludes`."""
    return _interval(name, "order", estimate, predicted, excludes)


def slope(name: str, estimate: Estimate, predicted: float, *, excludes: Sequence[float]) -> Check:
    """A log-log slope whose interval holds the prediction and none of `excludes`."""
    return _interval(name, "slope", estimate, predicted, excludes)


def rate(name: str, estimate: Estimate, predicted: float, *, excludes: Sequence[float]) -> Check:
    """An exponential rate (or another estimated constant) whose interval holds the prediction, not `excludes`."""
    return _interval(name, "rate", estimate, predicted, excludes)


def frequency_at_least(name: str, successes: int, trials: int, probability: float, *, because: str) -> Check:
    """Exact binomial test of P(success) >= probability, at significance `SIGNIFICANCE`."""
    p_value = float(stats.binom.cdf(successes, trials, probability))
    reason = f"{because}; exact binomial test, {successes} of {trials}, rejected below p = {SIGNIFICANCE:g}"
    return _judged(name, "probability", probability, successes / trials, SIGNIFICANCE, reason, p_value / SIGNIFICANCE)


def distributed(name: str, samples: Array, law: Any, *, because: str) -> Check:
    """Kolmogorov-Smirnov test (exact p-value) that independent `samples` follow the frozen scipy law `law`."""
    samples = np.asarray(samples, dtype=np.float64).ravel()
    p_value = float(stats.kstest(samples, law.cdf).pvalue)
    reason = f"{because}; Kolmogorov-Smirnov on {samples.size} draws, rejected below p = {SIGNIFICANCE:g}"
    mean_of_law, mean_seen = float(law.mean()), float(samples.mean())
    return _judged(name, "probability", mean_of_law, mean_seen, SIGNIFICANCE, reason, p_value / SIGNIFICANCE)


def identity(name: str, residual: Any, *, because: str) -> Check:
    """A sympy expression or matrix that must vanish identically; `measured` counts the terms that are left."""
    entries = list(residual) if isinstance(residual, sympy.MatrixBase) else [residual]
    left = 0
    for entry in entries:
        rest = sympy.expand(entry)
        left += 0 if rest == 0 else len(sympy.Add.make_args(rest))
    return _judged(name, "identity", 0.0, float(left), 0.0, because, np.inf if left == 0 else 1 / (1 + left))


def refuted(name: str, check: Check) -> Check:
    """A negative control: passes when `check` fails. Its margin says how far the broken claim missed.

    A check that failed for lack of knowledge, on a NaN or by an interval too wide to exclude anything, refutes nothing.
    """
    reason = f"must fail: {check.name}. {check.reason}"
    return _judged(name, "refuted", check.predicted, check.measured, check.tolerance, reason, _miss(check))


def misprint(name: str, check: Check, *, correction: str) -> Check:
    """The printed form, refuted; `correction` says what holds in its place, and is checked beside it."""
    control = refuted(f"as printed: {name}", check)
    return replace(control, reason=f"{correction}. {control.reason}", misprint=True)


def _interval(name: str, kind: str, estimate: Estimate, predicted: float, excludes: Sequence[float]) -> Check:
    half = max(estimate.half_width, np.finfo(float).tiny)
    margins = [_inverse(abs(estimate.value - predicted) / half)]
    margins += [abs(estimate.value - wrong) / half for wrong in excludes]
    excluded = ", ".join(f"{wrong:g}" for wrong in excludes)
    reason = f"{estimate.reason}; must exclude {excluded}"
    return _judged(name, kind, predicted, estimate.value, half, reason, min(margins))


def _miss(check: Check) -> float:
    """How far the prediction of `check` missed, as a ratio above 1 if it did."""
    if np.isnan([check.predicted, check.measured, check.tolerance]).any():
        return 0.0
    if check.kind in ("order", "slope", "rate"):
        return abs(check.measured - check.predicted) / check.tolerance
    return _inverse(check.margin)


def _judged(name: str, kind: str, predicted: Any, measured: Any, tolerance: Any, reason: str, margin: Any) -> Check:
    margin = 0.0 if np.isnan(margin) else float(margin)
    passed = margin > 1 if kind == "refuted" else margin >= 1
    return Check(name, kind, float(predicted), float(measured), float(tolerance), reason, bool(passed), margin)


def _inverse(ratio: Any) -> float:
    return float(np.inf) if ratio == 0 else 1 / float(ratio)


def _ratio(upper: Array, lower: Array) -> Array:
    """upper / lower for `lower <= upper` to be judged: at or above 1 exactly when it holds, NaN counts as broken."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(lower > 0, np.maximum(upper, 0) / lower, np.where(upper >= lower, np.inf, 0.0))
    return np.where(np.isnan(upper) | np.isnan(lower), 0.0, ratio)
