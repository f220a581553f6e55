"""The frozen subspace: what no training by gradients moves, the autonomous rest, and what the start costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

from experiments.deep_linear import own_data
from experiments.deep_linear.aligned import require_different
from experiments.deep_linear.gains import SINGULAR_VALUES, WIDTH, D, fused, one_output, orthogonal_start, small_starts
from experiments.deep_linear.networks import Constraint, by_descent, squared_loss, students
from experiments.training import extrapolated, tends_to
from experiments.training.batches import layers_of
from experiments.updates import Adam, DecayedDescent, constant
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Study,
    Tolerance,
    claim,
    measured,
    on_data,
    rate,
    rounding,
    samples,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack
from theory.core.validation import reject
from theory.deep_linear import frozen
from theory.deep_linear.problem import Ensemble, TeacherStudent, conditioned, generalisation_error

# Of learning rate 0.05, until the labels are fitted: what the slowest of thousands of networks still misses is a
# hundredth of them, and its square, which the final error is off by, below a millionth of what the start costs.
STEPS = 200
# Of learning rate x curvature at the start: beyond it the first order in the step does not show.
LARGEST_STEP = 0.3


@dataclass(frozen=True)
class Frozen:
    depths: tuple[int, ...] = varies(
        "numbers of layers; 2 beside them", (2, 3, 4), smoke=(2, 3), paper=(2, 3, 4, 5), low=2, high=6
    )
    runs: int = varies(
        "networks trained to the end, for the law of what it costs", 6000, smoke=1500, paper=16000, low=1500, high=50000
    )
    inputs: int = varies("d of those", 24, low=10, high=60)
    typical: int = varies("networks from typical starts", 8, smoke=3, paper=32, low=1, high=500)
    draws: int = varies("networks from small starts", 3, smoke=2, paper=8, low=1, high=50)
    refinements: int = varies("learning rates, each half the one before", 4, smoke=3, low=3, high=5)
    scales: int = varies("sizes of small starts, each half the one before", 4, paper=5, low=4, high=6)

    def __post_init__(self) -> None:
        require_different(self.depths)


@claim(
    "advani2017.frozen_subspace",
    source="Advani & Saxe 2017, section 5; the law of the final error and the exact gains: ours",
    source_kind=RECONSTRUCTED,
    statement=r"W_1(t) Q = W_1(0) Q,\quad (W_L, \dots, W_2, W_1 P)(t)\ \text{autonomous},\quad"
    r" E[E_g(W(\infty))] = E_g(Y X^+) + \tfrac{d-n}{d}\, \sigma_1^2\, \|W_L \cdots W_2(\infty)\|_F^2,\quad"
    r" \|W_L \cdots W_2(\infty)\|_F^2 \to \sum_k \sigma_k(Y X^+)^{2 - 2/L}\ \text{from small starts}",
    hypotheses=(
        "gradient descent or flow on the squared loss of W = W_L ... W_1, n examples X of d inputs, n < d",
        "P: the projector onto the examples, Q = I - P",
        "any depth, any start",
        "E_g: mean squared error on new examples, its mean over W_1(0) Q of entries N(0, sigma_1^2)",
        "sigma_k: singular values",
    ),
    theory_side="law",
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
    accepts_data="regression",
    parameters=Frozen,
)
def the_unseen_part_stays_and_costs(study: Study, size: Frozen) -> Iterator[Check]:
    levels = size.refinements
    if study.data is not None:
        yield from _of_own_data(study, levels)
    for L in sorted({2, *size.depths}):
        problem, W = _pair(study, L)
        yield from _nothing_moves(study, problem, W)
        yield from _the_rest_is_autonomous(study, problem, W, levels)
    yield from _other_rules_move_it(study)
    for L in (2, 3):
        yield from _final_errors(study, L, size)
    rng = study.rng("two layers")
    yield from one_output(study, rng, levels)
    yield from orthogonal_start(study, rng, levels)
    scales = 0.2 / 2.0 ** np.arange(size.scales)
    for L, strengths in ((2, (1.6, 0.4)), (3, (1.4,))):
        yield from small_starts(study, L, np.array(strengths), draws=size.draws, scales=scales, levels=levels)


@on_data
def _of_own_data(study: Study, levels: int) -> Iterator[Check]:
    """Two layers and three on the user's data, from two starts that differ in what the examples do not show."""
    own = own_data.own(study)
    if not own.hides:
        expected = "fewer than columns: else the examples show every direction, and nothing is frozen"
        reject(f"data {study.data}: rank of X", own.problem.n, expected)
    own_data.require_time(study, 100 * 2 ** (levels + 1), 2, own.problem, WIDTH)
    for L in (2, 3):
        rng, problem = study.rng("own data", L), own.problem.each(2)
        W = _apart(rng, problem, gaussian_stack(rng, [problem.d, *[WIDTH] * (L - 1), problem.K], 0.5))
        yield from _nothing_moves(study, problem, W, of="own data, ")
        yield from _the_rest_is_autonomous(study, problem, W, levels, of="own data, ")


