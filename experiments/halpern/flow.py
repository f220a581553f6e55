"""Vanishing regularisation: the flow of norm-minimising descent, against training at halved learning rates."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from experiments.halpern.descent import train_regression
from experiments.halpern.least_squares import regression
from experiments.methods.halpern import Schedule
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.halpern import flow
from theory.halpern.least_squares import null_part

C = np.array([0.0, 0.5, 1.0, 2.5])
POWERS = np.array([0.5, 1.0, 2.0])


@claim(
    "banburski2019.nmgd_flow",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), reconstructed; Attouch & Cominetti 1996; closed form ours",
    statement=r"\dot w = -\nabla L - \tfrac{c}{1+t} w:\quad w = g(u) w^* + e^{-ht} u^{-c} (w_0 - g(1) w^*),\ u = 1 + t,"
    r"\ g(u) = \tfrac{hu}{c+1}\,{}_1F_1(1; c+2; -hu);\quad (1+t)(w - w^*) \to -c H^+ w^*;\quad P_n w = e^{-\int\lambda}"
    r" P_n w_0",
    hypotheses=("least squares", "gradient flow with the weights' pull c / (1 + t)"),
    controls=(
        "c 10 % larger",
        "gradient flow's formula",
        "eigenvalues 10 % larger",
        "summable pull forgets the start",
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
    runs = _refine(study, "closed form", problem, np.tile(starts, (len(C), 1, 1)), np.repeat(C, count), 1.0)
    t, values = runs[0].t, [run["w"] for run in runs]
    solve = lambda data, c: np.concatenate([flow.solution(data, number, starts, t) for number in c], axis=1)  # noqa: E731
    predicted = solve(problem, C)
    yield from tends_to("w(t)", values, predicted)
    yield refuted("c 10 % larger", extrapolated("w(t)", values, solve(problem, 1.1 * C)))
    yield refuted("gradient flow's formula", extrapolated("w(t)", values, solve(problem, 0 * C)))
    # Data and targets sqrt(1.1) times as large have the same solution, at eigenvalues 10 % larger.
    stiffer = Regression(1.1**0.5 * problem.X, 1.1**0.5 * problem.Y)
    yield refuted("eigenvalues 10 % larger", extrapolated("w(t)", values, solve(stiffer, C)))
    distance = lambda w: np.linalg.norm(w - problem.minimum_norm_solution, axis=(-2, -1))[:, ::count]  # noqa: E731
    fine = np.linspace(0, t[-1], 200)
    lines = np.stack([flow.solution(problem, number, starts[0], fine) for number in C], axis=1)
    limit = richardson(values)[0]
    yield curves(
        c=C, t=t, trained=distance(values[-1]), extrapolated=distance(limit), at_times=distance(predicted), fine_t=fine
    )
    yield curves(flow=np.linalg.norm(lines - problem.minimum_norm_solution, axis=(-2, -1)))


def _unseen(study: Study, problem: Regression, starts: Array) -> Iterator[Check]:
    count = len(starts)
    power = np.repeat(POWERS, count)
    runs = _refine(study, "unseen", problem, np.tile(starts, (len(POWERS), 1, 1)), np.ones(len(power)), power)
    values = [null_part(problem, run["w"]) for run in runs]
    left = np.stack([flow.share_left(1.0, p, runs[0].t) for p in power], axis=1)[..., None, None]
    predicted = left * values[0][:1]
    yield from tends_to("what the data do not see", values, predicted)
    summable = [value[:, power > 1] for value in values]
    # 1/(1 + t) is what would be left if the pull did not fade so fast.
    wrong = flow.share_left(1.0, 1.0, runs[0].t)[:, None, None, None] * summable[0][:1]
    yield refuted("summable pull forgets the start", extrapolated("unseen", summable, wrong))


def _bias(study: Study, problem: Regression) -> Iterator[Check]:
    """(1 + t) (w - w*) from one long training, read at 1 + t that double: its limit does not see the learning rate."""
    eta, marks = 0.2, study.pick(smoke=64, quick=128, paper=1024) * 2 ** np.arange(4)
    record = [round((mark - 1) / eta) for mark in marks]
    w = np.zeros((len(C), problem.D, problem.m))
    schedule = _pull(C, np.ones(len(C)), eta, study.device)
    plan = {"learning_rate": eta, "steps": record[-1], "record": record}
    run = train_regression(study, "late", problem, w, schedule=schedule, **plan)
    scaled = [mark * (w - problem.minimum_norm_solution) for mark, w in zip(marks, run["w"])]
    limit, error = richardson(scaled)
    # Rounding errors of w fade at least at (eta h)^-1 steps; the extrapolation multiplies by 2^4 at most.
    faded = marks[-1] * 2**4 * 40 * EPS * (1 + np.abs(run["w"]).max()) / (eta * problem.S[-1] ** 2)
    # The start fades as (1 + t)^-c e^{-h t}: nothing at these times.
    because = "twice the last Richardson correction in 1/(1 + t), largest of a run; rounding that fades at eta h a step"
    tolerance = 2 * error.max((1, 2), keepdims=True) + faded
    predicted = np.stack([flow.scaled_bias(problem, c) for c in C])
    yield equal("(1 + t) x bias", limit, predicted, tolerance=tolerance, because=because)
    check = equal("(1 + t) x bias", limit, 1.1 * predicted, tolerance=tolerance, because=because)
    yield refuted("bias 10 % larger", check)


def _refine(study: Study, name: str, problem: Regression, w: Array, c: Array, power: Array | float) -> list[Trajectory]:
    def descend(level: str, *, learning_rate: float, **plan: Any) -> Trajectory:
        schedule = _pull(c, np.broadcast_to(power, c.shape), learning_rate, study.device)
        return train_regression(study, level, problem, w, learning_rate=learning_rate, schedule=schedule, **plan)

    return refined(descend, name, learning_rate=0.05, horizon=8.0, records=17, levels=4)


def _pull(c: Array, power: Array, eta: float, device: str) -> Schedule:
    """lambda_k = eta c / (1 + eta k)^power, one a run."""
    c, power = (torch.tensor(number.copy(), dtype=torch.float64, device=device) for number in (c, power))
    return lambda k: eta * c / (1 + eta * k) ** power
