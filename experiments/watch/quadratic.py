"""Quadratic forms of the weights that gradient flow conserves, and the exact law of one step for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.watch.look import Look
from experiments.watch.observer import Record, Row, number
from experiments.watch.rounding import PROBABLE, resolving
from experiments.watch.rule import Rule
from theory.claims import Check, Tolerance, measured
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.homogeneous import momentum
from theory.homogeneous.balance import Law

STORED = 4.0  # roundings of a weight that is stored, squared and summed with others


@dataclass(frozen=True)
class Form:
    """A form Q of some parameters, conserved by the flow of every loss.

    Attributes:
        name: of the form.
        law: Q of the matrices; its entries belong to units, or to pairs of them.
        parameters: names of what the matrices are made of.
        matrices: made of those parameters, in this order: the units are rows of the first, columns of the last.
        error: of <w, G> of a unit whose weights are of length 1, at a look.
        slack: what <w, G> of a unit may be, at a look, where the law holds up to that much.
    """

    name: str
    law: Law
    parameters: tuple[str, ...]
    matrices: Callable[[Sequence[Array]], Layers]
    error: Callable[[Look], Array | float]
    slack: Callable[[Look], Array | float] = lambda look: 0.0

    def units(self, look: Look, factors: Sequence[float]) -> list[Array]:
        """Q of each unit at a look."""
        forms = self.law(self.matrices([f * look.weight(name) for f, name in zip(factors, self.parameters)]))
        return [_of_units(Q) for Q in forms]

    def factors(self, look: Look) -> Sequence[float]:
        """(eta of the first parameter / eta)^(1/2), by which weights of other learning rates count less."""
        assert look.step is not None
        known = [look.step.settings[name].learning_rate for name in self.parameters if name in look.step.settings]
        rates = [look.step.settings[n].learning_rate if n in look.step.settings else known[0] for n in self.parameters]
        return [float(np.sqrt(abs(rates[0] / rate))) if rate else 1.0 for rate in rates]

    def see(self, look: Look) -> Row:
        """The law of one step: what was predicted and measured of Q after it, and what they may differ by."""
        name = next(n for n in self.parameters if look.step is not None and n in look.step.settings)
        assert look.step is not None
        settings, f = look.step.settings[name], self.factors(look)
        eta, first = settings.learning_rate, name not in look.step.velocity
        if eta == 0:
            return {}
        w, moved, v = (
            self.matrices([factor * part(n) for factor, n in zip(scale, self.parameters)])
            for part, scale in ((look.weight, f), (look.moved, f), (look.velocity, [1 / each for each in f]))
        )
        d = [-each / eta for each in moved]
        (Q,), (after,) = self.law(w), self.law([a + b for a, b in zip(w, moved)])
        rule = settings.in_step(first)
        predicted = momentum.after_step(Q, self._joint(w, v), self.law(d)[0], eta, **rule)
        tolerance = self._tolerance(look, w, moved, v, eta, 1 + settings.momentum)
        off, alone = after - predicted, self._of_one_side(w, moved)
        judges = resolving(tolerance, np.full(Q.shape, alone.max()), off)
        worst = np.unravel_index(np.argmax(np.where(judges, np.abs(off) / tolerance, -1.0)), Q.shape)
        units = np.flatnonzero(_of_units(judges))
        return {
            "form": _of_units(Q),
            "change": _of_units(predicted - Q),
            "off": off[worst],
            "tolerance": tolerance[worst],
            "first order": alone.max(),
            "off of all": _of_units(off)[units].sum(),
            "tolerance of all": max(_of_units(tolerance)[units].sum(), np.finfo(float).tiny),
            "first order of all": _of_units(alone)[units].sum(),
        }

    def _joint(self, W: Layers, V: Layers) -> Array:
        """B(W, V), by polarisation."""
        (plus,), (minus,) = (self.law([a + sign * b for a, b in zip(W, V)]) for sign in (1, -1))
        return (plus - minus) / 4

    def _of_one_side(self, w: Layers, moved: Layers) -> Array:
        """What the last weights' change would be alone; of one matrix, what it would be along itself."""
        if len(w) == 1:
            return 2 * self._lengths(w) * self._lengths(moved)
        parts = ([*(np.zeros_like(each) for each in side[:-1]), side[-1]] for side in (w, moved))
        return np.abs(2 * self._joint(*parts))

    def _tolerance(self, look: Look, w: Layers, moved: Layers, v: Layers, eta: float, gain: float) -> Array:
        """Of weights stored, of the optimiser's sums, of the gradient's <w, G>, and of sums here."""
        size, step, speed = (self._lengths(each) for each in (w, moved, v))
        speed, eps = abs(eta) * speed, look.subject.eps
        stored = STORED * (eps * size * (size + step + speed) + EPS * (size + step + speed) ** 2)
        own = 2 * gain * abs(eta) * self._larger(look) * (self.error(look) * size * size + self.slack(look))
        of_unit = np.maximum(stored + own, np.finfo(float).tiny)
        (Q,) = self.law(w)
        return np.sqrt(np.outer(of_unit, of_unit)) if Q.ndim == 2 else of_unit

    def _larger(self, look: Look) -> float:
        """How much larger than the gradient at the look that of the step is: a mini-batch's."""
        names = [n for n in self.parameters if look.used(n) is not None]
        used, own = (np.sqrt(sum(np.square(part(n)).sum() for n in names)) for part in (look.used, look.gradient))
        return max(1.0, float(used / own)) if own > 0 else 1.0

    @staticmethod
    def _lengths(matrices: Layers) -> Array:
        """Of the weights of each unit."""
        into, units = np.square(matrices[0]).sum(-1), len(matrices[0])
        return np.sqrt(into + sum(np.square(out[:, :units]).sum(0) for out in matrices[1:]))


