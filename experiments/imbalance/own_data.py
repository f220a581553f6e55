"""Theorem 1 on a user's own data: what is trained, for how long, and what that would cost.

In their own singular basis, and with the hidden layer turned, n x D data and a network of any width are r inputs and a
network of width m + r: exactly, for descent and for the flow (see `theory.imbalance.compression`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.data import budget
from experiments.data.hypotheses import of_regression
from experiments.data.regression import load_regression
from experiments.imbalance.networks import squared_gradient, squared_loss, tensors
from theory.claims import Check, Study, measured, rounding
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance import convergence, dynamics
from theory.imbalance.compression import gaussian_compressed
from theory.imbalance.problem import Network, balanced, coordinates

SIZE = 10.0  # |Z|^2 of a start over |Theta_hat|, about that of the paper's first
WIDTH = 64  # over m + r: the wider, the nearer are all directions to the rate of the bound
EXPONENT = 8.0  # 2 lambda_r c t at the end, where that is affordable; 1, a factor e of the bound, is the least
TRAININGS, RECORDS = 8, 5000  # steps in all for one: 1, 2, 4 and what the flows take; and for all that is recorded
ADVICE = "standardise the columns of X, leave out those that nearly depend on others, or choose fewer outputs"


@dataclass(frozen=True)
class Plan:
    """What is to be trained, how, and for how many steps.

    Attributes:
        data: as they are.
        problem, network: what is trained in their place, its starts the runs.
        scales: standard deviations of U and V, a row a start; NaN for the balanced one, the last.
    """

    data: Regression
    problem: Regression
    network: Network
    learning_rate: float
    steps: int
    scales: Array


def plan(study: Study, rng: np.random.Generator, shapes: Sequence[tuple[float, float]]) -> Plan:
    """Starts of these proportions of U to V, of a size that suits the data, and a balanced one.

    Raises:
        InvalidArgument: what the theorem says of the slowest direction of the data could not be seen in the time that
            this profile has; the message says what it would take.
    """
    data = read(study)
    scales = [_scales(data, shape) for shape in shapes]
    problem, network = starts(data, rng, shapes)
    eta = learning_rate(problem, network)
    rate = float(convergence.convergence_rate(problem, network).max())
    steps = affordable(study, data, eta, rate, _seconds_a_step(data.m, data.r))
    return Plan(data, problem, network, eta, steps, np.array([*scales, (np.nan, np.nan)]))


def starts(
    data: Regression, rng: np.random.Generator, shapes: Sequence[tuple[float, float]]
) -> tuple[Regression, Network]:
    """What is trained in place of the data: the problem in their basis, and a run for each of the starts of `plan`."""
    drawn = [gaussian_compressed(data, _width(data), rng, scales=_scales(data, shape)) for shape in shapes]
    problem, networks = drawn[0].problem, [small.network for small in drawn]
    still, root = balanced(problem, networks[0].h, rng), np.sqrt(size_of_the_solution(data))
    networks.append(Network(root * still.U, root * still.V))
    return problem, Network(np.concatenate([s.U for s in networks]), np.concatenate([s.V for s in networks]))


def _width(data: Regression) -> int:
    return WIDTH * (data.m + data.r)


def _scales(data: Regression, shape: tuple[float, float]) -> tuple[float, float]:
    """Of U and V in these proportions, of a size that suits the data."""
    hidden, output = np.sqrt(SIZE * size_of_the_solution(data) / _width(data)) * np.array(shape) / np.hypot(*shape)
    return float(hidden), float(output)


def read(study: Study) -> Regression:
    """The data as they are; what they violate is said.

    Raises:
        InvalidArgument: they are no regression, or so large that their decomposition takes longer than there is.
    """
    data = load_regression(study.data)  # type: ignore[arg-type]
    _require_decomposition(study, data)
    for line in of_regression(data):
        study.remark(line)
    return data


def in_own_units(study: Study) -> Regression:
    """The data with X in units of its largest singular value, and Y in those in which |Theta_hat| = 1."""
    return _in_own_units(study, read(study))


def partly_seen(study: Study) -> Regression:
    """The same, where there is something of U that the data do not see.

    Raises:
        InvalidArgument: the data see all of U.
    """
    data = read(study)
    if data.r == data.D:
        expected = "fewer than that, as with fewer examples than inputs: else no direction of U is left unseen"
        reject(f"data {study.data}: rank of X", f"{data.r}, all {data.D} inputs", expected)
    return _in_own_units(study, data)


def _in_own_units(study: Study, data: Regression) -> Regression:
    study.remark("judged in units in which the largest singular value of X, and |X^+ Y|, are 1")
    unit = data.S[0] * size_of_the_solution(data)
    return Regression(data.X / data.S[0], data.Y / unit)


def gradient_as_they_are(study: Study, trained: Plan) -> Check:
    """|grad L|^2 at the starts on X and Y as they are, by autograd, and on what is trained in their place."""
    data, small = trained.data, trained.network
    whole = Network(data.Phi1 @ small.U, small.V)
    there, here = (
        squared_gradient(squared_loss(problem, study.device), tensors(network, study.device))[1].cpu().numpy()
        for problem, network in ((data, whole), (trained.problem, small))
    )
    length = np.linalg.norm(coordinates(trained.problem, small), axis=(-2, -1))
    steepest = data.S[0] * length * (np.linalg.norm(data.Y) + data.S[0] * length**2 / 2)
    terms = 4 * (data.D + len(data.X) + small.h)
    within = rounding(terms, steepest**2, of="what |grad L| can be, squared: 4 (D + n + h) of them")
    subject = measured("|grad L|^2 on X and Y as they are", there, within=within, case="start", axes=("run",))
    return subject.supporting().equals(here)


def size_of_the_solution(data: Regression) -> float:
    """|Theta_hat|; where that is 0, another number of its units."""
    solution = np.linalg.norm(data.targets / data.S[:, None], ord=2)
    return float(solution or np.linalg.norm(data.Y) / data.S[0] or 1.0)


def learning_rate(problem: Regression, network: Network) -> float:
    """A twentieth of the largest that is stable all along the way."""
    Z = coordinates(problem, network)
    start = (np.linalg.norm(Z, ord=2, axis=(-2, -1)) ** 2).max()
    residual = np.linalg.norm(dynamics.residual(problem, Z), axis=(-2, -1)).max()
    # The Hessian is at most sigma_1^2 |Z|^2 + sigma_1 |E|, and |Z|^2 grows to that of the solution.
    solution = np.linalg.norm(problem.minimum_norm_solution, ord=2)
    curvature = problem.S[0] ** 2 * (start + 2 * solution) + problem.S[0] * residual
    return 0.05 * 2 / float(curvature)


def _require_decomposition(study: Study, data: Regression) -> None:
    n, D = data.X.shape
    seconds, allowed = 3e-9 * n * D * min(n, D), budget.allowed(study)
    if seconds > allowed:
        expected = (
            f"a decomposition of X in {allowed} seconds, not about {budget.in_words(seconds)}: choose fewer columns"
        )
        reject(f"data {study.data}: X.shape", data.X.shape, f"{expected} or rows{budget.longer_profile(seconds)}")


def affordable(
    study: Study, data: Regression, eta: float, rate: float, step: float, *, least: float = 1.0, most: float = EXPONENT
) -> int:
    """Steps of the coarsest training, enough for the bound to fall by e^most, or by what can be afforded.

    Args:
        step: seconds that one takes.
        least: it falls by e^least at least.

    Raises:
        InvalidArgument: that takes longer than this profile has.
    """
    wanted, needed = (int(np.ceil(exponent / (rate * eta))) for exponent in (most, least))
    allowed = budget.allowed(study)
    in_time = int(allowed / step - RECORDS) // TRAININGS
    if needed > in_time:
        seconds, factor = step * (TRAININGS * needed + RECORDS), "e" if least == 1 else f"e^{least:g}"
        reject(
            f"data {study.data}",
            f"{data.r} directions, {data.m} outputs, condition number {data.S[0] / data.S[-1]:.3g}",
            f"a slowest direction that decays by a factor {factor} within {allowed} seconds, not in {needed:.3g} steps "
            f"of {eta:.3g} (about {budget.in_words(seconds)}): {ADVICE}{budget.longer_profile(seconds)}",
        )
    taken = min(wanted, in_time)
    budget.say_before(study, step * (TRAININGS * taken + RECORDS))
    return taken


def _seconds_a_step(m: int, r: int) -> float:
    """Of one step of four runs, on one core."""
    operations = 4 * (6 * r * m * (m + r) + 4 * r**2 * m)
    memory = 4 * 8 * (m + r) ** 2
    return 1e-4 + operations / 1e10 + memory / 2.5e9