def _nothing_moves(study: Study, problem: TeacherStudent, W: Layers, of: str = "") -> Iterator[Check]:
    """Two starts that differ in W_1 Q only: it stays in both, and the rest never notices."""
    L, case = len(W), f"{of}depth {len(W)}"
    eta = _first_order(0.02, problem, W)
    run = by_descent(study, problem, W).train(learning_rate=eta, steps=40, record=range(0, 41, 2))
    trained = layers_of(run.arrays)
    within = _products(problem, trained, 40)
    still = measured("W_1 Q", trained[0] @ problem.unseen, within=within, case=case, axes=("record", "run"))
    yield still.equals(frozen.frozen_layer(problem, W))
    because = "the same roundings, grown at most as the loss is curved downwards along the way"
    within = Tolerance(within.value * _growth(problem, trained, run.t[1]), because)
    seen = frozen.seen_layers(problem, trained)
    apart = [np.abs(layer[:, 0] - layer[:, 1]).max() for layer in seen]
    both = float(np.abs(trained[0][:, 0] - trained[0][:, 1]).max())
    same = measured("the seen layers of both", apart, within=within, case=case, axes=("layer",))
    yield same.equals(0, against=both)
    if L == 2 and not of:
        yield measured("all of W_1", both, within=within).control("the frozen part feeds back").equals(0)


def _the_rest_is_autonomous(
    study: Study, problem: TeacherStudent, W: Layers, levels: int, of: str = ""
) -> Iterator[Check]:
    """The whole network's training approaches the flow of the seen layers alone, gains included.

    A gain is a single number, whose error of first order may vanish by chance: the order is observed of the map.
    """
    eta, case = _first_order(0.03, problem, W), f"{of}depth {len(W)}"
    runs = by_descent(study, problem, W).refine(learning_rate=eta, horizon=3.0, records=6, levels=levels)
    t = runs[0].t
    # Both measures are judged at the same factors k, for the most part.
    flow = cache(lambda k, tolerance=1e-9: frozen.seen_flow(problem, W, k * t, relative_tolerance=tolerance)[1])
    fine, coarse = flow(1, 1e-11), flow(1)
    for name, measure in (("seen map", end_to_end), ("gain", frozen.output_gain)):
        values = [measure(frozen.seen_layers(problem, layers_of(run.arrays))) for run in runs]
        error = np.abs(measure(fine) - measure(coarse)).max()
        predicted = lambda k, measure=measure: measure(fine if k == 1 else flow(k, 1e-6))  # noqa: E731
        if name == "seen map":
            yield from tends_to(name, values, predicted, error, case=case)
        else:
            yield extrapolated(f"{name}, learning rate 0", values, error, case=case).equals(predicted)


def _first_order(learning_rate: float, problem: TeacherStudent, W: Layers) -> float:
    """The learning rate, or a smaller one where starts are so steep that its first order would not show.

    The curvature is at most sum_l |W_{>l}|^2 |W_{<l} X|^2, but for what the residual adds. Of depth 4, one start in ten
    is steeper than that; one in a hundred diverges.
    """
    after = [np.linalg.norm(end_to_end(W[l:]), 2, axis=(-2, -1)) for l in range(1, len(W))]
    before = [np.linalg.norm(end_to_end([problem.X, *W[:l]]), 2, axis=(-2, -1)) for l in range(len(W))]
    curvature = sum((a * b) ** 2 for a, b in zip([*after, 1.0], before))
    return min(learning_rate, LARGEST_STEP / float(np.max(curvature)))


