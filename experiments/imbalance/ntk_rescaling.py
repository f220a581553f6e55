"""Appendix D of Min et al. 2021, trained: the network and its NTK scaling are one run at two learning rates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from experiments.imbalance.networks import by_autograd, largest_curvature, squared_loss, trained_coordinates
from experiments.training import recording_steps
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    order,
    rounding,
    varies,
)
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import rescaling
from theory.imbalance.dynamics import excess_loss, gradient_flow
from theory.imbalance.problem import Network, gaussian

# Of learning rate x curvature: beyond it the first order in the step does not show.
LARGEST_STEP = 0.3
WORK = 4_000_000  # width x steps


@dataclass(frozen=True)
class Training:
    """Gaussian starts of scale h^(-a), one of each a, and their training."""

    width: int = varies("units of the hidden layer, h", 100, smoke=24, paper=1000, low=2, high=2000)
    exponents: tuple[float, ...] = varies("a of h^(-a), a training each", (0.5, 0.4, 0.3), low=0.25, high=1)
    learning_rate: float = varies(
        "of the network; its NTK scaling takes h^(2a) of it", 2e-3, low=1e-4, high=1, brackets="[)"
    )
    steps: int = varies("of gradient descent", 1000, smoke=200, paper=4000, low=40, high=10_000)

    def __post_init__(self) -> None:
        if len(set(self.exponents)) < len(self.exponents) or len(self.exponents) > 5:
            reject("exponents", self.exponents, "at most five different ones")
        if self.width * self.steps > WORK:
            reject("steps", self.steps, f"at most {WORK // self.width} of width {self.width}: two minutes of them")


@dataclass(frozen=True)
class Pair:
    """One exponent: the network, and the same network in the NTK scaling; either can be trained."""

    study: Study
    problem: Regression
    network: Network
    exponent: float
    learning_rate: float

    @property
    def speedup(self) -> float:
        return rescaling.speedup(self.network.h, self.exponent)

    @property
    def scale(self) -> float:
        """h^a."""
        return float(self.network.h**self.exponent)

    @property
    def rescaled_network(self) -> Network:
        return rescaling.rescaled_network(self.network, self.exponent)

    def plain(self, steps: int) -> Trajectory:
        """The network, trained."""
        return _descend(self.study, self.problem, self.network, self.learning_rate, steps)

    def rescaled(self, steps: int, *, faster: float) -> Trajectory:
        """The network in the NTK scaling, trained at `faster` times the learning rate."""
        problem = rescaling.rescaled_problem(self.problem, self.network.h, self.exponent)
        return _descend(self.study, problem, self.rescaled_network, faster * self.learning_rate, steps)


@claim(
    "min2021.ntk_rescaling",
    source="Min et al. 2021, Appendix D",
    source_kind=AS_PRINTED,
    statement=r"\tilde U = h^a U,\ \tilde V = h^a V,\ \tilde L = \tfrac12 |Y - h^{-2a} X \tilde U \tilde V^T|_F^2:\ "
    r"\tilde L(\tilde U, \tilde V) = L(U, V) = \tfrac12 |Y - X U V^T|_F^2, \text{ and descent on } \tilde L"
    r" \text{ at } h^{2a} \eta \text{ is descent on } L \text{ at } \eta",
    hypotheses=("any start U (D, h), V (m, h)", "any exponent a > 0", "any learning rate eta"),
    theory_side="identity",
    controls=(
        "the learning rate not scaled",
        "the learning rate scaled by h^(1.9 a)",
        "weights scaled by h^(1.05 a)",
        "the time of the flow not scaled",
        "the last display, without its 1/2",
    ),
    parameters=Training,
)
def training_in_the_ntk_scaling_is_training_sped_up(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    problem = random_regression(
        study.rng("problem"), D=20, n=8, m=3, singular_values=np.array([1.6, 1.3, 1.1, 0.9, 0.8, 0.7])
    )
    width, steps, eta = sizes.width, sizes.steps, sizes.learning_rate
    pairs = []
    for a in sizes.exponents:
        network = gaussian(problem, width, study.rng("start", a), scales=(width**-a, width**-a), runs=2)
        pairs.append(Pair(study, problem, network, a, eta))
    powers = gaussian(problem, 64, study.rng("power"), scales=(1 / 8, 1 / 8), runs=2)
    for network in (powers, *(pair.network for pair in pairs)):
        largest = LARGEST_STEP / largest_curvature(problem, network)
        if eta > largest:
            reject("learning_rate", eta, f"at most {largest:.3g} at this width and these exponents")
    for pair in pairs:
        yield from _step_by_step(pair, steps)
    yield from _wrong_scalings(pairs[0], steps)
    yield from _exact_powers_of_two(Pair(study, problem, powers, 0.5, eta), steps)
    yield from _flow(pairs[min(1, len(pairs) - 1)], steps)


def _step_by_step(pair: Pair, steps: int) -> Iterator[Check | Curves]:
    a, h = pair.exponent, pair.network.h
    plain, rescaled = pair.plain(steps), pair.rescaled(steps, faster=pair.speedup)
    weights, back = _stacked(plain), _stacked(rescaled) / pair.scale
    yield _same(pair, plain, steps, back).equals(lambda k: h ** ((k - 1) * a) * weights)
    loss, ntk = _losses(pair)
    yield ntk.equals(loss)
    yield curves(f"a = {a}", t=plain.t, gap=np.abs(back - weights).max((1, 2, 3)))


def _wrong_scalings(pair: Pair, steps: int) -> Iterator[Check]:
    plain, rescaled = pair.plain(steps), pair.rescaled(steps, faster=pair.speedup)
    weights = _stacked(plain)
    unscaled, slower = (_stacked(pair.rescaled(steps, faster=f)) / pair.scale for f in (1, pair.speedup**0.95))
    wrong = {
        "the learning rate not scaled": unscaled,
        "the learning rate scaled by h^(1.9 a)": slower,
        "weights scaled by h^(1.05 a)": _stacked(rescaled) / pair.scale**1.05,
    }
    for name, stacked in wrong.items():
        yield _same(pair, plain, steps, stacked).control(name).equals(weights)
    loss, ntk = _losses(pair)
    correction = "1/2 |...|^2, as in the display above it"
    printed = replace(ntk, value=2 * ntk.value).misprint("the last display, without its 1/2", correction=correction)
    yield printed.equals(loss)


def _same(pair: Pair, plain: Trajectory, steps: int, stacked: Array) -> Measured:
    within = _rounding(pair, plain, steps)
    return measured(f"weights at every step, a = {pair.exponent}", stacked, within=within, axes=("t", "run"))


def _losses(pair: Pair) -> tuple[Array, Measured]:
    """Two forms of the loss: torch's at (U, V), and the NTK form at the scaled weights."""
    a = pair.exponent
    state = {"U": torch.tensor(pair.network.U), "V": torch.tensor(pair.network.V)}
    loss = squared_loss(pair.problem, "cpu")(state).numpy()
    ntk = rescaling.ntk_loss(pair.problem, pair.rescaled_network, a)
    within = rounding(2 * _terms(pair), _output_size(pair) ** 2, of="(|Y| + |X||U||V|)^2, by dot products in two forms")
    return loss, measured(f"the loss with the factor 1 / sqrt(m h), a = {a}", ntk, within=within)


