"""Normalised descent whose weights are rescaled: exponentially fast where it is, and where it stalls."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.shallow import descents
from experiments.shallow.descents import along
from experiments.shallow.examples import adding_to_one
from experiments.shallow.last_times import last_above
from experiments.training.together import copies
from theory.claims import (
    OURS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    varies,
)
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, direction_error, planted
from theory.core.validation import reject
from theory.shallow import clocks, gradient_flow, heavy_ball, rescaling, transients

CONDITIONS = (4.0, 8.0)  # mu_max / mu_min, so that rho is not small
FACTOR = 1.3  # c
# c rho^S, S, and cycles: as many as leave digits, and as the fall needs to settle.
BELOW, BEYOND = ((0.5, 3, 20), (0.9, 1, 60)), ((1.1, 1, 30), (1.5, 1, 20))
BESIDE = np.array([0.6, 1.0])  # slack of examples off the span
STALLED = 60  # cycles
PARALLEL = (0.3, 0.1, 0.03, 0.01)  # spreads of two support vectors about their mean
ROUNDS = 25  # cycles on these
EVERY = exactly("every one of the problems")
ALIKE = (1.002, 1.0, 0.998)  # duals that are nearly equal
CURVED, LARGE = 0.03, 50.0
SERIES = "what is left of a geometric series, twice, and rounding"
SPREADS = np.geomspace(0.02, 1.0, 12)  # of the support vectors about their mean: parallel ones, and others
GOAL = 1e-10  # the error that is raced to
AWAY, LEAST = 2.0, 2.0  # from the border, in steps of one method for one of the other; kappa_M
SETTINGS = ((1.3, 0.4), (1.3, 0.8), (2.0, 0.4), (2.0, 0.8), (4.0, 0.4), (10.0, 0.4))  # c, c rho^S at most


@dataclass(frozen=True)
class Rescaled:
    margin: float = varies("gamma* of the examples", 0.35, low=0.2, high=0.5)
    shares: tuple[float, ...] = varies("of the duals in their sum, up to a factor", (0.5, 0.3, 0.2), low=0.1, high=10)
    runs: int = varies("problems", 8, smoke=4, paper=32, low=2, high=100)
    raced: int = varies("problems in the plane, of each spread", 16, smoke=6, paper=60, low=2, high=200)
    budget: int = varies("steps of the race", 1200, smoke=500, paper=5000, low=300, high=10**5)

    def __post_init__(self) -> None:
        if len(self.shares) < 3:
            reject("shares", f"{len(self.shares)} of them", "3 at least: of two, no mode is slower than another")
        if max(self.shares) < 1.25 * min(self.shares):
            reject("shares", self.shares, "the largest a quarter larger than the least: equal duals leave P w~ = 0")

    @property
    def distribution(self) -> Array:
        return adding_to_one(self.shares)


@claim(
    "shallow.rescaling",
    source="ours; the method: Wang, Min & Wu 2024 (abstract): an exponential rate",
    source_kind=OURS,
    statement=r"w \leftarrow c\, w \text{ every } S \text{ normalised steps, from } 0:\quad \tau_n = \eta \gamma^2 S\,"
    r" \tfrac{c^n - 1}{c - 1},\quad \tau_n \big|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\big| \to"
    r" \text{a constant} \iff c\, \rho^S < 1,\ \rho = \max |1 - \eta \mu|,\quad |P \tilde w|\, \gamma"
    r" \text{ as } c\, \rho^S \to 0;\quad \text{at best } \tfrac{\kappa_M - 1}{\kappa_M + 1} \text{ a step, Minnorm }"
    r" \tfrac{\sqrt{\kappa_G} - 1}{\sqrt{\kappa_G} + 1}:\ \text{Minnorm is faster} \iff \kappa_M > \sqrt{\kappa_G}",
    hypotheses=(
        "z_i separable, all in the span of the support; support vectors linearly independent with positive duals",
        "mu: nonzero eigenvalues of G (diag p - p p^T), G the support's Gram matrix, p the duals over their sum; "
        "kappa_M = mu_max / mu_min, kappa_G = g_max / g_min with the direction of w_hat in it",
        "Minnorm: alternating steps at their best, A = 1 - rho^2, B = (g_min g_max)^(-1/2)",
        "the border of c: duals that are nearly equal; of others w~ may be so large that the softmax saturates",
        "the race: rescaling at the best of six settings; kappa_M above 2, a factor of two in steps off the border",
    ),
    theory_side="law",
    controls=(
        "clock of rescaling without its sum over cycles",
        "constant 5 % larger",
        "the constant of the other clocks at c rho^S = 0.9",
        "c rho^S = 1.1",
        "c rho^S = 1.5",
        "c rho^S = 0.5 is enough at c = 50",
        "rescaling falls for ever, whatever examples are off the span",
        "Minnorm is as fast on nearly parallel support vectors",
        "border at kappa_M = kappa_G",
    ),
    parameters=Rescaled,
)
def rescaling_is_exponential_within_borders(study: Study, sizes: Rescaled) -> Iterator[Check | Curves]:
    rng, k = study.rng("examples"), len(sizes.shares)
    problem = descents.conditioned(
        rng, sizes.distribution, sizes.runs, inputs=k + 1, margin=sizes.margin, condition=CONDITIONS
    )
    yield from _one_constant(study, sizes, problem)
    alike = descents.conditioned(
        rng, adding_to_one(ALIKE), sizes.runs, inputs=4, margin=sizes.margin, condition=CONDITIONS
    )
    yield from _border_of_the_factor(study, alike)
    yield from _saturated(study, problem)
    yield from _off_the_span(study, sizes, rng)
    yield from _nearly_parallel(study, sizes, rng)
    yield from _plane(study, sizes, rng)


def _rescaled(study: Study, problem: Separable, factor: Array, between: Array, cycles: int) -> Array:
    """w (cycles, runs, d) at the ends of cycles, whose steps are as many in each run, at the best learning rate."""
    eta, _ = rescaling.best_step(*transients.support_curvature(problem))
    S = int(between[0])
    trainee = descents.rescaled_classifier(study, problem.Z, np.zeros_like(problem.w), factor, between)
    record = [S * cycle for cycle in range(1, cycles + 1)]
    return trainee.train(learning_rate=eta, steps=record[-1], record=record)["w"]


def _one_constant(study: Study, sizes: Rescaled, problem: Separable) -> Iterator[Check | Curves]:
    """Cycles so long that what rescaling enlarges is forgotten: the constant of the other clocks."""
    eta, rho = rescaling.best_step(*transients.support_curvature(problem))
    runs, cycles, left = len(eta), 15, 1e-7
    between = np.full(runs, rescaling.steps_between(FACTOR, rho, left).max())
    w = _rescaled(study, problem, np.full(runs, FACTOR), between, cycles)
    n = np.arange(1, cycles + 1)[:, None]
    clock = clocks.rescaled_clock(problem, eta, between, FACTOR, n)
    steps = between[0] * n
    rounded = Tolerance(4 * EPS * steps, "a rounding of the weights a step")
    place = measured(
        "w . w_hat / |w_hat|^2, over its law", along(problem, w) / clock, within=rounded, axes=("cycle", "run")
    )
    yield place.equals(1.0)
    flat = place.control("clock of rescaling without its sum over cycles")
    yield flat.equals(eta * problem.margin**2 * steps * FACTOR**n / clock)
    constant = gradient_flow.direction_constant(problem, descents.offsets(problem))
    last = direction_error(problem, w[-1]) * clock[-1] / constant
    # Near the end a deviation, at most c - 1 of the constant and what it has of the cycle before, falls by rho^S.
    off = Tolerance(2 * left + 64 * EPS * np.linalg.norm(w[-1], axis=-1) / constant, "twice c rho^S, and rounding")
    small = (constant / clock[-1]) ** 2  # 2 sin(angle / 2) for its tangent
    scaled = measured("error x clock over |P w~| gamma", last, within=off + Tolerance(small, ""), axes=("run",))
    yield scaled.equals(lambda k: k * np.ones(runs))
    yield scaled.control("constant 5 % larger").equals(1.05)


def _border_of_the_factor(study: Study, problem: Separable) -> Iterator[Check]:
    """c = s / rho^S on duals that are nearly equal: for s < 1 the error falls by c a cycle, as well as that has
    settled, which it does by s; and its constant is known."""
    eta, rho = rescaling.best_step(*transients.support_curvature(problem))
    offsets = descents.offsets(problem)
    for share, between, cycles in BELOW:
        fall, changed, scaled = _falls(study, problem, share, between, cycles)
        within = Tolerance(2 * changed * share / (1 - share) + 1e-6, SERIES)
        case = f"c rho^S = {share:g}"
        yield measured("fall of error x clock in a cycle", fall, within=within, case=case, axes=("run",)).equals(1.0)
        settings = zip(offsets, eta, share / rho**between)
        constant = np.array(
            [
                rescaling.direction_constant(problem.run(i), offset, float(step), between, float(c))
                for i, (offset, step, c) in enumerate(settings)
            ]
        )
        curved = Tolerance(CURVED, "third derivatives of the loss, at deviations of hundredths")
        place = measured("error x clock, over its law", scaled / constant, within=curved, case=case, axes=("run",))
        yield place.equals(lambda k: k * np.ones(len(rho)))
        plain = gradient_flow.direction_constant(problem, offsets)
        if share == BELOW[-1][0]:
            other = measured("error x clock", scaled / plain, within=curved, case=case, axes=("run",))
            yield other.control("the constant of the other clocks at c rho^S = 0.9").equals(1.0)
    for share, between, cycles in BEYOND:
        fall, _, _ = _falls(study, problem, share, between, cycles)
        ratio = measured("fall of error x clock in a cycle", fall, within=Tolerance(0.02, "a fiftieth"))
        yield ratio.control(f"c rho^S = {share:g}").equals(1.0)


def _saturated(study: Study, problem: Separable) -> Iterator[Check]:
    """c rho^S = 1/2 at most, with a factor so large that the softmax saturates: S steps do not bring w~ back."""
    _, rho = rescaling.best_step(*transients.support_curvature(problem))
    between = rescaling.steps_between(LARGE, rho, 0.5)
    slowest = int(np.argmax(rho))
    w = _rescaled(study, problem, np.full(len(rho), LARGE), np.full(len(rho), between[slowest]), 8)
    error = direction_error(problem, w)
    fall = measured("fall of error x clock in a cycle", error[-2] / error[-1] / LARGE, within=Tolerance(0.1, "a tenth"))
    yield fall.control("c rho^S = 0.5 is enough at c = 50").equals(1.0)


def _falls(study: Study, problem: Separable, share: float, between: int, cycles: int) -> tuple[Array, Array, Array]:
    """Of the last cycle by how much error x clock falls, what that has changed in two cycles (modes may alternate), and
    error x clock (runs,). The clock itself moves on by c a cycle."""
    eta, rho = rescaling.best_step(*transients.support_curvature(problem))
    factor = share / rho**between
    w = _rescaled(study, problem, factor, np.full(len(rho), float(between)), cycles)
    n = np.arange(1, cycles + 1)[:, None]
    scaled = direction_error(problem, w) * clocks.rescaled_clock(problem, eta, between, factor, n)
    falls = scaled[-4:-1] / scaled[-3:]
    return falls[-1], np.abs(np.diff(falls, axis=0)).sum(0), scaled[-1]


def _off_the_span(study: Study, sizes: Rescaled, rng: np.random.Generator) -> Iterator[Check]:
    """Examples off the span of the support leave a part that is enlarged as the rest is; Minnorm's decays."""
    k, steps = len(sizes.shares), 3 * STALLED
    drawn = planted(rng, sizes.distribution, d=k + 1, margin=sizes.margin, slack=BESIDE, runs=40 * sizes.runs)
    problem = _best_conditioned(Separable(drawn), sizes.runs)
    rescaled = _rescaled(study, problem, np.full(sizes.runs, FACTOR), np.full(sizes.runs, 3.0), STALLED)
    error = direction_error(problem, rescaled)
    off = np.abs(np.diff(error[-3:], axis=0)).sum(0) / error[-1] / (1 - 1 / FACTOR)
    within = Tolerance(off + 1e-9, "what the last two cycles changed, of a geometric series, and rounding")
    ratio = error[-1] / error[-2]
    ratio = measured(
        "error over that a cycle before", ratio, within=within, case="examples off the span", axes=("run",)
    )
    yield ratio.equals(lambda k: k * np.ones(sizes.runs))
    yield ratio.control("rescaling falls for ever, whatever examples are off the span").equals(1 / FACTOR)
    error_of_minnorm = _minnorm_errors(study, problem, steps)[-1]
    digits = measured("digits by which Minnorm is nearer", np.log10(error[-1] / error_of_minnorm), within=EVERY)
    yield (
        digits.supporting()
        .within_factor(20, because="it falls exponentially, the other stalls: one is asked for")
        .at_least(1.0)
    )


