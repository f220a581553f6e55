"""Minnorm for norms that are not squared: other imbalances, another spectrum, and more augmentation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.chain.jacobians import (
    characteristic,
    coefficients,
    growth_beside_the_critical,
    jacobian,
    pair,
    rests,
    with_g,
)
from experiments.chain.networks import minnorm_descent, random_weights
from experiments.chain.parameters import Chains, Units
from experiments.training import extrapolated, tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain, imbalance
from theory.claims import OURS, Check, Study, claim, measured, varies
from theory.core.arrays import EPS
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning

A, B = 0.8, 0.5


@dataclass(frozen=True)
class Unsquared(Chains):
    depths: tuple[int, ...] = varies("numbers L of weights", (2, 3, 4), smoke=(2,), paper=(2, 3, 6), low=2, high=10)
    powers: tuple[float, ...] = varies(
        "k of the norm, one a depth", (1.0, 1.0, 1.5), smoke=(1.0,), low=1, high=2, brackets="[)"
    )
    learning_rate: float = varies("of descent", 0.01, low=1e-3, high=0.05)
    runs: int = varies("random starts", 4, low=1, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.powers) != len(self.depths):
            reject("powers", self.powers, f"one for each of the depths {self.depths}")

    @property
    def chains(self) -> list[Chain]:
        return [replace(self.chain(L), power=k) for L, k in zip(self.depths, self.powers)]


@claim(
    "minnorm.chain_unsquared",
    source="ours: Minnorm (reconstructed from Bansal et al. 2018, whose abstract leaves k open) on the scalar chain",
    source_kind=OURS,
    statement=r"N = \tfrac1k \sum |w_l|^k:\ (w_i^2 - w_j^2)' = -2a (|w_i|^k - |w_j|^k);"
    r"\ \text{at a minimum } |w_l| = \omega = s^{1/L},\ \lambda = \omega^{k - L}/x,"
    r"\ \text{eigenvalues } \{-a k \omega^{k-2}\}^{L-1} \cup \{z^2 + a ((k - L) \omega^{k-2} + c g) z + a b g = 0\},"
    r"\ g = \sigma L \omega^{2L - 2};\ \text{it attracts} \iff c > \tfrac{(L - k) \omega^{k-2}}{g}",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s; k = 1 (norms not squared) or between 1 and 2; no weight is 0",
        "the flow of the reconstructed rule: speeds a of the weights, b of the multiplier, augmentation c",
    ),
    theory_side="closed form",
    controls=(
        "imbalance decays as if squared",
        "spectrum of the squared norm",
        "critical augmentation of the squared norm: neutral",
        "k 10 % larger",
    ),
    parameters=Unsquared,
)
def unsquared_norms_need_more_augmentation(study: Study, size: Unsquared) -> Iterator[Check]:
    offsets = np.array([-0.03, 0.0, 0.03])
    for i, chain in enumerate(size.chains):
        case, broken = f"depth {chain.L}, k = {chain.power:g}", i == 0
        eta, tuning = _scaled(chain, size.learning_rate), Units(chain).tuning(Tuning(A, B))
        yield rests(study, chain, case)
        yield from _spectrum(study, chain, case, broken)
        yield from growth_beside_the_critical(study, chain, tuning, eta, offsets, case)
        if broken:
            yield _neutral_as_if_squared(study, chain, tuning, eta)
        yield from _imbalance(study, chain, case, size.runs, broken)


def _scaled(chain: Chain, learning_rate: float) -> float:
    return learning_rate * Units(chain).time_of_minnorm


def _spectrum(study: Study, chain: Chain, case: str, broken: bool) -> Iterator[Check]:
    rng = study.rng("tunings", chain.L)
    tuning = Tuning(rng.uniform(0.5, 1.5, 5), rng.uniform(0.1, 3, 5), rng.uniform(0, 3, 5))
    tuning = Units(chain).tuning(tuning)
    polynomial = characteristic("characteristic polynomial", *jacobian(study, chain, tuning), case)
    yield polynomial.equals(lambda k: coefficients(minnorm.spectrum(chain, with_g(tuning, k))))
    together = np.full((1, chain.L + 1), -A * chain.power * chain.omega ** (chain.power - 2))
    gathered = characteristic("best tuning", *jacobian(study, chain, minnorm.best_tuning(chain, A)), case)
    yield gathered.equals(lambda k: coefficients(k * together))
    if broken:
        for control, k in (("spectrum of the squared norm", 2.0), ("k 10 % larger", 1.1 * chain.power)):
            wrong = minnorm.spectrum(replace(chain, power=k), tuning)
            yield polynomial.control(control).equals(coefficients(wrong))


def _neutral_as_if_squared(study: Study, chain: Chain, tuning: Tuning, eta: float) -> Check:
    critical = minnorm.critical_augmentation(replace(chain, power=2.0), tuning, eta)
    growth, _, within = pair(study, chain, replace(tuning, c=critical), eta)
    neutral = measured("growth a step", growth, within=within)
    return neutral.control("critical augmentation of the squared norm: neutral").equals(0)


def _imbalance(study: Study, chain: Chain, case: str, runs: int, broken: bool) -> Iterator[Check]:
    """The change of the imbalance in one step, per unit of time, as the step shrinks."""
    etas = _scaled(chain, 0.04) / 2.0 ** np.arange(3)
    w = random_weights(study.rng("starts", chain.L), runs, chain.L, 0.7 * chain.omega, 1.2 * chain.omega)
    units = Units(chain)
    tuning = units.tuning(Tuning(0.8, 0.6, 0.5))
    rates = np.repeat(etas, runs)
    trainee = minnorm_descent(study, chain, np.tile(w, (len(etas), 1)), tuning, 0.5 * units.multiplier)
    run = trainee.train(learning_rate=rates, steps=1, record=[0, 1])
    change = np.diff(imbalance(run["w"]), axis=0)[0] / rates[:, None]
    velocities = [part[None] for part in np.split(change, len(etas))]
    rounded = (2 * chain.L + 16) * EPS * float((w**2).max()) / etas[-1] * 2 ** len(etas)
    name, predicted = "velocity of the imbalance", minnorm.imbalance_velocity(chain, tuning, w)[None]
    yield from tends_to(name, velocities, lambda k: k * predicted, rounded, case=case)
    if broken:
        wrong = minnorm.imbalance_velocity(replace(chain, power=2.0), tuning, w)[None]
        yield extrapolated(name, velocities, rounded).control("imbalance decays as if squared").equals(wrong)
