"""Any loss of a linear model: the pull alone rules what the data do not see. Exponential loss forgets its start."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from experiments.halpern.descent import HalpernDescent
from experiments.methods.halpern import vanishing
from experiments.shallow.classifiers import exponential_loss, logistic_loss, train_classifier
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import Adam, GradientDescent, Loss, Momentum, Update
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error, planted
from theory.core.trajectory import Trajectory
from theory.halpern import margin
from theory.halpern.margin import regularised_flow
from theory.shallow.gradient_flow import normalised_constant, offset

SHARES = np.array([0.5, 0.3, 0.2])
UNSEEN = 3  # dimensions the examples do not span
LATE = 30.0 * 2.0 ** np.arange(4)  # sizes of w in units of w_hat at which limits are read


@claim(
    "banburski2019.nmgd_any_loss",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, reconstructed; laws ours",
    statement=r"\lambda(t) = \tfrac{1}{1+t}:\ P_n w(t) = \tfrac{P_n w_0}{1+t}\ \text{for any loss of } Xw;\quad"
    r" \textstyle\sum_i e^{-z_i \cdot w}:\ |w| \left|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\right| \to |P \tilde w|,"
    r"\ e^{-z_i \cdot \tilde w} = \alpha_i,\ \tilde w \in \mathrm{span}\{z_i\}",
    hypotheses=("linear model", "updates in the span of the examples", "separable, for the direction"),
    controls=(
        "no pull: the start fades",
        "Adam: steps outside the span",
        "pull 10 % stronger",
        "the flow without its pull",
        "the start is not forgotten",
        "constant 10 % larger",
    ),
)
def the_pull_rules_what_the_data_do_not_see(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    runs = study.pick(smoke=3, quick=6, paper=24)
    problem = _examples(rng, runs)
    w = _start(rng, problem)
    yield from _unseen(study, problem, w)
    yield from _training_tends_to_the_flow(study, problem, w)
    yield from _direction(study, problem, w)


def _examples(rng: np.random.Generator, runs: int) -> Separable:
    """Three support vectors in as many dimensions, embedded at random in three more that no example has a part in.

    Of ten times as many those with the best conditioned Gram matrices: near w~ the flow relaxes at their smallest
    eigenvalues.
    """
    candidates = Separable(planted(rng, SHARES, d=3, spread=2.0, runs=10 * runs))
    seen = candidates.Z[np.argsort(candidates.condition)[:runs]]
    frame = np.linalg.qr(rng.standard_normal((runs, 3 + UNSEEN, 3)))[0]
    return Separable(seen @ frame.mT)


def _start(rng: np.random.Generator, problem: Separable) -> Array:
    """Margins of at most 1/2, so that the exponential loss starts with moderate curvature; the rest as it comes."""
    w = rng.standard_normal(problem.w.shape)
    unseen = _null_part(problem, w)
    seen = w - unseen
    return unseen + 0.5 * seen / np.abs(apply(problem.Z, seen)).max(-1, keepdims=True)


def _step(problem: Separable) -> float:
    """A fifth of 1 / curvature at margins of -1/2."""
    return float(0.2 / (np.exp(0.5) * np.square(problem.Z).sum((-2, -1)).max()))


def _unseen(study: Study, problem: Separable, w: Array) -> Iterator[Check]:
    """Three losses, with and without momentum: at every step what is left is 1/(1 + t), whatever the loss did."""
    eta, steps = _step(problem), study.pick(smoke=100, quick=500, paper=5000)
    losses = {"exponential": exponential_loss, "logistic": logistic_loss, "squared hinge": squared_hinge_loss}
    start = _null_part(problem, w)
    predict = lambda share: np.multiply.outer(share, start)  # noqa: E731
    k = np.arange(steps + 1)
    # A step rounds the sum over n examples and d entries of numbers below the largest weight or step.
    n, d = problem.Z.shape[-2:]
    because = "2 (n + d + 4) roundings a step of the largest weight met"
    for word, loss in losses.items():
        loss = loss(problem.Z, study.device)
        for rule in (GradientDescent(loss), Momentum(loss, 0.5)):
            name = f"{word} loss, {type(rule).__name__}"
            run = _train(study, name, loss, w, HalpernDescent(rule, vanishing(eta)), eta, steps)
            tolerance = _rounding(n, d, run["w"], k)
            share = 1 / (1 + eta * k)
            left = _null_part(problem, run["w"])
            yield equal(f"{name}: what is left", left, predict(share), tolerance=tolerance, because=because)
            if name == "exponential loss, GradientDescent":
                wrong = equal("left", left, predict(share**1.1), tolerance=tolerance, because=because)
                yield refuted("pull 10 % stronger", wrong)
    loss = exponential_loss(problem.Z, study.device)
    for control, rule in (
        ("no pull: the start fades", GradientDescent(loss)),
        ("Adam: steps outside the span", HalpernDescent(Adam(loss), vanishing(eta))),
    ):
        run = _train(study, control, loss, w, rule, eta, steps)
        tolerance = _rounding(n, d, run["w"], k)
        left = _null_part(problem, run["w"])
        check = equal("left", left, predict(1 / (1 + eta * k)), tolerance=tolerance, because=because)
        yield refuted(control, check)


def _training_tends_to_the_flow(study: Study, problem: Separable, w: Array) -> Iterator[Check]:
    loss = exponential_loss(problem.Z, study.device)

    def descend(level: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        rule = HalpernDescent(GradientDescent(loss), vanishing(learning_rate))
        return _train(study, level, loss, w, rule, learning_rate, steps, record)

    eta = _step(problem)
    runs = refined(descend, "to the flow", learning_rate=eta, horizon=100 * eta, records=11, levels=4)
    values = [run["w"] for run in runs]
    tau = np.log1p(runs[0].t)
    flow = regularised_flow(problem, w, tau)
    # In log time the flow contracts distances: the loss is convex.
    solver = flow.facts["steps"] * flow.facts["local_error"]
    yield from tends_to("exponential loss, w(t)", values, flow["w"], solver)
    without = regularised_flow(problem, w, tau, c=0.0)
    yield refuted("the flow without its pull", extrapolated("w(t)", values, without["w"], solver))


def _direction(study: Study, problem: Separable, w: Array) -> Iterator[Check | Curves]:
    """The flow at sizes that double, extrapolated in 1/|w|: log t reaches hundreds, which no training does."""
    late = [_late(problem.run(i), w[i]) for i in range(len(w))]
    read = np.array([values for values, _ in late])
    limit, error = richardson(list(read.T))
    tolerance = 2 * error.max() + 2 ** len(LATE) * max(solver for _, solver in late)
    because = "last Richardson correction in 1/|w|, largest of the runs, doubled; the solver's, fading as e^-tau"
    predicted = np.array([margin.direction_limit(problem.run(i)) for i in range(len(w))])
    yield equal("|w| x direction error", limit, predicted, tolerance=tolerance, because=because)
    check = equal("|w| x direction error", limit, 1.1 * predicted, tolerance=tolerance, because=because)
    yield refuted("constant 10 % larger", check)
    kept = np.array([_kept(problem.run(i), w[i]) for i in range(len(w))])
    check = equal("|w| x direction error", limit, kept, tolerance=tolerance, because=because)
    yield refuted("the start is not forgotten", check)
    yield curves(direction_limits=predicted, direction_read=read)


def _late(problem: Separable, w: Array) -> tuple[Array, float]:
    """|w| x direction error of the flow from w where w . w_hat / |w_hat|^2 is each of LATE, and the solver's error."""
    run = regularised_flow(problem, w, margin.times_of_growth(problem, w, LATE))
    per_unit = run.facts["steps"] / run.t[-1]
    return np.linalg.norm(run["w"], axis=-1) * direction_error(problem, run["w"]), per_unit * run.facts["local_error"]