def _other_rules_move_it(study: Study) -> Iterator[Check]:
    """Rules that are not gradient descent: weight decay shrinks W_1 Q, Adam leaves the span of the examples."""
    problem, W = _pair(study, 2)
    constraint = Constraint(problem, W, study.device)
    loss = squared_loss(constraint)
    for word, rule in (("weight decay", DecayedDescent(loss, constant(0.1))), ("Adam", Adam(loss))):
        run = students(study, constraint, W, rule).train(learning_rate=0.02, steps=100, record=[0, 100])
        trained = layers_of(run.arrays)
        moved = measured("W_1 Q", trained[0] @ problem.unseen, within=_products(problem, trained, 100))
        yield moved.control(f"{word} freezes").equals(frozen.frozen_layer(problem, W))


def _final_errors(study: Study, L: int, size: Frozen) -> Iterator[Check]:
    """Many small networks trained to the end: the law of what the frozen part costs, and its mean."""
    ensemble, runs = Ensemble(size.inputs, 3), size.runs
    start = {2: 0.7, 3: 0.4}[L]
    rng = study.rng("final", L)
    problem = conditioned(rng, ensemble.d, SINGULAR_VALUES, np.array([1.4]), K=1, draws=runs)
    W = gaussian_stack(rng, [ensemble.d, *[WIDTH] * (L - 1), 1], start, runs=runs)
    run = fused(study, problem, W).train(learning_rate=0.05, steps=STEPS, record=[STEPS])
    late = [layer[0] for layer in layers_of(run.arrays)]
    product = end_to_end(late)
    residual = np.sqrt(((problem.Y - product @ problem.X) ** 2).sum((-2, -1)))
    distance = np.sqrt(((product @ problem.seen - problem.minimum_norm_solution) ** 2).sum((-2, -1)))
    # |W P - W^| = |R X^+|: at most the residual over the smallest singular value.
    reached = measured(
        "distance of W P from W^", distance, within=_products(problem, late, STEPS), case=f"depth {L}", axes=("run",)
    )
    yield reached.supporting().at_most(residual / problem.singular_values[:, -1])
    yield from _law_of_the_frozen_part(ensemble, problem, late, start, L)
    yield from _mean_cost(ensemble, problem, late, start, L)
    yield from _cost_of_typical_starts(study, ensemble, start, L, size.typical)


def _law_of_the_frozen_part(
    ensemble: Ensemble, problem: TeacherStudent, late: Layers, start: float, L: int
) -> Iterator[Check]:
    unseen = (end_to_end(late) @ problem.unseen)[:, 0]
    statistic = (unseen**2).sum(-1) / (start**2 * frozen.output_gain(late))
    name, because = "|W Q|^2 / (s1^2 |A|^2)", "W_1(0) Q is Gaussian, stays, and never enters the gain"
    law = stats.chi2(ensemble.unseen)
    drawn = samples(name, statistic, because=because, case=f"depth {L}")
    yield drawn.follow(law)
    if L == 2:
        yield drawn.control("chi^2 of all dimensions").follow(stats.chi2(ensemble.d))
        larger = samples(name, statistic / 1.1**2, because=because)
        yield larger.control("scale of the frozen part 10 % larger").follow(law)


def _mean_cost(ensemble: Ensemble, problem: TeacherStudent, W: Layers, start: float, L: int) -> Iterator[Check]:
    """The mean of what W_1(0) Q costs: of 1500 runs the interval is 4.6 %, of 6000 half of that."""
    teacher, unseen = ((product @ problem.unseen)[:, 0] for product in (problem.teacher, end_to_end(W)))
    # W_1 Q is symmetric about 0, so that the term with the teacher's unseen part has mean 0, and only adds variance.
    cross = -2 * (teacher * unseen).sum(-1) / ensemble.d
    least = generalisation_error(ensemble, problem, problem.minimum_norm_solution)
    cost = generalisation_error(ensemble, problem, end_to_end(W)) - cross - least
    excess = frozen.excess_error(ensemble, frozen.output_gain(W), start)
    estimate = mean(1 + (cost - excess) / excess.mean())
    ratio = rate("excess over the minimum-norm solution", estimate, case=f"depth {L}")
    yield ratio.equals(1, excludes=(0.9, 1.1))
    if L == 2:
        yield ratio.control("frozen part 10 % dearer").equals(1.1, excludes=(0.9,))


