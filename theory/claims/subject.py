"""What a prediction is held against, and what becomes of the check: the theorem's own, a supporting one, a control."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from theory.claims.check import CONDITION, CONTROL, INTERVALS, MISPRINT, OVERSTATEMENT, PROOF_STEP, Check
from theory.claims.verdicts import LIMIT
from theory.core.validation import reject

AnySubject = TypeVar("AnySubject", bound="Subject")


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

    def judge(
        self, kind: str, predicted: Any, number: Any, tolerance: Any, reason: str, headroom: Any, **more: Any
    ) -> Check:
        """The check of these numbers, or what becomes of it; a headroom that is no number is none."""
        headroom = 0.0 if np.isnan(headroom) else float(headroom)
        numbers = float(predicted), float(number), float(tolerance)
        reason = f"{reason}; resolves no more: {self.coarse}" if self.coarse else reason
        if headroom < 1:
            more["resolution"] = None  # what it refuses already has no finest change
        stated = {"part": self.part, "case": self.case, "own": self.own, "resolves": self.resolves}
        return self.becomes(Check(self.name, kind, *numbers, reason, headroom >= 1, headroom, **stated, **more))

    @property
    def has_to_fail(self) -> bool:
        """Whether what is judged next is a control, or what a source says and is not so."""
        return self.becomes is not _itself


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
    if check.kind in INTERVALS:
        return abs(check.measured - check.predicted) / check.tolerance
    return inverse(check.headroom)


def over(number: float, scale: float) -> float:
    """number / |scale|, infinite over 0."""
    return float(np.inf) if scale == 0 else float(number / abs(scale))


def inverse(ratio: Any) -> float:
    """1 / ratio, infinite at 0."""
    return float(np.inf) if ratio == 0 else 1 / float(ratio)
