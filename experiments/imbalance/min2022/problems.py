"""Problems, starts and trainings that the claims of this paper share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.imbalance import appendix_a1, own_data
from experiments.imbalance.deep_networks import measured_rate
from experiments.imbalance.loss_bounds import Bounded, above_the_floor
from experiments.imbalance.networks import largest_curvature, linear_network, trained, trained_coordinates
from theory.claims import Study, Tolerance, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import Network, coordinates, gaussian

SHAPES = ((1, 1), (2, 2), (3, 2), (2, 4), (4, 1), (1, 3))  # (r, m)

# Of learning rate x curvature: beyond it the first order in the step does not show.
LARGEST_STEP = 0.5
WORK, STEPS = 3e6, 5000  # of the factorisations; of the coarsest training near the target
RECORDS = 21  # of a training on the user's data, all of its weights
DATA = "own data"  # the case of what is judged on them


@dataclass(frozen=True)
class States:
    """Random states of every shape and width: half of them generic, half of them near the target."""

    states: int = varies("random ones of each shape and width", 200, smoke=20, paper=2000, low=1, high=10_000)
    scales: tuple[float, ...] = varies("standard deviations of U and of V at them", (0.3, 0.6), low=1e-3, high=1e3)
    share: float = varies("of the target that those near it start with", 0.9, low=0, high=0.999)

    def __post_init__(self) -> None:
        if len(self.scales) != 2:
            reject("scales", self.scales, "two numbers, of U and of V")


@dataclass(frozen=True)
class NearTheTarget:
    """Training from starts near the target."""

    runs: int = varies("starts near the target", 16, smoke=4, paper=64, low=2, high=500)
    learning_rate: float = varies(
        "the largest from there, of those that are extrapolated to 0", 8e-3, low=1e-4, high=0.1
    )
    time: float = varies("for which is trained from there", 1.5, low=0.3, high=5, unit="time")
    width: int = varies("units of the hidden layer there", 12, low=2, high=300)

    def __post_init__(self) -> None:
        if (steps := self.time / self.learning_rate) > STEPS:
            reject(
                "learning_rate", self.learning_rate, f"at least {self.time / STEPS:.3g}, not {steps:.3g} steps of it"
            )


@dataclass(frozen=True)
class AtTheTarget(NearTheTarget):
    """Training from starts near the target until what is left of the loss shows no more in the margins."""

    time: float = varies("for which is trained from there", 3.0, low=0.3, high=5, unit="time")


@dataclass(frozen=True)
class Factorisation:
    """The paper's experiment: 1/2 |Y - U V^T / sqrt(m h)|^2, Gaussian starts."""

    widths: tuple[int, ...] = varies(
        "units of the hidden layer, a factorisation each",
        (30, 100, 300),
        smoke=(30,),
        paper=(30, 100, 300, 1000),
        low=2,
        high=1000,
    )
    rows: int = varies("of Y in the factorisations", 20, low=2, high=60)
    outputs: int = varies("columns of Y in the factorisations", 10, low=1, high=60)
    factorisations: int = varies("starts of each width", 5, smoke=2, paper=20, low=1, high=50)
    long: float = varies("time for which they are trained", 40.0, smoke=10.0, paper=100.0, low=1, high=200, unit="time")

    def __post_init__(self) -> None:
        if len(set(self.widths)) < len(self.widths) or len(self.widths) > 5:
            reject("widths", self.widths, "at most five different ones")
        if (work := sum(self.widths) * self.factorisations * self.long) > WORK:
            reject("widths x factorisations x long", f"{work:.3g}", f"at most {WORK:.3g}: about two minutes")


@dataclass(frozen=True)
class Paper(States, NearTheTarget, Factorisation):
    """All of them."""

    def __post_init__(self) -> None:
        States.__post_init__(self)
        NearTheTarget.__post_init__(self)
        Factorisation.__post_init__(self)


# What the statements use, by name: B of two singular values, and c, which is B of the margins.
SETTING = (
    r"L = \tfrac12 \|Y - X U V^\top\|_F^2,\quad X = W \Sigma_x^{1/2} \Phi_1^\top,\quad r = \operatorname{rank} X,"
    r"\quad Y \in \mathbb{R}^{n \times m},\quad U_1 = \Phi_1^\top U,\quad \Lambda = U_1^\top U_1 - V^\top V,\quad "
    r"\Delta = [\lambda_r(\Lambda)]_+ + [\lambda_m(-\Lambda)]_+"
)
B = (
    r"B(x, y) = -\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + 4 x^2} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 y^2},"
    r"\quad \Delta_+ = [\lambda_1(\Lambda)]_+ - [\lambda_r(\Lambda)]_+,\quad "
    r"\Delta_- = [\lambda_1(-\Lambda)]_+ - [\lambda_m(-\Lambda)]_+,\quad " + SETTING
)
C = (
    r"c = B(\mu_m, \mu_r),\quad \mu_k = [\sigma_k(\tilde y) - \|E\|_F]_+ / \lambda_1^{1/2}(\Sigma_x),\quad "
    r"\tilde y = W^\top Y,\quad E = \tilde y - \Sigma_x^{1/2} U_1 V^\top,\quad " + B
)


