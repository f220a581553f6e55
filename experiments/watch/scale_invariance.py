"""Weights on whose size nothing depends: their norm, step by step, and their effective learning rate."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from torch import Tensor

from experiments.watch.conserved import Conserved
from experiments.watch.look import Look
from experiments.watch.observer import Facts, Finding, Record, Row, number
from experiments.watch.quadratic import Form
from experiments.watch.rounding import joint_error
from experiments.watch.structure import Invariant
from theory.claims import RECONSTRUCTED
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.homogeneous.normalisation import equilibrium_norm

# Times what eps does on the examples of a look it may do on a mini-batch, of which a unit may have less variance.
BATCH = 20.0


class ScaleInvariance(Conserved):
    """Norms of weights whose size the loss does not see, by the law of one step."""

    id = "watch.scale_invariance"
    title = "norms of normalised weights"
    statement = (
        r"|w^+|^2 = (1 - \eta \lambda)^2 |w|^2 + \eta^2 |G|^2, \quad |w|^4 \to \eta^2 (|G| |w|)^2 / (2 \eta \lambda)"
    )
    source = "Banburski et al. 2019; van Laarhoven 2017; with momentum ours"
    source_kind = RECONSTRUCTED
    hypotheses = ("a loss that does not depend on |w|: w before batch normalisation, v of weight normalisation",)
    axis = "change of |w|^2"

    @cached_property
    def forms(self) -> Sequence[Form]:
        trained = [each for each in self.structure.invariants if each.name in self.rule.trained]
        return tuple(self._form(each) for each in trained)

    def _form(self, invariant: Invariant) -> Form:
        def rows(weights: Sequence[Array]) -> Layers:
            (w,) = weights
            return [w.reshape(len(w) if invariant.by_row else 1, -1)]

        name = f"{invariant.layer}, {invariant.because}"
        return Form(name, _square, (invariant.name,), rows, partial(_error, invariant), partial(_slack, invariant))

    @property
    def no_form(self) -> str:
        if self.structure.invariants:
            return "none of its weights is trained"
        return "no weights are followed by batch normalisation, or weight-normalised"

    def see(self, look: Look) -> Row:
        super().see(look)
        form = self.forms[-1]
        (name,) = form.parameters
        (w,) = form.matrices([look.weight(name)])
        size, used = np.linalg.norm(w, axis=-1), look.used(name)
        if look.step is None or used is None or name not in look.step.settings:
            return {"size": size}
        settings = look.step.settings[name]
        angular = np.linalg.norm(used.reshape(w.shape), axis=-1) * size
        rate = settings.learning_rate / (1 - settings.momentum) if settings.momentum < 1 else np.nan
        return {"size": size, "angular": angular, "rate": rate, "decay": settings.decay}

    def judge(self, record: Record, facts: Facts) -> Finding:
        found = super().judge(record, facts)
        steps, size, angular, rate, decay = record.where("step", "size", "angular", "rate", "decay")
        if not steps.size:
            return found
        effective = rate / np.square(size).mean(-1)
        measured = f"{found.measured}; eta / |w|^2 of a unit {number(effective[0])} to {number(effective[-1])}"
        predicted = found.predicted
        if decay[-1] > 0 and 0 < rate[-1] * decay[-1] < 1:
            # Momentum makes what a gradient moves 1 / (1 - mu) times longer.
            rest = equilibrium_norm(1.0, float(rate[-1]), float(decay[-1])) * np.sqrt(angular[-1])
            predicted += f"; |w| to rest near {number(np.linalg.norm(rest))} at the last |G| |w|"
            measured += f", |w| {number(np.linalg.norm(size[-1]))}"
        return replace(found, predicted=predicted, measured=measured)

    def draw(self, axes: Any, record: Record) -> None:
        for form, each in zip(self.forms[:5], self.records):
            steps, values = each.where("step", "form")
            axes.plot(steps, np.sqrt(values.reshape(len(values), -1).sum(-1)), "o-", label=str(form.name.split(",")[0]))
        axes.set(ylabel="|w|")


def _square(W: Layers) -> list[Array]:
    return [np.square(W[0]).sum(-1)]


def _error(invariant: Invariant, look: Look) -> Array | float:
    """Of <w, G>, |w| being 1: what dLoss/dz and x make of it, before the normalisation takes its part away.

    Weight normalisation has g / |v| times the weight's gradient; batch normalisation, of each unit, gamma / sigma times
    that of what it makes.
    """
    own = joint_error(look, [invariant.layer.operation])
    if not invariant.eps:
        (size,) = set(invariant.layer.operation.weight) - {invariant.name}
        v = look.weight(invariant.name)
        lengths = np.linalg.norm(v.reshape(len(v) if invariant.by_row else 1, -1), axis=-1)
        return own * float(max(1.0, (np.abs(look.weight(size)).ravel() / lengths).max()))
    all_pull = look.landscape.sizes(_place(invariant, look))[1]
    return own * np.maximum(1.0, _pull(invariant, look) / all_pull) if all_pull > 0 else own


def _slack(invariant: Invariant, look: Look) -> Array | float:
    """<w, G> = eps / (sigma^2 + eps) gamma <dLoss/dy, y^> of each unit, y^ its normalised values."""
    if not invariant.eps:
        return 0.0
    variance = _variance(invariant, look)
    values = _by_unit(look.landscape.weighted[_place(invariant, look)].tensors[1])
    return (
        BATCH
        * invariant.eps
        / (variance + invariant.eps)
        * _pull(invariant, look)
        * np.sqrt(variance * values.shape[1])
    )


def _pull(invariant: Invariant, look: Look) -> Array:
    """gamma / sigma |dLoss/dy| of each unit, y what the batch normalisation makes."""
    weighted = look.landscape.weighted
    made = weighted[_place(invariant, look)].makes
    after = next(i for i, operation in enumerate(weighted) if operation.reads == (made,))
    gain = weighted[after].weight
    gamma = np.abs(look.weight(gain[0])) if gain else 1.0
    size = np.linalg.norm(_by_unit(look.landscape.pull(after)), axis=1)
    return gamma * size / np.sqrt(_variance(invariant, look) + invariant.eps)


def _variance(invariant: Invariant, look: Look) -> Array:
    """Of each unit, before its batch normalisation."""
    return _by_unit(look.landscape.weighted[_place(invariant, look)].tensors[1]).var(1)


def _place(invariant: Invariant, look: Look) -> int:
    return next(i for i, each in enumerate(look.landscape.weighted) if each.weight == (invariant.name,))


def _by_unit(values: Tensor) -> Array:
    """Dimension 1 first, the others flattened."""
    return values.detach().double().transpose(0, 1).flatten(1).cpu().numpy()
