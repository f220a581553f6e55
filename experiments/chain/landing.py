"""Where descent of a chain of two weights lands below the edge of stability, from a minimum above it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import plain_descent
from experiments.chain.parameters import INPUT, TARGET
from theory.chain import flow_sharpness
from theory.chain.problem import Chain, imbalance, product
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Prediction,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    order,
    varies,
)
from theory.claims.estimates import observed_order, richardson
from theory.claims.resolution import at
from theory.core.arrays import Array
from theory.core.validation import reject

DISTURBED = 0.01  # s - p at the start, in units of delta s: its square, beside the delta of a swing, is neglected
SETTLED = 6.5  # what is left of the square of a swing is e^(-2 x 6.5), 2e-6
NEGLECTED = 1e-5  # of u and F: (0.01 delta)^2 / delta at the start, and 2e-6 at the end
SHARES = np.array([0.25, 0.5, 0.75])  # of the way down at which the swing is looked at


@dataclass(frozen=True)
class Landings:
    """How far from the edge descent starts, and how near to balanced minima the edge is."""

    target: float = varies("s, of the product of the weights", TARGET, low=0.1, high=10)
    input: float = varies("x", INPUT, low=0.1, high=10)
    above: tuple[float, ...] = varies("eta phi - 2 at the start, in units of delta", (0.6, 1.2, 2.5), low=0.3, high=4)
    delta: float = varies(
        "2 (1 - eta sigma s), the largest of those that tend to 0", 0.04, smoke=0.06, low=0.02, high=0.08
    )
    levels: int = varies("how many delta, each half the one before", 4, smoke=3, low=3, high=5)

    def __post_init__(self) -> None:
        if len(set(self.above)) < len(self.above):
            reject("above", self.above, "starts that all differ")

    @property
    def chain(self) -> Chain:
        return Chain(self.target, 2, x=self.input)

    @property
    def deltas(self) -> Array:
        return self.delta / 2.0 ** np.arange(self.levels)


@claim(
    "chain.landing",
    source="ours; descent ends just below the edge of stability: Zhu et al. 2023, Kreisler et al. 2023",
    source_kind=OURS,
    statement=r"\eta \phi_0 = 2 + u_0,\ \eta \phi_\infty = 2 - u:\quad \frac1u = \frac1{u_0} + \frac1{1 - \eta \sigma"
    r" s},\quad F = g - \tfrac\delta2 - (g_0 - \tfrac\delta2) \frac{g^2}{g_0^2},\quad g = \frac{D^2}{4 s^2},\ F ="
    r" \frac{(s - p)^2}{s^2},\ \delta = 2 (1 - \eta \sigma s)",
    hypotheses=(
        "two weights, gradient descent from a minimum of imbalance D = w_1^2 - w_2^2, disturbed by very little",
        "delta tends to 0 from above, u_0 / delta fixed",
        "F is the geometric mean of two successive steps",
    ),
    theory_side="law",
    controls=("as far below as above", "1 - eta sigma s 5 % larger", "swing 5 % larger", "swing without its last term"),
    parameters=Landings,
)
def descent_lands_below_the_edge(study: Study, size: Landings) -> Iterator[Check | Curves]:
    chain, shape = size.chain, (size.levels, len(size.above))
    eta = np.repeat((1 - size.deltas / 2) / (chain.sigma * chain.s), shape[1])
    start = 2 + np.outer(size.deltas, size.above).ravel()
    landing = flow_sharpness.landing(chain, eta, start)
    trained = _train(study, chain, eta, start, landing)
    sharpness = eta * flow_sharpness.flow_sharpness(chain, trained)
    room = np.repeat(size.deltas / 2, shape[1])
    yield from _landing(((2 - sharpness[-1]) / room).reshape(shape), ((2 - landing) / room).reshape(shape)[0], size)
    yield from _swing(chain, eta, start, landing, trained, room, shape)
    shown = slice(shape[1], 2 * shape[1])
    yield curves(sharpness=sharpness[:, shown], landing=landing[shown], start=start[shown], room=room[shown])


def _train(study: Study, chain: Chain, eta: Array, start: Array, landing: Array) -> Array:
    """Weights (steps + 1, runs, 2) until what is left of the swing is far below delta."""
    D = np.sqrt((start / (eta * chain.sigma)) ** 2 - 4 * chain.s**2)
    delta = 2 * (1 - eta * chain.sigma * chain.s)
    p = chain.s * (1 + DISTURBED * delta)
    larger = np.sqrt(np.hypot(p, D / 2) + D / 2)
    # The swing grows by u_0 a step, up to delta^(1/2), and falls by u.
    steps = int((np.log(1 / (DISTURBED * np.sqrt(delta))) / (start - 2) + SETTLED / (2 - landing)).max())
    trainee = plain_descent(study, chain, np.stack([larger, p / larger], axis=-1))
    return trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))["w"]


def _landing(values: Array, law: Array, size: Landings) -> Iterator[Check]:
    """u / (1 - eta sigma s) of each delta (levels, starts)."""
    name = "height of the landing"
    yield from _tends_to_the_edge(name, values[:, None], lambda k: k * law)
    found = _at_the_edge(name, values[:, None])
    yield found.control("as far below as above").equals(2 * np.array(size.above))
    above = 2 * np.array(size.above)
    yield found.control("1 - eta sigma s 5 % larger").equals(1 / (1 / above + 1 / 1.05))
    lowest = _at_the_edge("lowest landing", values[:, None])
    yield lowest.supporting().at_most(1)


def _swing(
    chain: Chain, eta: Array, start: Array, landing: Array, trained: Array, room: Array, shape: tuple[int, int]
) -> Iterator[Check]:
    """F / delta at shares of the way down from g_0 to the law's g_inf."""
    g = imbalance(trained)[..., 0] ** 2 / (4 * chain.s**2)
    E = 1 - product(trained) / chain.s
    middle, F = np.sqrt(g[1:] * g[:-1]), np.abs(E[1:] * E[:-1])
    top, bottom = 2 * room + start - 2, 2 * room + landing - 2
    levels = top + SHARES[:, None] * (bottom - top)
    # The swing turns from step to step, and with it how fast D shrinks: smooth is what every second step shows.
    even, odd = (_at_levels(middle[turn::2, None], levels, F[turn::2, None]) for turn in (0, 1))
    values = (np.sqrt(even * odd) / room).reshape(len(SHARES), *shape).swapaxes(0, 1)
    law = (flow_sharpness.amplitude(chain, eta, start, levels) / room).reshape(len(SHARES), *shape)[:, 0]
    yield from _tends_to_the_edge("swing on the way", values, lambda k: k * law)
    found = _at_the_edge("swing on the way", values)
    yield found.control("swing 5 % larger").equals(1.05 * law)
    yield found.control("swing without its last term").equals((levels / room - 1).reshape(len(SHARES), *shape)[:, 0])


