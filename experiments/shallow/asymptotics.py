"""How slowly gradient descent finds the max-margin direction: like 1 / log t, with constants that are known."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import NormalisedDescent, log_loss, train_classifier
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error, margin_gap, planted
from theory.core.trajectory import Trajectory
from theory.shallow import gradient_flow

SHARES = np.array([0.5, 0.3, 0.2])
NO_OTHERS = np.zeros(0)
LATE = 50.0 * 2.0 ** np.arange(4)  # log t at which limits are read: each twice the one before, for extrapolation
REFINED = (1, 2, 4)  # the step sizes of training are the first one over these
IN_LOG_TIME = "the flow in log time contracts distances, so its error is at most steps x local error"
EXTRAPOLATED = "last correction of the extrapolation in 1 / log t, an eighth of the one before, and rounding"


@claim(
    "soudry2018.direction",
    source="Soudry et al. 2018 (JMLR 19), Theorems 3 and 9, with the constants worked out",
    statement=r"w(t) = \hat w \log t + \tilde w + o(1),\ e^{-z_i \cdot \tilde w} = \alpha_i\ (i \in S),\ "
    r"\log t\,\left|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\right| \to \frac{|P \tilde w|}{|\hat w|}",
    hypotheses=("separable", "alpha > 0 on all support vectors", "linearly independent support vectors"),
    controls=(
        "the start is forgotten",
        "constant 10 % larger",
        "normalised constant without |w_hat|^2",
        "a support vector whose dual is 0",
    ),
)
def direction_converges_logarithmically(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    runs = study.pick(smoke=3, quick=8, paper=32)
    yield from _in_log_time(study, rng, runs)
    problem = _examples(rng, SHARES, runs)
    w0 = rng.standard_normal((runs, 5))
    yield from _training_tends_to_the_flow(study, problem, 0.5 * w0)
    late = _train_late(study, "late", problem, w0)
    offset = _offsets(problem, w0)
    error = direction_error(problem, late["w"])
    for name, time, predicted in (
        ("log t x direction error", late["tau"], gradient_flow.direction_constant(problem, offset)),
        ("s x direction error", late.t[:, None], gradient_flow.normalised_constant(problem, offset)),
    ):
        limit, tolerance = _extrapolated(time * error)
        yield _agrees(f"training: {name}", limit, predicted, tolerance)
        if name.startswith("log"):
            forgotten = gradient_flow.direction_constant(problem, _offsets(problem, 0 * w0))
            yield refuted("the start is forgotten", _agrees("constant", limit, forgotten, tolerance))
            yield refuted("constant 10 % larger", _agrees("constant", limit, 1.1 * predicted, tolerance))
        else:
            wrong = gradient_flow.direction_constant(problem, offset)
            yield refuted("normalised constant without |w_hat|^2", _agrees("constant", limit, wrong, tolerance))


@claim(
    "soudry2018.margin",
    source="Soudry et al. 2018 (JMLR 19), Theorem 9, with the constant worked out",
    statement=r"\log t\,\left(\gamma^* - \min_i \tfrac{z_i \cdot w}{|w|}\right) \to"
    r" \frac{\log \alpha_{\max} - \sum_i p_i \log \alpha_i}{|\hat w|},\quad p = \alpha / \textstyle\sum \alpha",
    hypotheses=("separable", "alpha > 0 on all support vectors", "linearly independent support vectors"),
    controls=(
        "smallest dual in place of the largest",
        "duals averaged without weights",
        "constant 10 % larger",
        "constant of unequal duals where all are equal",
    ),
)
def margin_gap_does_not_depend_on_the_start(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    starts = study.pick(smoke=3, quick=8, paper=32)
    problem = Separable(np.repeat(_examples(rng, SHARES, 1).Z, starts, axis=0))
    late = _train_late(study, "unequal duals", problem, rng.standard_normal((starts, 5)))
    limit, tolerance = _extrapolated(late["tau"] * margin_gap(problem, late["w"]))
    predicted = gradient_flow.margin_constant(problem)
    yield _agrees("log t x margin gap, many starts", limit, predicted, tolerance)
    alpha, scale = problem.duals[0], problem.margin[0]
    p = alpha / alpha.sum()
    smallest = (np.log(alpha.min()) - p @ np.log(alpha)) * scale
    unweighted = (np.log(alpha.max()) - np.log(alpha).mean()) * scale
    yield refuted("smallest dual in place of the largest", _agrees("constant", limit, smallest, tolerance))
    yield refuted("duals averaged without weights", _agrees("constant", limit, unweighted, tolerance))
    yield refuted("constant 10 % larger", _agrees("constant", limit, 1.1 * predicted, tolerance))
    even = Separable(np.repeat(_examples(rng, np.full(3, 1 / 3), 1).Z, starts, axis=0))
    late = _train_late(study, "equal duals", even, rng.standard_normal((starts, 5)))
    limit, tolerance = _extrapolated(late["tau"] * margin_gap(even, late["w"]))
    yield _agrees("all duals equal: no gap of order 1 / log t", limit, gradient_flow.margin_constant(even), tolerance)
    claimed = _agrees("constant", limit, predicted, tolerance)
    yield refuted("constant of unequal duals where all are equal", claimed)


def _in_log_time(study: Study, rng: np.random.Generator, runs: int) -> Iterator[Check | Curves]:
    """The flow, with examples off the support and off its span, followed to log t = 400."""
    slack = np.array([0.6, 1.0])
    problem = _examples(rng, SHARES, runs, slack)
    w0 = 0.5 * rng.standard_normal((runs, 5))
    solution = gradient_flow.flow_in_log_time(problem, w0, LATE, relative_tolerance=1e-11)
    rho = solution["rho"]
    wander = solution.facts["steps"] * solution.facts["local_error"] * np.linalg.norm(problem.Z, axis=-1).max()
    pulls = np.exp(-apply(problem.Z, rho[-1]))[:, : SHARES.size]
    yield equal(
        "e^(-z.w~) on the support",
        pulls,
        problem.duals[:, : SHARES.size],
        tolerance=wander * problem.duals.max(),
        because=IN_LOG_TIME,
    )
    yield equal(
        "t x loss",
        pulls.sum(-1),
        1 / problem.margin**2,
        tolerance=wander * problem.duals.sum(-1).max(),
        because=f"{IN_LOG_TIME}; the other examples have e^-(slack log t) left",
    )
    error = direction_error(problem, rho + problem.w * LATE[:, None, None])
    limit, tolerance = _extrapolated(LATE[:, None] * error)
    constant = gradient_flow.direction_constant(problem, rho[-1])
    yield _agrees("flow: log t x direction error", limit, constant, tolerance + wander)
    yield equal(
        "flow: log of the time at which the direction error is what it is",
        gradient_flow.log_hitting_time(problem, rho[-1], error[-1]),
        LATE[-1],
        tolerance=64 * EPS * LATE[-1] / error[-1],
        because="the direction error is a difference of unit vectors, rounded a few times",
    )
    yield curves(log_times=LATE, scaled_error=LATE[:, None] * error, constant=constant)
    # A further example on the margin, orthogonal to nothing in particular, that the classifier does not need.
    direction = problem.w * problem.margin[:, None]
    across = rng.standard_normal((runs, 5))
    across -= (across * direction).sum(-1, keepdims=True) * direction
    touching = problem.margin[:, None] * direction + across
    # Its margin is a rounding above 1, so that it is never taken for a support vector.
    Z = np.concatenate([problem.Z, touching[:, None] * (1 + 8 * EPS)], axis=1)
    rho = gradient_flow.flow_in_log_time(Separable(Z), w0, LATE, relative_tolerance=1e-11)["rho"]
    claimed = equal(
        "e^(-z.w~) on the support",
        np.exp(-apply(problem.Z, rho[-1]))[:, : SHARES.size],
        problem.duals[:, : SHARES.size],
        tolerance=wander * problem.duals.max(),
        because=IN_LOG_TIME,
    )
    yield refuted("a support vector whose dual is 0", claimed)


def _examples(rng: np.random.Generator, shares: Array, runs: int, slack: Array = NO_OTHERS) -> Separable:
    """Random examples with these duals that settle fast enough for limits to be read from log t = 50 on."""
    candidates = Separable(planted(rng, shares, d=5, margin=0.8, slack=slack, runs=60 * runs))
    settling = candidates.Z[gradient_flow.relaxation_rate(candidates) > 0.5]
    # The shortest of these allow the largest steps.
    return Separable(settling[np.argsort((settling**2).sum(-1).max(-1))[:runs]])


def _training_tends_to_the_flow(study: Study, problem: Separable, w0: Array) -> Iterator[Check]:
    horizon, steps = 8.0, study.pick(smoke=160, quick=320, paper=3000)
    record = np.linspace(0, steps, 5).astype(int)
    runs = [
        _train(study, f"over {k}", problem, w0, horizon / steps / k, steps * k, [k * int(step) for step in record])
        for k in REFINED
    ]
    exact = gradient_flow.normalised_flow(problem.Z, w0, runs[0].t, relative_tolerance=1e-12)
    # log L is convex, so its flow contracts too; tau integrates it and its error e^{-log L} grows by what it sums.
    solver = exact.facts["steps"] * exact.facts["local_error"]
    for name in ("w", "tau"):
        # A path of numbers, tau, is as good as one of vectors.
        values = [run[name].reshape(*exact[name].shape[:2], -1) for run in runs]
        yield from tends_to(f"training: {name}", values, exact[name].reshape(values[0].shape), solver)


def _train_late(study: Study, name: str, problem: Separable, w0: Array) -> Trajectory:
    """Trained to log t = 400 by steps learning_rate / loss: s ~ |w_hat|^2 log t. The limits hold at any step size."""
    learning_rate = 1 / (problem.Z**2).sum(-1).max()
    steps = int(np.ceil(LATE[-1] / problem.margin.min() ** 2 / learning_rate / 8)) * 8
    return _train(study, name, problem, w0, learning_rate, steps, [steps // k for k in (8, 4, 2, 1)])


def _train(
    study: Study, name: str, problem: Separable, w0: Array, learning_rate: float, steps: int, record: list[int]
) -> Trajectory:
    loss = log_loss(problem.Z, study.device)
    return train_classifier(
        study,
        name,
        loss,
        w0,
        learning_rate=float(learning_rate),
        steps=steps,
        record=record,
        update=NormalisedDescent(loss),
    )


def _offsets(problem: Separable, w0: Array) -> Array:
    return np.stack([gradient_flow.offset(problem.run(i), start) for i, start in enumerate(w0)])


def _extrapolated(values: Array) -> tuple[Array, Array]:
    """Limit of values at times T, 2T, 4T, 8T, whose error is a series in 1/T; and what it may be off by."""
    limit, error = richardson(list(values))
    # The last correction may be small by cancellation; an eighth of the one before it, of third order, bounds it too.
    before = richardson(list(values[1:]))[1] / 8
    # The last of the weights w ~ w_hat log t carries a rounding of its size, and the extrapolation triples it.
    return limit, error.max() + before.max() + 100 * EPS * LATE[-1] ** 2


def _agrees(name: str, measured: Array, predicted: Array, tolerance: Array) -> Check:
    return equal(name, measured, predicted, tolerance=tolerance, because=EXTRAPOLATED)