def _best_conditioned(drawn: Separable, runs: int) -> Separable:
    squared = np.linalg.norm(drawn.Z, ord=2, axis=(-2, -1)) ** 2
    return Separable(drawn.Z[np.argsort(squared / drawn.gram_range[0])[:runs]])


def _minnorm_errors(study: Study, problem: Separable, steps: int) -> Array:
    """Of alternating steps at their best for |Z|^2 of all examples, from 0: errors (steps + 1, runs)."""
    best = heavy_ball.best_alternating(problem.gram_range[0], np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2)
    trainee = descents.boxed_minnorm(study, problem.Z, best.A, best.B)
    return _no_direction_is_an_error(
        direction_error(problem, trainee.train(learning_rate=1.0, steps=steps, record=range(steps + 1))["w"])
    )


def _no_direction_is_an_error(error: Array) -> Array:
    return np.where(np.isfinite(error), error, np.inf)


def _nearly_parallel(study: Study, sizes: Rescaled, rng: np.random.Generator) -> Iterator[Check]:
    """Two support vectors: one mode, kappa_M = 1, forgotten in a step, however large kappa_G is."""
    share = np.array([0.6, 0.4])
    Z = np.concatenate([planted(rng, share, d=3, margin=sizes.margin, spread=s, runs=sizes.runs) for s in PARALLEL])
    problem = Separable(Z)
    low, high = transients.support_curvature(problem)
    runs, steps = len(Z), sizes.budget
    yield (
        measured("kappa_M", high / low, within=Tolerance(1e-6, "rounding"), case="two vectors").supporting().equals(1.0)
    )
    error = direction_error(problem, _rescaled(study, problem, np.full(runs, 3.0), np.full(runs, 4.0), ROUNDS))
    digits = -np.log10(error[-1] + EPS)
    quick = measured("digits of rescaling", digits, within=EVERY, case="nearly parallel", axes=("run",))
    yield (
        quick.supporting()
        .within_factor(2, because="of the sixteen there are, ten are asked for")
        .at_least(-np.log10(GOAL))
    )
    slow = _minnorm_errors(study, problem, 4 * ROUNDS)[-1]
    slower = measured("error of Minnorm", slow.max(), within=EVERY, case="nearly parallel")
    yield slower.control("Minnorm is as fast on nearly parallel support vectors").at_most(GOAL)
    yield curves(
        "nearly parallel", condition=problem.condition, rescaled=error[-1], minnorm=slow, steps=np.array(steps)
    )


