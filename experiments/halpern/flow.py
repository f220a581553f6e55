"""Vanishing regularisation: the flow of norm-minimising descent, against training at halved learning rates."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.halpern.networks import regression, squared_loss
from experiments.methods.halpern import RegularisedDescent
from experiments.training import GradientDescent, Trainee, extrapolated, tends_to
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.halpern import flow
from theory.halpern.least_squares import after_steps, null_part

C = np.array([0.0, 0.5, 1.0, 2.5])
POWERS = np.array([0.5, 1.0, 2.0])


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
)
def vanishing_regularisation_is_solved(study: Study) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"))
    starts = study.rng("starts").standard_normal((study.pick(smoke=1, quick=4, paper=16), problem.D, problem.m))
    yield from _closed_form(study, problem, starts)
    yield from _unseen(study, problem, starts)
    yield from _bias(study, problem)


def _closed_form(study: Study, problem: Regression, starts: Array) -> Iterator[Check | Curves]:
    count = len(starts)
    trainee = _regularised(study, problem, np.tile(starts, (len(C), 1, 1)), np.repeat(C, count))
    runs = trainee.refine(learning_rate=0.05, horizon=8.0, records=17, levels=4)
    t, values = runs[0].t, [run["w"] for run in runs]
    predicted = _solutions(problem, C, starts, t)
    yield from tends_to("w(t)", values, lambda k: _solutions(problem, k * C, starts, t))
    limit = extrapolated("w(t), learning rate 0", values)
    yield limit.control("c 10 % larger").equals(_solutions(problem, 1.1 * C, starts, t))
    yield limit.control("gradient flow's formula").equals(_solutions(problem, 0 * C, starts, t))
    # Data and targets sqrt(1.1) times as large have the same solution, at eigenvalues 10 % larger.
    stiffer = Regression(1.1**0.5 * problem.X, 1.1**0.5 * problem.Y)
    yield limit.control("eigenvalues 10 % larger").equals(_solutions(stiffer, C, starts, t))
    trained, at_zero, exact = (_distance(problem, w[:, ::count]) for w in (values[-1], limit.value, predicted))
    fine = np.linspace(0, t[-1], 200)
    yield curves(c=C, u=1 + t, trained=trained, residual=at_zero / exact - 1)
    yield curves(fine_u=1 + fine, flow=_distance(problem, _solutions(problem, C, starts[:1], fine)))


def _solutions(problem: Regression, c: Array, starts: Array, t: Array) -> Array:
    """Shape (T, len(c) x starts, D, m): all starts at the first c, then at the next."""
    return np.concatenate([flow.solution(problem, number, starts, t) for number in c], axis=1)


def _distance(problem: Regression, w: Array) -> Array:
    return np.linalg.norm(w - problem.minimum_norm_solution, axis=(-2, -1))


def _unseen(study: Study, problem: Regression, starts: Array) -> Iterator[Check]:
    power = np.repeat(POWERS, len(starts))
    trainee = _regularised(study, problem, np.tile(starts, (len(POWERS), 1, 1)), np.ones(len(power)), power)
    runs = trainee.refine(learning_rate=0.05, horizon=8.0, records=17, levels=4)
    values, t = [null_part(problem, run["w"]) for run in runs], runs[0].t
    left = np.stack([flow.share_left(1.0, p, t) for p in power], axis=1)[..., None, None]
    yield from tends_to("what the data do not see", values, lambda k: left**k * values[0][:1])
    summable = [value[:, power > 1] for value in values]
    # 1/(1 + t) is what would be left if regularisation did not fade so fast.
    forgotten = after_steps(flow.share_left(1.0, 1.0, t), starts) * summable[0][:1]
    unseen = extrapolated("what the data do not see, learning rate 0", summable)
    yield unseen.control("summable regularisation forgets the start").equals(forgotten)


def _bias(study: Study, problem: Regression) -> Iterator[Check]:
    """(1 + t) (w - w*) from one long training, read at 1 + t that double: its limit does not see the learning rate."""
    eta, marks = 0.2, study.pick(smoke=64, quick=128, paper=1024) * 2 ** np.arange(4)
    record = [round((mark - 1) / eta) for mark in marks]
    trainee = _regularised(study, problem, np.zeros((len(C), problem.D, problem.m)), C)
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
        np.stack([flow.scaled_bias(problem, c) for c in C]),
    )
    yield bias.equals(predicted)
    yield bias.control("bias 10 % larger").equals(1.1 * predicted)


def _regularised(study: Study, problem: Regression, w: Array, c: Array, power: Array | float = 1.0) -> Trainee:
    """Least squares by lambda_k = eta c / (1 + eta k)^power, c and power one a run."""
    loss, exponent = squared_loss(problem, study.device), np.broadcast_to(power, c.shape).copy()
    c, exponent = (torch.tensor(number, dtype=torch.float64, device=study.device) for number in (c, exponent))
    rule = RegularisedDescent(GradientDescent(loss), lambda k, eta: eta * c / (1 + eta * k) ** exponent)
    return Trainee(study, loss, {"w": w}, rule)