def _exact_powers_of_two(pair: Pair, steps: int) -> Iterator[Check]:
    plain, rescaled = pair.plain(steps), pair.rescaled(steps, faster=pair.speedup)
    because = "h^a = 8 is a power of two: scaling by it commutes with rounding, so not even rounding differs"
    within = Tolerance(np.finfo(float).tiny, because)
    name = "weights at h = 64, a = 1/2, bit for bit"
    weights = _stacked(plain)
    bit_for_bit = measured(name, _stacked(rescaled) / 8, within=within, axes=("t", "run"))
    yield bit_for_bit.equals(lambda k: 8 ** (k - 1) * weights)


def _flow(pair: Pair, steps: int) -> Iterator[Check]:
    """The flow of L, by the ODE layer, against training on L~, extrapolated to step size 0."""
    runs = [pair.rescaled(f * steps, faster=pair.speedup / f) for f in (1, 2, 4)]
    Z = [trained_coordinates(pair.problem, run) / pair.scale for run in runs]
    limit, error = richardson(Z)

    def flow(speedup: float) -> Trajectory:
        return gradient_flow(pair.problem, pair.network, runs[0].t / speedup)

    exact = flow(pair.speedup)
    errors = observed_order([weights - exact["Z"] for weights in Z])
    yield order("descent approaches the flow", errors).equals(1, excludes=(0.75, 1.25))
    solver = exact.facts["steps"] * exact.facts["local_error"] * _amplification(pair.problem, exact)
    last = error.max(axis=(1, 2, 3), keepdims=True)
    within = Tolerance(last, "extrapolated over eta, eta/2, eta/4: its last correction")
    within += Tolerance(solver, "the ODE layer's error, amplified")
    name = "the flow of L at t is the flow of its NTK scaling at h^(2a) t"
    extrapolated = measured(name, limit, within=within, axes=("t", "run"))
    yield extrapolated.equals(lambda k: flow(pair.speedup**k)["Z"])
    yield extrapolated.control("the time of the flow not scaled").equals(flow(1)["Z"])


def _descend(study: Study, problem: Regression, network: Network, learning_rate: float, steps: int) -> Trajectory:
    trainee = by_autograd(study, problem, network)
    return trainee.train(learning_rate=learning_rate, steps=steps, record=recording_steps(steps, 21))


def _stacked(run: Trajectory) -> Array:
    """[U; V] (T, runs, D + m, h)."""
    return np.concatenate([run["U"], run["V"]], axis=-2)


def _rounding(pair: Pair, run: Trajectory, steps: int) -> Tolerance:
    sizes = np.sqrt((_stacked(run) ** 2).sum((-2, -1))).max()
    step = sizes * (1 + pair.learning_rate * np.linalg.norm(pair.problem.X) * _output_size(pair))
    amplified = step * _amplification(pair.problem, gradient_flow(pair.problem, pair.network, run.t))
    return rounding(
        2 * _terms(pair) * steps,
        amplified,
        of="the largest weights: the same step in two scales, dot products of n + D + m + h terms in each of two runs "
        "and in every step, amplified by at most exp(sum eta s_1 |E|) on the way",
    )


def _terms(pair: Pair) -> int:
    return sum(pair.problem.X.shape) + pair.problem.m + pair.network.h


def _amplification(problem: Regression, flow: Trajectory) -> float:
    """exp(int s_1 |E| dt): the loss has no curvature below -s_1 |E|, so no two paths part faster than that."""
    size = np.sqrt(2 * excess_loss(problem, flow["Z"]))
    # |E| decreases, so its left end bounds every interval.
    return float(np.exp(problem.S[0] * (size[:-1] * np.diff(flow.t)[:, None]).sum(0).max()))


def _output_size(pair: Pair) -> float:
    U, V = (np.sqrt((w**2).sum((-2, -1))).max() for w in (pair.network.U, pair.network.V))
    return float(np.linalg.norm(pair.problem.Y) + np.linalg.norm(pair.problem.X) * U * V)
