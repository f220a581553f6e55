"""No schedule of weight decay forgets without paying an integrated error; Minnorm's error integrates to a number."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import simpson
from torch import Tensor

from experiments.chain.networks import decayed_descent, minnorm_descent, random_weights
from experiments.chain.parameters import Chains, Units
from experiments.training import extrapolated, tends_to
from experiments.updates import Schedule
from theory.chain import gradient_flow, minnorm, weight_decay
from theory.chain.problem import Chain, distance, imbalance, product
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.validation import reject

# Of learning rate x the rate of the steepest start: beyond it Simpson's rule on its steps hides their first order.
SMOOTH = 0.2


@dataclass(frozen=True)
class Schedules(Chains):
    # From depth 5 on, starts at 0.7 of the minimum can collapse to w = 0: p is not bounded away from 0.
    depths: tuple[int, ...] = varies("numbers L of weights", (2, 3), smoke=(3,), paper=(2, 3, 4), low=2, high=4)
    learning_rate: float = varies("of descent", 0.05, low=5e-3, high=0.05)
    annealed: tuple[float, ...] = varies(
        "two k of the annealed weight decays k / (1 + t)", (1.25, 2.0), low=1.25, high=2.5
    )
    phase: float = varies("weight decay of the first of two phases", 0.5, low=0.1, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.annealed) != 2:
            reject("annealed", self.annealed, "two numbers")

    @property
    def eta(self) -> float:
        """Such that a unit of time is a whole number of steps."""
        return 1 / int(np.ceil(1 / self.learning_rate))


@claim(
    "minnorm.chain_schedules",
    source="ours: the price of forgetting by weight decay",
    source_kind=OURS,
    statement=r"w_l' = \sigma (s - p) q_l - \gamma(t) w_l,\ p = \textstyle\prod_l w_l,\ q_l = \tfrac{p}{w_l}:\quad"
    r" D_{ij} = w_i^2 - w_j^2 = e^{-2 \int \gamma} D_{ij}(0),"
    r"\quad L \int \gamma p\, dt = \int \sigma (s - p) \textstyle\sum q_l^2 dt"
    r" - [p]_0^T:\ D \to 0 \Rightarrow \int_0^\infty (s - p)\, dt = \infty;\quad"
    r" \text{Minnorm, } \lambda' = b h,\ h = x (s - p): \int_0^\infty h\, dt ="
    r" \tfrac{1}{b} \big(\tfrac{s^{2/L - 1}}{x} - \lambda(0)\big)",
    hypotheses=(
        "gradient flow with weight decay gamma(t)",
        "L weights, input x, sigma = x^2, target x s",
        "p bounded away from 0; Minnorm converges to the minimum of the squared norm",
    ),
    theory_side="law",
    controls=(
        "gamma = k / (1 + t)^2 forgets",
        "balance without the change of p",
        "balance with L - 1 layers",
        "annealed: the error is integrable",
        "annealed bias 10 % smaller",
        "two phases: nothing is left",
        "multiplier 10 % larger",
    ),
    parameters=Schedules,
)
def no_schedule_forgets_without_bias(study: Study, size: Schedules) -> Iterator[Check]:
    for L in size.depths:
        chain = size.chain(L)
        yield from _balance(study, chain, size)
        yield from _annealed(study, chain, size)
        yield from _two_phases(study, chain, size)
        yield from _integrated_error_of_minnorm(study, chain, size)


def _balance(study: Study, chain: Chain, size: Schedules) -> Iterator[Check]:
    """Three schedules: what is forgotten, and the balance that makes forgetting cost an integrated error."""
    k, power, case = np.array([0.4, 1.25, 0.8]), np.array([0.0, 1.0, 2.0]), f"depth {chain.L}"
    w, unit = _starts(study, chain, 3), Units(chain).time
    trainee = decayed_descent(study, chain, w, _decreasing(k, power, unit))
    eta = min(size.eta / 2.5 * unit, SMOOTH / _steepest(chain, w))
    intervals = 2 * int(np.ceil(2.0 * unit / eta))  # as many as Simpson's rule can take: one a step
    runs = trainee.refine(learning_rate=eta, horizon=4.0 * unit, records=intervals + 1)
    t = runs[0].t / unit
    integral = np.stack([k[0] * t, k[1] * np.log1p(t), k[2] * t / (1 + t)], axis=-1)
    values = [imbalance(run["w"]) for run in runs]

    def predicted(k: float) -> Array:
        return np.exp(-2 * k * integral)[..., None] * imbalance(w)

    yield from tends_to("imbalance under three schedules", values, predicted, case=case)
    decay = k / (1 + t[:, None]) ** power
    products = [product(run["w"]) for run in runs]
    velocities = [unit * gradient_flow.product_velocity(chain, run["w"]) for run in runs]
    # Runs stand where times do: the largest error of the extrapolation bounds them all.
    forgotten, error = ([_integral(t, f).T for f in series] for series in ([decay * p for p in products], velocities))
    change = [(p - product(w))[-1:].T for p in products]
    # Simpson's rule is off by h^4: a fifteenth of what it changes from twice the spacing. Twice that bounds it.
    coarse = _integral(t[::2], (velocities[-1] - chain.L * decay * products[-1])[::2]).T
    quadrature = 2 / 15 * np.abs(error[-1] - chain.L * forgotten[-1] - coarse).max()
    residual = [e - chain.L * f - d for e, f, d in zip(error, forgotten, change)]
    paid = float((chain.L * forgotten[-1]).max())
    yield from tends_to("balance", residual, lambda k: 0.0, quadrature, against=paid, case=case)
    if chain.L == size.shown:
        left = extrapolated("imbalance under k / (1 + t)^2", [value[-1:, 2:] for value in values])
        yield left.control("gamma = k / (1 + t)^2 forgets").equals(0)
        unchanged = [e - chain.L * f for e, f in zip(error, forgotten)]
        yield extrapolated("balance", unchanged, quadrature).control("balance without the change of p").equals(0)
        shallower = [e - (chain.L - 1) * f - d for e, f, d in zip(error, forgotten, change)]
        yield extrapolated("balance", shallower, quadrature).control("balance with L - 1 layers").equals(0)


def _steepest(chain: Chain, w: Array) -> float:
    """The largest rate sigma sum_l q_l^2 at which p of a start (runs, L) moves towards s."""
    return chain.sigma * float(((product(w)[:, None] / w) ** 2).sum(-1).max())


def _integral(t: Array, values: Array) -> Array:
    """Simpson's rule along the first axis, kept as one row."""
    return simpson(values, x=t, axis=0)[None]


