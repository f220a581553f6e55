"""What observers of conserved forms share: each form's law of a step, at every look."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from experiments.watch.look import Look, Subject
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, first
from experiments.watch.quadratic import Form, drift, judged


class Conserved(Observer):
    """Forms that the flow conserves, of which the exact law of a step is judged."""

    axis: ClassVar[str]

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._rows: list[list[Row]] = [[] for _ in self.forms]
        self._factors: dict[str, Sequence[float]] = {}

    @cached_property
    @abstractmethod
    def forms(self) -> Sequence[Form]:
        """Those whose parameters are trained, by the optimiser or by mistake not."""

    @property
    @abstractmethod
    def no_form(self) -> str:
        """Why there are none, in words."""

    @property
    def unmet(self) -> str:
        return first(
            (
                "" if self.forms else self.no_form,
                "" if self.rule.is_descent else f"{self.rule.name} does not conserve it",
                self._uneven,
            )
        )

    @property
    def _uneven(self) -> str:
        known = [self.rule.settings[n] for form in self.forms for n in form.parameters if n in self.rule.settings]
        kinds = {(each.momentum, each.dampening, each.nesterov, each.decay) for each in known}
        return "momentum or weight decay differ between its weights" if len(kinds) > 1 else ""

    def see(self, look: Look) -> Row:
        for form, rows in zip(self.forms, self._rows):
            if look.step is not None:
                self._factors.setdefault(form.name, form.factors(look))
                seen = form.see(look)
            else:
                (units,) = form.units(look, self._factors.get(form.name, [1.0] * len(form.parameters)))
                seen = {"form": units}
            rows.append({"step": look.number, **seen})
        return {}

    @property
    def records(self) -> Sequence[Record]:
        return [Record(rows) for rows in self._rows]

    def judge(self, record: Record, facts: Facts) -> Finding:
        checks = judged(self.forms, self.records)
        if not checks:
            return Finding(unmet="no step that was looked at moved the weights")
        broken = list(dict.fromkeys(check.case for check in checks if not check.passed))
        points = [f"{self.title}: the law of a step is broken at {', '.join(broken[:3])}"] if broken else []
        return Finding(*drift(self.forms, self.records, self.rule), checks=checks, points_at=tuple(points))

    def draw(self, axes: Any, record: Record) -> None:
        shown = [(form, each) for form, each in zip(self.forms, self.records) if not form.name.endswith("matrix")]
        for form, each in shown[:5]:
            steps, values = each.where("step", "form")
            values = values.reshape(len(values), -1)
            axes.plot(steps, np.linalg.norm(values - values[0], axis=-1), "o-", label=form.name.removesuffix(", units"))
        axes.set(yscale="log", ylabel=self.axis)
