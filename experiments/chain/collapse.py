"""From depth 3 on Minnorm can lose the chain to w = 0: where it must, where it cannot, and where depth 2 never does."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import MinnormDescent, refine, train_chain
from theory.chain import collapse, minnorm
from theory.chain.problem import Chain, distance
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
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
    controls=(
        "2 % above the bound, weights small: collapse",
        "bound with b 10 % smaller",
        "multiplier grows 10 % faster",
        "lift below 1: the weights grow",
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
    tuning = Tuning(1.0, 1.0, 0.2)
    size = (SMALL * chain.s) ** (1 / chain.L)
    heads = np.array([0.5, 0.9, 0.98])
    multiplier = _multiplier(chain, tuning, size, heads)
    w = np.full((len(heads), chain.L), size)
    rule = lambda: MinnormDescent(chain, tuning, multiplier)  # noqa: E731
    runs = refine(study, f"depth {chain.L}", chain, w, rule, learning_rate=0.02, horizon=10.0, records=41, levels=3)
    t = runs[0].t
    sizes, error = richardson([run["w"][..., 0] for run in runs])
    bound = collapse.size_bound(chain, tuning, size, multiplier, t[:, None])
    slack = error.max(0) + 8 * EPS
    because = "v = w^(2-L) outruns the largest force there can be; slack: last Richardson correction"
    yield at_most(f"depth {chain.L}: size of a weight", sizes, bound, slack=slack, because=because)
    # The force is below the one assumed by p/s < SMALL of c sigma s + b sigma s t, and its defect grows like the lead.
    force = tuning.c * chain.sigma * chain.s + tuning.b * chain.sigma * chain.s
    lead = (1 - heads) * size ** (2.0 - chain.L)
    given = 1 - SMALL * force / lead
    because = "p < 2e-4 s: so little of the force was given away, relative to the lead of v"
    yield at_least(f"depth {chain.L}: and not much smaller", (sizes + slack) / bound, given, because=because)
    lost = runs[-1]["w"][-1, :, 0] / chain.omega
    yield at_most(f"depth {chain.L}: head start below 1 collapses", lost, FORGOTTEN, because="the bound at t = 10")
    slope = (np.diff(runs[-1]["multiplier"], axis=0) / np.diff(runs[-1].t)[:, None])[-1]
    predicted = tuning.b * chain.x * chain.s
    rounding = 64 * EPS * np.abs(runs[-1]["multiplier"][-1]).max() / (runs[-1].t[1] / runs[-1].facts["recorded"][1])
    tolerance = predicted * (runs[-1]["w"][-2, :, 0] / chain.omega) ** chain.L + rounding
    because = "lambda' = b x (s - p): what is left of p, and a rounding a step"
    yield equal(f"depth {chain.L}: multiplier grows", slope, predicted, tolerance=tolerance, because=because)
    if chain.L == 3:
        smaller = collapse.size_bound(chain, Tuning(1.0, 0.9, 0.2), size, multiplier, t[:, None])
        yield refuted("bound with b 10 % smaller", at_most("b", sizes, smaller, slack=slack, because=because))
        faster = equal("slope", slope, 1.1 * predicted, tolerance=tolerance, because=because)
        yield refuted("multiplier grows 10 % faster", faster)
        yield _just_above(study, chain, tuning, size)
        yield curves(t=t, sizes=sizes, bound=bound, heads=heads)


def _just_above(study: Study, chain: Chain, tuning: Tuning, size: float) -> Check:
    """1.02 of the bound: v = w^(2-L) falls behind by 0.02 e^(a (L-2) t) of itself; by t = 4.1, w has doubled."""
    multiplier = _multiplier(chain, tuning, size, np.array([1.02]))
    rule = MinnormDescent(chain, tuning, multiplier)
    w = np.full((1, chain.L), size)
    run = train_chain(study, "just above", chain, w, rule, learning_rate=0.01, steps=410, record=[0, 410])
    grown = float(run["w"][-1, 0, 0] / size)
    return refuted(
        "2 % above the bound, weights small: collapse",
        at_most("size over the start", grown, 1.0, because="a chain that collapses is smaller than at its start"),
    )


def _multiplier(chain: Chain, tuning: Tuning, size: float, heads: Array) -> Array:
    """The starting multipliers that give these head starts."""
    return (heads - collapse.head_start(chain, tuning, size, 0.0)) * size ** (2.0 - chain.L) / chain.x


def _must_grow(study: Study) -> Iterator[Check]:
    """lift > 1 and lambda >= 0: the weights grow past the peak of the lift; in training they reach the minimum."""
    chain = Chain(1.7, 3, x=1.2)
    rng = study.rng("growing")
    runs = study.pick(smoke=6, quick=24, paper=96)
    sizes = np.exp(rng.uniform(np.log(0.25), np.log(0.6), runs))
    tuning = Tuning(1.0, rng.uniform(1.0, 2.0, runs), rng.uniform(1.1, 1.5, runs) / collapse.lift(chain, UNIT, sizes))
    rate = -minnorm.spectrum(chain, tuning).real.max(-1)
    horizon, eta = 40.0, 0.02
    w = np.repeat(sizes[:, None], 3, axis=1)
    steps = round(horizon / eta)
    record = [*range(200), *range(200, steps + 1, 100)]
    run = _train(study, "growing", chain, w, tuning, eta, steps, record)
    size = run["w"][..., 0]
    lift = collapse.lift(chain, tuning, size[:199])
    factor = size[1:200] / size[:199]
    because = "w'/w = a (x lambda w^(L-2) + lift - 1), and lambda = 0; a dozen roundings"
    tolerance = 12 * EPS * (1 + lift[0])
    yield equal("first step of the weights", factor[0], 1 + eta * (lift[0] - 1), tolerance=tolerance, because=because)
    growing = np.where(lift > 1, factor, np.inf)
    yield at_least("weights grow while the lift is above 1", growing, 1.0, because="lambda >= 0 only grows")
    peak = (chain.s * (chain.L - 2) / (2 * chain.L - 2)) ** (1 / chain.L)
    yield at_least("and pass the peak of the lift", size.max(0), peak, because="beyond it the lift is 1 again")
    bound = chain.omega * np.exp(-rate / 2 * horizon / 2)
    because = "numerical: half the asymptotic rate over half the time"
    yield at_most("and reach the minimum", distance(chain, run["w"][-1]), bound, because=because)
    low = np.full((1, 3), 0.3)
    below = Tuning(1.0, 0.05, 0.5 / collapse.lift(chain, UNIT, 0.3))
    lost = _train(study, "below", chain, low, below, 0.02, 100, [0, 100])["w"][..., 0]
    shrunk = at_least("below", lost[-1] / lost[0], 1.0, because="the lift is 0.5")
    yield refuted("lift below 1: the weights grow", shrunk)


def _two_layers_recover(study: Study) -> Iterator[Check]:
    chain = Chain(1.7, 2)
    w = np.full((3, 2), 1.0) * np.array([1e-4, 1e-3, 1e-2])[:, None]
    run = _train(study, "two layers", chain, w, Tuning(1.0, 1.0, 0.5), 0.05, 800, [0, 800])
    end = distance(chain, run["w"][-1])
    yield at_most("depth 2 recovers from 1e-4", end, 1e-3, because="lambda grows past 1; then rate 1/2 for 30 units")


def _unbalanced_without_augmentation(study: Study) -> Iterator[Check]:
    chain = Chain(1.7, 3)
    w = np.array([[1.3, 1.2, 0.9], [1.1, 1.0, 1.6]])
    run = _train(study, "naive", chain, w, Tuning(1.0, 1.0, 0.0), 0.02, 1000, [0, 1000])
    escaped = at_most("naive", distance(chain, run["w"][-1]), 0.1, because="what convergence at rate a / 10 leaves")
    yield refuted("no augmentation at depth 3: escape", escaped)


def _train(
    study: Study, name: str, chain: Chain, w: Array, tuning: Tuning, eta: float | Array, steps: int, record: list[int]
) -> Trajectory:
    rule = MinnormDescent(chain, tuning, 0.0)
    return train_chain(study, name, chain, w, rule, learning_rate=eta, steps=steps, record=record)