def _annealed(study: Study, chain: Chain, size: Schedules) -> Iterator[Check]:
    """gamma = k / (1 + t): (1 + t) (s - p) tends to k small_bias, so the error integrated grows with log t."""
    k, marks, unit = np.array(size.annealed), np.array([16, 32, 64, 128]), Units(chain).time
    eta = size.eta
    record = [round((mark - 1) / eta) for mark in marks]
    trainee = decayed_descent(study, chain, _starts(study, chain, 2), _decreasing(k, np.ones(2), unit))
    run = trainee.train(learning_rate=eta * unit, steps=record[-1], record=record)
    limit, error = richardson(list((chain.s - product(run["w"])) * marks[:, None]))
    within = Tolerance(error, "last Richardson correction in 1 / (1 + t)")
    bias = measured("annealed bias x (1 + t)", limit, within=within, case=f"depth {chain.L}")
    predicted = k * weight_decay.small_bias(chain, 1.0 / unit)
    yield bias.equals(predicted)
    if chain.L == size.shown:
        yield bias.control("annealed bias 10 % smaller").equals(0.9 * predicted)
        # int (s - p) over a doubling of 1 + t is bias x log 2 for ever; an integrable error has to fade.
        doubling = measured("error of a doubling", limit * np.log(2), within=within)
        yield doubling.control("annealed: the error is integrable").equals(0)


def _two_phases(study: Study, chain: Chain, size: Schedules) -> Iterator[Check]:
    """Weight decay for a while, then none: any fixed accuracy in time log(1 / accuracy), but not a limit."""
    unit = Units(chain).time
    gamma, switch = size.phase / unit, unit * np.array([1.0, 2.0, 4.0])
    w = np.repeat(_starts(study, chain, 1), 3, axis=0)

    def schedule(time: Tensor) -> Tensor:
        return gamma * (time < torch.tensor(switch - 1e-9 * unit, dtype=time.dtype, device=time.device))

    trainee = decayed_descent(study, chain, w, schedule)
    runs = trainee.refine(learning_rate=size.eta / 2 * unit, horizon=12.0 * unit, records=2)
    ends = [distance(chain, run["w"][-1:]) for run in runs]
    # Only the imbalance left at the switch matters: any weights that have it end at the same place.
    d = w**2 - (w**2).min(-1, keepdims=True)

    def predicted(k: float) -> Array:
        left = d * np.exp(-2 * k * gamma * switch)[:, None]
        return np.log(distance(chain, gradient_flow.limit(chain, np.sqrt(1 + left))))[:, None]

    # The switches stand where times do, and logarithms make them alike: one error bounds them all.
    logs, case = [np.log(end).T for end in ends], f"depth {chain.L}"
    yield from tends_to("two phases, log distance left", logs, predicted, case=case)
    if chain.L == size.shown:
        yield extrapolated("distance left", ends).control("two phases: nothing is left").equals(0)


def _integrated_error_of_minnorm(study: Study, chain: Chain, size: Schedules) -> Iterator[Check]:
    """eta sum h over the steps: the multiplier has to come to lambda*, and b times the error is all that moves it."""
    best, start, eta = minnorm.best_tuning(chain), 0.3 * Units(chain).multiplier, size.eta
    steps = round(40 / eta)
    trainee = minnorm_descent(study, chain, _starts(study, chain, 3), best, start)
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    # Each step rounds the multiplier; what is left after 40 units of time at rate 2 is far below.
    tolerance = steps * 4 * EPS * (Units(chain).multiplier + np.abs(run["multipliers"]).max()) / best.b
    within = Tolerance(tolerance, "a rounding of the multiplier a step")
    integral = eta * (chain.x * (chain.s - product(run["w"][:-1]))).sum(0)
    error = measured("Minnorm, error integrated", integral, within=within, case=f"depth {chain.L}")
    end = minnorm.solution_multiplier(chain)
    yield error.equals((end - start) / best.b)
    if chain.L == size.shown:
        yield error.control("multiplier 10 % larger").equals((1.1 * end - start) / best.b)


def _starts(study: Study, chain: Chain, runs: int) -> Array:
    return random_weights(study.rng("starts", chain.L), runs, chain.L, 0.7 * chain.omega, 1.2 * chain.omega)


def _decreasing(k: Array, power: Array, unit: float) -> Schedule:
    """gamma = k / (1 + t)^power, in this unit of time."""

    def schedule(time: Tensor) -> Tensor:
        scale, exponent = (torch.tensor(number, dtype=time.dtype, device=time.device) for number in (k, power))
        return scale / unit / (1 + time / unit) ** exponent

    return schedule
