"""The eigenvalues at the minimum of the norm under Minnorm, and the tuning that makes the slowest fastest."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.jacobians import characteristic, coefficients, jacobian, step_at_the_minimum
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import Check, Curves, Study, Tolerance, claim, measured
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning

DEPTHS = (1, 2, 3, 4, 5, 6)


@claim(
    "minnorm.chain_spectrum",
    source="Bansal et al. 2018 (reconstruction: Minnorm on the scalar chain); ours",
    statement=r"\lambda^* = s^{2/L - 1}/x,\quad \{-2a\}^{L-1} \cup \{z : z^2 + a (2 - L + c g) z + a b g = 0\},"
    r"\ g = \sigma L s^{2 - 2/L};\quad c = \tfrac{L + 2}{g},\ b = \tfrac{4a}{g}: \text{all } -2a",
    hypotheses=("squared norm", "at a minimum of the norm"),
    theory_side="closed form",
    controls=(
        "multiplier 10 % larger",
        "g 10 % larger",
        "the normal direction as of one layer more",
        "b 10 % larger: still all -2 a",
        "c 10 % larger: still all -2 a",
    ),
)
def minima_have_this_spectrum(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(1, 3), quick=DEPTHS, paper=DEPTHS):
        chain = Chain(1.7, L, x=1.2)
        yield from _rest(study, chain)
        yield from _any_tuning(study, chain)
        yield from _best_tuning(study, chain)


def _rest(study: Study, chain: Chain) -> Iterator[Check]:
    """At the minimum, with the multiplier of the theory, a step moves nothing."""
    predicted, case = minnorm.solution_multiplier(chain), f"depth {chain.L}"
    yield step_at_the_minimum(study, chain, predicted, case).equals(0)
    if chain.L == 3:
        yield step_at_the_minimum(study, chain, 1.1 * predicted, case).control("multiplier 10 % larger").equals(0)


def _any_tuning(study: Study, chain: Chain) -> Iterator[Check]:
    rng, runs = study.rng("tunings", chain.L), study.pick(smoke=5, quick=20, paper=100)
    tuning = Tuning(rng.uniform(0.5, 1.5, runs), rng.uniform(0.1, 3, runs), rng.uniform(0, 3, runs))
    J, error = jacobian(study, chain, tuning)
    case = f"depth {chain.L}"
    polynomial = characteristic("characteristic polynomial", J, error, case)
    yield polynomial.equals(_predicted(chain, tuning))
    # The L - 1 eigenvalues -2 a stand still, so no tuning is faster; at depth 1 there is none of them.
    if chain.L > 1:
        values, vectors = np.linalg.eig(J)
        because = "Bauer and Fike: error of the Jacobian x condition of its eigenvectors"
        within = Tolerance(np.linalg.cond(vectors) * error, because)
        slowest = measured("slowest rate of any tuning", -values.real.max(-1), within=within, case=case)
        yield slowest.at_most(2 * tuning.a)
    if chain.L == 3:
        larger = Tuning(tuning.a, 1.1 * tuning.b, 1.1 * tuning.c)
        yield polynomial.control("g 10 % larger").equals(_predicted(chain, larger))
        deeper = Tuning(tuning.a, tuning.b, tuning.c - 1 / chain.g)
        yield polynomial.control("the normal direction as of one layer more").equals(_predicted(chain, deeper))


def _best_tuning(study: Study, chain: Chain) -> Iterator[Check]:
    best, case = minnorm.best_tuning(chain, 0.7), f"depth {chain.L}"
    a, b, c = (np.array([number]) for number in (best.a, best.b, best.c))
    together = coefficients(np.full((1, chain.L + 1), -1.4))
    name = "best tuning, all -2 a"
    yield characteristic(name, *jacobian(study, chain, Tuning(a, b, c)), case).equals(together)
    if chain.L == 3:
        for word, tuning in (("b", Tuning(a, 1.1 * b, c)), ("c", Tuning(a, b, 1.1 * c))):
            off = characteristic(name, *jacobian(study, chain, tuning), case)
            yield off.control(f"{word} 10 % larger: still all -2 a").equals(together)


def _predicted(chain: Chain, tuning: Tuning) -> Array:
    return coefficients(minnorm.spectrum(chain, tuning))
