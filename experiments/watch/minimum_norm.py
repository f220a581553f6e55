"""Linear networks with fewer examples than inputs: what the data do not see stays, and keeps them from minimum norm."""

from functools import cached_property
from typing import Any

import numpy as np

from experiments.watch.look import Look
from experiments.watch.losses import SQUARED
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, first, number
from experiments.watch.quadratic import STORED
from experiments.watch.rates import regression
from experiments.watch.rounding import PROBABLE, gradient_error, resolving
from theory.claims import RECONSTRUCTED, Tolerance, measured
from theory.core.arrays import Array
from theory.core.linear_networks import end_to_end
from theory.core.regression import Regression
from theory.homogeneous import momentum

LARGEST = 4096  # inputs or examples of a matrix that is decomposed


class MinimumNorm(Observer):
    """What of the first layer the data do not see: it stays, and is the distance to the solution of minimum norm."""

    id = "watch.minimum_norm"
    title = "distance to minimum norm"
    statement = (
        r"W_1 \Phi_2 \text{ stays}, \quad |W - \hat W|^2 = |W \Phi_1 - \hat W \Phi_1|^2 + |W_{>1} W_1(0) \Phi_2|^2,"
        r" \quad \hat W = (X^+ Y)^T"
    )
    source = "Min et al. 2021, Section 4"
    source_kind = RECONSTRUCTED
    hypotheses = ("linear layers", "squared loss", "gradient descent; more inputs than the examples span")

    @property
    def unmet(self) -> str:
        stack = self.structure.stack
        size = max(len(self.subject.inputs), self.subject.inputs[0].numel())
        return (
            first(
                (
                    stack if isinstance(stack, str) else "",
                    ""
                    if self.subject.kind.name == SQUARED
                    else f"the loss is {self.subject.kind.name or 'another'}, not squared",
                    "" if self.rule.is_descent else f"{self.rule.name} moves what the data do not see",
                    f"{size} examples or inputs, above {LARGEST}, are not decomposed" if size > LARGEST else "",
                )
            )
            or self._unseen_nothing
        )

    @property
    def _unseen_nothing(self) -> str:
        if self.problem.r < self.problem.D:
            return ""
        return f"the examples see all {self.problem.D} inputs: the least-squares solution is the only one"

    @cached_property
    def problem(self) -> Regression:
        return regression(self.subject.inputs, self.subject.targets)

    def see(self, look: Look) -> Row:
        W = [look.weight(layer.weight) for layer in self.structure.stack]  # type: ignore[union-attr]
        unseen = self.problem.unseen(W[0].T)
        if not self.rows:
            self._start = unseen
        product = end_to_end(W)
        apart = product - self.problem.minimum_norm_solution.T
        after = end_to_end(W[1:]) if W[1:] else np.eye(len(W[0]))
        row = {
            "distance": np.linalg.norm(apart),
            "seen": np.linalg.norm(apart @ self.problem.Phi1),
            "unseen": np.linalg.norm(after @ unseen.T),
            "from start": np.linalg.norm(after @ self._start.T),
        }
        return row | self._of_step(look, unseen)

    def _of_step(self, look: Look, unseen: Array) -> Row:
        """What the step did to W_1 Phi_2, and was predicted to do: its gradient is 0."""
        name = self.structure.stack[0].weight  # type: ignore[union-attr]
        if look.step is None or name not in look.step.settings:
            return {}
        settings, moved = look.step.settings[name], look.moved(name)
        eta, first_step = settings.learning_rate, name not in look.step.velocity
        speed, of_step = self.problem.unseen(look.velocity(name).T), self.problem.unseen(moved.T)
        # Linear in W: half of what the law of quadratic forms says to first order.
        still = np.zeros_like(unseen)
        change = momentum.after_step(unseen, speed, still, eta / 2, **settings.in_step(first_step)) - unseen
        eps, size = look.subject.eps, np.linalg.norm(look.weight(name))
        used = look.used(name)
        larger = (
            1.0 if used is None else max(1.0, np.linalg.norm(used) / max(np.linalg.norm(look.gradient(name)), 1e-300))
        )
        stored = STORED * eps * (size + np.linalg.norm(moved) + abs(eta) * np.linalg.norm(look.velocity(name)))
        tolerance = stored + (1 + settings.momentum) * abs(eta) * larger * gradient_error(look)
        return {"off": np.linalg.norm(of_step - change), "tolerance": tolerance, "moved": np.linalg.norm(moved)}

    def judge(self, record: Record, facts: Facts) -> Finding:
        steps, off, tolerance, moved = record.where("step", "off", "tolerance", "moved")
        checks, points = [], []
        if steps.size:
            at = resolving(tolerance, moved, off)
            scale = np.where(moved[at] > 0, moved[at], 1.0)
            within = Tolerance(tolerance[at] / scale, f"{PROBABLE}; {at.sum()} of {len(at)} looks resolve it")
            share = measured(
                "step along what the data do not see, over the step", off[at] / scale, within=within, axes=("look",)
            )
            checks.append(share.equals(0.0, against=1.0))
            if not checks[0].passed:
                points.append("steps move what the examples do not see: they are along no gradient of these examples")
        _, distance, unseen, start = record.where("step", "distance", "unseen", "from start")
        decays = "" if not self.rule.has_decay else ", shrinking with weight decay"
        predicted = f"no nearer than {number(unseen[-1])}{decays}, {number(start[-1])} from the start"
        return Finding(predicted, f"{number(distance[0])} to {number(distance[-1])}", "", tuple(checks), tuple(points))

    def draw(self, axes: Any, record: Record) -> None:
        steps, distance, unseen = record.where("step", "distance", "unseen")
        axes.plot(steps, distance, "o", label="|W - W_min|")
        axes.plot(steps, unseen, "-", label="its unseen part")
        axes.set(yscale="log", ylabel="distance")
