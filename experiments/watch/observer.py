"""What an observer of a run is: a theorem, or a quantity without one, and what the run has to say of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from experiments.watch.look import Look, Subject
from theory.claims import OURS, Check, Evidence
from theory.claims.check import BOUNDS
from theory.core.arrays import Array

Row = Mapping[str, Any]


class Record:
    """What an observer saw: arrays by name, the looks first; NaN where a look had no such number."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __contains__(self, name: str) -> bool:
        return any(name in row for row in self.rows)

    def __getitem__(self, name: str) -> Array:
        known = next(np.asarray(row[name], dtype=np.float64) for row in self.rows if name in row)
        missing = np.full(known.shape, np.nan)
        return np.stack([np.asarray(row[name], dtype=np.float64) if name in row else missing for row in self.rows])

    def where(self, *names: str) -> tuple[Array, ...]:
        """These at the looks that have all of them; "step" is one that all have."""
        rows = [row for row in self.rows if all(name in row for name in names)]
        return tuple(np.array([np.asarray(row[name], dtype=np.float64) for row in rows]) for name in names)


@dataclass(frozen=True)
class Finding:
    """What the run has to say of a theorem or a quantity.

    Attributes:
        unmet: the hypothesis that the run or the network violates, in words; "" if it applies.
        predicted, measured: in words and numbers.
        checks: of a theorem that applies; an observation has none.
        points_at: what looks wrong, in words.
    """

    predicted: str = ""
    measured: str = ""
    unmet: str = ""
    checks: tuple[Check, ...] = ()
    points_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the steps showed of the run, for the hypotheses that no network shows.

    Attributes:
        steps: how many were taken.
        off_gradient: why steps are not along the gradient of the loss named on all examples; "" if they are.
        ratio: of the gradients that were stepped along to those of the loss named.
        stiffness: the largest sharpness of what is trained over its limit that was seen; NaN if unknown.
    """

    steps: int
    off_gradient: str = ""
    ratio: float = 1.0
    stiffness: float = field(default=float("nan"))


class Observer(ABC):
    """One theorem, or one quantity, through one run.

    Attributes:
        id, title, statement, source, source_kind, theory_side, hypotheses: as a claim's.
        every: at how many looks it looks once: what is costly and changes slowly at every fourth.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str] = ""
    source: ClassVar[str] = ""
    source_kind: ClassVar[str] = OURS
    theory_side: ClassVar[str] = "identity"
    hypotheses: ClassVar[tuple[str, ...]] = ()
    every: ClassVar[int] = 1

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.structure, self.rule = subject.structure, subject.rule
        self.rows: list[Row] = []
        self._looks = 0

    @property
    @abstractmethod
    def unmet(self) -> str:
        """The hypothesis that network, loss or optimiser violates, in words; "" if it applies."""

    @abstractmethod
    def see(self, look: Look) -> Row:
        """What there is to record of a look: cheap, and the same names each time."""

    @abstractmethod
    def judge(self, record: Record, facts: Facts) -> Finding:
        """What all the looks say."""

    def draw(self, axes: Any, record: Record) -> None:  # noqa: B027 - most have a panel, and not all
        """Its panel; an observer without one draws nothing."""

    @property
    def has_panel(self) -> bool:
        return type(self).draw is not Observer.draw

    def observe(self, look: Look) -> None:
        """Record a look, the last in any case: that without a step."""
        if not self.unmet and (self._looks % self.every == 0 or look.step is None):
            self.rows.append({"step": look.number, **self.see(look)})
        self._looks += 1

    def found(self, facts: Facts) -> Finding:
        """What the run says; of a theorem that does not apply, why."""
        if self.unmet:
            return Finding(unmet=self.unmet)
        return self.judge(Record(self.rows), facts)

    def evidence(self, finding: Finding, subject: str) -> Evidence:
        """A finding with checks, as a claim's evidence.

        How near a bound comes to a run of the user's is a finding, and nothing that the theorem can be asked for.
        """
        asked = [float("inf") if check.kind in BOUNDS else check.resolves for check in finding.checks]
        checks = tuple(replace(c, data=subject, resolves=share) for c, share in zip(finding.checks, asked))
        stated = self.source, self.source_kind, self.statement, self.hypotheses, self.theory_side
        curves = {name: Record(self.rows)[name] for name in dict.fromkeys(n for row in self.rows for n in row)}
        return Evidence(self.id, *stated, (subject,), checks, curves)


def first(reasons: Iterable[str]) -> str:
    """The first that is one."""
    return next(filter(None, reasons), "")


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"
