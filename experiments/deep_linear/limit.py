"""Minnorm's one limit, Y X^+ with the smallest layers there are: whatever the depth, the outputs and the start."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear import own_data
from experiments.deep_linear.convergence import settled
from experiments.deep_linear.networks import (
    Constraint,
    ControlledDescent,
    by_descent,
    by_minnorm,
    by_weight_decay,
    isometries,
    students,
)
from experiments.training import State, Trainee
from experiments.training.batches import layers_of
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
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, squared_norm
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.deep_linear import minnorm
from theory.deep_linear.modes import planted
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

SPREAD = (1.4, 0.8)  # largest and smallest eigenvalue of X X^T, and strength of a mode
# Sizes of the starts, by depth: from small ones depths 3 and beyond can collapse, large ones need tiny steps.
SCALES = {1: (0.3, 1.0, 3.0), 2: (0.3, 1.0, 1.5), 3: (0.6, 1.0, 1.5), 4: (0.9, 1.0, 1.2)}


QUICK = (1, 1, 1, 3, 2, 1, 2, 3, 3, 1, 3, 3, 4, 3)
PAPER = tuple(number for L in (1, 2, 3, 4) for K in (1, 2, 3, 5) for number in (L, K))


@dataclass(frozen=True)
class Limits:
    """Networks of several depths and outputs, from starts of the sizes of SCALES."""

    networks: tuple[int, ...] = varies(
        "depth, outputs, depth, outputs, ...; 2, 3 beside them", QUICK, smoke=(2, 3, 3, 1), paper=PAPER, low=1, high=10
    )
    inputs: int = varies("d", 7, low=3, high=40, from_data=True)
    examples: int = varies("n", 4, low=1, high=20, from_data=True)
    width: int = varies("of hidden layers", 8, low=2, high=40)
    draws: int = varies("random examples", 4, smoke=2, paper=16, low=1, high=100)
    horizon: float = varies("until when they are trained", 24.0, smoke=14.0, paper=28.0, low=14, high=60, unit="time")
    interpolants: int = varies(
        "other interpolants, whose layers are no smaller", 200, smoke=20, paper=2000, low=20, high=10**4
    )

    def __post_init__(self) -> None:
        pairs = self.pairs
        if len(self.networks) % 2 or max(self.networks[::2]) > max(SCALES) or len(set(pairs)) < len(self.networks) // 2:
            reject("networks", self.networks, f"pairs of a depth, at most {max(SCALES)}, and outputs, all different")
        if self.examples >= self.inputs:
            reject(
                "examples", self.examples, f"fewer than the inputs, {self.inputs}: else gradient descent forgets too"
            )
        least = max(min(K, self.examples) for _, K in pairs)
        if self.width < least:
            reject("width", self.width, f"at least the rank of the labels, {least}")

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(depth, outputs), with (2, 3), at which hypotheses are broken."""
        return sorted({(2, 3), *zip(self.networks[::2], self.networks[1::2])})


@claim(
    "minnorm.deep_limit",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=RECONSTRUCTED,
    statement=r"W \to Y X^+\ \text{for every depth, output dimension and start};\quad \min \sum_l |W_l|_F^2 ="
    r" L \sum_k \sigma_k(Y X^+)^{2/L},\ \Lambda^* = U s^{2/L - 1} V^\top (X^+)^\top",
    hypotheses=(
        "Minnorm on W = W_L ... W_1, multipliers Lambda -> Lambda^*; Y X^+ = U s V^T, sigma_k its singular values",
        "augmentation above the critical one",
        "start outside the basin of collapse",
        "rank of Y X^+ is min(K, n) for the multipliers to be unique",
    ),
    theory_side="closed form",
    controls=(
        "gradient descent has that limit",
        "weight decay has that limit",
        "gradient descent reaches the least norm",
        "least norm with exponent 1/L",
        "multipliers of another depth",
        "another interpolant has smaller layers",
        "singular values of W that do not interpolate",
    ),
    accepts_data="regression",
    parameters=Limits,
)
def one_limit_whatever_the_depth_and_start(study: Study, size: Limits) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _of_own_data(study, size)
    for L, K in size.pairs:
        yield from _limit(study, L, K, size)
    yield from _least_among_interpolants(study, size.interpolants)


