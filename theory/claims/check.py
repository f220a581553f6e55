"""One judged number: something measured, with its tolerance and the reason for it, held against a prediction.

    rate = measured("rate", value, within=rounding(terms, size, of="E = Y - X U V^T"))
    yield rate.at_least(bound)
    yield rate.control("c 5 % larger").at_least(1.05 * bound)

A *control* is a negative control: a hypothesis is broken or the statement is changed, and the check has to fail. So
has what a source says and is not so: a *misprint* is a statement as printed that has a counterexample, a *proof step*
a line of the printed proof that is wrong while the theorem holds, an *overstatement* a sentence of an abstract, a
*condition* a sentence that is true with a condition it does not name.

A check is the theorem's *own*, or it is `.supporting()` one: of the solver, of rounding, of an order in the step. What
a prediction is a function of decides how finely the theorem was tested, so a curve is handed over as a function of the
factor by which the theorem's constant is multiplied:

    yield loss.equals(lambda k: closed_form(t, rate=k * rate))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import sympy
from scipy import stats

from theory.claims import resolution
from theory.claims.estimates import SIGNIFICANCE, Estimate
from theory.claims.resolution import Prediction
from theory.claims.tolerance import Tolerance
from theory.claims.verdicts import LIMIT
from theory.core.arrays import Array
from theory.core.validation import reject

CONTROL, MISPRINT, PROOF_STEP = "control", "misprint", "proof step"
OVERSTATEMENT, CONDITION = "overstatement", "condition"
HAVE_TO_FAIL = (CONTROL, MISPRINT, PROOF_STEP, OVERSTATEMENT, CONDITION)
BOUNDS = ("at_most", "at_least", "probability")
AnySubject = TypeVar("AnySubject", bound="Subject")


@dataclass(frozen=True)
class Check:
    """One judged number.

    Attributes:
        name: what is measured; together with `case` no other check of the claim has it.
        kind: equal, at_most, at_least, order, slope, rate, probability, law, identity, or one of `HAVE_TO_FAIL`.
        predicted, measured: the two numbers at the worst point of what was compared.
        tolerance: what they may differ by, in their own units; `reason` says where it comes from.
        headroom: how far the check was from the other verdict, as a ratio above 1 if passed (1 is on the edge). For a
            control, how far the broken hypothesis took the claim beyond its tolerance.
        part: of the theorem, e.g. an equation or a corollary.
        case: sizes, start, or whatever else tells this check from others of the same name.
        where: the worst point, e.g. "t 3, run 5"; indices count from 0.
        own: whether it is the theorem's own, or one that supports it.
        resolution: the smallest change of the theorem's constant that the numbers measured would have refused, as a
            share of it; 0 if it is exact, inf if none. For a bound, the share by which it can be sharpened until it is
            violated. None for a check that failed, or has to.
        resolves: the share it has to resolve; an own check that does not is undecided.
        significance: the probability with which it may fail by chance; 0 if nothing is random.
        data: name of the user's own data that it was made on; "" if it was made on the claim's own problem.
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
    own: bool = True
    resolution: float | None = 0.0
    resolves: float = LIMIT
    significance: float = 0.0
    data: str = ""

    def __bool__(self) -> bool:
        """Whether it passed and is decided, so that `assert check` says what it seems to say."""
        return self.passed and not self.is_undecided

    @property
    def is_undecided(self) -> bool:
        """Whether it passed, but resolves less than it has to."""
        return self.own and self.passed and self.resolution is not None and self.resolution > self.resolves

    @property
    def is_bound(self) -> bool:
        """Whether it can lie so many times above what it bounds; one at 0 resolves a share of what it is against."""
        return self.kind in BOUNDS and self.predicted != 0

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
    own: bool = field(default=True, kw_only=True)
    resolves: float = field(default=LIMIT, kw_only=True)
    coarse: str = field(default="", kw_only=True)  # why it resolves no more
    becomes: Callable[[Check], Check] = field(default=_itself, kw_only=True, repr=False)

    def supporting(self: AnySubject) -> AnySubject:
        """The same as a check that supports the theorem: of the solver, of rounding, of an order in the step."""
        return replace(self, own=False)

    def resolving(self: AnySubject, share: float, *, because: str) -> AnySubject:
        """The same where a change of the constant by less than this share cannot be told, for a reason to be given.

        Raises:
            InvalidArgument: a share that is not finite and above what is asked of every check, or no reason.
        """
        if not (LIMIT < share < np.inf) or not because:
            reject(f"resolving of '{self.name}'", (share, because), f"a share above {LIMIT:g}, and why")
        return replace(self, resolves=float(share), coarse=because)

    def within_factor(self: AnySubject, factor: float, *, because: str) -> AnySubject:
        """The same for a bound that lies up to `factor` times above what it bounds, for a reason to be given."""
        return self.resolving(factor - 1, because=because)

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

    def unconditioned(self: AnySubject, name: str, *, condition: str) -> AnySubject:
        """The same for a sentence that needs a condition: a counterexample without it; `condition` says which."""
        return replace(self, becomes=partial(_not_so, CONDITION, name, condition))

    def _judge(
        self, kind: str, predicted: Any, number: Any, tolerance: Any, reason: str, headroom: Any, **more: Any
    ) -> Check:
        headroom = 0.0 if np.isnan(headroom) else float(headroom)
        numbers = float(predicted), float(number), float(tolerance)
        reason = f"{reason}; resolves no more: {self.coarse}" if self.coarse else reason
        if headroom < 1:
            more["resolution"] = None  # what it refuses already has no finest change
        stated = {"part": self.part, "case": self.case, "own": self.own, "resolves": self.resolves}
        return self.becomes(Check(self.name, kind, *numbers, reason, headroom >= 1, headroom, **stated, **more))

    @property
    def _has_to_fail(self) -> bool:
        return self.becomes is not _itself


