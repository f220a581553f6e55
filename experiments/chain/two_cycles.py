"""Chains beyond the edge of stability: the two-cycle of every depth, and what two steps make of what is beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import plain_descent
from experiments.chain.parameters import Chains
from theory.chain import beyond_the_edge as beyond
from theory.chain.problem import Chain, imbalance, product
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.validation import reject

DEEPEST_FOUND = 5  # deeper chains double at r so near 1 that their imbalances take thousands of steps to die out
DISPLACEMENTS = 2e-3 / 2.0 ** np.arange(4)  # of one weight or of all, as shares
BIFURCATIONS = {2: 1.995, 3: 1.995}  # by depth: how many times the edge
SHARES_TO_DOUBLING = (0.4, 0.6, 0.8)  # of the way from the edge to where the cycle doubles


@dataclass(frozen=True)
class Cycles(Chains):
    depths: tuple[int, ...] = varies(
        "numbers L of weights", (2, 3, 4, 5, 16), smoke=(2, 3), paper=(2, 3, 4, 5, 6, 16), low=2, high=16
    )
    ratios: tuple[float, ...] = varies(
        "r, of the two weights of a cycle, stable or not; at depth L > 5 its power 5 / L",
        (1.07, 1.3, 1.6, 1.85),
        low=1.02,
        high=1.95,
    )
    runs: int = varies("unbalanced starts that are to find the cycle", 8, smoke=4, paper=64, low=2, high=1000)
    steps: int = varies("until they have", 1500, smoke=600, paper=3000, low=600, high=10**5)
    pixels: int = varies("learning rates of the bifurcation diagrams", 420, smoke=80, paper=1000, low=8, high=4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.ratios)) < len(self.ratios):
            reject("ratios", self.ratios, "ratios that all differ")

    def ratios_at(self, L: int) -> Array:
        """Those of a chain of L weights: what rounds in a step grows like r^L, which stays what it is at depth 5."""
        return np.array(self.ratios) ** min(1.0, DEEPEST_FOUND / L)


@claim(
    "chain.two_cycles",
    source="ours; two-cycles of deep linear networks: Chen & Bruna 2023, Ghosh et al. 2025 (abstracts)",
    source_kind=OURS,
    statement=r"w \to r w \to w:\quad A = \eta \sigma w^{2L - 2} = \frac{(r - 1)(r^{L - 1} + 1)}{r^{L - 1} (r^L - 1)},"
    r"\quad B = \eta \sigma s\, w^{L - 2} = r - 1 + A,\quad \frac{\eta g}{L} = A^{2/L - 1} B^{2 - 2/L};\quad"
    r" \text{two steps multiply the imbalance by } 5 - 2 (r + r^{-1})"
    r"\text{ and } w \text{ along the cycle by } f(A, B)\, f(r^{2L - 2} A, r^{L - 2} B),"
    r"\ f = 1 - (2L - 1) A + (L - 1) B",
    hypotheses=(
        "L >= 2 weights, input x, sigma = x^2, target x s, g = sigma L s^(2 - 2/L); gradient descent of step eta",
        "the cycle: all weights alike, eta g > 2; imbalances small against the weights",
        "unbalanced starts find it up to where it doubles (L = 2: r the golden ratio, eta sigma s = sqrt 5 - 1)",
        "imbalances die out on it where r is below the square of the golden ratio",
    ),
    theory_side="closed form",
    controls=(
        "the cycle of one weight more",
        "learning rate 5 % larger",
        "A without its second factor",
        "one step squared",
        "along the cycle without its change of slope",
        "imbalances die out at every ratio",
        "a cycle below the edge",
    ),
    parameters=Cycles,
)
def chains_beyond_the_edge_come_back_after_two_steps(study: Study, size: Cycles) -> Iterator[Check | Curves]:
    for L in size.depths:
        chain = size.chain(L)
        yield from _returns(study, chain, size)
        yield from _multipliers(study, chain, size)
        yield from _doubles(study, chain)
        if L <= DEEPEST_FOUND:
            yield from _found(study, chain, size)
    yield _grow(study, size.chain(2))
    yield from _below_the_edge(study, size.chain(size.shown), size)
    for L, multiple in BIFURCATIONS.items():
        yield _bifurcation(study, size.chain(L), multiple, size)


def _cycle(chain: Chain, r: Array) -> Array:
    """Both weights (2, runs)."""
    low = beyond.cycle_weight(chain, r)
    return np.stack([low, r * low])


def _returns(study: Study, chain: Chain, size: Cycles) -> Iterator[Check]:
    """Balanced starts on the cycle, and the two steps after."""
    r, L = size.ratios_at(chain.L), chain.L
    eta, case = beyond.cycle_learning_rate(chain, r), f"depth {L}"
    found = _two_steps(study, chain, np.repeat(_cycle(chain, r)[0][:, None], L, axis=1), eta)[:, :, 0]
    # A weight, its powers and eta round a few L times; a step multiplies what is lost by 2 L r^L at most.
    size_of = (2 * L * r**L) ** 2 * found.max(0)
    within = rounding(8 * (L + 4), size_of, of="the larger weight, times (2 L r^L)^2 for two steps")

    def ratio(k: float) -> Array:
        return beyond.cycle_ratio(chain, np.maximum(k * eta, 2 / chain.g))

    weights = measured("weights of the cycle", found, within=within, case=case, axes=("step", "ratio"))
    yield weights.equals(lambda k: _cycle(chain, ratio(k))[[0, 1, 0]])
    if L == size.shown:
        deeper = Chain(chain.s, L + 1, chain.x)
        other = beyond.cycle_ratio(deeper, eta * chain.g / deeper.g)
        yield weights.control("the cycle of one weight more").equals(_cycle(chain, other)[[0, 1, 0]])
        yield weights.control("learning rate 5 % larger").equals(_cycle(chain, ratio(1.05))[[0, 1, 0]])
        A = (r - 1) / (r**L - 1)
        low = (chain.s * A / (r - 1 + A)) ** (1 / L)
        yield weights.control("A without its second factor").equals(np.stack([low, r * low, low]))


def _two_steps(study: Study, chain: Chain, w: Array, eta: Array) -> Array:
    """Weights (3, runs, L) of starts w (runs, L), before, between and after two steps."""
    return plain_descent(study, chain, w).train(learning_rate=eta, steps=2, record=[0, 1, 2])["w"]


def _multipliers(study: Study, chain: Chain, size: Cycles) -> Iterator[Check]:
    r, case = size.ratios_at(chain.L), f"depth {chain.L}"
    across, along = _beside(study, chain, r)
    multiplier, law = beyond.imbalance_multiplier(r), beyond.cycle_multiplier(chain, r)
    yield _named("imbalance after two steps", across, case).equals(lambda k: k * multiplier)
    yield _named("along the cycle", along, case).equals(lambda k: k * law)
    if chain.L == size.shown:
        step = r * (2 - r)
        yield _named("imbalance", across, "").control("one step squared").equals(step**2)
        constant = _slope(chain, r, beyond.cycle_weight(chain, r)) ** 2
        yield _named("along", along, "").control("along the cycle without its change of slope").equals(constant)


def _grow(study: Study, chain: Chain) -> Check:
    """Beyond the square of the golden ratio imbalances grow, at every depth: here of two weights."""
    r = np.array([1.02, 1.1]) * beyond.FORGETS_BELOW
    value, error = _beside(study, chain, r)[0]
    found = _named("imbalance after two steps", (np.abs(value), error), "")
    return found.control("imbalances die out at every ratio").at_most(1.0)


def _beside(study: Study, chain: Chain, r: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """What two steps multiply the imbalance by, and a displacement along the cycle: each (runs,), with its error.

    Starts beside the cycle by one displacement after another, extrapolated to none.
    """
    low, L = beyond.cycle_weight(chain, r), chain.L
    eta = np.tile(beyond.cycle_learning_rate(chain, r), 2 * len(DISPLACEMENTS))
    one, every = np.eye(L)[0], np.ones(L)
    moves = 1 + DISPLACEMENTS[:, None, None, None] * np.stack([one, every])[:, None, :]
    w = (moves * low[:, None]).reshape(-1, L)
    run = _two_steps(study, chain, w, eta).reshape(3, len(DISPLACEMENTS), 2, len(r), L)
    D, moved = imbalance(run)[..., 0], run[..., 0] - low
    pairs = []
    for ratios in (D[2, :, 0] / D[0, :, 0], moved[2, :, 1] / moved[0, :, 1]):
        limit, error = richardson(list(ratios))
        lost = 8 * (L + 4) * EPS * (2 * L * r**L) ** 2 / DISPLACEMENTS[-1]
        pairs.append((limit, error + lost))
    return pairs[0], pairs[1]


def _slope(chain: Chain, r: Array, w: Array) -> Array:
    """Derivative of a step of balanced chains at w."""
    L, eta = chain.L, beyond.cycle_learning_rate(chain, r)
    return 1 + eta * chain.sigma * w ** (L - 2) * ((L - 1) * chain.s - (2 * L - 1) * w**L)


def _named(name: str, found: tuple[Array, Array], case: str) -> Measured:
    because = f"last Richardson correction over {len(DISPLACEMENTS)} displacements, and rounding over the smallest"
    return measured(name, found[0], within=Tolerance(found[1], because), case=case, axes=("ratio",))


def _doubles(study: Study, chain: Chain) -> Iterator[Check]:
    """Where the cycle doubles, two steps turn a displacement along it round."""
    r = np.array([beyond.doubling_ratio(chain)])
    along = _named("along the cycle where it doubles", _beside(study, chain, r)[1], f"depth {chain.L}")
    yield along.equals(lambda k: -1.0 + 0 * r if k == 1 else beyond.cycle_multiplier(chain, 1 + k * (r - 1)))


def _found(study: Study, chain: Chain, size: Cycles) -> Iterator[Check]:
    """Unbalanced starts, between the edge and where the cycle doubles: all end on the cycle."""
    rng, L, runs = study.rng("found", chain.L), chain.L, size.runs
    doubling = beyond.cycle_learning_rate(chain, beyond.doubling_ratio(chain))
    shares = np.repeat(SHARES_TO_DOUBLING, runs)
    eta = 2 / chain.g + shares * (doubling - 2 / chain.g)
    w = chain.omega * rng.uniform(0.85, 1.1, (len(eta), L)) ** (2 / L)
    record = range(size.steps - 3, size.steps + 1)
    end = np.sort(plain_descent(study, chain, w).train(learning_rate=eta, steps=size.steps, record=record)["w"], axis=0)
    found = np.stack([end[:2].mean(0), end[2:].mean(0)])
    left = np.abs(end[1] - end[0]).max() + np.abs(end[3] - end[2]).max()
    r = beyond.cycle_ratio(chain, eta)
    contraction = np.abs([beyond.cycle_multiplier(chain, r), beyond.imbalance_multiplier(r)]).max()
    within = Tolerance(left / (1 - contraction), "what the last two steps moved, over 1 - the slowest contraction")
    within += rounding(16 * L * (L + 4) / (1 - contraction), 2 * chain.omega, of="weights, in every step, contracted")
    cycle = measured("where unbalanced starts end", found, within=within, case=f"depth {L}", axes=("side", "run"))
    lowest = 2 / chain.g
    yield cycle.equals(lambda k: _cycle(chain, beyond.cycle_ratio(chain, np.maximum(k * eta, lowest)))[:, :, None])


def _below_the_edge(study: Study, chain: Chain, size: Cycles) -> Iterator[Check]:
    """A tenth below it, where starts that are this little unbalanced end at minima that are no sharper than 2 / eta."""
    eta, steps = 0.9 * 2 / chain.g, size.steps
    w = chain.omega * study.rng("below").uniform(0.95, 1.05, (size.runs, chain.L))
    end = plain_descent(study, chain, w).train(learning_rate=eta, steps=steps, record=[steps - 1, steps])["w"]
    moved = np.abs(product(end[1]) / product(end[0]) - 1)
    within = Tolerance(0.9**steps, "0.8 a step at the balanced minimum, 0.9 at the others")
    rests = measured("p moves below the edge", moved, within=within + rounding(200 * chain.L, of="p / s, 5 steps long"))
    r = float(beyond.cycle_ratio(chain, 1.02 * 2 / chain.g))
    yield rests.supporting().equals(0.0)
    yield rests.control("a cycle below the edge").equals(r**chain.L - 1)


def _bifurcation(study: Study, chain: Chain, multiple: float, size: Cycles) -> Curves:
    """Where balanced chains are, after long, at learning rates up to this multiple of the edge."""
    eta = np.linspace(0.85, multiple, size.pixels) * 2 / chain.g
    steps, keep = 700, 60
    w = chain.omega * np.full((len(eta), chain.L), 0.93)
    run = plain_descent(study, chain, w).train(learning_rate=eta, steps=steps, record=range(steps - keep, steps))
    r = np.linspace(1, beyond.cycle_ratio(chain, eta[-1]), 200)
    cycle = (_cycle(chain, r) ** chain.L) / chain.s
    return curves(
        f"depth {chain.L}", multiple=eta * chain.g / 2, p=product(run["w"]) / chain.s,
        cycle_multiple=beyond.cycle_learning_rate(chain, r) * chain.g / 2, cycle=cycle,
        doubling=beyond.cycle_learning_rate(chain, beyond.doubling_ratio(chain)) * chain.g / 2,
    )  # fmt: skip
