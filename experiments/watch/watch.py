"""Watching a user's own training run, theorem by theorem."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

from experiments.watch.balance import Balance
from experiments.watch.energy import Energy, Orthogonality
from experiments.watch.landscape import State
from experiments.watch.lazy import Lazy
from experiments.watch.look import Look, Step, scheduled
from experiments.watch.margin import Margin
from experiments.watch.minimum_norm import MinimumNorm
from experiments.watch.observer import Facts, Finding, Observer, Record
from experiments.watch.rates import Descent, ImbalanceRate
from experiments.watch.scale_invariance import ScaleInvariance
from experiments.watch.sharpness import Sharpness
from experiments.watch.spectrum import Spectrum
from experiments.watch.step import StepTaken
from experiments.watch.subject import broadcast, fewer, in_words, require_kinds, subject_of
from theory.claims import Evidence, Study
from theory.core.validation import positive_integer, reject
from theory.harness import archive
from theory.harness.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBSERVERS: tuple[type[Observer], ...] = (
    StepTaken, Balance, Descent, ImbalanceRate, MinimumNorm, Margin, ScaleInvariance, Orthogonality,
    Sharpness, Energy, Lazy, Spectrum,
)  # fmt: skip
MOST, FEW = 4096, 128  # examples of a look: where steps are along the gradient on all of them, and elsewhere


@dataclass(frozen=True)
class Judged:
    """An observer, what it found, and its evidence if it is a theorem that applies."""

    observer: Observer
    finding: Finding
    evidence: Evidence | None


class Watch:
    """Watches a training run, which goes on as if it did not: bit by bit, gradients, buffers, random numbers and modes.

        watch = Watch(network, loss=torch.nn.functional.mse_loss, inputs=X, targets=Y, optimizer=optimizer)
        for step in range(5000):
            ...  # your own loop
            watch()  # after optimizer.step()
        print(watch.verdict())

    It looks before steps 0, 1, 2, 3, 4, 6, 8, 12, ..., two an octave and 60 at most, through a hook on the optimiser
    that copies weights and gradients. A look takes all examples (up to 4096) where the first step is along the gradient
    of the loss on all of them, and 128 where it is not: mini-batches. Dropout is off in a look, and batch
    normalisations take the statistics of the examples that it takes. Forward hooks of the network's see looks as well.

    Args:
        network: with its weights as the optimiser has them.
        loss: of (outputs, targets), as it is trained: one number.
        inputs, targets: all examples, along the first dimension, where the network is.
        optimizer: that trains it. Theorems know torch's SGD, with momentum and weight decay, and others by name.
        examples: how many a look takes, in place of the above.

    Attributes:
        steps: how many were taken.

    Raises:
        InvalidArgument: an argument of another kind, inputs and targets that network and loss refuse, or an optimiser
            that trains nothing of the network.
    """

    def __init__(
        self,
        network: Any,
        *,
        loss: Any,
        inputs: Any,
        targets: Any,
        optimizer: Any,
        examples: int | None = None,
    ) -> None:
        require_kinds(network, loss, inputs, targets, optimizer)
        self._is_asked = examples is not None
        count = MOST if examples is None else positive_integer("examples", examples)
        self._subject = subject_of(network, loss, inputs, targets, optimizer, min(count, len(inputs)))
        self.steps, self.idle, self.seconds = 0, 0, 0.0
        self._observers: Sequence[Observer] = ()
        self._schedule = scheduled()
        self._next: int | None = next(self._schedule)
        self._pending: tuple[State, Step] | None = None
        self._stepped, self._looked, self._stopped = 0, -1, ""
        optimizer.register_step_pre_hook(self._before_step)

    def __call__(self) -> None:
        """Count the step that the optimiser has taken, and look at it if it is time."""
        if not self._stepped:
            self.idle += 1
            return
        self._stepped = 0
        if self._pending is not None:
            (state, step), self._pending = self._pending, None
            self._look(Look(self._subject, self.steps, state, replace(step, after=self._subject.model.state())))
        self.steps += 1
        while self._next is not None and self._next < self.steps:
            self._next = next(self._schedule, None)

    def verdict(self) -> str:
        """The table: each theorem, whether it applies, what it predicts for this run, what was measured, the verdict.

        Raises:
            InvalidArgument: no step was seen.
        """
        from experiments.watch.table import table

        return table(self._subject, self.steps, self._judged(), list(self._points_at()))

    def evidence(self) -> str:
        """The verdict file of the theorems that apply, as `theory.verify --json` writes it; the rest in "provenance".

        Raises as `verdict`.
        """
        judged = self._judged()
        seconds = {"seconds": self.seconds, "fingerprint": ""}
        found = [replace(each.evidence, provenance=seconds) for each in judged if each.evidence is not None]
        study = Study("watch", device=str(self._subject.model.device))
        rest = {each.observer.id: each.finding for each in judged if each.evidence is None}
        said = {
            "profile": "watch",
            "dtype": str(next(self._subject.model.network.parameters()).dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "steps": self.steps,
            "looks": len(self._observers[0].rows),
            "does not apply": {id: finding.unmet for id, finding in rest.items() if finding.unmet},
            "observations": {
                id: {"predicted": finding.predicted, "measured": finding.measured}
                for id, finding in rest.items()
                if not finding.unmet
            },
            "points at": list(self._points_at()),
        }
        return archive.document(found, provenance(study, self.seconds) | said)

    def figure(self) -> "Figure":
        """A panel for each theorem and quantity that applies, over the steps.

        Raises as `verdict`.
        """
        from experiments.watch.picture import picture

        return picture(self._subject, self.steps, self._judged())

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._stepped += 1
        if self.steps != self._next or self._stopped:
            return
        begun = perf_counter()
        named = dict(self._subject.model.network.named_parameters())
        has_closure = any(argument is not None for argument in (*args[1:], *kwargs.values()))
        gradients = {} if has_closure else {n: p.grad.detach().clone() for n, p in named.items() if p.grad is not None}
        rule = self._subject.rule
        step = Step({}, gradients, rule.velocities(), rule.settings)
        self._pending = self._subject.model.state(), step
        self.seconds += perf_counter() - begun

    def _look(self, look: Look) -> None:
        begun = perf_counter()
        if not self._observers:
            look = self._first(look)
        if not (look.is_finite and (look.step is None or Look(look.subject, 0, look.step.after).is_finite)):
            self._stopped = f"weights are no longer finite at step {look.number + 1}"
        elif not abs(look.landscape.loss) < float("inf"):
            self._stopped = f"the loss is no longer finite at step {look.number}"
        else:
            for observer in self._observers:
                observer.observe(look)
            self._looked = look.number
        self.seconds += perf_counter() - begun

    def _first(self, look: Look) -> Look:
        """The same, on a few examples where the step is not along the gradient on all."""
        subject = self._subject
        taker = StepTaken(subject)
        taker.observe(look)
        if not self._is_asked and len(subject.seen) > FEW and taker.off_gradient(Record(taker.rows)):
            self._subject = fewer(subject, FEW)
            look = replace(look, subject=self._subject, _arrays={})
        self._observers = [make(self._subject) for make in OBSERVERS]
        return look

    def _judged(self) -> list[Judged]:
        """What every observer found up to now; a last look where the run stands."""
        if not self._observers:
            reject("watch", f"{self.steps} steps seen", "a call after optimizer.step(), once at least")
        if self.steps != self._looked and not self._stopped:
            self._look(Look(self._subject, self.steps, self._subject.model.state()))
        facts = self._facts()
        found = [(observer, observer.found(facts)) for observer in self._observers]
        return [Judged(o, f, o.evidence(f, in_words(self._subject)) if f.checks else None) for o, f in found]

    def _facts(self) -> Facts:
        step = next(o for o in self._observers if isinstance(o, StepTaken))
        sharpness = next(o for o in self._observers if isinstance(o, Sharpness))
        record = Record(step.rows)
        ratio = step.ratio(record)
        return Facts(self.steps, step.off_gradient(record), ratio, abs(ratio) * sharpness.stiffness)

    def _points_at(self) -> Iterator[str]:
        if self._stopped:
            yield self._stopped
        if self.idle:
            yield f"{self.idle} calls of the watch without a step of this optimiser before them"
        for each in self._judged():
            yield from each.finding.points_at
        yield from broadcast(self._subject)
