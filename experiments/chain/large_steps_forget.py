"""Large steps, then small ones: on the two-cycle imbalances die out at a known rate, so the end is the minimum norm."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import plain_descent
from experiments.chain.parameters import Chains
from theory.chain import beyond_the_edge as beyond
from theory.chain.problem import Chain, distance, imbalance
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.validation import reject

FORGOTTEN = 20.0  # e^-20 of an imbalance is left of it at the end
SMALL = 0.2  # eta g of the steps that anneal
ANNEALING = 250  # of them: 0.8^250 is left of s - p
SWEPT = {2: 1.995, 3: 1.8}  # by depth: how many times the edge, short of where chains of depth 3 fall to 0


@dataclass(frozen=True)
class Annealed(Chains):
    depths: tuple[int, ...] = varies("numbers L of weights", (2, 3, 4), smoke=(2, 3), paper=(2, 3, 4, 5), low=2, high=5)
    share: float = varies("of the way of r from 1 to where the cycle doubles", 0.8, low=0.6, high=0.9)
    runs: int = varies("unbalanced starts", 6, smoke=3, paper=40, low=2, high=1000)
    pixels: int = varies("learning rates of the picture", 150, smoke=40, paper=400, low=8, high=4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 2 not in self.depths:
            reject("depths", self.depths, "2 among them, the depth that small steps are shown at")


@claim(
    "chain.large_steps_forget",
    source="ours; that the balancing gap decays beyond the edge: Ghosh et al. 2025 (abstract)",
    source_kind=OURS,
    statement=r"w_i^2 - w_j^2 \sim e^{-k t},\ k = -\tfrac12 \log |5 - 2 (r + r^{-1})|\ \text{per step},"
    r"\quad r = r(\eta g) \text{ the ratio of the two-cycle};\quad"
    r" \text{after } n \text{ large steps small ones end at } |w - w^*| \sim e^{-k n}",
    hypotheses=(
        "a chain of L weights by gradient descent; eta g from 2 to where the cycle doubles",
        "any unbalanced start in its basin, of which p = s is not part: there nothing moves",
        "no multiplier, no decay; t counts steps",
    ),
    theory_side="closed form",
    controls=(
        "small steps throughout forget",
        "the rate of one weight more",
        "rate 5 % larger",
        "small steps throughout end as near",
        "a start with p = s forgets",
    ),
    parameters=Annealed,
)
def large_steps_then_small_ones_find_the_minimum_norm(study: Study, size: Annealed) -> Iterator[Check | Curves]:
    for L in size.depths:
        yield from _forgets(study, size.chain(L), size)
    yield from _at_rest(study, size.chain(size.shown), size)
    for L, multiple in SWEPT.items():
        yield _exponents(study, size.chain(L), multiple, size)


def _forgets(study: Study, chain: Chain, size: Annealed) -> Iterator[Check | Curves]:
    L, case = chain.L, f"depth {chain.L}"
    r = 1 + size.share * (beyond.doubling_ratio(chain) - 1)
    eta = float(beyond.cycle_learning_rate(chain, r))
    k = -np.log(np.abs(beyond.imbalance_multiplier(r))) / 2
    each = 4 * int(np.ceil(FORGOTTEN / k / 16))
    looks = each * np.arange(5)
    schedule = {"steps": 4 * each, "record": looks.tolist()}
    w = chain.omega * study.rng("starts", L).uniform(0.85, 1.1, (size.runs, L)) ** (2 / L)
    w[:, 0] *= 1.1  # so that none is balanced
    large = plain_descent(study, chain, w).train(learning_rate=eta, **schedule)["w"]
    small = _anneal(study, chain, large)
    off = np.abs(imbalance(large)[..., 0]), distance(chain, small)
    # The state rounds in every step, as do the weights at the end.
    floor = 16 * (L + 4) * EPS * np.array([chain.omega**2, chain.omega])
    forgetting, ends = (
        _rate(name, values, looks, lost, case)
        for name, values, lost in zip(("rate of the imbalance", "rate of the distance at the end"), off, floor)
    )
    for found in (forgetting, ends):
        yield found.equals(lambda c, k=k: c * k)
    if L == size.shown:
        deeper = Chain(chain.s, L + 1, chain.x)
        other = beyond.cycle_ratio(deeper, eta * chain.g / deeper.g)
        yield forgetting.control("the rate of one weight more").equals(
            -np.log(np.abs(beyond.imbalance_multiplier(other))) / 2
        )
        yield ends.control("rate 5 % larger").equals(1.05 * k)
    if L == 2:
        # Far longer than the large steps, at the rate of those that anneal.
        still = plain_descent(study, chain, w).train(
            learning_rate=SMALL / chain.g, steps=4 * each, record=looks.tolist()
        )["w"]
        kept = _rate("rate of the imbalance", np.abs(imbalance(still)[..., 0]), looks, floor[0], case)
        yield kept.control("small steps throughout forget").equals(k)
        bound = distance(chain, small[-1])
        within = Tolerance(1e-3 * chain.omega, "a thousandth of a weight")
        end = measured("distance at the end of small steps", distance(chain, still[-1]), within=within)
        yield end.control("small steps throughout end as near").equals(bound)
        yield curves("small steps", steps=looks, end=distance(chain, _anneal(study, chain, still)))
    yield curves(case, steps=looks, imbalance=off[0], end=off[1], rate=k)


def _anneal(study: Study, chain: Chain, w: Array) -> Array:
    """Ends of small steps from each state (T, runs, L)."""
    runs = plain_descent(study, chain, w.reshape(-1, chain.L))
    end = runs.train(learning_rate=SMALL / chain.g, steps=ANNEALING, record=[ANNEALING])["w"]
    return end.reshape(w.shape)


def _rate(name: str, values: Array, looks: Array, floor: float, case: str) -> Measured:
    """Decay a step (runs,) of values (T, runs) over the last quarter of the steps.

    What is not yet on the cycle shrinks as they do, so it moves this quarter by less than the quarter before.
    """
    each = looks[1] - looks[0]
    before, last = -np.diff(np.log(values[-3:]), axis=0) / each
    within = Tolerance(np.abs(last - before), "the quarter before gave another")
    within += Tolerance(2 * floor / values[-1] / each, "rounding of the weights, over what is left")
    return measured(name, last, within=within, case=case, axes=("run",))


def _at_rest(study: Study, chain: Chain, size: Annealed) -> Iterator[Check]:
    """p = s to the last digit: s times powers of 2."""
    w = np.ones((1, chain.L))
    w[0, :2] = chain.s / 2, 2.0
    r = 1 + size.share * (beyond.doubling_ratio(chain) - 1)
    steps = 40
    run = plain_descent(study, chain, w).train(
        learning_rate=float(beyond.cycle_learning_rate(chain, r)), steps=steps, record=[0, steps]
    )
    D = np.abs(imbalance(run["w"])[..., 0])
    left = measured("imbalance left", D[1] / D[0], within=rounding(steps, 4.0, of="the imbalance"))
    forgotten = np.abs(beyond.imbalance_multiplier(r)) ** (steps / 2)
    yield left.control("a start with p = s forgets").equals(forgotten)


def _exponents(study: Study, chain: Chain, multiple: float, size: Annealed) -> Curves:
    """log of what a step multiplies the imbalance by, on average, at learning rates up to this multiple of the edge."""
    runs, settled, steps = 60, 400, 12
    multiples = np.linspace(1.0, multiple, size.pixels + 1)[1:]
    eta = np.repeat(multiples * 2 / chain.g, runs)
    w = chain.omega * study.rng("exponents", chain.L).uniform(0.85, 0.95, len(eta))[:, None]
    balanced = np.repeat(w, chain.L, axis=1)
    end = plain_descent(study, chain, balanced).train(learning_rate=eta, steps=settled, record=[settled])["w"][0]
    end[:, 0] *= 1 + 1e-5
    run = plain_descent(study, chain, end).train(learning_rate=eta, steps=steps, record=[0, steps])["w"]
    start, left = np.log(np.abs(imbalance(run)[..., 0]) + 1e-16)
    trained = ((left - start) / steps).reshape(-1, runs).mean(1)
    r = np.linspace(1, beyond.doubling_ratio(chain), 200)
    law = np.log(np.abs(beyond.imbalance_multiplier(r))) / 2
    on_cycle = beyond.cycle_learning_rate(chain, r) * chain.g / 2
    return curves(f"exponents, depth {chain.L}", multiple=multiples, trained=trained, on_cycle=on_cycle, law=law)
