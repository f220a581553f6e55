"""From depth 3 on Minnorm can lose the chain to w = 0: where it must, where it cannot, and where depth 2 never does."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import minnorm_descent
from experiments.chain.parameters import Chains, Units
from theory.chain import collapse, minnorm
from theory.chain.problem import Chain, distance
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, exactly, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

A = 1.3
ALMOST = 0.98  # of the growth criterion, 1


@dataclass(frozen=True)
class Collapsing(Chains):
    depths: tuple[int, ...] = varies("numbers L of weights", (3, 4), smoke=(3,), paper=(3, 4, 5), low=3, high=8)
    start: float = varies("p / s at the start: the bound is sharp as this vanishes", 2e-4, low=1e-6, high=1e-3)
    criteria: tuple[float, ...] = varies(
        "values of the collapse criterion at the start, below 1", (0.5, 0.9, 0.98), low=0.1, high=0.99
    )
    learning_rate: float = varies("of the coarsest run", 0.02, low=2e-3, high=0.02)
    runs: int = varies("starts that grow", 24, smoke=6, paper=96, low=2, high=1000)


@claim(
    "minnorm.chain_collapse",
    source="ours: Minnorm (reconstructed from Bansal et al. 2018) on the scalar chain",
    source_kind=OURS,
    statement=r"w_l = w,\ w' = a w \big(x (\lambda + c h) w^{L-2} - 1\big),\ \lambda' = b h,\ h = x (s - w^L):"
    r"\quad L \ge 3,\ w^{L-2}\Big(x\lambda + c\sigma s + \tfrac{b\sigma s}{a(L-2)}\Big)(0) < 1"
    r" \Rightarrow \tfrac{w'}{w} \to -a,\ \lambda' \to b x s;"
    r"\quad c\sigma (s - w^L) w^{L-2} > 1,\ \lambda \ge 0 \Rightarrow w' > 0",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; squared norm",
        "balanced start w > 0",
        "depth 3 or more for the collapse",
    ),
    theory_side="bound",
    controls=(
        "2 % above the bound, weights small: collapse",
        "bound with b 10 % smaller",
        "multiplier grows 10 % faster",
        "growth criterion 2 % below 1: the weights grow",
        "no augmentation at depth 3: escape",
    ),
    parameters=Collapsing,
)
def deep_chains_can_collapse(study: Study, given: Collapsing) -> Iterator[Check | Curves]:
    for L in given.depths:
        yield from _must_collapse(study, given.chain(L), given)
    yield from _must_grow(study, given.chain(3), given.runs)
    yield from _two_layers_recover(study, given.chain(2))
    yield from _unbalanced_without_augmentation(study, given.chain(3))


def _must_collapse(study: Study, chain: Chain, given: Collapsing) -> Iterator[Check | Curves]:
    """Small weights, held below the bound by the multiplier they start with: the size is bounded, and nearly that."""
    case, tuning = f"depth {chain.L}", _tuning(chain, 0.9, 0.2)
    start = (given.start * chain.s) ** (1 / chain.L)
    criteria = np.array(given.criteria)
    multipliers = _multipliers(chain, tuning, start, criteria)
    trainee = minnorm_descent(study, chain, np.full((len(criteria), chain.L), start), tuning, multipliers)
    runs = trainee.refine(learning_rate=given.learning_rate, horizon=10.0, records=41)
    t, finest = runs[0].t[:, None], runs[-1]
    sizes, error = richardson([run["w"][..., 0] for run in runs])

    def bound(k: float) -> Array:
        """Of a b that is k times as large; there is none where the criterion is above 1."""
        with np.errstate(invalid="ignore"):
            sizes = collapse.size_bound(chain, _tuning(chain, 0.9 * k, 0.2), start, multipliers, t)
        return np.nan_to_num(sizes, nan=np.inf)

    because = "v = w^(2-L) stays above the largest force there can be; slack: last Richardson correction"
    within = Tolerance(error.max(0) + 8 * EPS * Units(chain).weight, because)
    size = measured("size of a weight", sizes, within=within, case=case, axes=("t", "run"))
    yield size.at_most(bound)
    # The force is below the one assumed by p/s < start of c sigma s + b sigma s t, and its defect grows like v - m.
    force = tuning.c * chain.sigma * chain.s + tuning.b * chain.sigma * chain.s
    sharpness = 1 - given.start * force / ((1 - criteria) * start ** (2.0 - chain.L))
    sharp = exactly(f"p < {given.start:g} s: so little of the force was given away, relative to v - m")
    yield measured("and not much smaller", (sizes + within.value) / bound(1), within=sharp, case=case).at_least(
        sharpness
    )
    yield _decay_at_the_end(chain, tuning, multipliers, finest, case).equals(A)
    growth = _growth_of_the_multiplier(chain, tuning, finest, case)
    yield growth.equals(tuning.b * chain.x * chain.s)
    if chain.L == given.shown:
        yield size.control("bound with b 10 % smaller").at_most(bound(0.9))
        yield growth.control("multiplier grows 10 % faster").equals(1.1 * tuning.b * chain.x * chain.s)
        yield _just_above(study, chain, tuning, start)
        yield curves(t=runs[0].t, sizes=sizes, bound=bound(1), criteria=criteria)


def _decay_at_the_end(chain: Chain, tuning: Tuning, multipliers: Array, run: Trajectory, case: str) -> Measured:
    """-w'/w over the last record; it tends to a as the chain collapses."""
    w, t = run["w"][-2:, :, 0], run.t[-2:]
    decay = -np.diff(np.log(w), axis=0)[0] / np.diff(t)
    eta = run.t[1] / run.facts["recorded"][1]
    force = chain.x * multipliers + chain.sigma * chain.s * (tuning.c + tuning.b * t[1])
    within = Tolerance(
        tuning.a * (force * w[0] ** (chain.L - 2) + eta * tuning.a),
        "w'/w + a = a x (lambda + c h) w^(L-2), lambda and h at their largest, and half of eta a^2, a step of Euler's",
    )
    return measured("weights decay", decay, within=within, case=case)


