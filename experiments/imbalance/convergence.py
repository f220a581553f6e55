"""Theorem 1 at the parameters of the paper's Appendix A.1, at the starts where it is sharp, and on random problems."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.data.regression import load_regression
from experiments.imbalance.compression import train_compressed
from experiments.imbalance.networks import squared_loss, train_network
from experiments.training.loop import Observe, recording_steps
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import convergence, dynamics
from theory.imbalance.compression import Compressed, compress
from theory.imbalance.problem import Network, balanced, coordinates, gaussian, orthogonal_rows, paper_regression

SCALES = ((0.1, 0.1), (0.5, 0.02), (0.05, 0.2))  # standard deviations of U and V in the paper's Figure 2
ALGEBRA = "an inequality between numbers of one state, exact up to the rounding of E = Y - X U V^T"


@claim(
    "min2021.theorem1",
    source="Min et al. 2021, Theorem 1, Figures 2 and 3, Appendix A.1",
    statement=r"L(t) - L^* \le e^{-2 \lambda_r(\Sigma_x) c t} (L(0) - L^*),\quad"
    r" c = [\lambda_r(\Lambda)]_+ + [\lambda_m(-\Lambda)]_+",
    hypotheses=("gradient flow", "any start", "c > 0 for the rate to be positive"),
    controls=(
        "c 5 % larger",
        "largest eigenvalues of the imbalance in place of lambda_r and lambda_m",
        "largest eigenvalue of the data in place of the smallest",
        "the imbalance of all of U in place of U1",
        "an exponential rate without imbalance",
    ),
    accepts_data="regression",
)
def loss_decays_at_the_rate_of_the_imbalance(study: Study) -> Iterator[Check | Curves]:
    yield from _at_the_data_of_the_paper_or_the_user(study)
    yield from _where_the_bound_is_sharp(study)
    yield from _on_random_problems(study)
    yield from _without_imbalance(study)


def _at_the_data_of_the_paper_or_the_user(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("appendix A.1")
    problem, h = _problem(study, rng)
    steps = study.pick(smoke=1500, quick=15000, paper=15000)
    starts = [gaussian(problem, h, rng, scales=scales) for scales in SCALES] + [balanced(problem, h, rng)]
    network = Network(np.concatenate([s.U for s in starts]), np.concatenate([s.V for s in starts]))
    eta = _learning_rate(study, problem, network, steps)
    Z = coordinates(problem, starts[-1])
    tolerance = (problem.D + h) * EPS * float((Z**2).sum())
    because = "(D + h) roundings of its squared norm"
    still = convergence.imbalance_spectrum(problem, Z)
    yield equal("balanced start: eigenvalues of the imbalance", still, 0, tolerance=tolerance, because=because)
    run = _train(study, "appendix A.1", problem, network, eta, steps, recording_steps(steps, 51))

    excess = run["excess"]
    bound = convergence.loss_bound(problem, network, run.t)
    small = compress(problem, network)
    flow, coarse = (
        dynamics.gradient_flow(small.problem, small.network, run.t, relative_tolerance=tolerance)
        for tolerance in (1e-12, 1e-10)
    )
    flow_loss, coarse_loss = (dynamics.excess_loss(small.problem, solution["Z"]) for solution in (flow, coarse))
    solver_error = np.abs(np.log(flow_loss / coarse_loss))
    rounding = _rounding(problem, run, excess)
    yield at_most("loss of the trained network", excess, bound, slack=rounding * excess, because="Theorem 1; rounding")
    yield from _rate_at_every_state("trained", problem, run)
    yield from _training_tends_to_the_flow(study, small, eta, steps, flow_loss, solver_error, run)
    yield curves(
        t=run.t,
        steps=run.facts["recorded"],
        loss=excess * 2 / problem.X.shape[0],
        bound=bound * 2 / problem.X.shape[0],
        flow_loss=flow_loss * 2 / problem.X.shape[0],
        rate=run["gradient_squared"] / excess,
        flow_rate=convergence.pointwise_rate(small.problem, flow["Z"]),
        rate_bound=convergence.convergence_rate(problem, network),
        imbalance_level=convergence.imbalance_level(problem, network),
    )


def _problem(study: Study, rng: np.random.Generator) -> tuple[Regression, int]:
    """The user's data if there are any, else the paper's; and the width."""
    D, n, h = study.pick(smoke=(40, 10, 50), quick=(400, 100, 500), paper=(400, 100, 500))
    if study.data is None:
        return paper_regression(rng, whitened=True, D=D, n=n), h
    problem = load_regression(study.data)
    return problem, max(h, 2 * (problem.m + problem.r))


def _learning_rate(study: Study, problem: Regression, network: Network, steps: int) -> float:
    """The paper's, or for the user's data a twentieth of the largest that is stable all along the way."""
    if study.data is None:
        # The paper's 5e-4 is for the loss (1/n) |Y - X U V^T|^2 = (2/n) L, and its time is 15000 steps of it.
        return 2 * 5e-4 / 100 * 15000 / steps
    Z = coordinates(problem, network)
    start = (np.linalg.norm(Z, ord=2, axis=(-2, -1)) ** 2).max()
    residual = np.linalg.norm(dynamics.residual(problem, Z), axis=(-2, -1)).max()
    # The Hessian is at most sigma_1^2 |Z|^2 + sigma_1 |E|, and |Z|^2 grows to that of the solution.
    solution = np.linalg.norm(problem.minimum_norm_solution, ord=2)
    curvature = problem.S[0] ** 2 * (start + 2 * solution) + problem.S[0] * residual
    return 0.05 * 2 / float(curvature)


def _training_tends_to_the_flow(
    study: Study, small: Compressed, eta: float, steps: int, flow_loss: Array, solver_error: Array, run: Trajectory
) -> Iterator[Check]:
    """Training at eta, eta/2, eta/4 has order 1, and extrapolates to the flow."""
    finer = [
        train_compressed(
            study,
            f"appendix A.1 over {k}",
            small,
            learning_rate=eta / k,
            steps=steps * k,
            record=(k * run.facts["recorded"]).tolist(),
        )["loss"]
        for k in (2, 4)
    ]
    # The logarithm of the loss, for its relative accuracy; the loss itself is exact up to the rounding of E.
    logs = [np.log(losses) for losses in (run["excess"], *finer)]
    solver = solver_error.max(0) + _rounding(small.original, run, run["excess"])
    yield from tends_to("log loss of training against the flow", logs, np.log(flow_loss), solver)


def _where_the_bound_is_sharp(study: Study) -> Iterator[Check]:
    """Orthogonal rows and a residual along the slowest direction of all: every inequality of the proof is equality."""
    S, hidden, output = np.array([2.0, 1.5, 1.2, 0.8]), np.array([5.0, 4.0, 3.0, 1.0]), np.array([3.0, 0.5])
    X, Y = np.zeros((4, 6)), np.zeros((4, 2))
    X[:, :4] = np.diag(S)
    Y[-1, -1] = 1.0
    problem = Regression(X, Y)
    network = orthogonal_rows(problem, hidden, output, study.rng("sharp"), h=12)
    run = _train(study, "sharp", problem, network, 1e-3, 1, [0])
    rate = (run["gradient_squared"] / run["excess"])[0]
    predicted = convergence.convergence_rate(problem, network)
    tolerance = _rounding(problem, run, run["excess"])[0]
    because = "rounding of E = Y - X U V^T; every inequality of the proof is an equality at this state"
    yield equal("sharp start: rate over bound", rate / predicted, 1.0, tolerance=tolerance, because=because)
    slowest = convergence.slowest_rate(problem, coordinates(problem, network))
    yield equal("sharp start: slowest rate of all", slowest / predicted, 1.0, tolerance=tolerance, because=because)
    Z = np.concatenate([network.V, network.U], axis=-2)
    spectrum = np.sort(np.linalg.eigvalsh(convergence.imbalance(problem, Z[:, : problem.m + problem.r])))
    data = problem.S**2
    slow, fast = predicted, 2 * data[-1] * (spectrum[:, -1] - spectrum[:, 0])
    yield refuted("c 5 % larger", at_least("rate", rate, 1.05 * slow, because=ALGEBRA))
    name = "largest eigenvalues of the imbalance in place of lambda_r and lambda_m"
    yield refuted(name, at_least("rate", rate, fast, because=ALGEBRA))
    name = "largest eigenvalue of the data in place of the smallest"
    yield refuted(name, at_least("rate", rate, slow * data[0] / data[-1], because=ALGEBRA))
    # Weights the data do not see enlarge the imbalance of U, not the rate.
    unseen = Network(network.U + 3 * problem.Phi2 @ np.eye(2, 12), network.V)
    everything = unseen.U.mT @ unseen.U - unseen.V.mT @ unseen.V
    spectrum = np.linalg.eigvalsh(everything)[:, ::-1]
    wrong = spectrum[:, problem.r - 1] - spectrum[:, -problem.m]
    same = _train(study, "sharp, unseen weights", problem, unseen, 1e-3, 1, [0])
    rate = (same["gradient_squared"] / same["excess"])[0]
    claimed = at_least("rate", rate, 2 * data[-1] * wrong, because=ALGEBRA)
    yield refuted("the imbalance of all of U in place of U1", claimed)


def _on_random_problems(study: Study) -> Iterator[Check | Curves]:
    """Shapes with and without room for full imbalance; many starts of different imbalance each."""
    runs = study.pick(smoke=8, quick=64, paper=256)
    for r, m, h in ((1, 1, 4), (3, 2, 8), (5, 4, 13), (4, 3, 5), (2, 1, 2)):
        rng = study.rng("random", r, m, h)
        problem = random_regression(rng, D=r + 2, n=r + 1, m=m, singular_values=np.linspace(1.6, 0.5, r))
        network = gaussian(problem, h, rng, runs=runs)
        scale = np.exp(rng.uniform(-1, 1, (2, runs, 1, 1)))
        network = Network(scale[0] * network.U / np.sqrt(h), scale[1] * network.V / np.sqrt(h))
        run = _train(study, f"random {r} {m} {h}", problem, network, 0.01, 400, recording_steps(400, 17))
        yield from _rate_at_every_state(f"r={r}, m={m}, h={h}", problem, run)


def _without_imbalance(study: Study) -> Iterator[Check]:
    """u = v and y = 0: c = 0 and U V^T = 1/(1 + 2t), so L = 1/2 (1 + 2t)^-2 beats no exponential."""
    problem = Regression(np.eye(1), np.zeros((1, 1)))
    network = Network(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    run = _train(study, "no imbalance", problem, network, 0.01, 200, recording_steps(200, 41))
    exponential = run["excess"][0] * np.exp(-2 * 2 * run.t)[:, None]
    claimed = at_most("loss", run["excess"], exponential, because="the rate if c were |u|^2 + |v|^2 = 2")
    yield refuted("an exponential rate without imbalance", claimed)


def _rate_at_every_state(label: str, problem: Regression, run: Trajectory) -> Iterator[Check]:
    """-d/dt log(L - L*) = |grad L|^2 / (L - L*), its gradient from autograd, at every recorded state of training."""
    # Past a loss of 1e-16 of the first, E is rounding: those states judge nothing.
    live = run["excess"] > 1e-16 * run["excess"][0]
    excess = np.where(live, run["excess"], run["excess"][0])
    rate = np.where(live, run["gradient_squared"], 0) / excess
    bound = np.where(live, 2 * problem.S[-1] ** 2 * convergence.level(problem, run["L"]), 0)
    formula = np.where(live, convergence.pointwise_rate(problem, run["L"]), 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a gradient of exactly 0 is not live
        tolerance = np.where(live, _rounding(problem, run, excess) * rate, 1.0)
    yield at_least(f"{label}: rate at every recorded state", rate, bound, slack=tolerance, because=ALGEBRA)
    because = "two routes to one number: autograd on U and V, and the formula on the QR factor of Z"
    yield equal(
        f"{label}: rate from autograd and from its formula", rate, formula, tolerance=tolerance, because=because
    )


def _rounding(problem: Regression, run: Trajectory, excess: Array) -> Array:
    """Relative error of the rate |grad L|^2 / (L - L*) of a state, relative to its own size.

    E = Y - X U V^T carries D + n + h roundings of numbers of size |Y| + sigma_1 |Z|^2 / 2. The rate is
    2 <E, T E> / |E|^2 with T positive and of norm at most sigma_1^2 |Z|^2, so an error dE of E changes it by at most
    2 (|T| / (<E, T E> / |E|^2))^(1/2) |dE| / |E| of itself, and by 2 |dE| / |E| through |E|^2.
    """
    Z_squared = (run["L"] ** 2).sum((-2, -1))
    terms = problem.D + problem.X.shape[0] + problem.r + problem.m
    size = np.linalg.norm(problem.Y) + problem.S[0] * Z_squared / 2
    relative = terms * EPS * size / np.sqrt(2 * excess)
    condition = 2 * problem.S[0] ** 2 * Z_squared / (run["gradient_squared"] / excess)
    return 2 * relative * (1 + np.sqrt(condition))


def _train(
    study: Study, name: str, problem: Regression, network: Network, eta: float, steps: int, record: list[int]
) -> Trajectory:
    return train_network(
        study,
        name,
        problem,
        network,
        learning_rate=eta,
        steps=steps,
        record=record,
        observe=_observe(problem, squared_loss(problem, study.device), study.device),
    )


def _observe(problem: Regression, loss: Loss, device: str) -> Observe:
    """L - L* without cancellation, squared gradient norm by autograd, and Z up to a rotation of the hidden layer."""
    gradient = GradientDescent(loss)
    X, Y, W, Phi1 = (
        torch.tensor(array, dtype=torch.float64, device=device)
        for array in (problem.X, problem.Y, problem.W, problem.Phi1)
    )

    def observe(state: State) -> State:
        gradient.begin(state)
        gradients = gradient.evaluate(state)[1]
        squared = sum(g.square().flatten(1).sum(1) for g in gradients)
        reachable = W.mT @ (Y - X @ (state["U"] @ state["V"].mT))
        Z = torch.cat([state["V"], Phi1.mT @ state["U"]], dim=-2)
        excess = 0.5 * reachable.square().sum((1, 2))
        return {"excess": excess, "gradient_squared": squared, "L": torch.linalg.qr(Z.mT, mode="r").R.mT}

    return observe
