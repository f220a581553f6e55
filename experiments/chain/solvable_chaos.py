"""Chains of two weights at learning rates of chaos: solved at eta sigma s = 2, and how fast they forget before it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.chain.networks import plain_descent
from experiments.chain.parameters import INPUT, TARGET
from theory.chain import beyond_the_edge as beyond
from theory.chain.problem import Chain, imbalance, product
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rate,
    samples,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import EPS, Array

TRIPLINGS = 10
MIXED = 14  # steps: 3^-14 of where runs began is left; after 16 of 9 times at most no rounding error has got far
SETTLED, WATCHED = 300, 6  # steps
STRENGTHS = (1.5, 1.6, 1.8, 1.9)  # a of chaos of one band, in no periodic window
LONG = 300  # steps of the orbits that are averaged
UNBALANCED = 1e-6  # share by which weights differ: 9^6 times its square is still small, and it well above rounding


@dataclass(frozen=True)
class Chaos:
    """Chains of two weights."""

    target: float = varies("s, of the product of the weights", TARGET, low=0.1, high=10)
    input: float = varies("x", INPUT, low=0.1, high=10)
    runs: int = varies("starts at each learning rate", 50_000, smoke=8000, paper=200_000, low=2000, high=10**6)


@claim(
    "chain.solvable_chaos",
    source="ours; the cubic map of one mode and its chaos: Chen, Balasubramanian, Ghosal & Agrawalla 2023 (abstract)",
    source_kind=OURS,
    statement=r"L = 2,\ a = \eta \sigma s = 2:\quad w_t = (2 s)^{1/2} \sin(3^t \theta),\quad"
    r" P(p < x) = \tfrac{2}{\pi} \arcsin \Big(\frac{x}{2 s}\Big)^{1/2},\ \langle p \rangle = s,"
    r"\ \langle \tfrac12 (s - p)^2 \rangle = \frac{s^2}{4},\quad \langle \log |1 - E^2| \rangle = 0;\quad"
    r" 1 < a < 2: \langle \log |1 - E^2| \rangle = \langle \log |1 - a + \eta \sigma p| \rangle < 0",
    hypotheses=(
        "a chain of two weights, input x, sigma = x^2, target x s; gradient descent of step eta, E = eta sigma (p - s)",
        "balanced starts; almost every one, where an average is taken; of the imbalance, small beside the weights",
        "where a < sqrt 2 the imbalance shrinks in every step; beyond, on average",
    ),
    theory_side="law",
    controls=(
        "the angle doubles",
        "learning rate 1 % smaller, solved",
        "uniform products",
        "mean loss 10 % larger",
        "forgets at a = 2 as at the largest below",
        "the exponent of the cycle, past its doubling",
        "the imbalance shrinks in every step",
    ),
    parameters=Chaos,
)
def chains_triple_an_angle(study: Study, size: Chaos) -> Iterator[Check | Curves]:
    chain = Chain(size.target, 2, size.input)
    yield from _tripling(study, chain)
    yield from _arcsine(study, chain, size)
    yield from _exponents(study, chain, size)
    yield from _every_step(study, chain)


def _eta(chain: Chain, a: float) -> float:
    return a / float(chain.sigma * chain.s)


def _tripling(study: Study, chain: Chain) -> Iterator[Check | Curves]:
    """Balanced chains from random angles at a = 2."""
    angle, steps = study.rng("angles").uniform(0.1, 1.5, 12), np.arange(TRIPLINGS + 1)
    # The derivative of w by the angle is at most 3^t times its size, and each step rounds a dozen times.
    lost = 3.0 ** steps[:, None] * 100 * EPS * np.sqrt(2 * chain.s)
    within = Tolerance(lost, "3^t times a hundred roundings")

    def weights(eta: float) -> Measured:
        w = np.repeat(beyond.chaotic_weights(chain, angle, steps[:1])[0][:, None], 2, axis=1)
        run = plain_descent(study, chain, w).train(learning_rate=eta, steps=TRIPLINGS, record=range(TRIPLINGS + 1))
        return measured("weights at a = 2", run["w"][:, :, 0], within=within, axes=("t", "run"))

    found = weights(_eta(chain, 2))
    yield found.equals(lambda k: beyond.chaotic_weights(chain, k * angle, steps))
    doubled = np.sqrt(2 * chain.s) * np.sin(np.multiply.outer(2.0**steps, angle))
    yield found.control("the angle doubles").equals(doubled)
    smaller = weights(0.99 * _eta(chain, 2)).control("learning rate 1 % smaller, solved")
    yield smaller.equals(beyond.chaotic_weights(chain, angle, steps))


def _arcsine(study: Study, chain: Chain, size: Chaos) -> Iterator[Check | Curves]:
    """Products after many steps at a = 2, from starts of another law."""
    w = np.sqrt(chain.s) * np.repeat(study.rng("products").uniform(0.2, 1.3, (size.runs, 1)), 2, axis=1)
    run = plain_descent(study, chain, w).train(learning_rate=_eta(chain, 2), steps=MIXED, record=[MIXED])
    p = product(run["w"][-1]) / chain.s
    law = stats.arcsine(0, 2)
    drawn = samples("product over s at a = 2", p, because="an angle that is tripled becomes uniform")
    yield drawn.follow(lambda k: stats.arcsine(0, 2 * k))
    yield drawn.control("uniform products").follow(stats.uniform(0, 2))
    yield rate("mean product over s", mean(p)).equals(1.0)
    loss = rate("mean loss over s^2 / 4", mean(2 * (1 - p) ** 2))
    yield loss.equals(1.0)
    yield loss.control("mean loss 10 % larger").equals(1.1)
    x = np.linspace(*law.ppf([0.005, 0.995]), 200)
    yield curves("arcsine", drawn=p[:20_000], x=x, density=law.pdf(x))


def _exponents(study: Study, chain: Chain, size: Chaos) -> Iterator[Check | Curves]:
    """What a step multiplies the difference of the weights by, against orbits of balanced ones."""
    trained, predicted = [], []
    for a in STRENGTHS:
        found, law = _forgotten(study, chain, size, a), _of_orbits(study, size, a)
        both = mean(found - law)
        exponent = rate("log of a step's factor", both, case=f"a = {a:g}")
        yield exponent.equals(0.0, against=float(law.mean()))
        trained.append(found.mean())
        predicted.append(law.mean())
    past = rate("log of a step's factor at the last", mean(found))
    yield past.control("the exponent of the cycle, past its doubling").equals(float(np.log(np.abs(3 - 2 * a)) / 2))
    marginal = rate("log of a step's factor at a = 2", mean(_at_two(study, chain, size)))
    yield marginal.equals(0.0, against=predicted[-1])
    yield marginal.control("forgets at a = 2 as at the largest below").equals(predicted[-1])
    yield curves("exponents", a=STRENGTHS, trained=trained, law=predicted)


def _forgotten(study: Study, chain: Chain, size: Chaos, a: float) -> Array:
    """(runs,) logarithms of a step's factor, over some steps after balanced chains have settled."""
    w = np.sqrt(chain.s) * np.repeat(study.rng("settled", a).uniform(0.3, 1.2, (size.runs, 1)), 2, axis=1)
    settled = plain_descent(study, chain, w).train(learning_rate=_eta(chain, a), steps=SETTLED, record=[SETTLED])
    return _factors(study, chain, settled["w"][-1], a)