def algebra(slack: Array, because: str = "an inequality at every state") -> Tolerance:
    """The rounding of a number made of one state."""
    return Tolerance(slack, f"{because}: slack is the rounding of the loss, its gradient and the eigenvalues")


def rounding_of_margins(problem: Regression, Z: Array) -> Tolerance:
    """What `tighter_rate.margin_rate` is off by beside the rounding of the weights: the targets may be far larger."""
    V, U1 = (np.sqrt((part**2).sum((-2, -1))) for part in split(problem, Z))
    size = np.linalg.norm(problem.targets) + problem.S[0] * U1 * V
    terms = sum(problem.X.shape) + sum(Z.shape[-2:])
    lipschitz = 4 * problem.S[-1] ** 2 / problem.S[0]
    return rounding(terms, lipschitz * size, of="y~ and E; c is 2-Lipschitz in each of the two margins")


def rate_of(study: Study, problem: Regression, network: Network) -> tuple[Array, Array]:
    """The rate of the loss at states of a network, by torch's gradient, and its rounding."""
    return measured_rate(study, problem, (network.U.mT, network.V))


def random_states(study: Study, sizes: States) -> Iterator[tuple[Regression, Network]]:
    """States of every shape and width, generic and near the target."""
    for r, m in SHAPES:
        S = np.linspace(1.6, 0.6, r) if r > 1 else np.array([1.3])
        problem = random_regression(study.rng("data", r, m), D=r + 2, n=r + 3, m=m, singular_values=S)
        for width in (1, r + m, 3 * (r + m)):
            noise = gaussian(problem, width, study.rng("start", r, m, width), scales=sizes.scales, runs=sizes.states)
            for share in (0.0, sizes.share):
                yield problem, towards(problem, noise, share)


def towards(problem: Regression, noise: Network, share: float) -> Network:
    """`noise`, with U moved so that U V^T contains `share` of the minimum-norm solution (as far as V's rows allow)."""
    pinv = np.linalg.pinv(noise.V)
    return Network(noise.U + share * problem.minimum_norm_solution @ pinv.mT, noise.V)


def tight(
    study: Study,
    cell: str,
    *,
    S: Sequence[float] | Array,
    m: int,
    products: Sequence[float] | Array,
    extra: Sequence[float] | Array = (),
    above: float = 0.8,
    below: float = 0.7,
    residual: float = 0.5,
) -> tuple[Regression, Network]:
    """A start where Proposition 1' holds with equality; see `tighter_rate.equality_case`."""
    return tighter_rate.equality_case(
        study.rng(cell),
        S=np.array(S),
        m=m,
        above=above,
        below=below,
        products=np.array(products),
        extra=np.array(extra, dtype=float),
        residual_size=residual,
    )


def tight_far_from_white(study: Study, residual: float) -> tuple[Regression, Network, Tolerance]:
    """r = 2, m = 1, singular values 5 and 1 of X: y~ comes from the larger, the residual from the smaller.

    Theorem 3 is attained there within the tolerance. The curvature of the loss is 50 times its rate.
    """
    sides = {"above": 2.0, "below": 0.2}
    start = tight(study, "far", S=(5.0, 1.0), m=1, products=(0.4,), extra=(0.3,), residual=residual, **sides)
    lipschitz = "c is 2-Lipschitz in mu_1, which is within 2 |E| / s_1 of sigma_1(U1 V^T)"
    return *start, Tolerance(4 * start[0].S[-1] ** 2 * residual / start[0].S[0], lipschitz)


def attained_with_one_output(study: Study) -> tuple[Regression, Network]:
    """r = 4, m = 1: far above and little below, as the two sides have to differ for their exchange to show."""
    S, extra = (2.0, 1.6, 1.3, 1.1), np.linspace(0.7, 0.4, 3)
    return tight(study, "attained 4 1", S=S, m=1, products=(1.5,), extra=extra, above=4.0, below=0.2)


