"""Training whose rate is watched: L - L*, |grad L|^2 by autograd and Z at every record, and what they may be off by."""

import numpy as np
import torch

from experiments.imbalance.networks import linear_network, squared_gradient, squared_loss
from experiments.training import State, Trainee
from theory.claims import Check, Measured, Study, Tolerance, exactly, measured
from theory.claims.estimates import above_floor
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance import convergence
from theory.imbalance.problem import Network

ALGEBRA = exactly("an inequality between numbers of one state, exact up to the rounding of E = Y - X U V^T")


def watched(study: Study, problem: Regression, network: Network) -> Trainee:
    """Recorded: L - L* without cancellation, |grad L|^2 by autograd, and Z up to a rotation of the hidden layer."""
    loss = squared_loss(problem, study.device)
    X, Y, W, Phi1 = (
        torch.tensor(array, dtype=torch.float64, device=study.device)
        for array in (problem.X, problem.Y, problem.W, problem.Phi1)
    )

    def observe(state: State) -> State:
        reachable = W.mT @ (Y - X @ (state["U"] @ state["V"].mT))
        Z = torch.cat([state["V"], Phi1.mT @ state["U"]], dim=-2)
        return {
            "excess": 0.5 * reachable.square().sum((1, 2)),
            "gradient_squared": squared_gradient(loss, state)[1],
            "L": torch.linalg.qr(Z.mT, mode="r").R.mT,
        }

    return linear_network(study, problem, network, observe=observe)


def loss_of(run: Trajectory, relative: Array, case: str) -> Measured:
    """L - L* after the start, where it and its bound are one number; it carries a share `relative` of rounding."""
    within = Tolerance((relative * run["excess"])[1:], "the flow's bound holds for descent, which is faster; rounding")
    return measured("loss", run["excess"][1:], within=within, case=case, axes=("t", "run"))


def rate_at_every_state(case: str, *trained: tuple[Regression, Trajectory]) -> tuple[Check, Measured, Array]:
    """-d/dt log(L - L*) = |grad L|^2 / (L - L*), its gradient from autograd, at every recorded state of training.

    Returns:
        The check of two routes to it, the rate, and its bound; the runs of all problems side by side.
    """
    cells = (_rate_of_one(problem, run) for problem, run in trained)
    rate, bound, formula, slack = (np.concatenate(parts, axis=1) for parts in zip(*cells))
    where = {"case": case, "axes": ("t", "run")}
    within = Tolerance(slack, "two routes to one number: autograd on U and V, and the formula on the QR factor of Z")
    routes = measured("rate from autograd and from its formula", rate, within=within, **where).supporting()
    at_states = measured("rate at every recorded state", rate, within=Tolerance(slack, ALGEBRA.reason), **where)
    return routes.equals(formula), at_states, bound


def _rate_of_one(problem: Regression, run: Trajectory) -> tuple[Array, ...]:
    """Rate, bound, formula and rounding (T, runs); 0, 0, 0 and 1 at states that judge nothing."""
    relative = relative_rounding(problem, run, run["excess"])
    live = above_floor(1.0, relative)
    excess = np.where(live, run["excess"], 1.0)
    rate = np.where(live, run["gradient_squared"], 0) / excess
    bound = np.where(live, 2 * problem.S[-1] ** 2 * convergence.level(problem, run["L"]), 0)
    formula = np.where(live, convergence.pointwise_rate(problem, run["L"]), 0)
    return rate, bound, formula, np.where(live, np.where(live, relative, 0) * rate, 1.0)


def relative_rounding(problem: Regression, run: Trajectory, excess: Array) -> Array:
    """Relative error of the rate |grad L|^2 / (L - L*) of a state, relative to its own size.

    E = Y - X U V^T carries D + n + h roundings of numbers of size |Y| + sigma_1 |Z|^2 / 2. The rate is
    2 <E, T E> / |E|^2 with T positive and of norm at most sigma_1^2 |Z|^2, so an error dE of E changes it by at most
    2 (|T| / (<E, T E> / |E|^2))^(1/2) |dE| / |E| of itself, and by 2 |dE| / |E| through |E|^2.
    """
    Z_squared = (run["L"] ** 2).sum((-2, -1))
    terms = problem.D + problem.X.shape[0] + problem.r + problem.m
    size = np.linalg.norm(problem.Y) + problem.S[0] * Z_squared / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # at a loss of exactly 0 nothing is known of the rate
        relative = terms * EPS * size / np.sqrt(2 * excess)
        condition = 2 * problem.S[0] ** 2 * Z_squared / (run["gradient_squared"] / excess)
        return 2 * relative * (1 + np.sqrt(condition))


def rate_at_the_start(study: Study, problem: Regression, network: Network) -> tuple[Array, Array]:
    """-d/dt log(L - L*) of each run before the first step, and its relative rounding."""
    run = watched(study, problem, network).train(learning_rate=1e-3, steps=1, record=[0])
    rate = run["gradient_squared"] / run["excess"]
    return rate[0], relative_rounding(problem, run, run["excess"])[0]