def _kept(problem: Separable, w: Array) -> float:
    """The same limit of gradient flow, whose offset keeps the start."""
    return float(normalised_constant(problem, offset(problem, w)) * problem.margin)


def squared_hinge_loss(Z: Array, device: str) -> Loss:
    """1/2 sum_i (1 - z_i . w)_+^2 of each run."""
    examples = torch.tensor(Z, dtype=torch.float64, device=device)
    return lambda state: 0.5 * (1 - (examples @ state["w"].unsqueeze(-1)).squeeze(-1)).clamp(min=0).square().sum(-1)


def _train(
    study: Study,
    name: str,
    loss: Loss,
    w: Array,
    rule: Update,
    eta: float,
    steps: int,
    record: list[int] | None = None,
) -> Trajectory:
    wanted = list(range(steps + 1)) if record is None else record
    options: Mapping[str, Any] = {"learning_rate": eta, "steps": steps, "record": wanted, "update": rule}
    return train_classifier(study, name, loss, w, **options)


def _null_part(problem: Separable, w: Array) -> Array:
    """What no example has a part in."""
    inverse = np.linalg.pinv(problem.Z)
    return w - apply(inverse, apply(problem.Z, w))


def _rounding(n: int, d: int, w: Array, k: Array) -> Array:
    return 2 * (n + d + 4) * EPS * np.abs(w).max() * (k.reshape(-1, 1, 1) + 10)