def trained_near_the_target(study: Study, sizes: NearTheTarget) -> tuple[Regression, list[Trajectory]]:
    """Starts near the target; Sigma_x not white, r = 6, m = 2, L* > 0. Trainings are coarse to fine."""
    S = np.array([1.5, 1.4, 1.3, 1.2, 1.1, 1.0])
    problem = random_regression(study.rng("training"), D=9, n=12, m=2, singular_values=S)
    rng, widen = study.rng("training start"), np.sqrt(12 / sizes.width)
    noise = gaussian(problem, sizes.width, rng, scales=(0.3 * widen, 0.5 * widen), runs=sizes.runs)
    start, eta, time = towards(problem, noise, 0.9), sizes.learning_rate, sizes.time
    largest = LARGEST_STEP / largest_curvature(problem, start)
    if eta > largest and study.given:
        reject("learning_rate", eta, f"at most {largest:.3g} near the target")
    # Where V is nearly of lower rank, as one start in thousands is, U has to be large.
    return problem, refined(study, problem, start, learning_rate=min(eta, largest), horizon=time, levels=4)


def trained_factorisation(study: Study, sizes: Factorisation) -> Iterator[tuple[str, Regression, list[Trajectory]]]:
    """The paper's experiment: n = 20, m = 10, eta = 0.05; by width."""
    n, m = sizes.rows, sizes.outputs
    for h in sizes.widths:
        rng = study.rng("factorisation", h)
        problem = Regression(np.eye(n) / np.sqrt(m * h), np.sqrt(1 / m) * rng.standard_normal((n, m)))
        network = gaussian(problem, h, rng, runs=sizes.factorisations)
        eta = min(0.05, LARGEST_STEP / largest_curvature(problem, network))
        yield (
            f"factorisation, h = {h}",
            problem,
            refined(study, problem, network, learning_rate=eta, horizon=sizes.long),
        )


def trained_on_data(study: Study) -> tuple[Regression, list[Trajectory]]:
    """The user's own data in their own basis, from starts of three proportions and a balanced one, coarse to fine."""
    plan = own_data.plan(study, study.rng("own data"), appendix_a1.SCALES)
    eta, trainee = plan.learning_rate, linear_network(study, plan.problem, plan.network)
    return plan.problem, trainee.refine(learning_rate=eta, horizon=plan.steps * eta, records=RECORDS, levels=3)


def refined(
    study: Study, problem: Regression, network: Network, *, learning_rate: float, horizon: float, levels: int = 3
) -> list[Trajectory]:
    """Training at learning rates eta, eta/2, eta/4, ...; long ones recorded more often."""
    records = 21 if horizon / learning_rate < 400 else 201
    trainee = linear_network(study, problem, network)
    return trainee.refine(learning_rate=learning_rate, horizon=horizon, records=records, levels=levels)


def excess(problem: Regression, run: Trajectory) -> Array:
    """L - L* of the recorded weights, as 1/2 |X (Theta_hat - U V^T)|^2: no cancellation against L*."""
    return 0.5 * ((problem.X @ (trained(run).end_to_end - problem.minimum_norm_solution)) ** 2).sum((-2, -1))


def bounded(problem: Regression, runs: Sequence[Trajectory], *, start: int = 0) -> Bounded:
    """L - L* and the exponents lambda_r(Sigma_x) c(t_0) (t - t_0) of Theorem 3, t_0 the record `start`."""
    rates = [tighter_rate.margin_rate(problem, trained_coordinates(problem, run)[start]) for run in runs]
    exponents = [rate * (run.t[start:, None] - run.t[start]) for rate, run in zip(rates, runs)]
    return above_the_floor([excess(problem, run)[start:] for run in runs], exponents, _floor(problem, runs[-1])[start:])


def _floor(problem: Regression, run: Trajectory) -> Array:
    """Of `excess` (T, runs): the square of the rounding of X U V^T and of X Theta_hat."""
    U, V = (np.sqrt((weights**2).sum((-2, -1))) for weights in (run["U"], run["V"]))
    size = problem.S[0] * (U * V + np.linalg.norm(problem.minimum_norm_solution))
    return 0.5 * (EPS * np.sqrt(sum(run["U"].shape[-2:])) * size) ** 2


def trained_at_its_rate(
    study: Study, problem: Regression, network: Network, *, step: float = 0.1, horizon: float = 20.0
) -> list[Trajectory]:
    """Training with learning rate and horizon in units of the time in which Theorem 3's bound falls by e."""
    rate = float(tighter_rate.margin_rate(problem, coordinates(problem, network))[0])
    return refined(study, problem, network, learning_rate=step / rate, horizon=horizon / rate, levels=4)
