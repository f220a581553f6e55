"""Theorem 1 at the parameters of the paper's Appendix A.1, at the starts where it is sharp, and on random problems."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.interpolate import CubicSpline

from experiments.imbalance import appendix_a1, levels, own_data
from experiments.imbalance.appendix_a1 import AppendixA1
from experiments.imbalance.compression import compressed_network
from experiments.imbalance.networks import largest_curvature, squared_loss
from experiments.imbalance.watched import (
    ALGEBRA,
    loss_of,
    rate_at_every_state,
    rate_at_the_start,
    relative_rounding,
    watched,
)
from experiments.training import recording_steps, tends_to
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    on_data,
    rounding,
)
from theory.claims.estimates import above_floor
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import convergence, dynamics
from theory.imbalance.compression import Compressed, compress
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

FASTEST = 1000.0
GENERIC = "random starts are not the worst; the sharp start is"


@claim(
    "min2021.theorem1",
    source="Min et al. 2021, Theorem 1, Figures 2 and 3, Appendix A.1",
    source_kind=AS_PRINTED,
    statement=r"L(t) - L^* \le e^{-2 \lambda_r(\Sigma_x) c t} (L(0) - L^*),\quad"
    r" c = [\lambda_r(\Lambda)]_+ + [\lambda_m(-\Lambda)]_+,\quad \Lambda = U_1^\top U_1 - V^\top V",
    hypotheses=(
        "gradient flow of L = 1/2 |Y - X U V^T|^2 from any start U (D, h), V (m, h); L^* its minimum",
        "Sigma_x = X^T X of rank r, U1 what X sees of U; eigenvalues in decreasing order, 0 beyond the width",
        "c > 0 for the rate to be positive",
    ),
    theory_side="bound",
    controls=(
        "c 5 % larger",
        "c 5 % larger: the loss",
        "largest eigenvalues of the imbalance in place of lambda_r and lambda_m",
        "largest eigenvalue of the data in place of the smallest",
        "the imbalance of all of U in place of U1",
        "an exponential rate without imbalance",
        "level of the scales in the legend of Figure 2",
    ),
    accepts_data="regression",
    parameters=AppendixA1,
)
def loss_decays_at_the_rate_of_the_imbalance(study: Study, sizes: AppendixA1) -> Iterator[Check | Curves]:
    yield from _at_the_data_of_the_paper_or_the_user(study, sizes)
    yield from _levels_of_the_paper(study, sizes)
    yield from _where_the_bound_is_sharp(study)
    yield from _on_random_problems(study, sizes.runs)
    yield from _without_imbalance(study)


@on_data
def _at_the_data_of_the_paper_or_the_user(study: Study, sizes: AppendixA1) -> Iterator[Check | Curves]:
    rng = study.rng("appendix A.1")
    trained = appendix_a1.plan(study, rng, sizes) if study.data is None else own_data.plan(study, rng, sizes.pairs)
    problem, network, eta, steps = trained.problem, trained.network, trained.learning_rate, trained.steps
    if problem is not trained.data:
        yield own_data.gradient_as_they_are(study, trained)
    Z = coordinates(problem, network)[-1:]
    within = rounding(problem.D + network.h, float((Z**2).sum()), of="its squared norm, D + h of them")
    still = convergence.imbalance_spectrum(problem, Z)
    yield measured("eigenvalues of the imbalance", still, within=within, case="balanced start").supporting().equals(0)
    run = watched(study, problem, network).train(learning_rate=eta, steps=steps, record=recording_steps(steps, 51))
    excess, relative = run["excess"], relative_rounding(problem, run, run["excess"])
    bound, rate_bound = convergence.loss_bound(problem, network, run.t), convergence.convergence_rate(problem, network)
    loss = loss_of(run, relative, "trained").within_factor(2, because=GENERIC)
    yield loss.at_most(lambda k: convergence.loss_bound(problem, network, k * run.t[1:]))
    routes, at_states, rates = rate_at_every_state("trained", (problem, run))
    yield routes
    yield at_states.within_factor(2, because=GENERIC).at_least(lambda k: k * rates)
    small = compress(problem, network)
    flow, coarse = (_flow(small, run.t, tolerance) for tolerance in (1e-12, 1e-10))
    flow_loss, coarse_loss = (dynamics.excess_loss(small.problem, solution["Z"]) for solution in (flow, coarse))
    yield from _training_tends_to_the_flow(study, small, eta, run, (flow_loss, coarse_loss), relative)
    # The figure shows the paper's loss, (1/n) |Y - X U V^T|^2 = (2/n) L.
    scale = 2 / len(trained.data.X)
    rate = run["gradient_squared"] / excess
    if study.data is None and sizes.is_the_papers:
        yield levels.ends_as_in_the_paper(scale * excess[:, -1])
    yield curves(
        t=run.t,
        steps=run.facts["recorded"],
        loss=scale * excess,
        bound=scale * bound,
        flow_loss=scale * flow_loss,
        loss_beyond_flow=np.divide(excess, flow_loss, out=np.full_like(excess, np.nan), where=flow_loss > 0) - 1,
        rate=rate,
        flow_rate=convergence.pointwise_rate(small.problem, flow["Z"]),
        rate_bound=rate_bound,
        rate_over_bound=np.divide(rate, rate_bound, out=np.full_like(rate, np.nan), where=rate_bound > 0),
        imbalance_level=convergence.imbalance_level(problem, network),
        scales=trained.scales,
    )


def _flow(small: Compressed, t: Array, tolerance: float) -> Trajectory:
    """The flow, in a unit of time in which no rate is above `FASTEST`: the solver's first step is for such."""
    fastest = appendix_a1.fastest_rate(small.problem, small.network)
    root = 2.0 ** np.ceil(max(np.log2(fastest / FASTEST) / 2, 0))  # a power of two, so that scaling by it is exact
    slower = Regression(small.problem.X / root, small.problem.Y / root)
    return dynamics.gradient_flow(slower, small.network, root**2 * t, relative_tolerance=tolerance)