@on_data
def _of_own_data(study: Study, size: Limits) -> Iterator[Check]:
    """One layer and two on the user's data; two where no output is a combination of the others, or nearly."""
    own = own_data.own(study)
    plans = {L: own_data.plan(own, L) for L in own_data.depths(study, own)}
    steps = sum(size.horizon / eta for _, eta in plans.values())
    own_data.require_time(study, steps, len(SCALES[2]), own.problem, size.width)
    for L, (tuning, eta) in plans.items():
        problem, rng = own.problem.each(len(SCALES[L])), study.rng("own data", L)
        start = isometries(rng, [problem.d, *[max(size.width, problem.K)] * (L - 1), problem.K], len(problem.X))
        W = [np.minimum(SCALES[L], 1.2)[:, None, None] * layer for layer in start]
        rule = ControlledDescent(problem, gamma=1.0, b=tuning.b, c=tuning.c)
        trainee = students(study, Constraint(problem, W, study.device), W, rule, _examples_in_rows)
        unique = len(own.strengths) == min(problem.K, problem.n)
        _, checks, _ = _settles(problem, W, trainee, eta, size, f"own data, depth {L}", unique)
        yield from checks


def _examples_in_rows(state: State) -> State:
    """The state as `by_minnorm` has it."""
    return state | {"multipliers": state["multipliers"].mT}


def _limit(study: Study, L: int, K: int, size: Limits) -> Iterator[Check | Curves]:
    n, case, draws = size.examples, f"depth {L}, {K} outputs", size.draws
    rng = study.rng("limit", L, K)
    scales, strengths = SCALES[L], np.linspace(*SPREAD, min(K, n))
    problem = planted(strengths, np.linspace(*SPREAD, n), d=size.inputs, K=K, rng=rng, draws=draws).each(len(scales))
    W = [
        np.tile(scales, draws)[:, None, None] * layer
        for layer in isometries(rng, [size.inputs, *[size.width] * (L - 1), K], len(problem.X))
    ]
    tuning, eta = _tuning(L)
    trainee = by_minnorm(study, problem, W, tuning)
    run, checks, (within, norm, multipliers) = _settles(problem, W, trainee, eta, size, case, True)
    yield from checks
    if (L, K) == (2, 3):
        solution, steps = problem.minimum_norm_solution, int(run.facts["recorded"][-1])
        # The powers 2/L of the least norm and 2/L - 1 of the multipliers, mistaken.
        yield norm.control("least norm with exponent 1/L").equals(minnorm.least_norm(solution, 4) / 2)
        yield multipliers.control("multipliers of another depth").equals(minnorm.solution_multiplier(problem, 3))
        yield from _other_methods(study, problem, W, eta, steps, within)
        difference = np.linalg.norm(end_to_end(layers_of(run.arrays)) - solution, axis=(-2, -1))
        yield curves(t=run.t, distance=difference, scales=np.tile(scales, draws))


