"""The frozen subspace: what no training by gradients moves, the autonomous rest, and what the start costs."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from experiments.deep_linear.networks import Constraint, ControlledDescent, layers, squared_loss, train_stack
from experiments.training.batches import layers_of
from experiments.training.legacy import refined
from experiments.training.refinement import tends_to
from experiments.training.updates import Adam, DecayedDescent, GradientDescent, Loss, Update, constant
from theory.claims import Check, Curves, claim
from theory.claims.estimates import halving_order, mean, richardson
from theory.claims.legacy import at_most, distributed, equal, order, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import end_to_end, gaussian_stack
from theory.core.trajectory import Trajectory
from theory.deep_linear import frozen
from theory.deep_linear.problem import Ensemble, TeacherStudent, conditioned, generalisation_error

SINGULAR_VALUES = np.array([1.3, 1.1, 0.9])
D, WIDTH = 8, 4


@claim(
    "advani2017.frozen_subspace",
    source="Advani & Saxe 2017, section 5; the law of the final error and the exact gains: ours",
    statement=r"W_1(t) Q = W_1(0) Q,\quad (W_L, \dots, W_2, W_1 P)(t)\ \text{autonomous},\quad"
    r" E[E_g(\infty)] = E_g(Y X^+) + \tfrac{d-n}{d}\, \sigma_1^2\, \|W_L \cdots W_2(\infty)\|_F^2",
    hypotheses=("gradient descent or flow on the squared loss", "any depth, any start", "W_1 Q of entries N(0, s1^2)"),
    controls=(
        "weight decay freezes",
        "Adam freezes",
        "the frozen part feeds back",
        "chi^2 of all dimensions",
        "scale of the frozen part 10 % larger",
        "frozen part 10 % dearer",
        "imbalance of all of W_1",
        "kappa 10 % larger",
        "gain of one layer less",
    ),
)
def the_unseen_part_stays_and_costs(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4), paper=(2, 3, 4, 5)):
        yield from _nothing_moves(study, L)
        yield from _the_rest_is_autonomous(study, L)
    yield from _other_rules_move_it(study)
    for L in (2, 3):
        yield from _final_errors(study, L)
    yield from _two_layers(study)
    yield from _small_starts()


def _nothing_moves(study: Study, L: int) -> Iterator[Check]:
    """Two starts that differ in W_1 Q only: it stays in both, and the rest never notices."""
    problem, W = _pair(study, L)
    run = _train(study, f"depth {L}", problem, W, GradientDescent, 0.02, list(range(0, 41, 2)))
    trained = layers_of(run.arrays)
    rounding = _rounding(problem, trained, 40)
    because = "a rounding of the largest weight for each product and step"
    still = trained[0] @ problem.unseen
    kept = frozen.frozen_layer(problem, W)
    yield equal(f"depth {L}: W_1 Q", still, kept, tolerance=rounding, because=because)
    seen = frozen.seen_layers(problem, trained)
    growth = _growth(problem, trained, run.t[1])
    because = "the same roundings, grown at most as the loss is curved downwards along the way"
    apart = [np.abs(layer[:, 0] - layer[:, 1]).max() for layer in seen]
    yield equal(f"depth {L}: the seen layers of both", apart, 0, tolerance=rounding * growth, because=because)
    if L == 2:
        fed = np.abs(trained[0][:, 0] - trained[0][:, 1]).max()
        wrong = equal("all of W_1", fed, 0, tolerance=rounding * growth, because=because)
        yield refuted("the frozen part feeds back", wrong)


def _the_rest_is_autonomous(study: Study, L: int) -> Iterator[Check]:
    """The whole network's training approaches the flow of the seen layers alone, gains included."""
    problem, W = _pair(study, L)

    def descend(name: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        return _train(study, name, problem, W, GradientDescent, learning_rate, record)

    runs = refined(descend, f"autonomous {L}", learning_rate=0.03, horizon=3.0, records=6, levels=3)
    flow, coarse = (
        frozen.seen_flow(problem, W, runs[0].t, relative_tolerance=tolerance)[1] for tolerance in (1e-11, 1e-9)
    )
    for name, measure in (("seen map", end_to_end), ("gain", frozen.output_gain)):
        values = [measure(frozen.seen_layers(problem, layers_of(run.arrays))) for run in runs]
        error = np.abs(measure(flow) - measure(coarse)).max()
        yield from tends_to(f"depth {L}: {name}", values, measure(flow), error)


def _other_rules_move_it(study: Study) -> Iterator[Check]:
    """Rules that are not gradient descent: weight decay shrinks W_1 Q, Adam leaves the span of the examples."""
    problem, W = _pair(study, 2)
    rules = {"weight decay": lambda loss: DecayedDescent(loss, constant(0.1)), "Adam": Adam}
    for word, rule in rules.items():
        trained = layers_of(_train(study, word, problem, W, rule, 0.02, [0, 100]).arrays)
        still = trained[0] @ problem.unseen
        because = "a rounding of the largest weight for each product and step"
        tolerance = _rounding(problem, trained, 100)
        wrong = equal(word, still, frozen.frozen_layer(problem, W), tolerance=tolerance, because=because)
        yield refuted(f"{word} freezes", wrong)


def _final_errors(study: Study, L: int) -> Iterator[Check]:
    """Many small networks trained to the end: the law of what the frozen part costs, and its mean."""
    ensemble, runs = Ensemble(24, 3), study.pick(smoke=1200, quick=4000, paper=16000)
    start, eta, steps = {2: 0.7, 3: 0.4}[L], 0.05, 480
    rng = study.rng("final", L)
    problem = conditioned(rng, ensemble.d, SINGULAR_VALUES, np.array([1.4]), K=1, draws=runs)
    W = gaussian_stack(rng, [ensemble.d, *[WIDTH] * (L - 1), 1], start, runs=runs)
    run = _train(study, f"final {L}", problem, W, _fused(problem), eta, [20, steps])
    early, late = ([layer[i] for layer in layers_of(run.arrays)] for i in (0, 1))
    product = end_to_end(late)
    residual = np.sqrt(((problem.Y - product @ problem.X) ** 2).sum((-2, -1)))
    seen = product @ problem.seen
    distance = np.sqrt(((seen - problem.minimum_norm_solution) ** 2).sum((-2, -1)))
    bound = residual / problem.singular_values[:, -1]
    because = "|W P - W^| = |R X^+|: residual over the smallest singular value; rounding"
    rounding = _rounding(problem, late, steps)
    yield at_most(f"depth {L}: distance of W P from W^", distance, bound, slack=rounding, because=because)
    yield from _cost_of_the_frozen_part(ensemble, problem, early, late, start, L)


def _cost_of_the_frozen_part(
    ensemble: Ensemble, problem: TeacherStudent, early: list[Array], late: list[Array], start: float, L: int
) -> Iterator[Check]:
    unseen = (end_to_end(late) @ problem.unseen)[:, 0]
    gain = frozen.output_gain(late)
    statistic = (unseen**2).sum(-1) / (start**2 * gain)
    because = "W_1(0) Q is Gaussian, stays, and never enters the gain"
    yield distributed(f"depth {L}: |W Q|^2 / (s1^2 |A|^2)", statistic, stats.chi2(ensemble.unseen), because=because)
    if L == 2:
        wrong = distributed("all", statistic, stats.chi2(ensemble.d), because=because)
        yield refuted("chi^2 of all dimensions", wrong)
        wrong = distributed("scale", statistic / 1.1**2, stats.chi2(ensemble.unseen), because=because)
        yield refuted("scale of the frozen part 10 % larger", wrong)
    teacher = (problem.teacher @ problem.unseen)[:, 0]
    for word, W in (("on the way", early), ("at the end", late)):
        # Two terms whose means are known only add to the variance: W_1 Q is symmetric about 0, and so the one with the
        # teacher's unseen part has mean 0; that part itself has d - r entries N(0, sw^2).
        unseen = (end_to_end(W) @ problem.unseen)[:, 0]
        luck = (teacher**2 - 2 * teacher * unseen).sum(-1) / ensemble.d
        luck -= ensemble.unseen * ensemble.teacher**2 / ensemble.d
        measured = generalisation_error(ensemble, problem, end_to_end(W)) - luck
        predicted = frozen.error_given_seen(ensemble, problem, frozen.seen_layers(problem, W), start)
        excess = frozen.excess_error(ensemble, frozen.output_gain(W), start)
        estimate = mean(1 + (measured - predicted) / excess.mean())
        yield rate(f"depth {L}, {word}: mean error given what is seen", estimate, 1, excludes=(0.9, 1.1))
    least = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
    cross = -2 * (teacher * unseen).sum(-1) / ensemble.d
    measured = generalisation_error(ensemble, problem, end_to_end(late)) - cross
    estimate = mean(1 + (measured - least - excess) / excess.mean())
    yield rate(f"depth {L}: excess over the minimum-norm solution", estimate, 1, excludes=(0.9, 1.1))
    if L == 2:
        yield refuted("frozen part 10 % dearer", rate("dearer", estimate, 1.1, excludes=(0.9,)))


def _two_layers(study: Study) -> Iterator[Check]:
    """Gains known exactly: one output from any start, any outputs from an orthogonal one."""
    rng = study.rng("two layers")
    one = conditioned(rng, D, SINGULAR_VALUES, np.array([1.4]), K=1, draws=3)
    W = gaussian_stack(rng, [D, WIDTH, 1], 0.5, runs=3)
    invariant = frozen.two_layer_invariant(one, W)
    whole = W[1].mT @ W[1] - W[0] @ W[0].mT
    trained = _refined_ends(study, "invariant", one, W)
    W2 = [weights[1] for weights in trained]
    values = [np.linalg.norm(w, axis=(-2, -1)) ** 4 - (w @ invariant @ w.mT)[..., 0, 0] for w in W2]
    squared = (one.minimum_norm_solution**2).sum((-2, -1))
    yield from tends_to("|W_2|^4 - W_2 C W_2^T", values, squared[None], 1e-9)
    wrong = [np.linalg.norm(w, axis=(-2, -1)) ** 4 - (w @ whole @ w.mT)[..., 0, 0] for w in W2]
    yield refuted("imbalance of all of W_1", list(tends_to("all of W_1", wrong, squared[None], 1e-9))[-1])

    kappa, many = 0.7, conditioned(rng, D, SINGULAR_VALUES, np.array([1.5, 0.8]), K=2, draws=3)
    W = _orthogonal_start(rng, many, kappa)
    gains = [frozen.output_gain(weights) for weights in _refined_ends(study, "orthogonal", many, W)]
    predicted = frozen.gain_from_orthogonal_start(many.minimum_norm_solution, kappa)
    yield from tends_to("gain from an orthogonal start", gains, predicted[None], 1e-9)
    larger = frozen.gain_from_orthogonal_start(many.minimum_norm_solution, 1.1 * kappa)
    yield refuted("kappa 10 % larger", list(tends_to("kappa", gains, larger[None], 1e-9))[-1])


def _orthogonal_start(rng: np.random.Generator, problem: TeacherStudent, kappa: float) -> list[Array]:
    """Rows of [W_2; B^T] orthogonal, each of squared norm kappa; W_1 Q Gaussian."""
    draws, size, h = len(problem.X), problem.K + problem.n, 7
    frame = np.sqrt(kappa) * np.linalg.qr(rng.standard_normal((draws, h, size)))[0].mT
    B = frame[:, problem.K :].mT
    free = rng.standard_normal((draws, h, problem.d)) @ problem.unseen
    return [B @ problem.basis.mT + free, frame[:, : problem.K]]


def _refined_ends(study: Study, name: str, problem: TeacherStudent, W: list[Array]) -> list[list[Array]]:
    """The last layers (1, runs, ...) of trainings long enough to fit the labels to rounding, at eta, eta / 2, ..."""

    def descend(level: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        return _train(study, level, problem, W, _fused(problem), learning_rate, [steps])

    runs = refined(descend, name, learning_rate=0.08, horizon=24.0, records=2, levels=3)
    return [layers_of(run.arrays) for run in runs]


def _small_starts() -> Iterator[Check]:
    """As the start of all layers shrinks every mode becomes balanced: the gain tends to its law at order 2 (flows)."""
    # One start, not a random one: how small is small enough depends on it.
    rng = np.random.default_rng(0)
    for L, strengths in ((2, (1.6, 1.2)), (3, (1.4,))):
        K = len(strengths)
        problem = conditioned(rng, D, SINGULAR_VALUES, np.array(strengths), K=K, draws=2)
        W = gaussian_stack(rng, [D, *[WIDTH] * (L - 1), K], 1.0, runs=2)
        gains = []
        for scale in (0.1, 0.05, 0.025):
            t = np.array([{2: 60.0, 3: 200.0}[L]])
            ends = frozen.seen_flow(problem, [scale * w for w in W], t, relative_tolerance=1e-11)[1]
            gains.append(frozen.output_gain(ends)[0])
        predicted = frozen.gain_from_small_start(problem.minimum_norm_solution, L)
        estimate = halving_order(gains[-2] - predicted, gains[-1] - predicted, expected=2)
        yield order(f"depth {L}: gain from small starts, order in the scale", estimate, 2, excludes=(1, 3))
        limit, error = richardson(gains, order=2)
        because = "last Richardson correction in the scale, and the solver"
        tolerance = error.max() + 1e-8
        yield equal(f"depth {L}: gain from small starts", limit, predicted, tolerance=tolerance, because=because)
        if L == 3:
            fewer = frozen.gain_from_small_start(problem.minimum_norm_solution, L - 1)
            wrong = equal("one less", limit, fewer, tolerance=tolerance, because=because)
            yield refuted("gain of one layer less", wrong)


def _pair(study: Study, L: int) -> tuple[TeacherStudent, list[Array]]:
    """One problem and two starts of two outputs, which differ in what the examples do not show."""
    rng = study.rng("pair", L)
    problem = conditioned(rng, D, SINGULAR_VALUES, np.array([1.5, 0.8]), K=2, draws=1).each(2)
    W = [np.repeat(layer, 2, axis=0) for layer in gaussian_stack(rng, [D, *[WIDTH] * (L - 1), 2], 0.5)]
    W[0][1] += 3 * rng.standard_normal(W[0][1].shape) @ problem.unseen[1]
    return problem, W


def _rounding(problem: TeacherStudent, trained: list[Array], steps: int) -> float:
    """A rounding of the largest number for each term of each product, step after step."""
    largest = max(1.0, *(float(np.abs(layer).max()) for layer in trained))
    return (problem.d + problem.n + WIDTH * len(trained)) * EPS * largest ** len(trained) * steps


def _growth(problem: TeacherStudent, trained: list[Array], between: float) -> float:
    """exp(int (L - 1) |R X^T| m^(L-2) dt), m the largest norm of a layer: a bound on how far roundings drift apart.

    Beyond the Gauss-Newton part, which contracts, the Hessian is at most that. Of the two records around every stretch
    of time, `between` them, the larger stands for it.
    """
    seen = frozen.seen_layers(problem, trained)
    force = (problem.Y - end_to_end(trained) @ problem.X) @ problem.X.mT
    norms = np.max([np.linalg.norm(layer, 2, axis=(-2, -1)) for layer in seen], axis=0)
    curvature = (len(seen) - 1) * np.linalg.norm(force, 2, axis=(-2, -1)) * norms ** (len(seen) - 2)
    return float(np.exp(np.maximum(curvature[1:], curvature[:-1]).sum(0).max() * between))


def _fused(problem: TeacherStudent) -> Callable[[Loss], Update]:
    """Gradient descent, fused; `minnorm.deep_test_error` checks it against autograd."""
    return lambda _: ControlledDescent(problem, 0.0, 0.0, 1.0)


def _train(
    study: Study,
    name: str,
    problem: TeacherStudent,
    W: list[Array],
    rule: Callable[[Loss], Update],
    eta: float,
    record: list[int],
) -> Trajectory:
    """A stack of `nn.Linear` trained by the rule made of its loss, every layer recorded."""
    widths = [problem.d, *(layer.shape[-2] for layer in W)]
    constraint = Constraint(problem, widths, study.device)
    return train_stack(
        study,
        name,
        constraint,
        W,
        rule(squared_loss(constraint)),
        learning_rate=eta,
        steps=max(record),
        record=record,
        observe=layers,
    )
