"""Weights on whose size nothing depends: their norm, step by step, and their effective learning rate."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

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


class ScaleInvariance(Conserved):
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

        def error(look: Look) -> float:
            return joint_error(look, [invariant.layer.operation]) * _gain(invariant, look)

        name = f"{invariant.layer}, {invariant.because}"
        return Form(name, _square, (invariant.name,), rows, error, lambda look: _slack(invariant, look))

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
            axes.plot(steps, np.sqrt(values.reshape(len(values), -1).sum(-1)), "o-", label=form.name)
        axes.set(ylabel="|w|")


def _square(W: Layers) -> list[Array]:
    return [np.square(W[0]).sum(-1)]


def _gain(invariant: Invariant, look: Look) -> float:
    """The largest g / |v| of weight normalisation, by which the gradient of v is that of the weight; 1 of others."""
    (size,) = set(invariant.layer.operation.weight) - {invariant.name} or {""}
    if not size:
        return 1.0
    v = look.weight(invariant.name)
    lengths = np.linalg.norm(v.reshape(len(v) if invariant.by_row else 1, -1), axis=-1)
    return float(max(1.0, (np.abs(look.weight(size)).ravel() / lengths).max()))


def _slack(invariant: Invariant, look: Look) -> Array | float:
    """|<w, G>| / (|w| |G|) of each unit: eps over its variance and eps, of the batch normalisation."""
    if invariant.eps == 0:
        return 0.0
    weighted = look.landscape.weighted
    at = next(i for i, operation in enumerate(weighted) if operation.weight == (invariant.name,))
    units = weighted[at].tensors[1].detach().double().transpose(0, 1).flatten(1)
    return invariant.eps / (units.var(1, correction=0).cpu().numpy() + invariant.eps)
