"""How fast the loss falls: the pointwise rate of any network, and what the imbalance guarantees of linear ones."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from experiments.watch.look import Look
from experiments.watch.losses import SQUARED
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, first, number
from experiments.watch.rounding import PROBABLE, gradient_error, loss_error, output_error, resolving
from theory.claims import RECONSTRUCTED, Tolerance, measured
from theory.core.arrays import Array
from theory.core.linear_networks import imbalances, layer_gradients
from theory.core.regression import Regression
from theory.core.validation import InvalidArgument
from theory.imbalance import convergence, three_layers, tighter_rate
from theory.imbalance.problem import Network, coordinates

BEYOND = (1.5, 2.0)  # steps, of which Taylor's series leaves more than of one
CANCELLED = 2.0  # times that: kinks and smooth terms may cancel in part


class Descent(Observer):
    """By how much one step lowers the loss, against the squared gradient and the curvature along it."""

    id = "watch.descent"
    title = "the loss falls at |grad L|^2"
    statement = r"-\frac{dL}{dt} = |\nabla L|^2, \quad L_k - L_{k+1} = \eta |G|^2 - \tfrac12 \eta^2 G^T H G + O(\eta^3)"
    source = "Taylor's series"
    hypotheses = ("gradient descent on all examples, without momentum or weight decay",)

    @property
    def unmet(self) -> str:
        if not self.rule.is_plain:
            return f"{self.rule.name} does not step along the gradient"
        return self.subject.seen_in_part

    def see(self, look: Look) -> Row:
        landscape = look.landscape
        row: dict[str, Any] = {"loss": landscape.loss, "squared gradient": _squared(landscape.gradient.values())}
        if look.step is None:
            return row
        known = [each.learning_rate for each in look.step.settings.values()]
        rates = {
            n: look.step.settings[n].learning_rate if n in look.step.settings else known[0] for n in landscape.gradient
        }
        ahead = {name: rates[name] * g for name, g in landscape.gradient.items()}
        bent = landscape.curvature_along(ahead)
        if bent is None:
            return row
        along = sum(float((ahead[n].double() * g.double()).sum()) for n, g in landscape.gradient.items())
        second = sum(float((ahead[n].double() * bent[n].double()).sum()) for n in ahead) / 2
        then = self.subject.model.value(look.step.after, *self.subject.examples)
        left = [self._at(look, ahead, s) - (landscape.loss - s * along + s**2 * second) for s in BEYOND]
        tolerance = CANCELLED * sum(map(abs, left)) + (1 + CANCELLED * len(left)) * loss_error(look)
        return row | {"next": then, "first": along, "second": second, "tolerance": tolerance}

    def _at(self, look: Look, ahead: Mapping[str, Tensor], s: float) -> float:
        """The loss after s steps along the gradient as it is at the look."""
        state = {name: w - s * ahead[name] if name in ahead else w for name, w in look.state.items()}
        return self.subject.model.value(state, *self.subject.examples)

    def judge(self, record: Record, facts: Facts) -> Finding:
        if facts.off_gradient:
            return Finding(unmet=facts.off_gradient)
        steps, loss, then, along, second, off_by = record.where("step", "loss", "next", "first", "second", "tolerance")
        if not steps.size:
            return Finding(unmet="the network has no second derivative in torch")
        if not along.any():
            return Finding(unmet="no step that was looked at moved the weights")
        fell = loss - then
        at = resolving(off_by, along, fell - (along - second))
        why = f"what Taylor's series leaves of longer steps: more, be it smooth or at kinks; {PROBABLE}"
        within = Tolerance(off_by[at], f"{why}; {at.sum()} of {len(at)} looks resolve it")
        check = measured("fall of the loss in a step", fell[at], within=within, axes=("look",))
        judged = check.equals(lambda k: k * along[at] - second[at])
        last = np.argmax(np.flatnonzero(at)) if at.any() else 0
        rate = along[at][last] / max(abs(loss[at][last]), np.finfo(float).tiny)
        found = f"{number(fell[at][last])} at step {steps[at][last]:g}; log L by {number(rate)} a step"
        return Finding(f"{along[at][last]:.3g} {-second[at][last]:+.3g}", found, checks=(judged,))

    def draw(self, axes: Any, record: Record) -> None:
        steps, loss = record.where("step", "loss")
        axes.plot(steps, loss, "o-", label="loss")
        axes.set(yscale="log", ylabel="L")


class ImbalanceRate(Observer):
    """The rate of the loss, against what the imbalance of two or three linear layers guarantees."""

    id = "watch.imbalance_rate"
    title = "rate from the imbalance"
    statement = (
        r"-\frac{d}{dt} \log(L - L^*) = \frac{|\nabla L|^2}{L - L^*} \ge 2 \lambda_r(\Sigma_x) c;"
        r" \text{ three layers: } \gamma \Delta^*"
    )
    source = "Min et al. 2021, Theorem 1; 2022, Proposition 1'; 2023, Theorem 2"
    source_kind = RECONSTRUCTED
    theory_side = "bound"
    hypotheses = ("two or three linear layers", "squared loss", "gradient descent on all examples")

    @property
    def unmet(self) -> str:
        stack = self.structure.stack
        return first(
            (
                stack
                if isinstance(stack, str)
                else ""
                if len(stack) in (2, 3)
                else f"it has {len(stack)} layers, not 2 or 3",
                ""
                if self.subject.kind.name == SQUARED
                else f"the loss is {self.subject.kind.name or 'another'}, not squared",
                "" if self.rule.is_plain else f"{self.rule.name} does not follow the flow",
                self.subject.seen_in_part,
            )
        )

    @cached_property
    def problem(self) -> Regression:
        return regression(self.subject.inputs, self.subject.targets)

    def see(self, look: Look) -> Row:
        W = [look.weight(layer.weight) for layer in self.structure.stack]  # type: ignore[union-attr]
        try:
            excess, closed, theorem, sharper = self._rates(W)
        except InvalidArgument:  # weights or losses that are no longer numbers
            return {}
        scale, gradient = 2 * self.subject.kind.scale, np.sqrt(_squared(look.landscape.gradient.values()))
        if not excess > 0:
            return {}
        excess = scale * excess
        # The residual is a difference, and its error what the Jacobian makes of that of the outputs.
        sizes = np.array([np.linalg.norm(w) for w in W])
        jacobian = self.problem.S[0] * np.linalg.norm([np.prod(np.delete(sizes, l)) for l in range(len(W))])
        error = gradient_error(look) + scale * jacobian * output_error(look)
        return {
            "rate": gradient**2 / excess,
            "closed": scale * closed,
            "bound": scale * theorem,
            "sharper": scale * sharper,
            "tolerance": (2 * gradient * error + error**2) / excess,
        }

    def _rates(self, W: list[Array]) -> tuple[float, float, float, float]:
        """L - L*, its rate, and two bounds on that, of the theory's 1/2 |Y - X W^T|^2."""
        if len(W) == 2:
            network = Network(W[0].T[None], W[1][None])
            Z = coordinates(self.problem, network)
            lambda_r = self.problem.S[-1]
            theorem = 2 * lambda_r * (lambda_r * convergence.level(self.problem, Z))
            rates = convergence.pointwise_rate(self.problem, Z), theorem, tighter_rate.product_rate(self.problem, Z)
            excess = (
                0.5
                * np.square(self.problem.targets - self.problem.S[:, None] * (Z[0, self.problem.m :] @ W[1].T)).sum()
            )
            return float(excess), *(float(rate[0]) for rate in rates)
        seen = three_layers.FullRankRegression(self.problem.X @ self.problem.Phi1, self.problem.Y)
        W = [W[0] @ self.problem.Phi1, *W[1:]]
        product = W[2] @ W[1] @ W[0]
        excess = float(seen.excess(product))
        squared = sum(np.square(G).sum() for G in layer_gradients(W, seen.gradient(product)))
        bound = seen.pl_constant * float(three_layers.three_layer_bound(*imbalances(W), seen.D, seen.m))
        return excess, float(squared) / excess if excess > 0 else 0.0, bound, bound

    def judge(self, record: Record, facts: Facts) -> Finding:
        if facts.off_gradient:
            return Finding(unmet=facts.off_gradient)
        steps, rate, closed, bound, sharper, tolerance = record.where(
            "step", "rate", "closed", "bound", "sharper", "tolerance"
        )
        if not steps.size:
            return Finding(unmet="no look had a loss above its least")
        at = resolving(tolerance, rate, rate - closed)
        within = Tolerance(tolerance[at], f"{PROBABLE}; {at.sum()} of {len(at)} looks resolve it")
        here = measured("|grad L|^2 / (L - L*)", rate[at], within=within, axes=("look",))
        checks = [measured("|grad L|^2 / (L - L*) in closed form", rate[at], within=within, axes=("look",)).equals(
            lambda k: k * closed[at])]  # fmt: skip
        if (bound > 0).any():
            checks.append(here.at_least(lambda k: k * bound[at]))
        if len(self.structure.stack) == 2:
            name = "the same, with the size of the product"
            checks.append(measured(name, rate[at], within=within, axes=("look",)).at_least(lambda k: k * sharper[at]))
        units = self.subject.kind.scale
        vacuous = "" if (bound > 0).any() else " (c = 0: nothing is guaranteed)"
        said = f"at least {number(bound[at].min())}{vacuous}, {number(sharper[at].min())} with the product"
        said += "" if units == 0.5 else f"; the loss is {number(2 * units)} x 1/2 |Y - F|^2"
        return Finding(said, f"{number(rate[at].min())} to {number(rate[at].max())}", checks=tuple(checks))

    def draw(self, axes: Any, record: Record) -> None:
        steps, rate, bound, sharper = record.where("step", "rate", "bound", "sharper")
        axes.plot(steps, rate, "o", label="|grad L|^2 / (L - L*)")
        axes.plot(steps, bound, "-", label="bound of the imbalance")
        axes.plot(steps, sharper, "--", label="with the product")
        axes.set(yscale="log", ylabel="rate")


def regression(inputs: Any, targets: Any) -> Regression:
    """Inputs and targets as matrices."""
    X, Y = (each.detach().double().cpu().numpy().reshape(len(each), -1) for each in (inputs, targets))
    return Regression(X, Y)


def _squared(tensors: Any) -> float:
    return sum(float(tensor.double().square().sum()) for tensor in tensors)
