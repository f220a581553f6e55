"""The eigenvalues at the minimum of the norm under Minnorm, and the tuning that makes the slowest fastest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.jacobians import characteristic, coefficients, jacobian, rests, step_at_the_minimum, with_g
from experiments.chain.parameters import Chains, Units
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, varies
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Spectra(Chains):
    depths: tuple[int, ...] = varies("numbers L of weights", (1, 2, 3, 4, 5, 6), smoke=(1, 3), low=1, high=10)
    runs: int = varies("random tunings", 20, smoke=5, paper=100, low=1, high=1000)
    speed: float = varies("a of the weights, of the best tuning", 0.7, low=0.1, high=3)


@claim(
    "minnorm.chain_spectrum",
    source="ours: Minnorm (reconstructed from Bansal et al. 2018) on the scalar chain",
    source_kind=OURS,
    statement=r"\text{at a minimum: } |w_l| = s^{1/L},\ \lambda = s^{2/L - 1}/x,\ \text{eigenvalues }"
    r"\{-2a\}^{L-1} \cup \{z : z^2 + a (2 - L + c g) z + a b g = 0\},"
    r"\ g = \sigma L s^{2 - 2/L};\quad \text{the slowest decays at } 2a \text{ at most};"
    r"\ c = \tfrac{L + 2}{g},\ b = \tfrac{4a}{g}:"
    r" \text{all } -2a",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; squared norm",
        "the flow of the reconstructed rule: speeds a of the weights, b of the multiplier, augmentation c",
    ),
    theory_side="closed form",
    controls=(
        "multiplier 10 % larger",
        "g 10 % larger",
        "the normal direction as of one layer more",
        "b 10 % larger: still all -2 a",
        "c 10 % larger: still all -2 a",
    ),
    parameters=Spectra,
)
def minima_have_this_spectrum(study: Study, size: Spectra) -> Iterator[Check]:
    for L in size.depths:
        chain = size.chain(L)
        yield from _rest(study, chain, size)
        yield from _any_tuning(study, chain, size)
        yield from _best_tuning(study, chain, size)


def _rest(study: Study, chain: Chain, size: Spectra) -> Iterator[Check]:
    """At the minimum, with the multiplier of the theory, a step moves nothing."""
    case = f"depth {chain.L}"
    yield rests(study, chain, case)
    if chain.L == size.shown:
        yield step_at_the_minimum(study, chain, 1.1, case).control("multiplier 10 % larger").equals(0)


def _any_tuning(study: Study, chain: Chain, size: Spectra) -> Iterator[Check]:
    rng, runs, units = study.rng("tunings", chain.L), size.runs, Units(chain)
    a, b, c = rng.uniform(0.5, 1.5, runs), rng.uniform(0.1, 3, runs), rng.uniform(0, 3, runs)
    # And one whose pair decays at 2.5 a, oscillating: there the others are the slowest.
    alike = units.stated_for.g
    tuning = units.tuning(Tuning(np.append(a, 0.8), np.append(b, 8 / alike), np.append(c, (chain.L + 3) / alike)))
    J, error = jacobian(study, chain, tuning)
    case = f"depth {chain.L}"
    polynomial = characteristic("characteristic polynomial", J, error, case)
    yield polynomial.equals(lambda k: _predicted(chain, with_g(tuning, k)))
    # The L - 1 eigenvalues -2 a stand still, so no tuning is faster; at depth 1 there is none of them.
    if chain.L > 1:
        values, vectors = np.linalg.eig(J)
        because = "Bauer and Fike: error of the Jacobian x condition of its eigenvectors"
        within = Tolerance(np.linalg.cond(vectors) * error, because)
        slowest = measured("slowest rate of any tuning", -values.real.max(-1), within=within, case=case)
        yield slowest.at_most(2 * tuning.a)
    if chain.L == size.shown:
        yield polynomial.control("g 10 % larger").equals(_predicted(chain, with_g(tuning, 1.1)))
        deeper = Tuning(tuning.a, tuning.b, tuning.c - 1 / chain.g)
        yield polynomial.control("the normal direction as of one layer more").equals(_predicted(chain, deeper))


def _best_tuning(study: Study, chain: Chain, size: Spectra) -> Iterator[Check]:
    best, case = minnorm.best_tuning(chain, size.speed), f"depth {chain.L}"
    a, b, c = (np.array([number]) for number in (best.a, best.b, best.c))

    def together(k: float) -> Array:
        return coefficients(np.full((1, chain.L + 1), -2 * size.speed * k))

    name = "best tuning, all -2 a"
    yield characteristic(name, *jacobian(study, chain, Tuning(a, b, c)), case).equals(together)
    if chain.L == size.shown:
        for word, tuning in (("b", Tuning(a, 1.1 * b, c)), ("c", Tuning(a, b, 1.1 * c))):
            off = characteristic(name, *jacobian(study, chain, tuning), case)
            yield off.control(f"{word} 10 % larger: still all -2 a").equals(together(1))


def _predicted(chain: Chain, tuning: Tuning) -> Array:
    return coefficients(minnorm.spectrum(chain, tuning))