def _cost_of_typical_starts(study: Study, ensemble: Ensemble, start: float, L: int, runs: int) -> Iterator[Check]:
    """Starts whose unseen part has the mean square of all: the error is its mean, run by run and all the way."""
    rng = study.rng("typical", L)
    problem = conditioned(rng, ensemble.d, SINGULAR_VALUES, np.array([1.4]), K=1, draws=runs)
    gaussian = gaussian_stack(rng, [ensemble.d, *[WIDTH] * (L - 1), 1], 1.0, runs=runs)
    W = [start * layer for layer in frozen.typical_start(problem, gaussian, rng)]
    run = fused(study, problem, W).train(learning_rate=0.05, steps=STEPS, record=[0, 20, STEPS])
    trained = layers_of(run.arrays)
    unseen = ((problem.teacher @ problem.unseen) ** 2).sum((-2, -1))
    luck = (unseen - ensemble.unseen * ensemble.teacher**2) / ensemble.d
    seen = frozen.seen_layers(problem, trained)
    excess = frozen.excess_error(ensemble, frozen.output_gain(seen), start)
    predicted = frozen.error_given_seen(ensemble, problem, seen, start) + luck
    errors = generalisation_error(ensemble, problem, end_to_end(trained))
    within = _products(problem, trained, STEPS) * float(np.sqrt(ensemble.d))
    error = measured("error given what is seen", errors, within=within, case=f"depth {L}", axes=("record", "run"))
    yield error.equals(lambda k: predicted + (k - 1) * excess)


def _pair(study: Study, L: int) -> tuple[TeacherStudent, list[Array]]:
    """One problem and two starts of two outputs, which differ in what the examples do not show."""
    rng = study.rng("pair", L)
    problem = conditioned(rng, D, SINGULAR_VALUES, np.array([1.5, 0.8]), K=2, draws=1).each(2)
    return problem, _apart(rng, problem, gaussian_stack(rng, [D, *[WIDTH] * (L - 1), 2], 0.5))


def _apart(rng: np.random.Generator, problem: TeacherStudent, one: Layers) -> list[Array]:
    """A start twice, the second time with another W_1 Q."""
    W = [np.repeat(layer, 2, axis=0) for layer in one]
    W[0][1] += 3 * rng.standard_normal(W[0][1].shape) @ problem.unseen[1]
    return W


def _products(problem: TeacherStudent, trained: Sequence[Array], steps: int) -> Tolerance:
    """A rounding of the largest number for each term of each product, step after step."""
    L, largest = len(trained), max(1.0, *(float(np.abs(layer).max()) for layer in trained))
    terms = (problem.d + problem.n + WIDTH * L) * steps
    return rounding(terms, largest**L, of="the largest weight, one for each term of a product, a step")


def _growth(problem: TeacherStudent, trained: Sequence[Array], between: float) -> float:
    """exp(int (L - 1) |R X^T| m^(L-2) dt), m the largest norm of a layer: a bound on how far roundings drift apart.

    Beyond the Gauss-Newton part, which contracts, the Hessian is at most that. Of the two records around every stretch
    of time, `between` them, the larger stands for it.
    """
    seen = frozen.seen_layers(problem, trained)
    force = (problem.Y - end_to_end(trained) @ problem.X) @ problem.X.mT
    norms = np.max([np.linalg.norm(layer, 2, axis=(-2, -1)) for layer in seen], axis=0)
    curvature = (len(seen) - 1) * np.linalg.norm(force, 2, axis=(-2, -1)) * norms ** (len(seen) - 2)
    return float(np.exp(np.maximum(curvature[1:], curvature[:-1]).sum(0).max() * between))
