"""Lazy or not: how far weights and the tangent kernel have moved."""

from typing import Any

import numpy as np
import torch

from experiments.watch.landscape import jacobian
from experiments.watch.look import Look, Subject
from experiments.watch.observer import Facts, Finding, Observer, Record, Row
from theory.core.arrays import Array

EXAMPLES = 12  # of the kernel, spread over all
LAZY = 0.1  # relative movement of the kernel up to which training is called lazy: a word, no theorem


class Lazy(Observer):
    """How far weights and tangent kernel have moved from the start, as shares of what they were."""

    id = "watch.lazy"
    title = "tangent kernel and weights"
    statement = r"|K - K_0| / |K_0|, \quad |\theta - \theta_0| / |\theta_0|"
    source = "Jacot, Gabriel & Hongler 2018; Chizat, Oyallon & Bach 2019"
    every = 4

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        inputs = subject.inputs
        self._inputs = inputs[torch.linspace(0, len(inputs) - 1, min(EXAMPLES, len(inputs))).long().to(inputs.device)]

    @property
    def unmet(self) -> str:
        return ""

    def see(self, look: Look) -> Row:
        J = jacobian(look.subject.model, look.state, self._inputs)
        K = (J @ J.T).cpu().numpy()
        theta = np.concatenate([look.weight(name).ravel() for name in look.landscape.gradient])
        if not self.rows:
            self._kernel, self._theta = K, theta
        return {"kernel": _moved(K, self._kernel), "weights": _moved(theta, self._theta)}

    def judge(self, record: Record, facts: Facts) -> Finding:
        kernel, weights = record.where("kernel", "weights")
        word = "lazy" if kernel[-1] <= LAZY else "not lazy"
        return Finding(
            f"lazy: kernel within {LAZY:.0%} (on {len(self._inputs)} examples)",
            f"{word}: kernel moved by {kernel[-1]:.2g} of itself, weights by {weights[-1]:.2g}",
        )

    def draw(self, axes: Any, record: Record) -> None:
        steps, kernel, weights = record.where("step", "kernel", "weights")
        axes.plot(steps[1:], kernel[1:], "o-", label="kernel")
        axes.plot(steps[1:], weights[1:], "s-", label="weights")
        axes.set(yscale="log", ylabel="relative movement")


def _moved(now: Array, start: Array) -> float:
    return float(np.linalg.norm(now - start) / max(float(np.linalg.norm(start)), np.finfo(float).tiny))
