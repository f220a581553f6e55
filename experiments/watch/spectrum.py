"""Rank and spectrum of a linear network's end-to-end matrix."""

from functools import cached_property
from typing import Any

import numpy as np

from experiments.watch.look import Look
from experiments.watch.losses import SQUARED
from experiments.watch.minimum_norm import LARGEST
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, number
from experiments.watch.rates import regression
from theory.core.arrays import Array
from theory.core.linear_networks import end_to_end

SHOWN = 5


class Spectrum(Observer):
    """Singular values of a linear network's end-to-end matrix, against those of the least-squares solution."""

    id = "watch.spectrum"
    title = "end-to-end matrix"
    statement = r"\sigma_i(W_L \cdots W_1) \text{ against those of } X^+ Y"
    source = "Saxe et al. 2014; Arora et al. 2019"

    @property
    def unmet(self) -> str:
        stack = self.structure.stack
        return stack if isinstance(stack, str) else ""

    def see(self, look: Look) -> Row:
        W = end_to_end([look.weight(layer.weight) for layer in self.structure.stack])  # type: ignore[union-attr]
        sigma = np.linalg.svd(W, compute_uv=False)
        return {"sigma": sigma, "rank": _effective_rank(sigma)}

    @cached_property
    def least_squares(self) -> Array | None:
        """Singular values of X^+ Y."""
        size = max(len(self.subject.inputs), self.subject.inputs[0].numel())
        if self.subject.kind.name != SQUARED or size > LARGEST:
            return None
        solution = regression(self.subject.inputs, self.subject.targets).minimum_norm_solution
        return np.linalg.svd(solution, compute_uv=False)

    def judge(self, record: Record, facts: Facts) -> Finding:
        sigma, rank = record.where("sigma", "rank")
        goal = self.least_squares
        towards = "" if goal is None else f"least squares: {_listed(goal)}, rank {number(_effective_rank(goal))}"
        return Finding(
            towards or "of the least loss: not known",
            f"{_listed(sigma[-1])}, rank {number(rank[0])} to {number(rank[-1])}",
        )

    def draw(self, axes: Any, record: Record) -> None:
        steps, sigma = record.where("step", "sigma")
        axes.plot(steps, sigma[:, :SHOWN], "o-")
        for value in [] if self.least_squares is None else self.least_squares[:SHOWN]:
            axes.axhline(value, linestyle="--", color="0.6")
        axes.set(ylabel="singular values")


def _effective_rank(sigma: Array) -> float:
    """e to the entropy of the singular values over their sum (Roy & Vetterli 2007)."""
    total = sigma.sum()
    p = sigma[sigma > 0] / total if total > 0 else np.ones(1)
    return float(np.exp(-(p * np.log(p)).sum()))


def _listed(sigma: Array) -> str:
    return ", ".join(number(value) for value in sigma[:3]) + (" ..." if len(sigma) > 3 else "")
