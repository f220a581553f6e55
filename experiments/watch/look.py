"""When a run is looked at, and what is there to see: the state of the weights, the step taken from it, the loss."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from experiments.watch.landscape import Landscape, Model, State
from experiments.watch.losses import Kind
from experiments.watch.rule import Rule, Settings
from experiments.watch.structure import Structure
from theory.core.arrays import Array

LOOKS = 60  # at most: at two an octave, half a billion steps


def scheduled() -> Iterator[int]:
    """Steps before which to look: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, ...; `LOOKS` of them.

    >>> [step for step, _ in zip(scheduled(), range(10))]
    [0, 1, 2, 3, 4, 6, 8, 12, 16, 24]
    """
    yield from (0, 1)
    for look in range(LOOKS - 2):
        yield (2 if look % 2 == 0 else 3) * 2 ** (look // 2)


@dataclass(frozen=True)
class Subject:
    """What is watched.

    Attributes:
        model: the network and the loss, as functions.
        structure: how the network is built.
        kind: of the loss.
        rule: the optimiser's.
        inputs, targets: all of them.
        seen: numbers of the examples that looks take; `because` says why not all.
    """

    model: Model
    structure: Structure
    kind: Kind
    rule: Rule
    inputs: Tensor
    targets: Tensor
    seen: Tensor
    because: str = ""

    @property
    def is_seen_whole(self) -> bool:
        """Whether looks take all examples."""
        return len(self.seen) == len(self.inputs)

    @property
    def seen_in_part(self) -> str:
        """Which part looks take, in words, and why; "" if they take all."""
        if self.is_seen_whole:
            return ""
        return f"looks take {len(self.seen)} of {len(self.inputs)} examples{self.because}"

    @property
    def examples(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets that looks take."""
        if self.is_seen_whole:
            return self.inputs, self.targets
        return self.inputs[self.seen], self.targets[self.seen]

    @property
    def eps(self) -> float:
        """Rounding of the weights: the coarsest of their types'."""
        types = {p.dtype for p in self.model.network.parameters() if p.is_floating_point()}
        return max(float(torch.finfo(dtype).eps) for dtype in types)


@dataclass(frozen=True)
class Step:
    """What the optimiser did, by name of the parameter; `gradient` and `velocity` are those that it found."""

    after: State
    gradient: State
    velocity: State
    settings: Mapping[str, Settings]


@dataclass(frozen=True)
class Look:
    """The run after `number` steps, and the step that was then taken (None if there was none yet)."""

    subject: Subject
    number: int
    state: State
    step: Step | None = None
    _arrays: dict[tuple[str, int], Array] = field(default_factory=dict, repr=False)

    @cached_property
    def landscape(self) -> Landscape:
        return Landscape(self.subject.model, self.state, *self.subject.examples)

    def weight(self, name: str) -> Array:
        """A parameter in double precision."""
        return self._double(self.state, name)

    def weight_after(self, name: str) -> Array:
        """The same after the step."""
        assert self.step is not None
        return self._double(self.step.after, name)

    def moved(self, name: str) -> Array:
        """-eta d: what the step added to a parameter, exactly up to one rounding."""
        return self.weight_after(name) - self.weight(name)

    def velocity(self, name: str) -> Array:
        """The momentum buffer before the step, 0 where there was none."""
        assert self.step is not None
        if name not in self.step.velocity:
            return np.zeros_like(self.weight(name))
        return self._double(self.step.velocity, name)

    def gradient(self, name: str) -> Array:
        """Of the loss that was named, on the examples that looks take; 0 of a parameter that is not trained."""
        if name not in self.landscape.gradient:
            return np.zeros_like(self.weight(name))
        return self._double(self.landscape.gradient, name)

    def used(self, name: str) -> Array | None:
        """The gradient that the optimiser found, None where there was none."""
        if self.step is None or name not in self.step.gradient:
            return None
        return self._double(self.step.gradient, name)

    def _double(self, state: State, name: str) -> Array:
        key = name, id(state)
        if key not in self._arrays:
            self._arrays[key] = state[name].detach().double().cpu().numpy()
        return self._arrays[key]

    @property
    def is_finite(self) -> bool:
        """Whether there are numbers to look at, whose squares are numbers too."""
        return all(bool((w.abs() < 1e18).all()) for w in self.state.values() if w.is_floating_point())
