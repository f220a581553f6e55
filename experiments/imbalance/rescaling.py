"""Appendix D of Min et al. 2021, trained: the network and its NTK scaling are one run at two learning rates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.imbalance.networks import squared_loss, weights
from experiments.training.loop import recording_steps, train
from theory.claims import Check, Curves, claim, curves
from theory.claims import estimates as rates
from theory.claims.legacy import equal, misprint, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import rescaling
from theory.imbalance.dynamics import excess_loss, gradient_flow
from theory.imbalance.problem import Network, coordinates, gaussian

EXPONENTS = (0.5, 0.4, 0.3)
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Pair:
    """One exponent: the network, and the same network in the NTK scaling."""

    study: Study
    problem: Regression
    network: Network
    exponent: float

    @property
    def speedup(self) -> float:
        return rescaling.speedup(self.network.h, self.exponent)

    @property
    def rescaled(self) -> tuple[Regression, Network]:
        problem = rescaling.rescaled_problem(self.problem, self.network.h, self.exponent)
        return problem, rescaling.rescaled_network(self.network, self.exponent)


@claim(
    "min2021.ntk_rescaling",
    source="Min et al. 2021, Appendix D",
    statement=r"\tilde U = h^a U,\ \tilde V = h^a V,\ \tilde L = \tfrac12 |Y - h^{-2a} X \tilde U \tilde V^T|_F^2:\ "
    r"\text{descent on } \tilde L \text{ at } h^{2a} \eta \text{ is descent on } L \text{ at } \eta",
    hypotheses=("any start", "any exponent a > 0", "any learning rate"),
    controls=(
        "the learning rate not scaled",
        "the learning rate scaled by h^a",
        "weights scaled by h^(1.1 a)",
        "the time of the flow not scaled",
        "as printed: the last display, without its 1/2",
    ),
)
def training_in_the_ntk_scaling_is_training_sped_up(study: Study) -> Iterator[Check | Curves]:
    problem = random_regression(
        study.rng("problem"), D=20, n=8, m=3, singular_values=np.array([1.6, 1.3, 1.1, 0.9, 0.8, 0.7])
    )
    width = study.pick(smoke=24, quick=100, paper=1000)
    steps = study.pick(smoke=200, quick=1000, paper=4000)
    pairs = []
    for a in EXPONENTS:
        network = gaussian(problem, width, study.rng("start", a), scales=(width**-a, width**-a), runs=2)
        pairs.append(Pair(study, problem, network, a))
    for pair in pairs:
        yield from _step_by_step(pair, steps)
    yield from _exact_powers_of_two(study, problem, steps)
    yield from _flow(pairs[1], steps)


def _step_by_step(pair: Pair, steps: int) -> Iterator[Check | Curves]:
    a = pair.exponent
    plain = _descend(pair.study, pair.problem, pair.network, LEARNING_RATE, steps)
    scaled = _descend(pair.study, *pair.rescaled, pair.speedup * LEARNING_RATE, steps)
    tolerance = _rounding(pair, plain, steps)
    because = (
        "the same step in two scales, so rounding alone: dot products of n + D + m + h terms in each of two runs and "
        "in every step, relative to the largest weights, amplified by at most exp(sum eta s_1 |E|) on the way"
    )

    def same(measured: Array) -> Check:
        return equal(f"weights at every step, a = {a}", measured, _stacked(plain), tolerance=tolerance, because=because)

    yield same(_stacked(scaled) / pair.network.h**a)
    if a == EXPONENTS[0]:
        unscaled = _descend(pair.study, *pair.rescaled, LEARNING_RATE, steps)
        yield refuted("the learning rate not scaled", same(_stacked(unscaled) / pair.network.h**a))
        half = _descend(pair.study, *pair.rescaled, pair.speedup**0.5 * LEARNING_RATE, steps)
        yield refuted("the learning rate scaled by h^a", same(_stacked(half) / pair.network.h**a))
        yield refuted("weights scaled by h^(1.1 a)", same(_stacked(scaled) / pair.network.h ** (1.1 * a)))
    yield from _losses(pair)
    gap = np.abs(_stacked(scaled) / pair.network.h**a - _stacked(plain)).max((1, 2, 3))
    yield curves(**{f"t_{a}": plain.t, f"gap_{a}": gap})


def _losses(pair: Pair) -> Iterator[Check]:
    """The three forms of the loss: torch's at (U, V), and the NTK form at the scaled weights."""
    a = pair.exponent
    state = {"U": torch.tensor(pair.network.U), "V": torch.tensor(pair.network.V)}
    loss = squared_loss(pair.problem, "cpu")(state).numpy()
    ntk = rescaling.ntk_loss(pair.problem, pair.rescaled[1], a)
    terms = pair.problem.X.shape[0] + pair.problem.D + pair.problem.m + pair.network.h
    tolerance = 2 * terms * EPS * _output_size(pair) ** 2
    because = f"dot products of {terms} terms in either form, relative to (|Y| + |X||U||V|)^2"
    name = f"the loss with the factor 1 / sqrt(m h), a = {a}"
    yield equal(name, ntk, loss, tolerance=tolerance, because=because)
    if a == EXPONENTS[0]:
        printed = equal(name, 2 * ntk, loss, tolerance=tolerance, because=because)
        correction = "1/2 |...|^2, as in the display above it"
        yield misprint("the last display, without its 1/2", printed, correction=correction)


