"""The max-margin direction needs the tail of the loss and the geometry of the step: where others end instead."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from experiments.homogeneous.networks import tensors
from experiments.homogeneous.predictions import Predicted
from experiments.shallow.classifiers import logistic_loss
from experiments.training import GradientDescent, Loss, State, Trainee, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS
from theory.core.separable import Separable, direction_error, planted
from theory.core.validation import reject
from theory.homogeneous import max_margin

ONE_POINT = np.array([[1.0, 0.2]])
START = np.array([[0.8, 0.3], [0.5, 0.2]])  # of the polynomial tail
LARGEST_STEP = 2.5  # of learning rate x curvature, halved twice and more: above it the first order does not show
STEPS = 50_000  # of the coarsest training


@dataclass(frozen=True)
class Sizes:
    """Of problems for the square loss, and for one with a polynomial tail."""

    inputs: int = varies("entries of an example, of six; square loss", 12, low=7, high=200)
    margin: float = varies("of the problem; square loss", 0.8, low=0.3, high=2)
    scales: tuple[float, ...] = varies("of the starts, the first 0; square loss", (0.0, 1.0, 5.0), low=0, high=20)
    lengths: tuple[float, ...] = varies("of two orthogonal examples; polynomial tail", (1.0, 4.0), low=0.3, high=5)
    power: float = varies("p of the loss sum_i m_i^-p", 2.0, low=0.5, high=4)
    learning_rate: float = varies("polynomial tail", 0.01, paper=0.002, low=0, high=0.02, brackets="(]", unit="time")
    horizon: float = varies("polynomial tail", 32.0, smoke=4.0, paper=64.0, low=1, high=200, unit="time")

    def __post_init__(self) -> None:
        if len(self.scales) < 2 or self.scales[0] != 0 or min(self.scales[1:]) == 0:
            reject("scales", self.scales, "0, and others above it")
        if len(self.lengths) != 2 or max(self.lengths) < 1.2 * min(self.lengths):
            reject("lengths", self.lengths, "two, one 1.2 times the other at least")
        if self.learning_rate < (least := self.horizon / STEPS):
            reject("learning_rate", self.learning_rate, f"at least {least:.2g}, {STEPS} steps to the horizon")
        if self.learning_rate > (most := LARGEST_STEP / self.curvature):
            reject("learning_rate", self.learning_rate, f"at most {most:.2g} at these lengths and power")

    @property
    def curvature(self) -> float:
        """The largest at the starts, of the loss with a polynomial tail."""
        p, lengths = self.power, np.array(self.lengths)
        return float((p * (p + 1) * lengths**-p * START ** (-p - 2)).max())


@claim(
    "homogeneous.other_losses",
    source="ours; after Soudry et al. 2018 (JMLR 19), why the tail has to be exponential, with limits worked out",
    source_kind=OURS,
    statement=r"\tfrac12 |Z w - 1|^2:\ w(\infty) = Z^+ 1 + N w(0);\quad"
    r" \sum_i m_i^{-p},\ z_i \perp z_j:\ m_i^{p+2}(t) = m_i^{p+2}(0) + p (p + 2) |z_i|^2 t",
    hypotheses=(
        "gradient flow of w; examples times labels z_i, the rows of Z, with margins m_i = z_i . w",
        "square loss: fewer examples than dimensions; N projects on what no example sees",
        "polynomial tail: orthogonal examples",
    ),
    theory_side="closed form",
    controls=(
        "square loss: max-margin direction",
        "square loss: interpolant of least norm from any start",
        "polynomial tail: max-margin direction",
        "polynomial tail: lengths 10 % larger",
        "descent by signs: max-margin direction",
    ),
    parameters=Sizes,
)
def other_losses_end_elsewhere(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _square_loss(study, sizes)
    yield from _polynomial_tail(study, sizes)
    yield from _signs(study)


def _square_loss(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """GD on 1/2 |Z w - 1|^2 ends at the interpolant nearest to the start, not at the max-margin direction."""
    rng = study.rng("square loss")
    # Examples beyond the margin: where all are on it, as a few in many dimensions often are, the two solutions agree.
    shares, slack = np.array([0.5, 0.3, 0.2]), np.array([0.5, 1.0, 1.5])
    problem = Separable(planted(rng, shares, d=sizes.inputs, margin=sizes.margin, slack=slack)[0])
    Z, scales = problem.Z, np.array(sizes.scales)
    w0 = scales[:, None] * rng.standard_normal((len(scales), Z.shape[1]))
    (examples,) = tensors(study.device, Z)
    loss: Loss = lambda state: 0.5 * (1 - state["w"] @ examples.mT).square().sum(-1)  # noqa: E731
    curvature = np.linalg.svd(Z, compute_uv=False) ** 2
    condition = curvature[0] / curvature[-1]
    steps = int(40 * condition)
    run = Trainee(study, loss, {"w": w0}).train(learning_rate=1 / curvature[0], steps=steps, record=[steps])
    because = "(1 - 1/condition)^steps < e^-40 of the start is left; roundings of a step, amplified by the condition"
    within = Tolerance(64 * EPS * steps**0.5 * (1 + np.abs(w0).max()) * condition, because)
    end = run["w"][-1]
    nearest = measured("nearest interpolant", end, within=within, case="square loss", axes=("run", "entry"))
    yield nearest.equals(max_margin.interpolant(Z, w0))
    error = direction_error(problem, end)
    direction = measured("direction error", error[:1], within=within)
    yield direction.control("square loss: max-margin direction").equals(0.0)
    others = measured("interpolant", end[1:], within=within, axes=("run", "entry"))
    least = max_margin.interpolant(Z, 0 * w0[1:])
    yield others.control("square loss: interpolant of least norm from any start").equals(least)
    yield curves("square loss", scales=scales, error=error)


def _polynomial_tail(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Loss sum m^-p on orthogonal examples: margins keep the ratio of their lengths to the power 2 / (p + 2)."""
    p, Z, w0 = sizes.power, np.diag(sizes.lengths), START
    (examples,) = tensors(study.device, Z)
    loss: Loss = lambda state: (state["w"] @ examples.mT).pow(-p).sum(-1)  # noqa: E731
    schedule = {"learning_rate": sizes.learning_rate, "horizon": sizes.horizon, "records": 17}
    runs = Trainee(study, loss, {"w": w0}).refine(**schedule, levels=4)
    logs, t = [np.log(run["w"] @ Z.T) for run in runs], runs[0].t
    exact = max_margin.polynomial_solution(Z, w0, t, p)
    later: Predicted = lambda k: np.log(max_margin.polynomial_solution(Z, w0, k * t, p))  # noqa: E731
    yield from tends_to("log margins", logs, later, case="polynomial tail")
    longer = np.log(max_margin.polynomial_solution(1.1 * Z, w0 / 1.1, t, p))
    yield extrapolated("log margins", logs).control("polynomial tail: lengths 10 % larger").equals(longer)
    name = "log of the ratio of margins at the last time"
    ratio = extrapolated(name, [m[-1:, :, 1] - m[-1:, :, 0] for m in logs], case="polynomial tail")
    yield ratio.equals(np.log(exact[-1:, :, 1] / exact[-1:, :, 0]))
    yield ratio.control("polynomial tail: max-margin direction").equals(0.0)


class SignDescent(GradientDescent):
    """Steps along the signs of the gradient: steepest descent in another norm."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, tuple(gradient.sign() for gradient in work), learning_rate)


def _signs(study: Study) -> Iterator[Check]:
    """One example, from 0: gradient descent moves along it from the first step on, its signs along the diagonal."""
    loss = logistic_loss(ONE_POINT, study.device)
    within = Tolerance(400 * EPS, "the direction is the example's at every step: roundings of unit vectors")
    gradient, signs = (
        Trainee(study, loss, {"w": np.zeros((1, 2))}, rule).train(learning_rate=0.1, steps=100, record=[100])["w"][-1]
        for rule in (GradientDescent(loss), SignDescent(loss))
    )
    problem, case = Separable(ONE_POINT), "one example, gradient"
    diagonal = measured("direction", direction_error(problem, signs), within=within)
    along = measured("direction", direction_error(problem, gradient), within=within, case=case)
    yield along.equals(0.0, against=float(diagonal.value.max()))
    yield diagonal.control("descent by signs: max-margin direction").equals(0.0)