@dataclass(frozen=True)
class Measured(Subject):
    """A number, or an array of them, and what it may be off by. Made by `measured`."""

    value: Any
    within: Tolerance
    axes: tuple[str, ...] = field(default=(), kw_only=True)

    def equals(self, predicted: Prediction, *, against: float | None = None) -> Check:
        """|value - predicted| <= tolerance, everywhere; arrays broadcast, the worst entry is reported.

        Args:
            predicted: numbers that are the theorem's constant themselves, or a function of the factor by which the
                constant is multiplied; a curve over t has to be one. Where it and the value are whole numbers, of an
                integer type, it is exact.
            against: where 0 is predicted, what was measured where the theorem does not hold: the scale of resolution.

        Raises:
            InvalidArgument: a tolerance that is not above 0.
        """
        m, p, tolerance = self._numbers(predicted)
        if not (tolerance > 0).all():
            reject(f"tolerance of '{self.name}'", tolerance.min(), "a derived tolerance above 0")
        excess = np.nan_to_num(np.abs(m - p) / tolerance, nan=np.inf)
        worst = np.unravel_index(np.argmax(excess), excess.shape)

        def finest() -> float:
            if against is not None:
                return _over(float((np.abs(m - p) + tolerance).max()), against)
            if _counts(predicted) and _counts(self.value) and (tolerance < 0.5).all():
                return 0.0
            return resolution.of_equality(m, predicted, tolerance)

        return self._at(
            "equal", worst, p, m, tolerance, _inverse(excess[worst]), self._finest(predicted, against, finest)
        )

    def at_most(self, bound: Prediction, *, against: float | None = None) -> Check:
        """value <= bound + tolerance everywhere (bounds on positive quantities).

        The headroom is the smallest (bound + tolerance) / value: how tight the bound is at its tightest.
        `bound` and `against` are as in `equals`.
        """
        m, b, slack = self._numbers(bound)
        ratio = _ratio(b + slack, m)
        worst = np.unravel_index(np.argmin(ratio), ratio.shape)

        def finest() -> float:
            if against is not None:
                return _over(float(slack.max()), against)
            return resolution.of_bound(bound, lambda b: _inverse(_ratio(b + slack, m).min()))

        return self._at("at_most", worst, b, m, slack, ratio[worst], self._finest(bound, against, finest))

    def at_least(self, bound: Prediction, *, against: float | None = None) -> Check:
        """value + tolerance >= bound everywhere; the headroom is the smallest (value + tolerance) / bound."""
        m, b, slack = self._numbers(bound)
        ratio = _ratio(m + slack, b)
        worst = np.unravel_index(np.argmin(ratio), ratio.shape)

        def finest() -> float:
            if against is not None:
                return _over(float(slack.max()), against)
            return resolution.of_bound(bound, lambda b: _inverse(_ratio(m + slack, b).min()))

        return self._at("at_least", worst, b, m, slack, ratio[worst], self._finest(bound, against, finest))

    def _numbers(self, predicted: Prediction) -> tuple[Array, ...]:
        numbers = (self.value, resolution.at(predicted), self.within.value)
        if any(np.iscomplexobj(number) for number in numbers):  # numpy would drop the imaginary part
            reject(f"'{self.name}'", "complex numbers", "real numbers")
        return np.broadcast_arrays(*(np.asarray(number, dtype=np.float64) for number in numbers))

    def _finest(self, predicted: Prediction, against: float | None, finest: Callable[[], float]) -> float | None:
        """None for a check that has to fail. A curve that is no function of its constant resolves nothing."""
        if self._has_to_fail:
            return None
        is_a_curve = "t" in self.axes and np.ndim(self.value) > 0 and np.shape(self.value)[self.axes.index("t")] > 1
        if self.own and is_a_curve and not callable(predicted) and against is None:
            return float(np.inf)
        return finest()

    def _at(
        self,
        kind: str,
        worst: Any,
        predicted: Array,
        value: Array,
        tolerance: Array,
        headroom: Any,
        resolution: float | None,
    ) -> Check:
        numbers = predicted[worst], value[worst], tolerance[worst]
        found = {"resolution": resolution, "significance": self.within.significance}
        where = _where(worst, value.shape, self.axes)
        return self._judge(kind, *numbers, self.within.reason, headroom, where=where, **found)


