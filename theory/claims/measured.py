"""Numbers that were measured, held against what was predicted; and expressions that are to vanish."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy

from theory.claims import resolution
from theory.claims.check import Check
from theory.claims.resolution import Prediction
from theory.claims.subject import Subject, inverse, over
from theory.claims.tolerance import Tolerance
from theory.core.arrays import Array
from theory.core.validation import reject


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
        off = np.abs(m - p)
        excess = np.nan_to_num(off / tolerance, nan=np.inf)
        worst = np.unravel_index(np.argmax(excess), excess.shape)

        def finest() -> float:
            if _counts(predicted) and _counts(self.value) and (tolerance < 0.5).all():
                return 0.0
            return resolution.of_equality(m, predicted, tolerance)

        found = self._finest(predicted, against, off + tolerance, finest)
        return self._at("equal", worst, p, m, tolerance, inverse(excess[worst]), found)

    def at_most(self, bound: Prediction, *, against: float | None = None) -> Check:
        """value <= bound + tolerance everywhere (bounds on positive quantities).

        The headroom is the smallest (bound + tolerance) / value: how tight the bound is at its tightest.
        `bound` and `against` are as in `equals`.
        """
        return self._bounded("at_most", bound, against, lambda m, b, slack: _ratio(b + slack, m))

    def at_least(self, bound: Prediction, *, against: float | None = None) -> Check:
        """value + tolerance >= bound everywhere; the headroom is the smallest (value + tolerance) / bound."""
        return self._bounded("at_least", bound, against, lambda m, b, slack: _ratio(m + slack, b))

    def _bounded(
        self, kind: str, bound: Prediction, against: float | None, ratio: Callable[[Array, Array, Array], Array]
    ) -> Check:
        m, b, slack = self._numbers(bound)
        ratios = ratio(m, b, slack)
        worst = np.unravel_index(np.argmin(ratios), ratios.shape)

        def finest() -> float:
            return resolution.of_bound(bound, lambda b: inverse(ratio(m, b, slack).min()))

        return self._at(kind, worst, b, m, slack, ratios[worst], self._finest(bound, against, slack, finest))

    def _numbers(self, predicted: Prediction) -> tuple[Array, ...]:
        numbers = (self.value, resolution.at(predicted), self.within.value)
        if any(np.iscomplexobj(number) for number in numbers):  # numpy would drop the imaginary part
            reject(f"'{self.name}'", "complex numbers", "real numbers")
        return np.broadcast_arrays(*(np.asarray(number, dtype=np.float64) for number in numbers))

    def _finest(
        self, predicted: Prediction, against: float | None, told: Array, finest: Callable[[], float]
    ) -> float | None:
        """The resolution: where 0 is predicted, what can be told from it as a share of `against`.

        None for a check that has to fail. A curve that is no function of its constant resolves nothing.
        """
        if self.has_to_fail:
            return None
        if against is not None:
            return over(float(told.max()), against)
        is_a_curve = "t" in self.axes and np.ndim(self.value) > 0 and np.shape(self.value)[self.axes.index("t")] > 1
        return float(np.inf) if self.own and is_a_curve and not callable(predicted) else finest()

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
        return self.judge(kind, *numbers, self.within.reason, headroom, where=where, **found)


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
        return self.judge(
            "identity", 0.0, left, 0.0, self.because, headroom, resolution=None if self.has_to_fail else 0.0
        )


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


def residual(name: str, expression: Any, *, because: str, part: str = "", case: str = "") -> Residual:
    """A sympy expression or matrix that is to vanish identically, judged by `.vanishes`."""
    return Residual(name, expression, because, part=part, case=case)


def _where(index: Sequence[Any], shape: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """The entry of an array in words, by the names of its axes where they have one."""
    if max(shape, default=1) == 1:
        return ""
    if not axes:
        return f"entry {', '.join(str(int(i)) for i in index)}"
    return ", ".join(f"{axis} {int(i)}" for axis, i in zip(axes, index))


def _counts(predicted: Prediction) -> bool:
    return not callable(predicted) and np.asarray(predicted).dtype.kind in "biu"


def _ratio(upper: Array, lower: Array) -> Array:
    """upper / lower for `lower <= upper` to be judged: at or above 1 exactly when it holds, NaN counts as broken."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(lower > 0, np.maximum(upper, 0) / lower, np.where(upper >= lower, np.inf, 0.0))
    return np.where(np.isnan(upper) | np.isnan(lower), 0.0, ratio)
