"""From depth 3 on Minnorm can lose the chain to w = 0: where it must, where it cannot, and where depth 2 never does."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import minnorm_descent
from theory.chain import collapse, minnorm
from theory.chain.problem import Chain, distance
from theory.claims import Check, Curves, Measured, Study, Tolerance, claim, curves, exactly, measured
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning

SMALL = 2e-4  # p / s at the start: the bound is sharp as this vanishes
UNIT = Tuning(c=1.0)
FORGOTTEN = 1e-3  # of omega: a chain smaller than this is lost


@claim(
    "minnorm.chain_collapse",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain); ours",
    statement=r"L \ge 3,\ w^{L-2}\Big(x\lambda + c\sigma s + \tfrac{b\sigma s}{a(L-2)}\Big)(0) < 1 \Rightarrow w \to 0,"
    r"\ \lambda \sim b x s t;\quad c\sigma (s - w^L) w^{L-2} > 1,\ \lambda \ge 0 \Rightarrow w' > 0",
    hypotheses=("balanced start", "squared norm", "depth 3 or more for the collapse"),
    theory_side="bound",
    controls=(
        "2 % above the bound, weights small: collapse",
        "bound with b 10 % smaller",
        "multiplier grows 10 % faster",
        "growth criterion below 1: the weights grow",
        "no augmentation at depth 3: escape",
    ),
)
def deep_chains_can_collapse(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(3,), quick=(3, 4), paper=(3, 4, 5)):
        yield from _must_collapse(study, Chain(1.7, L, x=1.2))
    yield from _must_grow(study)
    yield from _two_layers_recover(study)
    yield from _unbalanced_without_augmentation(study)


def _must_collapse(study: Study, chain: Chain) -> Iterator[Check | Curves]:
    """Small weights, held below the bound by the multiplier they start with: the size is bounded, and nearly that."""
    case, tuning = f"depth {chain.L}", Tuning(1.0, 1.0, 0.2)
    start = (SMALL * chain.s) ** (1 / chain.L)
    criteria = np.array([0.5, 0.9, 0.98])
    multipliers = _multipliers(chain, tuning, start, criteria)
    trainee = minnorm_descent(study, chain, np.full((len(criteria), chain.L), start), tuning, multipliers)
    runs = trainee.refine(learning_rate=0.02, horizon=10.0, records=41)
    t, finest = runs[0].t[:, None], runs[-1]
    sizes, error = richardson([run["w"][..., 0] for run in runs])
    bound = collapse.size_bound(chain, tuning, start, multipliers, t)
    because = "v = w^(2-L) stays above the largest force there can be; slack: last Richardson correction"
    within = Tolerance(error.max(0) + 8 * EPS, because)
    size = measured("size of a weight", sizes, within=within, case=case, axes=("t", "run"))
    yield size.at_most(bound)
    # The force is below the one assumed by p/s < SMALL of c sigma s + b sigma s t, and its defect grows like v - m.
    force = tuning.c * chain.sigma * chain.s + tuning.b * chain.sigma * chain.s
    given = 1 - SMALL * force / ((1 - criteria) * start ** (2.0 - chain.L))
    sharp = exactly("p < 2e-4 s: so little of the force was given away, relative to v - m")
    yield measured("and not much smaller", (sizes + within.value) / bound, within=sharp, case=case).at_least(given)
    end = finest["w"][-1, :, 0] / chain.omega
    yield measured("size at the end, over omega", end, within=exactly("the bound at t = 10"), case=case).at_most(
        FORGOTTEN
    )
    growth = _growth_of_the_multiplier(chain, tuning, finest, case)
    yield growth.equals(tuning.b * chain.x * chain.s)
    if chain.L == 3:
        smaller = collapse.size_bound(chain, Tuning(1.0, 0.9, 0.2), start, multipliers, t)
        yield size.control("bound with b 10 % smaller").at_most(smaller)
        yield growth.control("multiplier grows 10 % faster").equals(1.1 * tuning.b * chain.x * chain.s)
        yield _just_above(study, chain, tuning, start)
        yield curves(t=runs[0].t, sizes=sizes, bound=bound, criteria=criteria)


def _growth_of_the_multiplier(chain: Chain, tuning: Tuning, run: Trajectory, case: str) -> Measured:
    """lambda' over the last record; it tends to b x s as the chain collapses."""
    multipliers, t = run["multipliers"], run.t
    growth = (np.diff(multipliers, axis=0) / np.diff(t)[:, None])[-1]
    rounded = 64 * EPS * np.abs(multipliers[-1]).max() / (t[1] / run.facts["recorded"][1])
    tolerance = tuning.b * chain.x * chain.s * (run["w"][-2, :, 0] / chain.omega) ** chain.L + rounded
    within = Tolerance(tolerance, "lambda' = b x (s - p): what is left of p, and a rounding a step")
    return measured("multiplier grows", growth, within=within, case=case)


