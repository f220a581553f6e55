"""Watching a user's own training run, theorem by theorem."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from experiments.watch.balance import Balance
from experiments.watch.energy import Energy, Orthogonality
from experiments.watch.landscape import Model, State
from experiments.watch.lazy import Lazy
from experiments.watch.look import Look, Step, Subject, scheduled
from experiments.watch.losses import Kind, Loss, recognised
from experiments.watch.margin import Margin
from experiments.watch.minimum_norm import MinimumNorm
from experiments.watch.observer import Facts, Finding, Observer, Record
from experiments.watch.rates import Descent, ImbalanceRate
from experiments.watch.rule import Rule
from experiments.watch.scale_invariance import ScaleInvariance
from experiments.watch.sharpness import Sharpness
from experiments.watch.spectrum import Spectrum
from experiments.watch.step import StepTaken
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
BATCHED = ": steps are not along the gradient on all (mini-batches, or dropout)"
MOST, FEW = 4096, 128  # examples of a look: where steps are along the gradient on all of them, and elsewhere
TRACED = 16  # examples of the pass that structure is read from


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
        _require_kinds(network, loss, inputs, targets, optimizer)
        self._count = len(inputs) if examples is None else min(positive_integer("examples", examples), len(inputs))
        self._is_asked = examples is not None
        self.steps, self.idle, self.seconds = 0, 0, 0.0
        self._subject = _subject(
            network, loss, inputs, targets, optimizer, min(self._count, MOST if examples is None else self._count)
        )
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
            self._subject = _fewer(subject, FEW)
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
        return [Judged(o, f, o.evidence(f, _subject_in_words(self._subject)) if f.checks else None) for o, f in found]

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
        yield from _broadcast(self._subject)


def _require_kinds(network: Any, loss: Any, inputs: Any, targets: Any, optimizer: Any) -> None:
    if not isinstance(network, nn.Module):
        reject("network", type(network).__name__, "a torch.nn.Module")
    if not callable(loss) or isinstance(loss, type):
        reject("loss", _named(loss), "a function of outputs and targets, such as torch.nn.functional.mse_loss")
    for name, value in (("inputs", inputs), ("targets", targets)):
        if not isinstance(value, Tensor):
            reject(
                name, f"an object of type {type(value).__name__}", "a tensor, the examples along its first dimension"
            )
        if value.ndim == 0 or len(value) == 0:
            reject(name, f"a tensor of shape {tuple(value.shape)}", "one example at least, along the first dimension")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            reject(name, "a tensor with an infinite or NaN entry", "finite numbers")
    if len(inputs) != len(targets):
        reject("targets", f"{len(targets)} of them", f"{len(inputs)}, one for each of the inputs")
    if not isinstance(optimizer, Optimizer):
        reject("optimizer", _named(optimizer), "a torch.optim.Optimizer")
    if not any(p.requires_grad for p in network.parameters()):
        reject("network", f"a {type(network).__name__} without trainable parameters", "one with some")
    if not Rule(optimizer, network).trained:
        reject("optimizer", "one of other parameters", "one that trains some of this network's")


def _subject(
    network: nn.Module, loss: Loss, inputs: Tensor, targets: Tensor, optimizer: Optimizer, count: int
) -> Subject:
    model = Model(network, loss)
    seen = _spread(inputs, count)
    structure = _refused("inputs", "what the network accepts", lambda: model.structure(inputs[:TRACED])[0])
    with torch.no_grad():
        outputs = _refused("inputs", "what the network accepts", lambda: model.outputs(model.state(), inputs[seen]))
        if not isinstance(outputs, Tensor):
            reject("network", f"one that returns a {type(outputs).__name__}", "one that returns a tensor")
        value = _refused("targets", "what the loss accepts with the outputs", lambda: loss(outputs, targets[seen]))
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        reject("loss", f"one that returns {shape}", "one that returns one number, the mean or the sum over examples")
    kind = recognised(loss, outputs, targets[seen])
    return Subject(model, structure, kind, Rule(optimizer, network), inputs, targets, seen)


def _fewer(subject: Subject, count: int) -> Subject:
    seen = _spread(subject.inputs, count)
    return replace(subject, seen=seen, kind=_kind_on(subject, seen), because=BATCHED)


def _kind_on(subject: Subject, seen: Tensor) -> Kind:
    with torch.no_grad():
        outputs = subject.model.outputs(subject.model.state(), subject.inputs[seen])
    return recognised(subject.model.loss, outputs, subject.targets[seen])


def _spread(inputs: Tensor, count: int) -> Tensor:
    """Numbers of so many examples, evenly spread: data may be sorted by class."""
    return torch.linspace(0, len(inputs) - 1, count, dtype=torch.float64).round().long().to(inputs.device)


def _refused(name: str, expected: str, attempt: Any) -> Any:
    """What `attempt` returns; its own error in one line if it raises one."""
    try:
        return attempt()
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        reject(name, f"tensors for which torch says: {first_line[:200]}", expected)


def _broadcast(subject: Subject) -> Iterator[str]:
    """Targets that the loss broadcasts against outputs of another shape."""
    with torch.no_grad():
        inputs, targets = subject.examples
        outputs = subject.model.outputs(subject.model.state(), inputs[:TRACED])
    shape = targets[:TRACED].shape
    if targets.is_floating_point() and outputs.shape != shape and outputs.numel() == shape.numel():
        yield (
            f"outputs of shape {tuple(outputs.shape)} against targets of shape {tuple(shape)}:"
            " the loss broadcasts each output against every target"
        )


def _subject_in_words(subject: Subject) -> str:
    shapes = ", ".join(f"{layer.name or layer} {layer.operation.shape}" for layer in subject.structure.layers[:6])
    return f"{shapes} by {subject.rule.name}"


def _named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"an object of type {type(value).__name__}"