def _of_units(Q: Array) -> Array:
    """The diagonal of a matrix over units."""
    return np.diagonal(Q) if Q.ndim == 2 else Q


def judged(forms: Sequence[Form], records: Sequence[Record]) -> tuple[Check, ...]:
    """The law of one step, of each form: of its units, and of all of them together."""
    return tuple(
        check
        for form, record in zip(forms, records)
        for whole in ("", " of all")
        for check in _judged(form, record, whole)
    )


def _judged(form: Form, record: Record, whole: str) -> list[Check]:
    off, tolerance, first = record.where(f"off{whole}", f"tolerance{whole}", f"first order{whole}")
    if not off.size:
        return []
    at = resolving(tolerance, first, off)
    scale = np.where(first[at] > 0, first[at], 1.0)
    within = Tolerance(tolerance[at] / scale, f"{PROBABLE}; {at.sum()} of {len(at)} looks resolve it")
    name = f"Q{whole} after a step less what is predicted, over what one of its weights' change would be alone"
    share = measured(name, off[at] / scale, within=within, case=form.name, axes=("look",))
    return [share.equals(0.0, against=1.0)]


def drift(forms: Sequence[Form], records: Sequence[Record], rule: Rule) -> tuple[str, str]:
    """What was predicted and measured of the form that moved most: by the law at the looks, summed over all steps."""
    said = [(_drift(record), form) for form, record in zip(forms, records) if "change" in record]
    if not said:
        return "", ""
    (predicted, found, size), form = max(said, key=lambda each: each[0][1])
    flow = "flow: 0; in steps, " if rule.is_plain else ""
    return f"{flow}moves by about {number(predicted)}", f"by {number(found)}, of {number(size)} ({form.name})"


def _drift(record: Record) -> tuple[float, float, float]:
    """|Q - Q(0)| at the end, by trapezia between looks and as it was, and the largest |Q|: of the units together."""
    steps, change = record.where("step", "change")
    looks, form = record.where("step", "form")
    form, change = form.reshape(len(form), -1), change.reshape(len(change), -1)
    ends = np.append(steps, looks[-1])
    change = np.append(change, change[-1:], axis=0)
    summed = (np.diff(ends)[:, None] * (change[1:] + change[:-1]) / 2).sum(0)
    moved = np.linalg.norm(form[-1] - form[0])
    return float(np.linalg.norm(summed)), float(moved), float(np.linalg.norm(form, axis=-1).max())
