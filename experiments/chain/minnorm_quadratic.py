"""Minnorm at its best in discrete time: the learning rate at which two steps square the distance to the minimum."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.jacobians import jacobian
from experiments.chain.networks import minnorm_descent, plain_descent
from experiments.chain.parameters import Chains, Units
from theory.chain import minnorm
from theory.chain.problem import Chain, distance
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, slope, varies
from theory.claims.estimates import loglog_slope
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning

NEAR = 1e-3 / 2.0 ** np.arange(4)  # of the minimum, in units of weights and multiplier
SHOWN = 24  # steps of the race


@dataclass(frozen=True)
class Nilpotent(Chains):
    depths: tuple[int, ...] = varies(
        "numbers L of weights", (2, 3, 4, 5), smoke=(2, 3), paper=(2, 3, 4, 5, 6), low=2, high=8
    )
    speed: float = varies("a of the weights; the learning rate is 1 / (2 a)", 0.7, low=0.1, high=3)
    runs: int = varies("directions from the minimum", 16, smoke=8, paper=64, low=8, high=1000)


@claim(
    "chain.minnorm_quadratic",
    source="ours: simultaneous steps of the rule reconstructed from Bansal et al. 2018",
    source_kind=OURS,
    statement=r"\eta a = \tfrac12,\ \eta b = \frac{2}{g},\ c = \frac{L + 2}{g}:\quad"
    r" J = I + \eta J_{\text{flow}},\ J^2 = 0;\quad |x_{t+2} - x^*| = O(|x_t - x^*|^2),\ x = (w, \lambda)",
    hypotheses=(
        "L >= 2 weights, input x, target x s, g = x^2 L s^(2 - 2/L); squared norm, simultaneous steps",
        "x near the minimum of the norm; two steps square the distance, one does not",
    ),
    theory_side="closed form",
    controls=(
        "one step is enough",
        "learning rate 5 % larger",
        "b 5 % larger",
        "c 5 % larger",
        "the order of gradient descent",
    ),
    parameters=Nilpotent,
)
def two_steps_square_the_distance(study: Study, size: Nilpotent) -> Iterator[Check | Curves]:
    for L in size.depths:
        chain = size.chain(L)
        yield from _nilpotent(study, chain, size)
        yield from _squares(study, chain, size)
        yield _race(study, chain, size)


def _nilpotent(study: Study, chain: Chain, size: Nilpotent) -> Iterator[Check]:
    """The Jacobian of a step at the minimum, measured by steps from beside it."""
    best, case = minnorm.best_tuning(chain, size.speed), f"depth {chain.L}"
    J, within = _step(study, chain, best, 0.5 / size.speed)
    largest = float(np.abs(J).max())
    square = measured("square of a step's Jacobian", J @ J, within=within, case=case)
    yield square.equals(0.0, against=largest**2)
    if chain.L == size.shown:
        yield measured("a step's Jacobian", J, within=within).control("one step is enough").equals(0.0)
        yield _squared(study, chain, best, 0.525 / size.speed).control("learning rate 5 % larger").equals(0.0)
        for name, tuning in (
            ("b 5 % larger", Tuning(best.a, 1.05 * best.b, best.c)),
            ("c 5 % larger", Tuning(best.a, best.b, 1.05 * best.c)),
        ):
            yield _squared(study, chain, tuning, 0.5 / size.speed).control(name).equals(0.0)


def _step(study: Study, chain: Chain, tuning: Tuning, eta: float) -> tuple[Array, Tolerance]:
    """The Jacobian (L + 1, L + 1) of a step of this size, in `Units`, and what its square may be off by."""
    flow, error = jacobian(study, chain, Tuning(*(np.array([number]) for number in (tuning.a, tuning.b, tuning.c))))
    J = np.eye(chain.L + 1) + eta * flow[0]
    lost = 2 * np.linalg.norm(J) * eta * error[0] + (eta * error[0]) ** 2
    return J, Tolerance(lost, "2 |J| |error of J|: central differences, extrapolated, of single training steps")


def _squared(study: Study, chain: Chain, tuning: Tuning, eta: float) -> Measured:
    J, within = _step(study, chain, tuning, eta)
    return measured("square of a step's Jacobian", J @ J, within=within)


def _squares(study: Study, chain: Chain, size: Nilpotent) -> Iterator[Check]:
    """The distance after two steps against the distance before, in directions drawn at random."""
    rng, case = study.rng("near", chain.L), f"depth {chain.L}"
    direction = rng.standard_normal((size.runs, chain.L + 1))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    after = np.array([_distances(study, chain, size, e * direction, 2)[-1] for e in NEAR])
    order = slope("order of two steps", loglog_slope(NEAR, after), case=case)
    yield order.equals(2.0, excludes=(1.9, 2.1))
    if chain.L == size.shown:
        yield order.control("the order of gradient descent").equals(1.0)


def _distances(study: Study, chain: Chain, size: Nilpotent, moves: Array, steps: int) -> Array:
    """|x_t - x*| (steps + 1, runs) in `Units`, from starts displaced by `moves` (runs, L + 1)."""
    units = Units(chain)
    minimum = np.append(np.full(chain.L, chain.omega), minnorm.solution_multiplier(chain))
    start = minimum + moves * units.state
    trainee = minnorm_descent(study, chain, start[:, :-1], minnorm.best_tuning(chain, size.speed), start[:, -1])
    run = trainee.train(learning_rate=0.5 / size.speed, steps=steps, record=range(steps + 1))
    x = np.concatenate([run["w"], run["multipliers"][..., None]], axis=-1)
    return np.linalg.norm((x - minimum) / units.state, axis=-1)


def _race(study: Study, chain: Chain, size: Nilpotent) -> Curves:
    """Distance to the minimum of the norm of Minnorm, and of gradient descent at half the edge, from one start."""
    moves = 0.05 * study.rng("race").standard_normal(chain.L + 1)[None] / np.sqrt(chain.L)
    best = _distances(study, chain, size, moves, SHOWN)[:, 0]
    w = chain.omega + moves[:, :-1] * Units(chain).weight
    run = plain_descent(study, chain, w).train(learning_rate=1 / chain.g, steps=SHOWN, record=range(SHOWN + 1))
    return curves(f"depth {chain.L}", minnorm=best, descent=distance(chain, run["w"])[:, 0] / Units(chain).weight)