def _settles(
    problem: TeacherStudent, W: Layers, trainee: Trainee, eta: float, size: Limits, case: str, unique: bool
) -> tuple[Trajectory, list[Check], tuple[Tolerance, Measured, Measured]]:
    """A training by Minnorm at a = 1, with its checks, and what is measured of its end."""
    steps, L, h = 16 * round(size.horizon / eta / 16), len(W), size.width
    d, n, K = problem.d, problem.n, problem.K
    record = [0, *range(steps // 2, steps + 1, steps // 16)]
    run = trainee.train(learning_rate=eta, steps=steps, record=record)
    layers, solution, checks = layers_of(run.arrays), problem.minimum_norm_solution, []
    difference = end_to_end(layers) - solution
    largest = np.prod([np.linalg.norm(layer, axis=(-2, -1)).max() for layer in layers])
    of = "a row of W_1, d + n K + h of them a step, times the layers after it"
    rounded = rounding((steps + L) * (d + n * K + h), max(1.0, largest), of=of)
    deviation = measured("W - Y X^+", difference, within=rounded, case=case, axes=("record", "run"))
    kept_after = lambda k: (1 - k * eta) ** run.facts["recorded"][:, None, None, None]  # noqa: E731
    if d == n:
        deviation = deviation.supporting()  # of what the examples do not show there is nothing
    checks.append(
        deviation.equals(lambda k: minnorm.deviation(problem, layers, kept_after(k) * (W[0] @ problem.unseen)))
    )
    # Twice what Q W_1^T has kept, through the later layers: the violations, at faster rates, have died out.
    kept = [np.linalg.norm(layer[-1], ord=2, axis=(-2, -1)) for layer in layers[1:]]
    unseen = np.linalg.norm(kept_after(1)[-1] * (W[0] @ problem.unseen), axis=(-2, -1))
    kept = 2 * np.prod([unseen, *kept], axis=0)[:, None, None]
    within = rounded + Tolerance(kept, "twice what the later layers let through of what W_1 has kept of its start")
    end = measured("Y X^+", end_to_end(layers)[-1], within=within, case=case, axes=("run",))
    if d == n:
        end = settled("Y X^+", run.t[1:], end_to_end(layers)[1:], rounded, case=case)
    checks.append(end.equals(solution))
    drift = rounded * (1 / eta)
    norm = settled("least norm", run.t[1:], squared_norm(layers)[1:], drift, case=case)
    checks.append(norm.equals(minnorm.least_norm(solution, L)))
    multipliers = settled("multipliers", run.t[1:], run["multipliers"][1:].mT, drift, case=case)
    if unique:
        checks.append(multipliers.equals(minnorm.solution_multiplier(problem, L)))
    return run, checks, (within, norm, multipliers)


def _other_methods(
    study: Study, problem: TeacherStudent, W: Layers, eta: float, steps: int, within: Tolerance
) -> Iterator[Check]:
    """Gradient descent and weight decay from the same starts: they fit too, but not with the smallest layers."""
    solution, L = problem.minimum_norm_solution, len(W)
    trainees = {
        "gradient descent": by_descent(study, problem, W),
        "weight decay": by_weight_decay(study, problem, W, 0.02),
    }
    for word, trainee in trainees.items():
        run = trainee.train(learning_rate=eta, steps=steps, record=[steps])
        layers = [layer[-1] for layer in layers_of(run.arrays)]
        end = end_to_end(layers)
        other = measured("Y X^+", end, within=within, case=word, axes=("run",))
        yield other.control(f"{word} has that limit").equals(solution)
        if word == "weight decay":
            continue
        least, fitted = minnorm.least_norm(solution, L), np.linalg.norm(minnorm.residual(problem, end), axis=(-2, -1))
        # The least norm, convex at depth 2, falls by at most 2 |Lambda*| for each unit of the residual.
        slack = 2 * np.linalg.norm(minnorm.solution_multiplier(problem, L), axis=(-2, -1)) * fitted
        because = "of all interpolants Y X^+ has the smallest layers; what is left of the residual"
        norm = measured("layers no smaller", squared_norm(layers), within=Tolerance(slack, because), case=word)
        yield norm.supporting().at_least(least)
        yield norm.control("gradient descent reaches the least norm").at_most(least)


def _least_among_interpolants(study: Study, draws: int) -> Iterator[Check]:
    """Every singular value of Y X^+ + M Q is at least that of Y X^+ (Weyl), and so is the least norm, at any depth."""
    rng = study.rng("interpolants")
    problem = draw(Ensemble(d=6, n=3, K=2), rng, draws)
    solution = problem.minimum_norm_solution
    M = np.exp(rng.uniform(-6, 1, (draws, 1, 1))) * rng.standard_normal(solution.shape)
    other = solution + M @ problem.unseen
    s = np.linalg.svd(solution, compute_uv=False)
    within = rounding(2 * problem.d, s.max(), of="the largest singular value; W W^T = Y X^+ (Y X^+)^T + M Q M^T")

    def values(W: Array) -> Measured:
        return measured(
            "singular values of interpolants", np.linalg.svd(W, compute_uv=False), within=within, axes=("draw", "mode")
        )

    yield values(other).at_least(s)
    unfitted = values(solution - 0.5 * solution @ problem.seen)
    yield unfitted.control("singular values of W that do not interpolate").at_least(s)
    ratios = {L: minnorm.least_norm(other, L) / minnorm.least_norm(solution, L) for L in SCALES}
    for L, ratio in ratios.items():
        case = f"depth {L}"
        yield measured("least norm of interpolants", ratio, within=within, case=case, axes=("draw",)).at_least(1)
    largest = measured("least norm of interpolants", np.max(list(ratios.values()), axis=0), within=within)
    yield largest.control("another interpolant has smaller layers").at_most(1)


def _tuning(L: int) -> tuple[Tuning, float]:
    """Far above the critical augmentation, every violation faster than a = 1; and a learning rate stable for both."""
    weakest = L * SPREAD[1] ** (3 - 2 / L)  # |grad h|^2 where examples and labels are weakest
    safety = {1: 1.0, 2: 1.0, 3: 1.5, 4: 2.0}[L]
    return Tuning(1.0, 10 * safety / weakest, (L + 3) * safety / weakest), 0.02 if L < 3 else 0.01