def _plane(study: Study, sizes: Rescaled, rng: np.random.Generator) -> Iterator[Check | Curves]:
    """Who is first at GOAL for good: Minnorm at its best steps, rescaling at the best of a grid of settings."""
    shares, each = sizes.distribution, sizes.raced
    problem = Separable(
        np.concatenate([planted(rng, shares, d=len(shares), margin=sizes.margin, spread=s, runs=each) for s in SPREADS])
    )
    low, high = transients.support_curvature(problem)
    kappa_M, kappa_G = high / low, problem.condition
    minnorm = _arrival(_minnorm_errors(study, problem, sizes.budget))
    rescaled = _first_of_the_settings(study, sizes, problem)
    relative = rescaling.steps_for_one_of_minnorm(kappa_M, kappa_G)
    arrived = np.minimum(minnorm, rescaled) <= sizes.budget
    clear = arrived & (np.abs(np.log(relative)) > np.log(AWAY)) & (kappa_M > LEAST)
    as_told = clear & ((minnorm < rescaled) == (relative > 1))
    told = measured("share of winners that the border tells", as_told.sum() / clear.sum(), within=EVERY)
    # One in fifty is told wrongly: that three in ten of forty are is rarer than one seed in ten million.
    yield told.supporting().within_factor(1.5, because="a share of all").at_least(0.7)
    crossed = clear & ((minnorm < rescaled) == (kappa_M > kappa_G))
    wrong = measured("share of winners", crossed.sum() / clear.sum(), within=EVERY)
    yield wrong.control("border at kappa_M = kappa_G").at_least(0.7)
    yield curves("plane", kappa_M=kappa_M, kappa_G=kappa_G, minnorm=minnorm, rescaled=rescaled, arrived=arrived)


def _first_of_the_settings(study: Study, sizes: Rescaled, problem: Separable) -> Array:
    """Steps (runs,) to GOAL at the best of SETTINGS, trained side by side."""
    eta, rho = rescaling.best_step(*transients.support_curvature(problem))
    factor, between = (
        np.concatenate(each)
        for each in zip(*((np.full(len(rho), c), rescaling.steps_between(c, rho, spare)) for c, spare in SETTINGS))
    )
    several = len(SETTINGS)
    start = np.zeros((several * len(rho), problem.w.shape[-1]))
    trainee = descents.rescaled_classifier(study, copies(problem.Z, several), start, factor, between)
    steps = sizes.budget
    w = trainee.train(learning_rate=np.tile(eta, several), steps=steps, record=range(steps + 1))["w"]
    errors = [_no_direction_is_an_error(direction_error(problem, each)) for each in np.split(w, several, axis=1)]
    return np.min([_arrival(error) for error in errors], axis=0)


def _arrival(error: Array) -> Array:
    """Steps after which the error (T, runs) stays below GOAL; infinite where it is not there at the end."""
    return np.where(error[-1] > GOAL, np.inf, last_above(error, GOAL))
