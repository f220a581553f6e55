"""What a claim is and how it is judged.

A claim is a theorem beside its experiment: a generator that yields `Check`s (each one judged number) and `Curves`
(what a figure needs). Every claim names its negative controls when it is registered, and each of them has to be
yielded: a hypothesis is broken, and the check must then fail. What a source says and is not so is yielded beside what
holds in its place, and qualifies the verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from theory.claims.check import BOUNDS, CONDITION, MISPRINT, OVERSTATEMENT, PROOF_STEP, Check
from theory.claims.parameters import at
from theory.claims.study import Study
from theory.claims.verdicts import (
    ABOVE,
    CONDITIONED,
    FAILS,
    HOLDS,
    LIMIT,
    MISPRINTED,
    OVERSTATED,
    PROOF_DIFFERS,
    UNDECIDED,
    in_words,
    limit_in,
)
from theory.core.arrays import Array
from theory.core.validation import reject

# What a claim's verdict is if it yields a check of such a kind, and all of its checks pass; the first kind decides.
QUALIFIED = {
    OVERSTATEMENT: OVERSTATED,
    MISPRINT: MISPRINTED,
    CONDITION: CONDITIONED,
    PROOF_STEP: PROOF_DIFFERS,
}
AS_PRINTED, AS_THE_ABSTRACT_SAYS, RECONSTRUCTED, OURS = SOURCE_KINDS = (
    "as printed",
    "as the abstract says",
    "reconstructed",
    "ours",
)
THEORY_SIDES = ("closed form", "ODE", "bound", "law", "identity")


@dataclass(frozen=True)
class Curves:
    """Named arrays for the figures. Names within a group are words; what tells groups apart may be any text."""

    group: str
    arrays: Mapping[str, Array]


Experiment = Callable[..., Iterator[Check | Curves]]  # of the study, and of its parameters where the claim has some


@dataclass(frozen=True)
class Claim:
    """A theorem that can be run. See `claim`."""

    id: str
    source: str
    source_kind: str
    statement: str
    hypotheses: tuple[str, ...]
    theory_side: str
    controls: tuple[str, ...]
    experiment: Experiment
    accepts_data: str = ""
    parameters: type | None = None

    @property
    def module(self) -> str:
        """Name of the module that states the claim."""
        return self.experiment.__module__


@dataclass(frozen=True)
class Evidence:
    """What judging a claim left behind: checks, curves, what was trained, and where they come from.

    Curves are named "group/name", or "name" where they have no group. `parameters` has all that the claim declares, and
    `given` names those that were not the profile's own. `remarks` are what it said before its checks.
    """

    id: str
    source: str
    source_kind: str
    statement: str
    hypotheses: tuple[str, ...]
    theory_side: str
    trained: tuple[str, ...]
    checks: tuple[Check, ...]
    curves: Mapping[str, Array] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        if not all(check.passed or check.is_undecided for check in self.checks):
            return FAILS
        if any(check.is_undecided for check in self.checks):
            return UNDECIDED
        kinds = {check.kind for check in self.checks}
        unqualified = ABOVE if self.above > LIMIT and self.above >= self.resolution else HOLDS
        return next((verdict for kind, verdict in QUALIFIED.items() if kind in kinds), unqualified)

    @property
    def resolution(self) -> float:
        """The coarsest of the theorem's own checks: the smallest change of its constant that would have been seen."""
        return max((r for check in self.checks if check.own and (r := check.resolution) is not None), default=0.0)

    @property
    def above(self) -> float:
        """The share by which the loosest of the theorem's own bounds could be sharpened."""
        bounds = [check.resolution for check in self.checks if check.own and check.is_bound]
        return max((r for r in bounds if r is not None), default=0.0)

    @property
    def in_words(self) -> str:
        """The verdict and how finely it was tested: holds, to 0.02 %."""
        return in_words(self.verdict, self.resolution, self.above)

    @property
    def headroom(self) -> float:
        """The smallest of the checks'."""
        return min(check.headroom for check in self.checks)

    def group(self, name: str) -> dict[str, Array]:
        """The curves yielded as `curves(name, ...)`."""
        return {curve.removeprefix(f"{name}/"): a for curve, a in self.curves.items() if curve.startswith(f"{name}/")}

    def _repr_html_(self) -> str:
        """What a notebook shows; found by name, as no claim depends on what its evidence looks like."""
        return str(import_module("theory.harness.site.notebook").evidence_html(self))


REGISTRY: dict[str, Claim] = {}


