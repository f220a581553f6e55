"""Constant weight decay forgets the start only as fast as it is biased, and too much of it loses the chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import decayed_descent, random_weights
from experiments.chain.parameters import Chains, Units
from experiments.training import extrapolated, tends_to
from theory.chain import weight_decay
from theory.chain.problem import Chain, imbalance, imbalance_solution, product
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array

BELOW, ABOVE = 0.98, 1.01  # of the threshold: the nearer, the longer p lingers where its bound is nearly equality


@dataclass(frozen=True)
class Decaying(Chains):
    depths: tuple[int, ...] = varies(
        "numbers L of weights", (1, 2, 3, 4, 5), smoke=(2, 3), paper=(1, 2, 3, 4, 5, 6), low=1, high=10
    )
    learning_rate: float = varies("of descent, where it is stable", 0.05, low=5e-3, high=0.1)
    shares: tuple[float, ...] = varies(
        "weight decays whose equilibria are looked at, as shares of the threshold", (0.1, 0.5, 0.8), low=0.01, high=0.95
    )
    runs: int = varies("random starts that are forgotten", 8, low=1, high=1000)

    def eta(self, chain: Chain) -> float:
        """A displacement of all weights alike relaxes at g: an overdamped step, but for deep chains a smaller one."""
        return min(self.learning_rate * Units(chain).time, 1.2 / chain.g)


@claim(
    "minnorm.chain_l2",
    source="Bansal et al. 2018 (reconstruction: weight decay on the scalar chain); closed forms ours",
    source_kind=RECONSTRUCTED,
    statement=r"w_l' = \sigma (s - p) \tfrac{p}{w_l} - \gamma w_l,\ p = \textstyle\prod_l w_l,\ D_{ij} = w_i^2 - w_j^2:"
    r"\quad D_{ij}(t) = e^{-2\gamma t} D_{ij}(0);\quad p \to u,\ \sigma (s - u) u^{1 - 2/L} = \gamma,\ s - u ="
    r" \tfrac{\gamma}{\sigma} s^{2/L - 1} + O(\gamma^2);\quad w \to 0 \text{ if } \gamma > \sigma \tfrac{sL}{2(L-1)}"
    r"\Big(\tfrac{s(L-2)}{2(L-1)}\Big)^{1 - 2/L}",
    hypotheses=(
        "gradient flow with constant weight decay gamma",
        "L weights, input x, sigma = x^2, target x s",
        "limit and collapse: from the minimum of the norm",
    ),
    theory_side="closed form",
    controls=(
        "half the rate",
        "rate 10 % larger",
        "weight decay 10 % larger: equilibrium",
        "bias 10 % larger",
        "threshold 6 % lower: collapse",
        "threshold 3 % higher: equilibrium",
    ),
    parameters=Decaying,
)
def weight_decay_forgets_and_is_biased(study: Study, size: Decaying) -> Iterator[Check]:
    for L in size.depths:
        chain = size.chain(L)
        if L > 1:
            yield from _forgets(study, chain, size)
            yield from _collapses(study, chain, size)
        yield from _settles(study, chain, size)
        yield from _small_bias(study, chain, size)


def _forgets(study: Study, chain: Chain, size: Decaying) -> Iterator[Check]:
    rng, unit = study.rng("forgets", chain.L), Units(chain).time
    w = random_weights(rng, size.runs, chain.L, 0.6 * chain.omega, 1.2 * chain.omega)
    gamma = rng.uniform(0.05, 1.0, size.runs) / unit
    trainee = decayed_descent(study, chain, w, gamma)
    runs = trainee.refine(learning_rate=min(size.eta(chain) / 2.5, 0.02 * unit), horizon=unit, records=17)
    values, t = [imbalance(run["w"]) for run in runs], runs[0].t

    def predicted(k: float) -> Array:
        return imbalance_solution(w, k * gamma, t)

    yield from tends_to("imbalance", values, predicted, case=f"depth {chain.L}")
    if chain.L == size.shown:
        for control, factor in (("half the rate", 0.5), ("rate 10 % larger", 1.1)):
            yield extrapolated("imbalance", values).control(control).equals(predicted(factor))


def _settles(study: Study, chain: Chain, size: Decaying) -> Iterator[Check]:
    """Descent and flow rest at the same products; balanced starts at omega come down to them."""
    eta = size.eta(chain)
    gamma = min(weight_decay.collapse_threshold(chain), 4.0 / Units(chain).time) * np.array(size.shares)
    steps = round(50 * Units(chain).time / eta)
    end = _from_the_minimum(study, chain, gamma, eta, [steps])[-1]
    predicted = _equilibria(chain, gamma)
    # A displacement of all weights alike relaxes at r; descent stalls where its step rounds away.
    u = predicted ** (1 / chain.L)
    slope = (chain.L - 1) * chain.s * u ** (chain.L - 2) - (2 * chain.L - 1) * u ** (2 * chain.L - 2)
    rate = gamma - chain.sigma * slope
    tolerance = chain.L * predicted * (8 * EPS / (eta * rate) + np.exp(-rate * eta * steps / 2))
    within = Tolerance(tolerance, "a step that rounds away, and what half the relaxation rate leaves")
    equilibrium = measured("equilibrium", end, within=within, case=f"depth {chain.L}")
    yield equilibrium.equals(lambda k: _equilibria(chain, k * gamma))
    if chain.L == size.shown:
        yield equilibrium.control("weight decay 10 % larger: equilibrium").equals(_equilibria(chain, 1.1 * gamma))


def _small_bias(study: Study, chain: Chain, size: Decaying) -> Iterator[Check]:
    """(s - u) / gamma as gamma halves, from trained chains."""
    eta, unit = size.eta(chain), Units(chain).time
    gamma = 0.08 / unit / 2.0 ** np.arange(4)
    end = _from_the_minimum(study, chain, gamma, eta, [round(25 * unit / eta)])[-1]
    ratio = (chain.s - end) / gamma
    limit, error = richardson(list(ratio))
    rounded = 2**4 * 8 * EPS * chain.L * chain.s / (eta * min(1 / unit, chain.g) * gamma.min())
    within = Tolerance(error + rounded, "last Richardson correction in gamma, and steps that round away")
    bias = measured("bias over gamma", limit, within=within, case=f"depth {chain.L}")
    predicted = weight_decay.small_bias(chain, 1.0)
    yield bias.equals(predicted)
    if chain.L == size.shown:
        yield bias.control("bias 10 % larger").equals(1.1 * predicted)


def _collapses(study: Study, chain: Chain, size: Decaying) -> Iterator[Check]:
    """Above the threshold p falls at least as e^(-L (gamma - threshold) t); below it rests at equilibrium."""
    threshold = weight_decay.collapse_threshold(chain)
    gamma = threshold * np.array([BELOW, ABOVE])
    eta = size.eta(chain)
    between = round(4 * Units(chain).time / eta)
    steps = range(0, 30 * between + 1, between)
    below, above = _from_the_minimum(study, chain, gamma, eta, steps).T
    case, t = f"depth {chain.L}", eta * np.array(steps)

    def falls(gamma: float, threshold: float) -> Array:
        return chain.s * np.exp(np.minimum(-chain.L * (gamma - threshold) * t, 0))

    within = rounding(8, of="the bound; w'/w = sigma (s - p) q/w - gamma, whose first term is at most the threshold")
    collapsing = measured("collapse above", above, within=within, case=case, axes=("t",))
    yield collapsing.at_most(lambda k: falls(gamma[1], k * threshold))
    within = rounding(8 * chain.L, of="the equilibrium, to which it comes down from above")
    rests = measured("rest below", below, within=within, case=case, axes=("t",))
    yield rests.at_least(lambda k: _equilibria(chain, gamma[:1] / k))
    if chain.L == size.shown:
        yield rests.control("threshold 6 % lower: collapse").at_most(falls(gamma[0], 0.94 * threshold))
        end = measured("rest above", above, within=within, axes=("t",))
        control = end.control("threshold 3 % higher: equilibrium")
        yield control.at_least(weight_decay.equilibrium(chain, ABOVE / 1.03 * threshold))


def _from_the_minimum(study: Study, chain: Chain, gamma: Array, eta: float, record: Sequence[int]) -> Array:
    """Products (T, runs) of balanced chains that start at the minimum of the norm."""
    w = np.full((len(gamma), chain.L), chain.omega)
    run = decayed_descent(study, chain, w, gamma).train(learning_rate=eta, steps=record[-1], record=record)
    return product(run["w"])


def _equilibria(chain: Chain, gamma: Array) -> Array:
    """Products at rest; the smallest that there is where gamma is above the threshold."""
    highest = weight_decay.collapse_threshold(chain)
    return np.array([weight_decay.equilibrium(chain, min(float(number), highest)) for number in gamma])