def _levels_of_the_paper(study: Study, sizes: AppendixA1) -> Iterator[Check]:
    paper = appendix_a1.plan(study, study.rng("appendix A.1"), sizes)
    yield from levels.levels_follow_their_law(study, paper.problem, paper.network, sizes)


def _training_tends_to_the_flow(
    study: Study, small: Compressed, eta: float, run: Trajectory, flows: Sequence[Array], relative: Array
) -> Iterator[Check]:
    """Training at learning rates of powers of 2 has order 1, and extrapolates to the flow; compressed, all but eta.

    Compared is the logarithm of the loss, for its relative accuracy, as long as it is known to a hundredth in all runs.

    Args:
        flows: losses (T, runs) of the flow, the second of a coarser solver.
        relative: rounding of the loss, as a share of it.
    """
    loss, record = squared_loss(small.problem, study.device), run.facts["recorded"].tolist()
    trainee = compressed_network(study, small, observe=lambda state: {"loss": loss(state)})
    losses = {1: run["excess"]}
    for k in _steps_for_one(small, eta, record):
        steps = [int(k * step) for step in record]
        losses[k] = trainee.train(learning_rate=eta / k, steps=steps[-1], record=steps)["loss"]
    all_losses = np.array([*(losses[k] for k in sorted(losses)), *flows])
    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of exactly 0 is below every floor
        *logs, log_flow, log_coarse = np.log(all_losses)
        off_by = np.abs(log_flow - log_coarse) + relative
    above = np.cumprod(above_floor(1.0, off_by).all(1), dtype=bool)
    t = run.t[above] / run.t[-1]  # splines take cubes of times, which could overflow
    log_loss = CubicSpline(t, log_flow[above])
    solver_error = np.abs(log_flow - log_coarse)[above].max(0) + relative[above]
    yield from tends_to(
        "log loss against the flow", [log[above] for log in logs], lambda k: log_loss(k * t), solver_error
    )


def _steps_for_one(small: Compressed, eta: float, record: Sequence[int]) -> tuple[float, ...]:
    """In how many steps for one of eta the other trainings go.

    Longer steps cost less than shorter ones, and a fourth learning rate resolves more than two shorter steps would:
    that is where they have an effect of first order and meet the same times.
    """
    longest = appendix_a1.LARGEST_STEP / largest_curvature(small.problem, small.network)
    return (1 / 4, 1 / 2, 2) if 4 * eta <= longest and not any(step % 4 for step in record) else (2, 4)


