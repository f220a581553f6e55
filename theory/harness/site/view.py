"""What a page says of a claim: its checks in tables, numbers as text, the command that repeats it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from theory.claims import VERDICTS, Check, Evidence
from theory.claims.parameters import written
from theory.claims.verdicts import LIMIT, percent, times
from theory.harness.site.mathematics import mathml
from theory.harness.statements import readable

SHOWN = ("profile", "seed", "device", "seconds", "version", "commit", "python", "numpy", "scipy", "torch")


@dataclass(frozen=True)
class Row:
    """One check as the cells of a table."""

    check: Check

    @property
    def name(self) -> str:
        return f"{self.check.part}, {self.check.label}" if self.check.part else self.check.label

    @property
    def role(self) -> str:
        return "" if self.check.own else "supporting"

    @property
    def state(self) -> str:
        return "undecided" if self.check.is_undecided else "passed" if self.check.passed else "failed"

    @property
    def numbers(self) -> tuple[str, ...]:
        """Predicted, measured, tolerance, headroom."""
        check = self.check
        return tuple(f"{number:.6g}" for number in (check.predicted, check.measured, check.tolerance, check.headroom))

    @property
    def resolution(self) -> str:
        if self.check.resolution is None:
            return ""
        if self.check.is_bound and self.check.resolution > LIMIT:
            return f"{times(self.check.resolution)} above"
        return "exact" if self.check.resolution == 0 else percent(self.check.resolution)

    @property
    def order(self) -> float:
        """What the column of resolutions is sorted by."""
        return -1.0 if self.check.resolution is None else min(self.check.resolution, 1e300)


@dataclass(frozen=True)
class View:
    """A claim with the figures that show it and the modules it is in."""

    evidence: Evidence
    figures: tuple[str, ...]
    modules: tuple[str, ...]
    setting: str

    @property
    def id(self) -> str:
        return self.evidence.id

    @cached_property
    def statement(self) -> Markup:
        return mathml(self.evidence.statement)

    @cached_property
    def line(self) -> str:
        """The statement in one line of text."""
        return readable(self.evidence.statement)

    @property
    def holds(self) -> bool:
        return VERDICTS[self.evidence.verdict] == 0

    @property
    def checks(self) -> Sequence[Row]:
        return [Row(check) for check in self.evidence.checks if not check.is_control]

    @property
    def controls(self) -> Sequence[Row]:
        return [Row(check) for check in self.evidence.checks if check.is_control]

    @property
    def marks(self) -> str:
        """Words that the index filters by."""
        loose = ["loose"] if self.evidence.above > LIMIT else []
        empirical = ["empirical"] if any("empirical" in check.reason for check in self.evidence.checks) else []
        return " ".join(loose + empirical)

    @property
    def parameters(self) -> Mapping[str, str]:
        return {name: written(value) for name, value in self.evidence.parameters.items()}

    @property
    def command(self) -> str:
        """What repeats the claim."""
        found = self.evidence.provenance
        given = [f"--set {name}={self.parameters[name]}" for name in self.evidence.given]
        profile = [f"--profile {found['profile']}"] if found.get("profile", "quick") != "quick" else []
        seed = [f"--seed {found['seed']}"] if found.get("seed") else []
        data = [f"--data {shlex.quote(found['data']['name'])}"] if found.get("data") else []
        return " ".join(["python -m theory.verify", self.id, *profile, *seed, *given, *data])

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {name: self.evidence.provenance[name] for name in SHOWN if name in self.evidence.provenance}

    @property
    def alternative(self) -> str:
        """What the picture of its checks shows, in words."""
        passed = sum(row.check.passed for row in self.checks)
        refused = sum(row.check.passed for row in self.controls)
        return (
            f"{passed} of {len(self.checks)} checks lie within what they may be off by; "
            f"{refused} of {len(self.controls)} wrong theorems lie outside. {self.evidence.in_words}."
        )