def _exact_powers_of_two(study: Study, problem: Regression, steps: int) -> Iterator[Check]:
    network = gaussian(problem, 64, study.rng("power"), scales=(1 / 8, 1 / 8), runs=2)
    pair = Pair(study, problem, network, 0.5)
    plain = _descend(study, problem, network, LEARNING_RATE, steps)
    scaled = _descend(study, *pair.rescaled, pair.speedup * LEARNING_RATE, steps)
    yield equal(
        "weights at h = 64, a = 1/2, bit for bit",
        _stacked(scaled) / 8,
        _stacked(plain),
        tolerance=np.finfo(float).tiny,
        because="h^a = 8 is a power of two: scaling by it commutes with rounding, so not even rounding differs",
    )


def _flow(pair: Pair, steps: int) -> Iterator[Check]:
    """The flow of L, by the ODE layer, against training on L~, extrapolated to step size 0."""
    fractions = (1, 2, 4)
    eta = pair.speedup * LEARNING_RATE
    runs = [_descend(pair.study, *pair.rescaled, eta / f, f * steps) for f in fractions]
    Z = [coordinates(pair.problem, _network(run)) / pair.network.h**pair.exponent for run in runs]
    limit, error = rates.richardson(Z)
    t = runs[0].t / pair.speedup
    exact = gradient_flow(pair.problem, pair.network, t)
    halved = rates.halving_order(Z[1] - exact["Z"], Z[2] - exact["Z"])
    yield order("descent approaches the flow", halved, 1.0, excludes=(0.5, 2.0))
    steady = exact.facts["steps"] * exact.facts["local_error"]
    amplified = steady * _amplification(pair.problem, pair.network, exact)
    tolerance = error.max(axis=(1, 2, 3), keepdims=True) + amplified

    def same(measured: Array) -> Check:
        return equal(
            "the flow of L at t is the flow of its NTK scaling at h^(2a) t",
            limit,
            measured,
            tolerance=tolerance,
            because="extrapolated over eta, eta/2, eta/4: its last correction, and the ODE layer's error amplified",
        )

    yield same(exact["Z"])
    late = gradient_flow(pair.problem, pair.network, runs[0].t)
    yield refuted("the time of the flow not scaled", same(late["Z"]))


def _descend(study: Study, problem: Regression, network: Network, learning_rate: float, steps: int) -> Trajectory:
    return train(
        squared_loss(problem, study.device),
        {"U": network.U, "V": network.V},
        learning_rate=learning_rate,
        steps=steps,
        record=recording_steps(steps, 21),
        observe=weights,
        device=study.device,
        progress=study.progress,
    )


def _stacked(run: Trajectory) -> Array:
    """[U; V] (T, runs, D + m, h)."""
    return np.concatenate([run["U"], run["V"]], axis=-2)


def _network(run: Trajectory) -> Network:
    return Network(run["U"], run["V"])


def _rounding(pair: Pair, run: Trajectory, steps: int) -> float:
    X, network = pair.problem.X, pair.network
    terms = sum(X.shape) + pair.problem.m + network.h
    sizes = np.sqrt((_stacked(run) ** 2).sum((-2, -1))).max()
    step = sizes * (1 + LEARNING_RATE * np.linalg.norm(X) * _output_size(pair))
    amplification = _amplification(pair.problem, network, gradient_flow(pair.problem, network, run.t))
    return float(2 * terms * steps * EPS * step * amplification)


def _amplification(problem: Regression, network: Network, flow: Trajectory) -> float:
    """exp(int s_1 |E| dt): the loss has no curvature below -s_1 |E|, so no two paths part faster than that."""
    size = np.sqrt(2 * excess_loss(problem, flow["Z"]))
    # |E| decreases, so its left end bounds every interval.
    return float(np.exp(problem.S[0] * (size[:-1] * np.diff(flow.t)[:, None]).sum(0).max()))


def _output_size(pair: Pair) -> float:
    U, V = (np.sqrt((w**2).sum((-2, -1))).max() for w in (pair.network.U, pair.network.V))
    return float(np.linalg.norm(pair.problem.Y) + np.linalg.norm(pair.problem.X) * U * V)