def _growth_of_the_multiplier(chain: Chain, tuning: Tuning, run: Trajectory, case: str) -> Measured:
    """lambda' over the last record; it tends to b x s as the chain collapses."""
    multipliers, t = run["multipliers"], run.t
    growth = (np.diff(multipliers, axis=0) / np.diff(t)[:, None])[-1]
    rounded = 64 * EPS * np.abs(multipliers[-1]).max() / (t[1] / run.facts["recorded"][1])
    tolerance = tuning.b * chain.x * chain.s * (run["w"][-2, :, 0] / chain.omega) ** chain.L + rounded
    within = Tolerance(tolerance, "lambda' = b x (s - p): what is left of p, and a rounding a step")
    return measured("multiplier grows", growth, within=within, case=case)


def _just_above(study: Study, chain: Chain, tuning: Tuning, start: float) -> Check:
    """1.02 of the bound: v = w^(2-L) falls behind by 0.02 e^(a (L-2) t) of itself, until w has nearly doubled."""
    multipliers, eta = _multipliers(chain, tuning, start, np.array([1.02])), 0.01 / (chain.L - 2)
    sizes = collapse.size_bound(chain, tuning, start, multipliers, eta * np.arange(1000))
    steps = int(np.argmax(sizes > 2 * start))
    trainee = minnorm_descent(study, chain, np.full((1, chain.L), start), tuning, multipliers)
    grown = trainee.train(learning_rate=eta, steps=steps, record=[0, steps])["w"][-1, 0, 0] / start
    within = exactly("a chain that collapses is smaller than at its start")
    size = measured("size over the start", float(grown), within=within)
    return size.control("2 % above the bound, weights small: collapse").at_most(1.0)


def _multipliers(chain: Chain, tuning: Tuning, start: float, criteria: Array) -> Array:
    """The multipliers at which chains of this size start with these values of the collapse criterion."""
    missing = criteria - collapse.collapse_criterion(chain, tuning, start, 0.0)
    return missing * start ** (2.0 - chain.L) / chain.x


def _tuning(chain: Chain, b: float, c: float) -> Tuning:
    return Units(chain).tuning(Tuning(A, b, c))