def _where_the_bound_is_sharp(study: Study) -> Iterator[Check]:
    """Orthogonal rows and a residual along the slowest direction of all: every inequality of the proof is equality."""
    S, hidden, output = np.array([2.0, 1.5, 1.2, 0.8]), np.array([5.0, 4.0, 3.0, 1.0]), np.array([3.0, 0.5])
    X, Y = np.zeros((4, 6)), np.zeros((4, 2))
    X[:, :4] = np.diag(S)
    Y[-1, -1] = 0.05  # small, so that the product stays below c and the bound sharp all along the path
    problem = Regression(X, Y)
    network = orthogonal_rows(problem, hidden, output, study.rng("sharp"), h=12)
    rate, relative = rate_at_the_start(study, problem, network)
    bound = convergence.convergence_rate(problem, network)
    slowest = convergence.slowest_rate(problem, coordinates(problem, network))
    sharp = Tolerance(
        relative, "rounding of E = Y - X U V^T; every inequality of the proof is an equality at this state"
    )
    yield measured("rate over bound", rate / bound, within=sharp, case="sharp start").equals(1.0)
    yield measured("slowest rate of all", slowest / bound, within=sharp, case="sharp start").equals(1.0)
    run = watched(study, problem, network).train(learning_rate=5e-3, steps=1000, record=recording_steps(1000, 11))
    loss = loss_of(run, relative_rounding(problem, run, run["excess"]), "sharp start")
    yield loss.at_most(lambda k: convergence.loss_bound(problem, network, k * run.t[1:]))
    faster = loss.control("c 5 % larger: the loss")
    yield faster.at_most(convergence.loss_bound(problem, network, 1.05 * run.t[1:]))
    spectrum, data = convergence.imbalance_spectrum(problem, coordinates(problem, network)), problem.S**2
    at_start = measured("rate", rate, within=ALGEBRA)
    yield at_start.control("c 5 % larger").at_least(1.05 * bound)
    control = at_start.control("largest eigenvalues of the imbalance in place of lambda_r and lambda_m")
    yield control.at_least(2 * data[-1] * (spectrum[:, 0] - spectrum[:, -1]))
    control = at_start.control("largest eigenvalue of the data in place of the smallest")
    yield control.at_least(bound * data[0] / data[-1])
    # Weights the data do not see enlarge the imbalance of U, not the rate.
    unseen = Network(network.U + problem.from_unseen(3 * np.eye(2, 12)), network.V)
    rate, _ = rate_at_the_start(study, problem, unseen)
    spectrum = np.linalg.eigvalsh(unseen.U.mT @ unseen.U - unseen.V.mT @ unseen.V)[:, ::-1]
    wrong = spectrum[:, problem.r - 1] - spectrum[:, -problem.m]
    control = measured("rate", rate, within=ALGEBRA).control("the imbalance of all of U in place of U1")
    yield control.at_least(2 * data[-1] * wrong)


def _on_random_problems(study: Study, runs: int) -> Iterator[Check]:
    """Shapes with and without room for full imbalance; many starts of different imbalance each."""
    trained = []
    for r, m, h in ((1, 1, 4), (3, 2, 8), (5, 4, 13), (4, 3, 5), (2, 1, 2)):
        rng = study.rng("random", r, m, h)
        problem = random_regression(rng, D=r + 2, n=r + 1, m=m, singular_values=np.linspace(1.6, 0.5, r))
        network = gaussian(problem, h, rng, runs=runs)
        scale = np.exp(rng.uniform(-1, 1, (2, runs, 1, 1)))
        network = Network(scale[0] * network.U / np.sqrt(h), scale[1] * network.V / np.sqrt(h))
        run = watched(study, problem, network).train(learning_rate=0.01, steps=400, record=recording_steps(400, 17))
        trained.append((problem, run))
    routes, at_states, bound = rate_at_every_state("random problems", *trained)
    yield routes
    yield at_states.at_least(lambda k: k * bound)


def _without_imbalance(study: Study) -> Iterator[Check]:
    """u = v and y = 0: c = 0 and U V^T = 1/(1 + 2t), so L = 1/2 (1 + 2t)^-2 beats no exponential."""
    problem = Regression(np.eye(1), np.zeros((1, 1)))
    network = Network(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    run = watched(study, problem, network).train(learning_rate=0.01, steps=200, record=recording_steps(200, 41))
    exponential = run["excess"][0] * np.exp(-2 * 2 * run.t)[:, None]
    loss = measured("loss", run["excess"], within=exactly("the rate if c were |u|^2 + |v|^2 = 2"))
    yield loss.control("an exponential rate without imbalance").at_most(exponential)