@dataclass(frozen=True)
class Estimated(Subject):
    """A constant with its interval. Made by `order`, `slope` and `rate`."""

    kind: str
    estimate: Estimate

    def equals(self, predicted: float, *, excludes: Sequence[float] = (), against: float | None = None) -> Check:
        """The interval holds the prediction and none of `excludes`.

        Args:
            against: where 0 is predicted, what was measured where the theorem does not hold: the scale of resolution.
        """
        estimate = self.estimate
        half = max(estimate.half_width, np.finfo(float).tiny)
        off = abs(estimate.value - predicted)
        headrooms = [_inverse(off / half)]
        headrooms += [abs(estimate.value - wrong) / half for wrong in excludes]
        excluded = ", ".join(f"{wrong:g}" for wrong in excludes)
        reason = f"{estimate.reason}; must exclude {excluded}" if excluded else estimate.reason
        finest = None if self._has_to_fail else _over(half + off, abs(predicted) if against is None else against)
        found = {"resolution": finest, "significance": estimate.significance}
        return self._judge(self.kind, predicted, estimate.value, half, reason, min(headrooms), **found)


@dataclass(frozen=True)
class Frequency(Subject):
    """How often something happened. Made by `frequency`."""

    successes: int
    trials: int
    because: str

    def at_least(self, probability: float) -> Check:
        """Exact binomial test of P(success) >= probability, at significance `SIGNIFICANCE`.

        Its resolution is the share by which the probability of the complement can be sharpened until it is refused.
        """
        share, p_value = self.successes / self.trials, stats.binom.cdf(self.successes, self.trials, probability)
        test = f"exact binomial test, {self.successes} of {self.trials}, rejected below p = {SIGNIFICANCE:g}"
        reason = f"{self.because}; {test}"
        found = {"resolution": self._finest(probability), "significance": SIGNIFICANCE}
        return self._judge("probability", probability, share, SIGNIFICANCE, reason, p_value / SIGNIFICANCE, **found)

    def _finest(self, probability: float) -> float | None:
        if self._has_to_fail:
            return None
        # Clopper & Pearson: the largest probability that as few successes do not refuse.
        largest = stats.beta.isf(SIGNIFICANCE, self.successes + 1, self.trials - self.successes)
        return 0.0 if probability == 1 else _over(1 - probability, 1 - np.nan_to_num(largest, nan=1.0)) - 1