def _at_two(study: Study, chain: Chain, size: Chaos) -> Array:
    angle = study.rng("at two").uniform(0, np.pi, size.runs)
    w = np.repeat(beyond.chaotic_weights(chain, angle, np.zeros(1, int))[0][:, None], 2, axis=1)
    return _factors(study, chain, w, 2.0)


def _factors(study: Study, chain: Chain, w: Array, a: float) -> Array:
    """The difference of two weights that are almost the same is multiplied by 1 + E in a step."""
    w = w * (1 + UNBALANCED * np.array([1.0, -1.0]))
    run = plain_descent(study, chain, w).train(learning_rate=_eta(chain, a), steps=WATCHED, record=[0, WATCHED])["w"]
    start, end = np.log(np.abs(run[..., 0] - run[..., 1]) + EPS * np.sqrt(chain.s))
    return (end - start) / WATCHED


def _of_orbits(study: Study, size: Chaos, a: float) -> Array:
    u = np.sqrt(a) * study.rng("orbits", a).uniform(0.3, 1.2, size.runs)
    return beyond.orbit_exponents(a, u, skipped=SETTLED, steps=LONG)


def _every_step(study: Study, chain: Chain) -> Iterator[Check]:
    """The largest factor of a step: below 1 where |E| stays below sqrt 2."""
    w = np.sqrt(chain.s) * np.repeat(study.rng("every step").uniform(0.6, 1.1, (500, 1)), 2, axis=1)
    for a in (1.38, 1.7):
        settled = plain_descent(study, chain, w).train(learning_rate=_eta(chain, a), steps=SETTLED, record=[SETTLED])
        begin = settled["w"][-1] * (1 + UNBALANCED * np.array([1.0, -1.0]))
        run = plain_descent(study, chain, begin).train(
            learning_rate=_eta(chain, a), steps=WATCHED, record=range(WATCHED + 1)
        )
        D = np.abs(imbalance(run["w"])[..., 0])
        # What rounding adds to an imbalance matters where little is left of it.
        known = D[:-1] > 1e6 * EPS * chain.s
        within = Tolerance(1e-5, "imbalances of which rounding is a millionth, and how small they are")
        largest = measured(
            "largest factor of a step", float((D[1:] / D[:-1])[known].max()), within=within, case=f"a = {a:g}"
        )
        if a < np.sqrt(2):
            yield largest.supporting().at_most(1.0)
        else:
            yield largest.control("the imbalance shrinks in every step").at_most(1.0)
