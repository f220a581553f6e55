"""The largest curvature of the loss, against the learning rate: an observation, whose limit is that of quadratics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from experiments.watch.landscape import Landscape
from experiments.watch.look import Look, Subject
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, number

ITERATIONS = 3  # of Lanczos's, from where the look before ended
AT_ENDS = 12  # at the first look, and where the run stands
BEYOND = 1.2  # times the limit: more than what descent at the edge of stability hovers above it


class Sharpness(Observer):
    """The largest eigenvalue of the Hessian, against the curvature at which the steps would be unstable."""

    id = "watch.sharpness"
    title = "sharpness against 2 / eta"
    statement = r"\lambda_{\max}(H) \text{ against } 2 (1 + \mu) / \eta"
    every = 4

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._direction: Mapping[str, Tensor] | None = None

    @property
    def unmet(self) -> str:
        return ""

    def see(self, look: Look) -> Row:
        at_an_end = self._direction is None or look.step is None
        found = self._lanczos(look.landscape, AT_ENDS if at_an_end else ITERATIONS)
        if found is None:
            return {}
        value, residual = found
        row = {"sharpness": value, "residual": residual, "loss": look.landscape.loss}
        return row if look.step is None or not self.rule.is_descent else row | {"limit": _limit(look)}

    @property
    def stiffness(self) -> float:
        """The largest sharpness over its limit; NaN if there is none."""
        shares = [row["sharpness"] / row["limit"] for row in self.rows if "limit" in row]
        return max(shares, default=float("nan"))

    def _lanczos(self, landscape: Landscape, iterations: int) -> tuple[float, float] | None:
        """The largest eigenvalue of H on a small Krylov space, and its residual |H v - lambda v|."""
        q = self._direction or _random_direction(landscape)
        basis, alphas, betas = [_unit(q)], [], []
        for i in range(iterations):
            product = landscape.curvature_along(basis[-1])
            if product is None:
                return None
            w = dict(product)
            alphas.append(_dot(w, basis[-1]))
            for b in basis:
                share = _dot(w, b)
                w = {name: w[name] - share * b[name] for name in w}
            betas.append(_dot(w, w) ** 0.5)
            if i == iterations - 1 or not betas[-1] > 1e-6 * max(map(abs, alphas)):
                break
            basis.append(_unit(w))
        if not np.isfinite([*alphas, *betas]).all():
            return None
        values, vectors = eigh_tridiagonal(np.array(alphas), np.array(betas[: len(alphas) - 1]))
        top = vectors[:, -1]
        self._direction = {n: sum(float(c) * b[n] for c, b in zip(top, basis)) for n in basis[0]}  # type: ignore[misc]
        return float(values[-1]), float(betas[-1] * abs(top[-1]))

    def judge(self, record: Record, facts: Facts) -> Finding:
        if "sharpness" not in record:
            return Finding(unmet="the network has no second derivative in torch")
        value, residual = record.where("sharpness", "residual")
        of = "" if self.subject.is_seen_whole else f" on {len(self.subject.seen)} examples"
        found = f"{number(value[0])} to {number(value[-1])} (+- {number(residual[-1])}){of}"
        if "limit" not in record:
            return Finding(f"no limit known for {self.rule.name}", found)
        at, limit, seen = record.where("step", "limit", "sharpness")
        points = []
        if facts.stiffness > BEYOND:
            worst = np.argmax(seen / limit)
            points.append(
                f"the learning rate is beyond stability: sharpness {number(seen[worst])} at step {at[worst]:g},"
                f" {number(facts.stiffness)} times the limit {number(limit[worst] / facts.ratio)}"
            )
        return Finding(f"stable below {number(limit[-1])}", found, points_at=tuple(points))

    def draw(self, axes: Any, record: Record) -> None:
        steps, value = record.where("step", "sharpness")
        axes.plot(steps, value, "o-", label="sharpness")
        if "limit" in record:
            at, limit = record.where("step", "limit")
            axes.plot(at, limit, "--", label="2 (1 + mu) / eta")
        axes.set(yscale="log", ylabel="sharpness")


def _limit(look: Look) -> float:
    """Largest curvature at which descent on a quadratic is stable, of the group with the largest learning rate.

    2 (1 + mu) / eta, of Nesterov's 2 (1 + mu) / (eta (1 + 2 mu)); weight decay adds to the curvature.
    """
    assert look.step is not None
    settings = max(look.step.settings.values(), key=lambda each: each.learning_rate)
    mu, eta = settings.momentum, settings.learning_rate
    if eta <= 0:
        return float("inf")
    return 2 * (1 + mu) / (eta * (1 + 2 * mu if settings.nesterov else 1)) - settings.decay


def _random_direction(landscape: Landscape) -> Mapping[str, Tensor]:
    """Of its own random numbers."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(g.shape, generator=generator).to(g) + g / g.norm().clamp_min(torch.finfo(g.dtype).tiny)
        for name, g in landscape.gradient.items()
    }


def _unit(direction: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    size = max(_dot(direction, direction) ** 0.5, np.finfo(float).tiny)
    return {name: part / size for name, part in direction.items()}


def _dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    return float(torch.stack([(a[name] * b[name]).sum() for name in a]).sum())