@dataclass(frozen=True)
class Samples(Subject):
    """Independent draws. Made by `samples`."""

    draws: Any
    because: str

    def follow(self, law: Any) -> Check:
        """The draws follow the law: three tests of a third of `SIGNIFICANCE` each.

        If they do, u = F(draw) is uniform. Kolmogorov and Smirnov's test sees any departure from that, if it is large.
        A change of scale moves the mean of u, or of |2u - 1| if the law is symmetric: both are means of n uniforms
        (Neyman's smooth test, its first order), whose tails are lighter than the normal ones of variance 1 / (12 n).
        The resolution is the change of scale, or of the parameter, that is rejected with probability one half.

        Args:
            law: a frozen scipy law, or a function of the factor by which its parameter is multiplied that gives one.
        """
        draws = np.asarray(self.draws, dtype=np.float64).ravel()
        stated = law(1.0) if callable(law) else law
        p_values = [float(stats.kstest(draws, stated.cdf).pvalue)]
        p_values += [float(2 * stats.norm.sf(abs(z))) for z in _smooth(stated.cdf(draws))]
        p_value = min(3 * min(p_values), 1.0)
        test = f"Kolmogorov-Smirnov and smooth tests on {draws.size} draws, rejected below p = {SIGNIFICANCE:g}"
        reason = f"{self.because}; {test}"
        found = {"resolution": self._finest(law, draws), "significance": SIGNIFICANCE}
        numbers = stated.mean(), draws.mean(), SIGNIFICANCE
        return self._judge("law", *numbers, reason, p_value / SIGNIFICANCE, **found)

    def _finest(self, law: Any, draws: Array) -> float | None:
        if self._has_to_fail:
            return None
        if not np.isfinite(draws).all():
            return float(np.inf)
        changed = (lambda k: law(k).cdf(draws)) if callable(law) else (lambda k: law.cdf(draws / k))
        critical = stats.norm.isf(SIGNIFICANCE / 6)
        here = _smooth(changed(1.0))

        def excess(k: float) -> float:
            return float(np.abs(_smooth(changed(k)) - here).max() / critical)

        return resolution.of_change(excess)


def _smooth(u: Array) -> Array:
    """Means of u and of |2u - 1| in standard deviations from what they are for uniform u."""
    return np.array([v.mean() - 0.5 for v in (u, np.abs(2 * u - 1))]) * np.sqrt(12 * u.size)


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
        headroom = np.inf if left == 0 else 1 / (1 + left)
        return self._judge("identity", 0.0, left, 0.0, self.because, headroom, resolution=_exact(self))


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
    """An observed order in a step size. It supports a theorem; 5 % is not asked of it."""
    return Estimated(name, "order", estimate, part=part, case=case, own=False)


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
    return replace(check, name=name, kind=CONTROL, reason=reason, passed=miss > 1, headroom=miss, case="", own=False)


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


def _exact(subject: Subject) -> float | None:
    return None if subject._has_to_fail else 0.0


def _counts(predicted: Prediction) -> bool:
    return not callable(predicted) and np.asarray(predicted).dtype.kind in "biu"


def _over(number: float, scale: float) -> float:
    return float(np.inf) if scale == 0 else float(number / abs(scale))


def _inverse(ratio: Any) -> float:
    return float(np.inf) if ratio == 0 else 1 / float(ratio)


def _ratio(upper: Array, lower: Array) -> Array:
    """upper / lower for `lower <= upper` to be judged: at or above 1 exactly when it holds, NaN counts as broken."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(lower > 0, np.maximum(upper, 0) / lower, np.where(upper >= lower, np.inf, 0.0))
    return np.where(np.isnan(upper) | np.isnan(lower), 0.0, ratio)
