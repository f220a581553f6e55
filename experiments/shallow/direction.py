"""How slowly gradient descent finds the max-margin direction: like 1 / log t, with a constant that is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from experiments.shallow import own_data
from experiments.shallow.classifiers import normalised_classifier
from experiments.shallow.late import LATE, Settling, limit, settling_examples, trained_late
from experiments.training import tends_to
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    on_data,
    rounding,
    varies,
)
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.shallow import gradient_flow

COARSEST = 0.1


@dataclass(frozen=True)
class Directions(Settling):
    slack: tuple[float, ...] = varies("of the examples off the support", (0.6, 1.0), low=0.55, high=5)
    scale: float = varies("of the starts", 1.0, low=0.2, high=2)
    horizon: float = varies("of the training that is refined", 8.0, low=1, high=20, unit="time")
    steps: int = varies("of it, at the largest learning rate", 320, smoke=160, paper=3000, low=40, high=5000)
    runs: int = varies("problems", 8, smoke=3, paper=32, low=1, high=100)
    data_runs: int = varies("starts on own data", 3, smoke=1, paper=8, low=1, high=50)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.horizon > COARSEST * self.steps:
            reject(
                "steps", self.steps, f"at least {self.horizon / COARSEST:g}, for learning rates of at most {COARSEST}"
            )


@claim(
    "soudry2018.direction",
    source="Soudry et al. 2018 (JMLR 19), recalled: the limit of the direction, with the constants worked out",
    source_kind=RECONSTRUCTED,
    statement=r"w' = \textstyle\sum_i e^{-z_i \cdot w} z_i:"
    r"\quad w(t) = \hat w \log t + \tilde w + o(1),\ e^{-z_i \cdot \tilde w} = \alpha_i\ (i \in S),"
    r"\ \log t\,\left|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\right| \to"
    r" \frac{|P \tilde w|}{|\hat w|},\ P = I - \tfrac{\hat w \hat w^\top}{|\hat w|^2}",
    hypotheses=(
        "z_i = y_i x_i separable; w_hat = sum alpha_i z_i their max-margin classifier, S its support vectors",
        "alpha > 0 on all support vectors, which are linearly independent",
        "s, the time of the loss-normalised flow: ds = L dt, L = sum_i e^(-z_i . w)",
    ),
    theory_side="law",
    controls=(
        "the start is forgotten",
        "constant 10 % larger",
        "normalised constant without |w_hat|^2",
        "a support vector whose dual is 0",
    ),
    accepts_data="separable",
    parameters=Directions,
)
def direction_converges_logarithmically(study: Study, sizes: Directions) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study, sizes)
    rng = study.rng("examples")
    yield from _in_log_time(rng, sizes)
    problem = settling_examples(rng, sizes, sizes.distribution, sizes.runs)
    w0 = sizes.scale * rng.standard_normal((sizes.runs, sizes.inputs))
    yield from _training_tends_to_the_flow(study, sizes, problem, 0.5 * w0)
    late = trained_late(study, problem, w0)
    error = direction_error(problem, late["w"])
    offset, forgotten = _offsets(problem, w0), _offsets(problem, 0 * w0)
    constant = gradient_flow.direction_constant(problem, offset)
    scaled = limit("log t x direction error", late["tau"] * error, case="training")
    yield scaled.equals(constant)
    yield scaled.control("the start is forgotten").equals(gradient_flow.direction_constant(problem, forgotten))
    yield scaled.control("constant 10 % larger").equals(1.1 * constant)
    normalised = limit("s x direction error", late.t[:, None] * error, case="training")
    yield normalised.equals(gradient_flow.normalised_constant(problem, offset))
    yield normalised.control("normalised constant without |w_hat|^2").equals(constant)


@on_data
def _on_own_data(study: Study, sizes: Directions) -> Iterator[Check | Curves]:
    """The flow to where it has settled, and training as far as time allows."""
    problem, rng = own_data.examples(study), study.rng("own data")
    w0 = own_data.starts(rng, problem.Z, sizes.data_runs)
    flow, duals = own_data.LateFlow(study, problem, w0), gradient_flow.settled_duals(problem)
    support = duals > 0
    shares = np.exp(-flow.rho[-1] @ problem.Z[support].T)
    within = flow.off * duals[support]
    settled = measured(
        "e^(-z.w~) on the support", shares, within=within, case="own data, flow", axes=("run", "example")
    )
    yield settled.equals(lambda k: k * np.broadcast_to(duals[support], shares.shape))
    scaled = flow.tau[:, None] * flow.direction_errors()
    constant = gradient_flow.direction_constant(problem, flow.rho[-1])
    off = flow.off * float(problem.margin / np.linalg.norm(problem.Z, axis=-1).max())
    found = own_data.limit("log t x direction error", scaled, off, case="own data, flow")
    yield own_data.equals(found, constant, size=1.0)
    run = own_data.trained(study, problem, w0, np.array([0.5, 1.0]))
    if run is not None:
        yield _shares_in_training(problem, run, duals)
    yield curves("own data", log_times=flow.tau, scaled_error=scaled, constant=constant)


def _shares_in_training(problem: Separable, run: Trajectory, duals: Array) -> Check:
    """Shares that the support vectors have in the loss: exact at any step size, once the rest has decayed."""
    half, end = softmax(-run["w"] @ problem.Z.T, axis=-1)[..., duals > 0]
    margins = np.abs(run["w"][-1] @ problem.Z.T).max()
    within = Tolerance(np.abs(end - half).max(), "what has changed since half the time, far more than is left")
    within += rounding(64, margins * end.max(), of="the margins, in an exponent")
    shares = measured(
        "shares in the loss on the support", end, within=within, case="own data, training", axes=("run", "example")
    )
    predicted = duals[duals > 0] / duals.sum()
    return shares.equals(lambda k: k * np.broadcast_to(predicted, end.shape))


def _in_log_time(rng: np.random.Generator, sizes: Directions) -> Iterator[Check | Curves]:
    """The flow, with examples off the support and off its span, followed to log t = 400."""
    problem = settling_examples(rng, sizes, sizes.distribution, sizes.runs, sizes.slack)
    w0 = 0.5 * sizes.scale * rng.standard_normal((sizes.runs, sizes.inputs))
    flow = gradient_flow.flow_in_log_time(problem, w0, LATE, relative_tolerance=1e-11)
    k = len(sizes.shares)
    rho, duals = flow["rho"], problem.duals[:, :k]
    solver_error = flow.facts["steps"] * flow.facts["local_error"] * np.linalg.norm(problem.Z, axis=-1).max()
    contracts = Tolerance(solver_error, "the flow in log time contracts distances: at most steps x local error")
    settled = _settled(problem, k, rho, contracts * problem.duals.max())
    yield settled.equals(duals)
    gone = Tolerance(0.0, "the other examples have e^-(slack log t) left")
    loss = measured("t x loss", settled.value.sum(-1), within=contracts * problem.duals.sum(-1).max() + gone)
    yield loss.equals(1 / problem.margin**2)
    error = direction_error(problem, rho + problem.w * LATE[:, None, None])
    constant = gradient_flow.direction_constant(problem, rho[-1])
    yield limit("log t x direction error", LATE[:, None] * error, solver_error, case="flow").equals(constant)
    subtracted = rounding(64, LATE[-1] / error[-1], of="the direction error, a difference of unit vectors")
    hit = gradient_flow.log_hitting_time(problem, rho[-1], error[-1])
    name = "log of the time at which the direction error is what it is"
    yield measured(name, hit, within=subtracted, case="flow", axes=("run",)).supporting().equals(LATE[-1])
    yield curves(log_times=LATE, scaled_error=LATE[:, None] * error, constant=constant)
    touching = _with_a_dual_of_zero(rng, problem)
    rho = gradient_flow.flow_in_log_time(touching, w0, LATE, relative_tolerance=1e-11)["rho"]
    yield _settled(problem, k, rho, settled.within).control("a support vector whose dual is 0").equals(duals)


def _settled(problem: Separable, k: int, rho: Array, within: Tolerance) -> Measured:
    """Of the last of rho = w - w_hat log t, on the k support vectors."""
    shares = np.exp(-apply(problem.Z, rho[-1]))[:, :k]
    return measured("e^(-z.w~) on the support", shares, within=within, axes=("run", "example"))


def _with_a_dual_of_zero(rng: np.random.Generator, problem: Separable) -> Separable:
    """A further example on the margin, orthogonal to nothing in particular, that the classifier does not need."""
    direction = problem.w * problem.margin[:, None]
    across = rng.standard_normal(direction.shape)
    across -= (across * direction).sum(-1, keepdims=True) * direction
    touching = problem.margin[:, None] * direction + across
    # Its margin is a rounding above 1, so that it is never taken for a support vector.
    return Separable(np.concatenate([problem.Z, touching[:, None] * (1 + 8 * EPS)], axis=1))


def _training_tends_to_the_flow(study: Study, sizes: Directions, problem: Separable, w0: Array) -> Iterator[Check]:
    trainee = normalised_classifier(study, problem.Z, w0)
    runs = trainee.refine(learning_rate=sizes.horizon / sizes.steps, horizon=sizes.horizon, records=5)

    def at_speed(k: float) -> Trajectory:
        return gradient_flow.normalised_flow(problem.Z, w0, k * runs[0].t, relative_tolerance=1e-12 if k == 1 else 1e-8)

    exact = at_speed(1)
    # log L is convex, so its flow contracts too; tau integrates it and its error e^{-log L} grows by what it sums.
    solver = exact.facts["steps"] * exact.facts["local_error"]
    weights = [run["w"] for run in runs]
    yield from tends_to("w", weights, lambda k: at_speed(k)["w"], solver, case="training")
    # A path of numbers, tau, is as good as one of vectors.
    times = [run["tau"][..., None] for run in runs]
    yield from tends_to("tau", times, lambda k: at_speed(k)["tau"][..., None], solver, case="training")
    yield _one_orbit(problem, w0, exact)


def _one_orbit(problem: Separable, w0: Array, normalised: Trajectory) -> Check:
    """The loss-normalised flow runs through the weights of gradient flow, at the times t = e^tau - 1 it keeps."""
    w, tau = normalised["w"], normalised["tau"]
    runs = [
        gradient_flow.flow_in_log_time(problem.run(i), start, tau[:, i], relative_tolerance=1e-12)
        for i, start in enumerate(w0)
    ]
    along = np.stack([run["rho"] for run in runs], axis=1) + problem.w * tau[..., None]
    solver, late = (max(run.facts["steps"] * run.facts["local_error"] for run in each) for each in ([normalised], runs))
    length = np.linalg.norm(problem.Z, axis=-1).max()
    # tau' = e^(-log L - tau) contracts, and log L is off by |z| x that of w; in tau w moves by at most (1 + t) L |z|.
    speed = np.exp(tau + np.logaddexp.reduce(-apply(problem.Z, w), axis=-1)) * length
    off = solver * (1 + speed * (1 + length * tau)) + late
    within = Tolerance(off[..., None], "both flows contract distances: steps x local error of each")
    both = measured("w in log time", along, within=within, case="flows", axes=("t", "run", "entry"))
    return both.supporting().equals(w)


def _offsets(problem: Separable, w0: Array) -> Array:
    return np.stack([gradient_flow.offset(problem.run(i), start) for i, start in enumerate(w0)])
