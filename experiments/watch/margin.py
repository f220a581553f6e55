"""Homogeneous networks on losses with exponential tails: the norm grows, and the smoothed margin with it (Lyu & Li)."""

from typing import Any

import numpy as np
import torch

from experiments.watch.look import Look
from experiments.watch.losses import EXPONENTIAL, margins
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, first, number
from experiments.watch.rounding import PROBABLE, gradient_error, resolving, summed
from theory.claims import RECONSTRUCTED, Check, Tolerance, measured
from theory.core.linear_networks import per_size
from theory.homogeneous import logistic_margin


class Margin(Observer):
    """The norm of a homogeneous network and its smoothed margin, which never falls."""

    id = "watch.margin"
    title = "norm and smoothed margin grow"
    statement = r"d |\theta|^2 / dt = 2 L \nu, \quad \ell^{-1}(\mathcal{L}) / |\theta|^L \text{ never falls}"
    source = "Lyu & Li 2020"
    source_kind = RECONSTRUCTED
    theory_side = "law"
    hypotheses = (
        "network homogeneous of degree L in its weights",
        "exponential, logistic or cross-entropy loss",
        "gradient flow; the sum of the losses below 1, or log 2",
    )

    @property
    def unmet(self) -> str:
        degree, kind = self.structure.degree, self.subject.kind
        named = self.subject.model.network.named_parameters()
        frozen = [name for name, p in named if name in self.structure.used and not p.requires_grad]
        return first(
            (
                f"{frozen[0]} is frozen" if frozen else "",
                degree if isinstance(degree, str) else "",
                ""
                if kind.has_exponential_tail
                else f"the loss is {kind.name or 'another'}, without an exponential tail",
                "" if self.rule.is_plain else f"{self.rule.name} does not follow the flow",
                self.subject.seen_in_part,
            )
        )

    @property
    def degree(self) -> int:
        assert isinstance(self.structure.degree, int)
        return self.structure.degree

    def see(self, look: Look) -> Row:
        landscape, kind = look.landscape, self.subject.kind
        q = margins(kind, landscape.outputs, self.subject.examples[1]).double()
        names = [name for name in landscape.gradient if name in self.structure.used]
        theta, G = (np.concatenate([part(name).ravel() for name in names]) for part in (look.weight, look.gradient))
        squared, across = float(theta @ theta), G - theta * float(theta @ G) / float(theta @ theta)
        loss = float(torch.exp(-q).sum() if kind.name == EXPONENTIAL else torch.nn.functional.softplus(-q).sum())
        size = np.sqrt(squared) * gradient_error(look)
        rounded = summed(landscape.outputs.numel(), look.subject.eps) * landscape.pulled
        return {
            "sum": loss,
            "least margin": float(per_size(q.min().cpu().numpy()[None], np.array([squared]), self.degree)[0]),
            "norm": np.sqrt(squared),
            "radial": -float(theta @ G) / kind.scale,
            "nu": landscape.descended / kind.scale,
            "across": float(across @ across) / kind.scale**2,
            "tolerance": (size + self.degree * rounded) / kind.scale,
            **self._smoothed(loss, squared),
        }

    def _smoothed(self, loss: float, squared: float) -> Row:
        """gamma~ and the least nu, below the loss from which on they are."""
        is_exponential = self.subject.kind.name == EXPONENTIAL
        if not 0 < loss < (1.0 if is_exponential else logistic_margin.THRESHOLD):
            return {}
        x = np.array([loss])
        M = -np.log(x) if is_exponential else logistic_margin.single_margin(x)
        least = -x * np.log(x) if is_exponential else logistic_margin.least_norm_growth(x)
        return {"smoothed": float(per_size(M, np.array([squared]), self.degree)[0]), "least nu": float(least[0])}

    def judge(self, record: Record, facts: Facts) -> Finding:
        if facts.off_gradient:
            return Finding(unmet=facts.off_gradient)
        radial, nu, tolerance = record.where("radial", "nu", "tolerance")
        at = resolving(tolerance, np.abs(self.degree * nu), radial - self.degree * nu)
        within = Tolerance(tolerance[at], f"{PROBABLE}; {at.sum()} of {len(at)} looks resolve it")
        growth = measured("-<theta, grad L>", radial[at], within=within, axes=("look",))
        checks = [growth.equals(lambda k: k * self.degree * nu[at])]
        late, smoothed, least, pull, off = record.where("step", "smoothed", "least nu", "nu", "tolerance")
        size = record.where("norm")[0]
        grew = f"|theta| {number(size[0])} to {number(size[-1])}"
        threshold = "1" if self.subject.kind.name == EXPONENTIAL else "log 2"
        if not late.size:
            rest = f"; the losses' sum, {number(record['sum'].min())} at least, has to come below {threshold} first"
            return Finding(
                f"degree {self.degree}: |theta| grows by 2 L nu, the margin not yet", grew + rest, checks=tuple(checks)
            )
        checks.append(
            measured("nu", pull, within=Tolerance(off / self.degree, PROBABLE), axes=("look",)).at_least(
                lambda k: k * least
            )
        )
        if len(late) > 1 and not facts.stiffness >= 1:
            checks.append(self._grows(late, smoothed, record))
        found = f"{grew}; margin {number(smoothed[0])} to {number(smoothed[-1])} from step {late[0]:g} on"
        return Finding(
            f"degree {self.degree}: |theta| grows by 2 L nu, the smoothed margin never falls",
            found,
            checks=tuple(checks),
        )

    def _grows(self, steps: Any, smoothed: Any, record: Record) -> Check:
        """Between looks; rounding of the loss moves the margin by as much over it."""
        ratio = smoothed[1:] / smoothed[:-1]
        off = 4 * summed(len(self.subject.inputs), self.subject.eps) * self.degree
        within = Tolerance(off, "rounding of the outputs, of each layer's")
        return measured("smoothed margin over that of the look before", ratio, within=within, axes=("look",)).at_least(
            1.0
        )

    def draw(self, axes: Any, record: Record) -> None:
        steps, least = record.where("step", "least margin")
        axes.plot(steps, least, "o-", label="least margin / |theta|^L")
        if "smoothed" in record:
            axes.plot(*record.where("step", "smoothed"), "s-", label="smoothed")
        axes.set(ylabel="margin")
