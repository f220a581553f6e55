"""Vanishing regularisation: the flow of norm-minimising descent, against training at halved learning rates."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.halpern.networks import LeastSquares, regression, squared_loss
from experiments.methods.halpern import RegularisedDescent
from experiments.training import GradientDescent, Trainee, extrapolated, tends_to
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.halpern import flow
from theory.halpern.least_squares import after_steps, null_part

LONGEST = 200_000  # steps in all


@dataclass(frozen=True)
class Sizes(LeastSquares):
    """Of least squares with regularisation that vanishes, trained ever finer and for long."""

    c: tuple[float, ...] = varies("of the regularisation c / (1 + t)", (0.0, 0.5, 1.0, 2.5), low=0, high=5)
    powers: tuple[float, ...] = varies("p of 1 / (1 + t)^p; one above 1", (0.5, 1.0, 2.0), low=0.1, high=4)
    learning_rate: float = varies("the largest of four", 0.05, low=0, high=10, brackets="(]")
    horizon: float = varies("of the training that is refined", 8.0, low=0.01, high=100, unit="time")
    late: float = varies("1 + t at which the bias is read first", 128.0, smoke=64.0, paper=1024.0, low=1, high=1e4)
    runs: int = varies("random starts", 4, smoke=1, paper=16, low=1, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        largest, smallest = self.squared_values
        if not any(self.c) or len(set(self.c)) < len(self.c):
            reject("c", self.c, "different numbers, one at least above 0")
        if max(self.powers) <= 1:
            reject("powers", self.powers, "one above 1 at least, whose regularisation is summable")
        if self.learning_rate * largest > 0.1:
            reject("learning_rate", self.learning_rate, f"at most 0.1 / largest^2 = {0.1 / largest:.3g}")
        steps = (
            30 * self.horizon + 2 * self.late
        )  # over the learning rate: both trainings that are refined, the long one
        if steps > LONGEST * self.learning_rate:
            reject("learning_rate", self.learning_rate, f"at least {steps / LONGEST:.2g}: {LONGEST} steps in all")
        needed = max(20.0, 8 * max(self.c)) / smallest
        if self.late < needed:
            reject("late", self.late, f"{needed:.4g} or more: max(20, 8 c) / smallest^2, until when the start has gone")


@claim(
    "banburski2019.nmgd_flow",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; Attouch & Cominetti 1996; closed form ours",
    source_kind=RECONSTRUCTED,
    statement=r"L = \tfrac12 |Xw - Y|^2,\ H = X^\top X,\ w^* = X^+ Y:\quad \dot w = -\nabla L - \tfrac{c}{1+t} w:\quad"
    r" w = g(u) w^* + e^{-ht} u^{-c} (w_0 - g(1) w^*),\ u = 1 + t,\ g(u) = \tfrac{hu}{c+1}\,{}_1F_1(1; c+2; -hu);\quad"
    r" (1+t)(w - w^*) \to -c H^+ w^*;\quad P_n w = e^{-\int_0^t \lambda} P_n w_0",
    hypotheses=(
        "least squares, h an eigenvalue of H above 0, P_n the projector on what X does not see",
        "gradient flow with regularisation lambda = c / (1 + t), or any lambda(t) for P_n w",
    ),
    theory_side="closed form",
    controls=(
        "c 10 % larger",
        "gradient flow's formula",
        "eigenvalues 10 % larger",
        "summable regularisation forgets the start",
        "bias 10 % larger",
    ),
    parameters=Sizes,
)
def vanishing_regularisation_is_solved(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"), sizes)
    starts = study.rng("starts").standard_normal((sizes.runs, problem.D, problem.m))
    yield from _closed_form(study, problem, starts, sizes)
    yield from _unseen(study, problem, starts, sizes)
    yield from _bias(study, problem, sizes)


def _closed_form(study: Study, problem: Regression, starts: Array, sizes: Sizes) -> Iterator[Check | Curves]:
    count, c = len(starts), np.array(sizes.c)
    trainee = _regularised(study, problem, np.tile(starts, (len(c), 1, 1)), np.repeat(c, count))
    runs = trainee.refine(learning_rate=sizes.learning_rate, horizon=sizes.horizon, records=17, levels=4)
    t, values = runs[0].t, [run["w"] for run in runs]
    predicted = _solutions(problem, c, starts, t)
    yield from tends_to("w(t)", values, lambda k: _solutions(problem, k * c, starts, t))
    limit = extrapolated("w(t), learning rate 0", values)
    yield limit.control("c 10 % larger").equals(_solutions(problem, 1.1 * c, starts, t))
    yield limit.control("gradient flow's formula").equals(_solutions(problem, 0 * c, starts, t))
    # Data and targets sqrt(1.1) times as large have the same solution, at eigenvalues 10 % larger.
    stiffer = Regression(1.1**0.5 * problem.X, 1.1**0.5 * problem.Y)
    yield limit.control("eigenvalues 10 % larger").equals(_solutions(stiffer, c, starts, t))
    trained, at_zero, exact = (_distance(problem, w[:, ::count]) for w in (values[-1], limit.value, predicted))
    fine = np.linspace(0, t[-1], 200)
    yield curves(c=c, u=1 + t, trained=trained, residual=at_zero / exact - 1)
    yield curves(fine_u=1 + fine, flow=_distance(problem, _solutions(problem, c, starts[:1], fine)))


def _solutions(problem: Regression, c: Array, starts: Array, t: Array) -> Array:
    """Shape (T, len(c) x starts, D, m): all starts at the first c, then at the next."""
    return np.concatenate([flow.solution(problem, number, starts, t) for number in c], axis=1)


def _distance(problem: Regression, w: Array) -> Array:
    return np.linalg.norm(w - problem.minimum_norm_solution, axis=(-2, -1))


def _unseen(study: Study, problem: Regression, starts: Array, sizes: Sizes) -> Iterator[Check]:
    power = np.repeat(sizes.powers, len(starts))
    trainee = _regularised(study, problem, np.tile(starts, (len(sizes.powers), 1, 1)), np.ones(len(power)), power)
    runs = trainee.refine(learning_rate=sizes.learning_rate, horizon=sizes.horizon, records=17, levels=4)
    values, t = [null_part(problem, run["w"]) for run in runs], runs[0].t
    left = np.stack([flow.share_left(1.0, p, t) for p in power], axis=1)[..., None, None]
    yield from tends_to("what the data do not see", values, lambda k: left**k * values[0][:1])
    summable = [value[:, power > 1] for value in values]
    # 1/(1 + t) is what would be left if regularisation did not fade so fast.
    forgotten = after_steps(flow.share_left(1.0, 1.0, t), starts) * summable[0][:1]
    unseen = extrapolated("what the data do not see, learning rate 0", summable)
    yield unseen.control("summable regularisation forgets the start").equals(forgotten)


def _bias(study: Study, problem: Regression, sizes: Sizes) -> Iterator[Check]:
    """(1 + t) (w - w*) from one long training, read at 1 + t that double: its limit does not see the learning rate."""
    c, a_unit = np.array(sizes.c), math.ceil(0.25 / sizes.learning_rate)  # steps; whole, so that 1 + t can double
    eta, first = 1 / a_unit, math.ceil((sizes.late - 1) * a_unit)
    record = [2**j * (first + a_unit) - a_unit for j in range(4)]
    marks = [1 + steps * eta for steps in record]
    trainee = _regularised(study, problem, np.zeros((len(c), problem.D, problem.m)), c)
    run = trainee.train(learning_rate=eta, steps=record[-1], record=record)
    limit, error = richardson([mark * (w - problem.minimum_norm_solution) for mark, w in zip(marks, run["w"])])
    # Rounding errors of w fade at least at (eta h)^-1 steps; the extrapolation multiplies by 2^4 at most.
    faded = marks[-1] * 2**4 * 40 * EPS * (1 + np.abs(run["w"]).max()) / (eta * problem.S[-1] ** 2)
    # The start fades as (1 + t)^-c e^{-h t}: nothing at these times.
    largest = 2 * error.max((1, 2), keepdims=True)
    within = Tolerance(largest, "twice the last Richardson correction in 1/(1 + t), largest of a run")
    within += Tolerance(faded, "rounding that fades at eta h a step")
    bias, predicted = (
        measured("(1 + t) x bias", limit, within=within),
        np.stack([flow.scaled_bias(problem, number) for number in sizes.c]),
    )
    yield bias.equals(predicted)
    yield bias.control("bias 10 % larger").equals(1.1 * predicted)


def _regularised(study: Study, problem: Regression, w: Array, c: Array, power: Array | float = 1.0) -> Trainee:
    """Least squares by lambda_k = eta c / (1 + eta k)^power, c and power one a run."""
    loss, exponent = squared_loss(problem, study.device), np.broadcast_to(power, c.shape).copy()
    c, exponent = (torch.tensor(number, dtype=torch.float64, device=study.device) for number in (c, exponent))
    rule = RegularisedDescent(GradientDescent(loss), lambda k, eta: eta * c / (1 + eta * k) ** exponent)
    return Trainee(study, loss, {"w": w}, rule)