def _at_levels(g: Array, levels: Array, F: Array) -> Array:
    """F where g, both (T, 1, runs), has come down to each level (shares, runs); 0 where it has not.

    By the polynomial in g through the six steps next to it.
    """
    above, F = np.broadcast_arrays(g - levels, F)
    passed = above <= 0
    near = np.clip(passed.argmax(0), 3, len(above) - 3) + np.arange(-3, 3)[:, None, None]
    x, values = np.take_along_axis(above, near, 0), np.take_along_axis(F, near, 0)
    others = [np.arange(6) != i for i in range(6)]
    weights = np.array([(x[other] / (x[other] - x[i])).prod(0) for i, other in enumerate(others)])
    return np.where(passed.any(0), (weights * values).sum(0), 0.0)


def _tends_to_the_edge(name: str, values: Array, predicted: Prediction) -> Iterator[Check]:
    """Values (levels, shares, starts) at delta, delta/2, ... are off by O(delta), and tend to what is predicted."""
    estimate = observed_order([value - at(predicted) for value in values], NEGLECTED * np.abs(values[-1]).max())
    yield order(f"{name}, order in delta", estimate).equals(1, excludes=(0.75, 1.25))
    yield _at_the_edge(name, values).equals(predicted)


def _at_the_edge(name: str, values: Array) -> Measured:
    found, error = richardson(list(values))
    within = Tolerance(error.max(0, keepdims=True), f"last Richardson correction over {len(values)} delta")
    within += Tolerance(NEGLECTED * np.abs(found), "the square of the disturbance, and what is left at the end")
    return measured(f"{name}, delta to 0", found, within=within, axes=("t", "run"))
