"""The sharpness of where the flow would end: which steps of descent lower it, and which that converge do not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from experiments.chain.networks import plain_descent, random_weights
from experiments.chain.parameters import Chains
from theory.chain.flow_sharpness import contraction, flow_sharpness
from theory.chain.gradient_flow import limit
from theory.chain.problem import Chain, imbalance, product
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array

NEAREST = 0.1  # of s: nearer starts have their error, and with it C, in fewer digits
DRAWN = 80  # of the steps of each size
CONVERGING = 0.8, 0.985, 0.01  # eta sigma s, and two shares of an ellipse inside which descent of depth 2 converges


@dataclass(frozen=True)
class Steps(Chains):
    runs: int = varies(
        "random starts for each depth and hypothesis, a step each", 2000, smoke=1000, paper=20_000, low=500, high=10**5
    )
    learning_rate: float = varies("of whole runs, times sigma s^(2 - 2/L)", 0.25, low=0.01, high=0.3)
    steps: int = varies("of whole runs", 60, smoke=30, low=10, high=300)


class Stepped(NamedTuple):
    """Chains before and after one step, with p > 0 in both, and the contraction C of the step."""

    before: Array  # (runs, L)
    after: Array
    C: Array  # (runs,)


@claim(
    "chain.flow_sharpness",
    source="Kreisler, Nacson, Soudry & Carmon 2023 show such a decrease; the condition C <= 1, the majorisation and the"
    " edge C = 2: ours",
    source_kind=OURS,
    statement=r"\phi(w) = \sigma s^2 \sum_l w_l(\infty)^{-2},\quad C = \Big(\eta \sigma (s - p) \frac{p}{w_{(1)}"
    r" w_{(2)}}\Big)^2 \le 1 \;\Rightarrow\; \log w^+(\infty)^2 \prec \log w(\infty)^2,\ \phi(w^+) \le \phi(w),"
    r"\ |w^+(\infty)|^2 \le |w(\infty)|^2;\quad L = 2:\ \phi(w)^2 = \sigma^2 (D^2 + 4 s^2),\ D^+ = (1 - C) D",
    hypotheses=(
        "gradient descent of 1/2 sigma (s - p)^2, any learning rate eta; sigma = x^2",
        "p > 0 before the step and after it; w_(1), w_(2) the two smallest weights",
        "w(inf) is where gradient flow from w ends",
    ),
    theory_side="bound",
    controls=(
        "C between 2 and 2.5",
        "C 1 % larger",
        "a run that converges, from C above 2",
        "the two largest weights in C",
    ),
    parameters=Steps,
)
def steps_lower_the_sharpness_of_the_flows_end(study: Study, size: Steps) -> Iterator[Check | Curves]:
    for L in size.depths:
        yield from _steps_of_all_sizes(study, size.chain(L), size, f"depth {L}")
        yield from _whole_runs(study, size.chain(L), size, f"depth {L}")
    ratio, within = _ratio(size.chain(3), _steps(study, size.chain(3), size.runs, 0, 1, largest=True))
    other = measured("sharpness after a step over before", ratio, within=within)
    yield other.control("the two largest weights in C").at_most(1)
    yield from _two_layers(study, size.chain(2), size.runs)
    yield from _converges(study, size.chain(2))


def _steps_of_all_sizes(study: Study, chain: Chain, size: Steps, case: str) -> Iterator[Check | Curves]:
    """The theorem up to C = 1; that the sharpness grows in no step up to C = 2; and that beyond it is not so."""
    allowed, between, beyond = (_steps(study, chain, size.runs, *C) for C in ((0, 1), (1, 2), (2, 2.5)))
    change, within = _partial_sums(chain, allowed)
    sums = measured("sums of the largest log w(inf)^2, change in a step", change, within=within, case=case)
    yield sums.at_most(0, against=float(np.abs(change).max()))
    ratio, within = _ratio(chain, allowed)
    yield measured("sharpness after a step over before", ratio, within=within, case=case).at_most(1)
    norms = [(limit(chain, w) ** 2).sum(-1, keepdims=True) for w in (allowed.after, allowed.before)]
    yield measured("|w(inf)|^2 after a step over before", norms[0] / norms[1], within=within, case=case).at_most(1)
    ratio, within = _ratio(chain, between)
    further = measured("sharpness after a step over before, C from 1 to 2", ratio, within=within, case=case)
    yield further.supporting().at_most(1)
    shown = [Stepped(*(part[:DRAWN] for part in step)) for step in (allowed, between, beyond)]
    ratios = np.concatenate([_ratio(chain, step)[0][:, 0] for step in shown])
    yield curves(case, C=np.concatenate([step.C for step in shown]), ratio=ratios)


def _steps(study: Study, chain: Chain, runs: int, low: float, high: float, *, largest: bool = False) -> Stepped:
    """Random chains, trained for one step of the learning rate that makes C a number drawn between `low` and `high`."""
    rng = study.rng("steps", chain.L, low, high, largest)
    w = random_weights(rng, runs, chain.L, 0.4 * chain.omega, 1.8 * chain.omega)
    unit = _of_the_two_largest(chain, w) if largest else contraction(chain, w, 1.0)
    eta = np.sqrt(rng.uniform(low, high, runs) / unit)
    run = plain_descent(study, chain, w).train(learning_rate=eta, steps=1, record=[0, 1])
    after = run["w"][1]
    kept = (product(after) > 0) & (np.abs(chain.s - product(w)) > NEAREST * chain.s)
    return Stepped(w[kept], after[kept], contraction(chain, w, eta)[kept])


def _of_the_two_largest(chain: Chain, w: Array) -> Array:
    """(sigma (s - p) p / (w_i w_j))^2 of the two largest weights."""
    smaller = np.sort(np.abs(w), axis=-1)[..., :-2]
    return (chain.sigma * (chain.s - product(w)) * smaller.prod(-1)) ** 2


def _partial_sums(chain: Chain, step: Stepped) -> tuple[Array, Tolerance]:
    """What a step adds to the sums of the k largest log w(inf)^2 (runs, L - 1): nothing iff the new are majorised."""
    before, after = (np.sort(np.log(limit(chain, w) ** 2), axis=-1)[:, :0:-1].cumsum(-1) for w in step[:2])
    return after - before, _rounded(chain, step, terms=chain.L)


def _ratio(chain: Chain, step: Stepped) -> tuple[Array, Tolerance]:
    ratio = flow_sharpness(chain, step.after) / flow_sharpness(chain, step.before)
    return ratio[:, None], _rounded(chain, step)


def _rounded(chain: Chain, step: Stepped, terms: float = 1) -> Tolerance:
    """Of so many log w(inf)^2 (runs, 1): imbalances are known to the rounding of the largest squares."""
    size = np.max([(w**2).max(-1) / (limit(chain, w) ** 2).min(-1) for w in step[:2]], axis=0)
    of = "the largest square over the least at the end: L products, a dozen operations, two states"
    return rounding(terms * (4 * chain.L + 24), size[:, None], of=of)


def _whole_runs(study: Study, chain: Chain, size: Steps, case: str) -> Iterator[Check]:
    """Along runs that keep p > 0 and C <= 1 at every step."""
    w = random_weights(study.rng("runs", chain.L), size.runs // 20, chain.L, 0.4 * chain.omega, 1.4 * chain.omega)
    eta = size.learning_rate / (chain.sigma * chain.omega ** (2 * chain.L - 2))
    w = w[contraction(chain, w, eta) <= 1]  # from elsewhere descent may diverge
    run = plain_descent(study, chain, w).train(learning_rate=eta, steps=size.steps, record=range(size.steps + 1))
    p, C = product(run["w"]), contraction(chain, run["w"][:-1], eta)
    kept = (p > 0).all(0) & (C <= 1).all(0)
    states = run["w"][:, kept]
    before, after = (states[part].reshape(-1, chain.L) for part in (slice(-1), slice(1, None)))
    ratio, within = _ratio(chain, Stepped(before, after, C[:, kept].ravel()))
    yield measured("sharpness along whole runs, step by step", ratio, within=within, case=case).at_most(1)


def _two_layers(study: Study, chain: Chain, runs: int) -> Iterator[Check]:
    """Depth 2: what it is after a step, and that it falls exactly if C < 2."""
    step = _steps(study, chain, runs, 1.5, 2.5)
    D, C, phi = imbalance(step.before), step.C[:, None], flow_sharpness(chain, step.after)[:, None]

    def predicted(k: float) -> Array:
        return chain.sigma * np.hypot((1 - k * C) * D, 2 * chain.s)

    within = _rounded(chain, step, terms=1 / NEAREST) * phi
    after = measured("sharpness after a step", phi, within=within, case="depth 2")
    yield after.equals(predicted)
    yield after.control("C 1 % larger").equals(predicted(1.01))
    change, within = _partial_sums(chain, _steps(study, chain, runs, 2, 2.5))
    grown = measured("sums of the largest log w(inf)^2, change in a step", change, within=within, case="depth 2")
    yield grown.control("C between 2 and 2.5").at_most(0)
    ratio, rounded = _ratio(chain, step)
    told = np.abs(ratio - 1) > rounded.value  # not at C = 2 itself
    within = Tolerance(0.5, "signs: 1 where it grows, -1 where it falls")
    sign = measured("where the sharpness grows", np.sign(ratio - 1)[told], within=within, case="depth 2")
    yield sign.equals(lambda k: np.sign(C[told] - 2 * k))


def _converges(study: Study, chain: Chain) -> Iterator[Check | Curves]:
    """A run from C above 2 that converges: its sharpness grows on the way."""
    a, plus, minus = CONVERGING
    eta = a / (chain.sigma * chain.s)
    half_sum, half_difference = np.sqrt(np.array([plus * (2 + a), minus * (2 - a)]) * chain.s / a)
    w = np.array([[half_sum + half_difference, half_sum - half_difference]])
    run = plain_descent(study, chain, w).train(learning_rate=eta, steps=60, record=range(61))
    phi = flow_sharpness(chain, run["w"])[:, 0]
    left = measured("s - p at the end", chain.s - product(run["w"])[-1], within=Tolerance(1e-6 * chain.s, "settled"))
    yield left.supporting().equals(0, against=chain.s)
    ratio, within = _ratio(chain, Stepped(run["w"][:-1, 0], run["w"][1:, 0], phi[1:]))
    growing = measured("sharpness along a run that converges", ratio, within=within)
    yield growing.control("a run that converges, from C above 2").at_most(1)
    yield curves("converging", sharpness=eta * phi, C=contraction(chain, run["w"], eta)[:, 0])