def _must_grow(study: Study, chain: Chain, runs: int) -> Iterator[Check]:
    """Growth criterion > 1 and lambda >= 0: the weights grow; where it is almost 1 and lambda = 0 they do not."""
    rng, units = study.rng("growing"), Units(chain)
    starts = units.weight * np.exp(rng.uniform(np.log(0.25), np.log(0.6), runs))
    factors = np.append(rng.uniform(1.1, 1.5, runs - 1), ALMOST)
    c = factors / collapse.growth_criterion(chain, Tuning(A, c=1.0), starts)
    tuning = Tuning(A, units.time * rng.uniform(1.0, 2.0, runs), c)
    eta, steps = 0.02, 2000
    w = np.repeat(starts[:, None], 3, axis=1)
    run = _train(study, chain, w, tuning, eta, steps, [*range(200), steps])
    size = run["w"][..., 0]
    criterion, factor = collapse.growth_criterion(chain, tuning, size[:199]), size[1:200] / size[:199]
    because = "w'/w = a (x lambda w^(L-2) + criterion - 1), and lambda = 0; a dozen roundings"
    first = measured("first step of the weights", factor[0], within=Tolerance(12 * EPS * (1 + criterion[0]), because))
    yield first.equals(lambda k: 1 + eta * A * (k * criterion[0] - 1))
    within = exactly("lambda >= 0 only grows")
    grows = measured("weights grow while the criterion is above 1", factor, within=within, axes=("step", "run"))
    yield grows.at_least(lambda k: np.where(criterion > k, 1.0, 0.0))
    shrunk = measured("first step of the last", factor[0, -1], within=exactly(f"the criterion is {ALMOST}"))
    yield shrunk.control("growth criterion 2 % below 1: the weights grow").at_least(1.0)
    away = distance(chain, run["w"][-1, :-1])
    rate = -minnorm.spectrum(chain, tuning).real.max(-1)[:-1]
    within = Tolerance(chain.omega * np.exp(-rate * eta * steps / 4), "empirical: half the rate over half the time")
    reached = measured("and reach the minimum", away, within=within)
    yield reached.equals(0, against=float(distance(chain, np.zeros(3))))
    yield from _far_root(study, chain, starts[:-1], tuning.c[:-1])


def _far_root(study: Study, chain: Chain, starts: Array, c: Array) -> Iterator[Check]:
    """With hardly a multiplier they come to where the criterion is 1 again, and not much further."""
    w = np.repeat(starts[:, None], 3, axis=1)
    end = _train(study, chain, w, Tuning(A, 1e-4 * Units(chain).time, c), 0.05, 600, [0, 600])["w"][-1, :, 0]
    # c sigma (s - w^3) w = 1, of which the larger root counts.
    roots = np.array([np.roots([-number, 0, 0, number * chain.s, -1]) for number in c * chain.sigma])
    far = np.where(np.abs(roots.imag) < 1e-9, roots.real, -np.inf).max(-1)
    within = exactly("the multiplier is above 0, and moves the root outwards")
    yield measured("and come to where it is 1 again", end, within=within, axes=("run",)).at_least(far)


def _two_layers_recover(study: Study, chain: Chain) -> Iterator[Check]:
    unit = Units(chain).weight
    w = unit * np.full((3, 2), 1.0) * np.array([1e-4, 1e-3, 1e-2])[:, None]
    end = distance(chain, _train(study, chain, w, _tuning(chain, 0.9, 0.5), 0.05, 800, [0, 800])["w"][-1])
    within = Tolerance(
        1e-3 * unit, "empirical: x lambda grows past 1, and half the rate of the spectrum for half the time"
    )
    recovered = measured("depth 2 recovers from 1e-4", end, within=within)
    yield recovered.equals(0, against=float(distance(chain, w).min()))


def _unbalanced_without_augmentation(study: Study, chain: Chain) -> Iterator[Check]:
    unit = Units(chain).weight
    w = unit * np.array([[1.3, 1.2, 0.9], [1.1, 1.0, 1.6]])
    end = distance(chain, _train(study, chain, w, _tuning(chain, 0.9, 0.0), 0.02, 1000, [0, 1000])["w"][-1])
    away = measured("distance to the minimum", end, within=exactly("what convergence at rate a / 10 leaves"))
    yield away.control("no augmentation at depth 3: escape").at_most(0.1 * unit)


def _train(
    study: Study, chain: Chain, w: Array, tuning: Tuning, eta: float, steps: int, record: list[int]
) -> Trajectory:
    return minnorm_descent(study, chain, w, tuning).train(learning_rate=eta, steps=steps, record=record)
