"""One judged number: something measured, with its tolerance and the reason for it, held against a prediction.

    rate = measured("rate", value, within=rounding(terms, size, of="E = Y - X U V^T"))
    yield rate.at_least(bound)
    yield rate.control("c 5 % larger").at_least(1.05 * bound)

A *control* is a negative control: a hypothesis is broken or the statement is changed, and the check has to fail. So
has what a source says and is not so: a *misprint* is a statement as printed that has a counterexample, a *proof step*
a line of the printed proof that is wrong while the theorem holds, an *overstatement* a sentence of an abstract.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import sympy
from scipy import stats

from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.tolerance import Tolerance
from theory.core.arrays import Array
from theory.core.validation import reject

CONTROL, MISPRINT, PROOF_STEP, OVERSTATEMENT = "control", "misprint", "proof step", "overstatement"
HAVE_TO_FAIL = (CONTROL, MISPRINT, PROOF_STEP, OVERSTATEMENT)
AnySubject = TypeVar("AnySubject", bound="Subject")


@dataclass(frozen=True)
class Check:
    """One judged number.

    Attributes:
        name: what is measured; together with `case` no other check of the claim has it.
        kind: equal, at_most, at_least, order, slope, rate, probability, identity, or one of `HAVE_TO_FAIL`.
        predicted, measured: the two numbers at the worst point of what was compared.
        tolerance: what they may differ by, in their own units; `reason` says where it comes from.
        headroom: how far the check was from the other verdict, as a ratio above 1 if passed (1 is on the edge). For a
            control, how far the broken hypothesis took the claim beyond its tolerance.
        part: of the theorem, e.g. an equation or a corollary.
        case: sizes, start, or whatever else tells this check from others of the same name.
        where: the worst point, e.g. "t 3, run 5"; indices count from 0.
    """

    name: str
    kind: str
    predicted: float
    measured: float
    tolerance: float
    reason: str
    passed: bool
    headroom: float
    part: str = ""
    case: str = ""
    where: str = ""

    @property
    def label(self) -> str:
        """Case and name."""
        return f"{self.case}: {self.name}" if self.case else self.name

    @property
    def is_control(self) -> bool:
        """Whether this is a check that had to fail: a negative control, or what a source says and is not so."""
        return self.kind in HAVE_TO_FAIL


def _itself(check: Check) -> Check:
    return check


@dataclass(frozen=True)
class Subject:
    """What a prediction will be held against; `becomes` is what is made of the check."""

    name: str
    part: str = field(default="", kw_only=True)
    case: str = field(default="", kw_only=True)
    becomes: Callable[[Check], Check] = field(default=_itself, kw_only=True, repr=False)

    def control(self: AnySubject, name: str) -> AnySubject:
        """The same, as a negative control: the next judgement has to fail."""
        return replace(self, becomes=partial(_refuted, name))

    def misprint(self: AnySubject, name: str, *, correction: str) -> AnySubject:
        """The same for the statement as printed: a counterexample to it; `correction` says what holds instead.

        Say it only where the hypotheses of the statement are met. A wrong line of its proof is a `proof_step`.
        """
        return replace(self, becomes=partial(_not_so, MISPRINT, name, correction))

    def proof_step(self: AnySubject, name: str, *, correction: str) -> AnySubject:
        """The same for a step of the printed proof, of a theorem that holds; `correction` says what holds instead."""
        return replace(self, becomes=partial(_not_so, PROOF_STEP, name, correction))

    def overstatement(self: AnySubject, name: str, *, correction: str) -> AnySubject:
        """The same for a sentence of an abstract: a counterexample to it; `correction` says what holds instead."""
        return replace(self, becomes=partial(_not_so, OVERSTATEMENT, name, correction))

    def _judge(
        self, kind: str, predicted: Any, number: Any, tolerance: Any, reason: str, headroom: Any, where: str = ""
    ) -> Check:
        headroom = 0.0 if np.isnan(headroom) else float(headroom)
        numbers = float(predicted), float(number), float(tolerance)
        return self.becomes(
            Check(self.name, kind, *numbers, reason, headroom >= 1, headroom, self.part, self.case, where)
        )


@dataclass(frozen=True)
class Measured(Subject):
    """A number, or an array of them, and what it may be off by. Made by `measured`."""

    value: Any
    within: Tolerance
    axes: tuple[str, ...] = field(default=(), kw_only=True)

    def equals(self, predicted: Any) -> Check:
        """|value - predicted| <= tolerance, everywhere; arrays broadcast, the worst entry is reported.

        Raises:
            InvalidArgument: a tolerance that is not above 0.
        """
        m, p, tolerance = self._numbers(predicted)
        if not (tolerance > 0).all():
            reject(f"tolerance of '{self.name}'", tolerance.min(), "a derived tolerance above 0")
        excess = np.nan_to_num(np.abs(m - p) / tolerance, nan=np.inf)
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        return self._at("equal", worst, p, m, tolerance, _inverse(excess[worst]))

    def at_most(self, bound: Any) -> Check:
        """value <= bound + tolerance everywhere (bounds on positive quantities).

        The headroom is the smallest (bound + tolerance) / value: how tight the bound is at its tightest.
        """
        m, b, slack = self._numbers(bound)
        ratio = _ratio(b + slack, m)
        worst = np.unravel_index(np.argmin(ratio), ratio.shape)
        return self._at("at_most", worst, b, m, slack, ratio[worst])

    def at_least(self, bound: Any) -> Check:
        """value + tolerance >= bound everywhere; the headroom is the smallest (value + tolerance) / bound."""
        m, b, slack = self._numbers(bound)
        ratio = _ratio(m + slack, b)
        worst = np.unravel_index(np.argmin(ratio), ratio.shape)
        return self._at("at_least", worst, b, m, slack, ratio[worst])

    def _numbers(self, predicted: Any) -> tuple[Array, ...]:
        numbers = (self.value, predicted, self.within.value)
        return np.broadcast_arrays(*(np.asarray(number, dtype=np.float64) for number in numbers))

    def _at(self, kind: str, worst: Any, predicted: Array, value: Array, tolerance: Array, headroom: Any) -> Check:
        numbers = predicted[worst], value[worst], tolerance[worst]
        return self._judge(kind, *numbers, self.within.reason, headroom, _where(worst, value.shape, self.axes))


@dataclass(frozen=True)
class Estimated(Subject):
    """A constant with its interval. Made by `order`, `slope` and `rate`."""

    kind: str
    estimate: Estimate

    def equals(self, predicted: Any, *, excludes: Sequence[float]) -> Check:
        """The interval holds the prediction and none of `excludes`."""
        estimate = self.estimate
        half = max(estimate.half_width, np.finfo(float).tiny)
        headrooms = [_inverse(abs(estimate.value - predicted) / half)]
        headrooms += [abs(estimate.value - wrong) / half for wrong in excludes]
        excluded = ", ".join(f"{wrong:g}" for wrong in excludes)
        reason = f"{estimate.reason}; must exclude {excluded}"
        return self._judge(self.kind, predicted, estimate.value, half, reason, min(headrooms))


@dataclass(frozen=True)
class Frequency(Subject):
    """How often something happened. Made by `frequency`."""

    successes: int
    trials: int
    because: str

    def at_least(self, probability: float) -> Check:
        """Exact binomial test of P(success) >= probability, at significance `SIGNIFICANCE`."""
        share, p_value = self.successes / self.trials, stats.binom.cdf(self.successes, self.trials, probability)
        test = f"exact binomial test, {self.successes} of {self.trials}, rejected below p = {SIGNIFICANCE:g}"
        reason = f"{self.because}; {test}"
        return self._judge("probability", probability, share, SIGNIFICANCE, reason, p_value / SIGNIFICANCE)


@dataclass(frozen=True)
class Samples(Subject):
    """Independent draws. Made by `samples`."""

    draws: Any
    because: str

    def follow(self, law: Any) -> Check:
        """Kolmogorov-Smirnov test (exact p-value) that the draws follow the frozen scipy law `law`."""
        draws = np.asarray(self.draws, dtype=np.float64).ravel()
        p_value = float(stats.kstest(draws, law.cdf).pvalue)
        test = f"Kolmogorov-Smirnov on {draws.size} draws, rejected below p = {SIGNIFICANCE:g}"
        reason = f"{self.because}; {test}"
        return self._judge("probability", law.mean(), draws.mean(), SIGNIFICANCE, reason, p_value / SIGNIFICANCE)


@dataclass(frozen=True)
class Residual(Subject):
    """A sympy expression or matrix. Made by `residual`."""

    expression: Any
    because: str

    def vanishes(self) -> Check:
        """Every entry expands to 0; `measured` counts the terms that are left."""
        whole = self.expression
        entries = list(whole) if isinstance(whole, sympy.MatrixBase) else [whole]
        left = 0
        for entry in entries:
            rest = sympy.expand(entry)
            left += 0 if rest == 0 else len(sympy.Add.make_args(rest))
        return self._judge("identity", 0.0, left, 0.0, self.because, np.inf if left == 0 else 1 / (1 + left))


def measured(
    name: str, value: Any, *, within: Tolerance, part: str = "", case: str = "", axes: Sequence[str] = ()
) -> Measured:
    """A measured number or array, to be judged by `.equals`, `.at_most` or `.at_least`.

    Args:
        value: what was measured, of any shape.
        within: what it may be off by, and why.
        part, case: see `Check`.
        axes: names of the first dimensions, e.g. ("t", "run"), for saying where a check is worst.
    """
    return Measured(name, value, within, part=part, case=case, axes=tuple(axes))


def order(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """An observed order in a step size."""
    return Estimated(name, "order", estimate, part=part, case=case)


def slope(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """A log-log slope."""
    return Estimated(name, "slope", estimate, part=part, case=case)


def rate(name: str, estimate: Estimate, *, part: str = "", case: str = "") -> Estimated:
    """An exponential rate, or another estimated constant."""
    return Estimated(name, "rate", estimate, part=part, case=case)


def frequency(name: str, successes: int, trials: int, *, because: str, part: str = "", case: str = "") -> Frequency:
    """`successes` of `trials` independent runs, to be judged by `.at_least`."""
    return Frequency(name, successes, trials, because, part=part, case=case)


def samples(name: str, draws: Any, *, because: str, part: str = "", case: str = "") -> Samples:
    """Independent draws, to be judged by `.follow`."""
    return Samples(name, draws, because, part=part, case=case)


def residual(name: str, expression: Any, *, because: str, part: str = "", case: str = "") -> Residual:
    """A sympy expression or matrix that is to vanish identically, judged by `.vanishes`."""
    return Residual(name, expression, because, part=part, case=case)


def _refuted(name: str, check: Check) -> Check:
    """The control `name`: passes when `check` fails. Its headroom says how far the broken claim missed.

    A check that failed for lack of knowledge, on a NaN or by an interval too wide to exclude anything, refutes nothing.
    """
    miss = _miss(check)
    reason = f"must fail: {check.label}. {check.reason}"
    return replace(check, name=name, kind=CONTROL, reason=reason, passed=miss > 1, headroom=miss, case="")


def _not_so(kind: str, name: str, correction: str, check: Check) -> Check:
    control = _refuted(name, check)
    return replace(control, kind=kind, reason=f"{correction}. {control.reason}")


def _miss(check: Check) -> float:
    """How far the prediction of `check` missed, as a ratio above 1 if it did."""
    if np.isnan([check.predicted, check.measured, check.tolerance]).any():
        return 0.0
    if check.kind in ("order", "slope", "rate"):
        return abs(check.measured - check.predicted) / check.tolerance
    return _inverse(check.headroom)


def _where(index: Sequence[Any], shape: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """The entry of an array in words, by the names of its axes where they have one."""
    if max(shape, default=1) == 1:
        return ""
    if not axes:
        return f"entry {', '.join(str(int(i)) for i in index)}"
    return ", ".join(f"{axis} {int(i)}" for axis, i in zip(axes, index))


def _inverse(ratio: Any) -> float:
    return float(np.inf) if ratio == 0 else 1 / float(ratio)


def _ratio(upper: Array, lower: Array) -> Array:
    """upper / lower for `lower <= upper` to be judged: at or above 1 exactly when it holds, NaN counts as broken."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(lower > 0, np.maximum(upper, 0) / lower, np.where(upper >= lower, np.inf, 0.0))
    return np.where(np.isnan(upper) | np.isnan(lower), 0.0, ratio)