def _just_above(study: Study, chain: Chain, tuning: Tuning, start: float) -> Check:
    """1.02 of the bound: v = w^(2-L) falls behind by 0.02 e^(a (L-2) t) of itself; by t = 4.1, w has doubled."""
    multipliers = _multipliers(chain, tuning, start, np.array([1.02]))
    trainee = minnorm_descent(study, chain, np.full((1, chain.L), start), tuning, multipliers)
    grown = trainee.train(learning_rate=0.01, steps=410, record=[0, 410])["w"][-1, 0, 0] / start
    within = exactly("a chain that collapses is smaller than at its start")
    size = measured("size over the start", float(grown), within=within)
    return size.control("2 % above the bound, weights small: collapse").at_most(1.0)


def _multipliers(chain: Chain, tuning: Tuning, start: float, criteria: Array) -> Array:
    """The multipliers at which chains of this size start with these values of the collapse criterion."""
    missing = criteria - collapse.collapse_criterion(chain, tuning, start, 0.0)
    return missing * start ** (2.0 - chain.L) / chain.x


def _must_grow(study: Study) -> Iterator[Check]:
    """Growth criterion > 1 and lambda >= 0: the weights pass the size where it is largest, and reach the minimum."""
    chain = Chain(1.7, 3, x=1.2)
    rng = study.rng("growing")
    runs = study.pick(smoke=6, quick=24, paper=96)
    starts = np.exp(rng.uniform(np.log(0.25), np.log(0.6), runs))
    b, factors = rng.uniform(1.0, 2.0, runs), rng.uniform(1.1, 1.5, runs)
    tuning = Tuning(1.0, b, factors / collapse.growth_criterion(chain, UNIT, starts))
    horizon, eta = 40.0, 0.02
    steps = round(horizon / eta)
    w = np.repeat(starts[:, None], 3, axis=1)
    run = _train(study, chain, w, tuning, eta, steps, [*range(200), *range(200, steps + 1, 100)])
    size = run["w"][..., 0]
    criterion, factor = collapse.growth_criterion(chain, tuning, size[:199]), size[1:200] / size[:199]
    because = "w'/w = a (x lambda w^(L-2) + criterion - 1), and lambda = 0; a dozen roundings"
    within = Tolerance(12 * EPS * (1 + criterion[0]), because)
    yield measured("first step of the weights", factor[0], within=within).equals(1 + eta * (criterion[0] - 1))
    growing = np.where(criterion > 1, factor, np.inf)
    within = exactly("lambda >= 0 only grows")
    yield measured("weights grow while the criterion is above 1", growing, within=within).at_least(1.0)
    peak = (chain.s * (chain.L - 2) / (2 * chain.L - 2)) ** (1 / chain.L)
    within = exactly("beyond the peak of the criterion it is 1 again")
    yield measured("and pass the peak of the criterion", size.max(0), within=within).at_least(peak)
    rate = -minnorm.spectrum(chain, tuning).real.max(-1)
    bound = chain.omega * np.exp(-rate / 2 * horizon / 2)
    within = exactly("numerical: half the asymptotic rate over half the time")
    yield measured("and reach the minimum", distance(chain, run["w"][-1]), within=within).at_most(bound)
    weak = Tuning(1.0, 0.05, 0.5 / collapse.growth_criterion(chain, UNIT, 0.3))
    lost = _train(study, chain, np.full((1, 3), 0.3), weak, eta, 100, [0, 100])["w"][..., 0]
    shrunk = measured("size over the start", lost[-1] / lost[0], within=exactly("the criterion is 0.5"))
    yield shrunk.control("growth criterion below 1: the weights grow").at_least(1.0)


def _two_layers_recover(study: Study) -> Iterator[Check]:
    chain = Chain(1.7, 2)
    w = np.full((3, 2), 1.0) * np.array([1e-4, 1e-3, 1e-2])[:, None]
    end = distance(chain, _train(study, chain, w, Tuning(1.0, 1.0, 0.5), 0.05, 800, [0, 800])["w"][-1])
    within = exactly("lambda grows past 1; then rate 1/2 for 30 units")
    yield measured("depth 2 recovers from 1e-4", end, within=within).at_most(1e-3)


def _unbalanced_without_augmentation(study: Study) -> Iterator[Check]:
    chain = Chain(1.7, 3)
    w = np.array([[1.3, 1.2, 0.9], [1.1, 1.0, 1.6]])
    end = distance(chain, _train(study, chain, w, Tuning(1.0, 1.0, 0.0), 0.02, 1000, [0, 1000])["w"][-1])
    away = measured("distance to the minimum", end, within=exactly("what convergence at rate a / 10 leaves"))
    yield away.control("no augmentation at depth 3: escape").at_most(0.1)


def _train(
    study: Study, chain: Chain, w: Array, tuning: Tuning, eta: float, steps: int, record: list[int]
) -> Trajectory:
    return minnorm_descent(study, chain, w, tuning).train(learning_rate=eta, steps=steps, record=record)