def claim(
    id: str,
    *,
    source: str,
    source_kind: str = OURS,
    statement: str,
    hypotheses: Sequence[str],
    theory_side: str,
    controls: Sequence[str],
    accepts_data: str = "",
    parameters: type | None = None,
) -> Callable[[Experiment], Claim]:
    """Register a generator of checks and curves as the claim `id`.

    Args:
        id: `paper.name` for what a paper states, `setting.name` for what is ours.
        source: paper and number.
        source_kind: where the statement is from, one of `SOURCE_KINDS`: *as printed* where the text was at hand (its
            number is in `source`), *reconstructed* where it was recalled or pieced together.
        statement: LaTeX, without dollar signs.
        hypotheses: in words.
        theory_side: what training is compared with, one of `THEORY_SIDES`.
        controls: names of the checks that have to fail, negative controls and what a source says and is not so;
            `judge` refuses evidence with others, or without one.
        accepts_data: kind of data that the claim is judged on where `study.data` is given ("" for none); `on_data`
            says which of its checks are.
        parameters: dataclass of what can be varied, see `theory.claims.parameters`; the experiment is then a function
            of the study and of these.

    Raises:
        InvalidArgument: the id is taken or malformed, there is no negative control, no such theory side or source kind.
    """
    if id in REGISTRY:
        reject("id", id, "an id that no other claim has")
    if id.count(".") != 1:
        reject("id", id, "'paper.name' or 'setting.name'")
    if theory_side not in THEORY_SIDES:
        reject("theory_side", repr(theory_side), f"one of {', '.join(THEORY_SIDES)}")
    if source_kind not in SOURCE_KINDS:
        reject("source_kind", repr(source_kind), f"one of {', '.join(SOURCE_KINDS)}")
    if not controls:
        reject("controls", "()", f"at least one negative control for {id}: a check that cannot fail proves nothing")

    def register(experiment: Experiment) -> Claim:
        stated = source, source_kind, statement, tuple(hypotheses), theory_side, tuple(controls)
        REGISTRY[id] = Claim(id, *stated, experiment, accepts_data, parameters)
        return REGISTRY[id]

    return register


def judge(subject: Claim, study: Study) -> Evidence:
    """Run a claim's experiment and collect its evidence.

    Raises:
        InvalidArgument: the negative controls yielded are not those declared, two curves or checks share a name,
            nothing of the theorem's own was yielded, or nothing on the data that the study has; or parameters are given
            that the claim does not have.
    """
    values = _parameters(subject, study)
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for item in subject.experiment(study, *values):
        if isinstance(item, Check):
            checks.append(replace(item, resolves=_asked_of(item, study), varied=bool(study.given)))
            continue
        prefix = f"{item.group}/" if item.group else ""
        named = {f"{prefix}{name}": np.asarray(array) for name, array in item.arrays.items()}
        taken = curves.keys() & named.keys()
        if taken:
            reject("curves", sorted(taken), f"names not used before in {subject.id}")
        curves.update(named)
    _require_distinct(subject, checks)
    _require_controls(subject, checks)
    if study.data is not None and not any(check.data for check in checks):
        reject("checks", "none marked as made on the data", f"{subject.id} to say by `on_data` which are")
    stated = subject.id, subject.source, subject.source_kind, subject.statement, subject.hypotheses, subject.theory_side
    parameters = {name: value for each in values for name, value in vars(each).items()}
    said = parameters, tuple(study.given), tuple(study.remarks)
    return Evidence(*stated, study.trained, tuple(checks), curves, {}, *said)


def _parameters(subject: Claim, study: Study) -> tuple[Any, ...]:
    """The parameters that the experiment is a function of: one dataclass, or none."""
    if subject.parameters is not None:
        return (at(subject.parameters, study.profile, study.given),)
    if study.given:
        reject("parameter", ", ".join(study.given), f"none: {subject.id} has no parameters")
    return ()


def on_data(experiment: Experiment) -> Experiment:
    """Mark all checks of an experiment, or of a part of one, as made on the user's data, where the study has some."""

    @wraps(experiment)
    def marked(study: Study, *parameters: Any) -> Iterator[Check | Curves]:
        name = "" if study.data is None else study.data.name
        for item in experiment(study, *parameters):
            yield replace(item, data=name) if isinstance(item, Check) else item

    return marked


def _asked_of(check: Check, study: Study) -> float:
    """What `check` has to resolve. How near a bound comes to the user's own problem is a finding, and no fault."""
    if (check.data or study.given) and check.kind in BOUNDS:
        return float(np.inf)
    return limit_in(study.profile, check.resolves)


def _require_distinct(subject: Claim, checks: Sequence[Check]) -> None:
    labels = [check.label for check in checks]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        reject("checks", twice, f"names not used before in {subject.id}")


def _require_controls(subject: Claim, checks: Sequence[Check]) -> None:
    broken = {check.name for check in checks if check.is_control}
    if broken != set(subject.controls):
        differing = sorted(broken ^ set(subject.controls))
        reject("controls", differing, f"{subject.id} to yield each declared control and no other")
    if not any(check.own for check in checks):
        reject("checks", "none of the theorem's own", f"{subject.id} to check what it claims")


def curves(group: str = "", /, **arrays: Any) -> Curves:
    """Arrays a figure will draw, by name; `group` tells apart those of the same names."""
    return Curves(group, {name: np.asarray(array) for name, array in arrays.items()})
