"""Weight decay forgets the start only as fast as it is biased, and no schedule removes both; two phases hide it."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.integrate import simpson
from torch import Tensor

from experiments.chain.networks import MinnormDescent, random_weights, refine, squared_loss, train_chain
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import DecayedDescent, Schedule, constant
from theory.chain import gradient_flow, minnorm, weight_decay
from theory.chain.problem import Chain, distance, imbalance, others, product
from theory.claims import Check, Curves, claim
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory

ETA = 0.05


@claim(
    "minnorm.chain_l2",
    source="Bansal et al. 2018 (reconstruction: weight decay on the scalar chain); ours",
    statement=r"D_{ij}(t) = e^{-2\gamma t} D_{ij}(0);\quad \sigma (s - u) u^{1 - 2/L} = \gamma,\ s - u ="
    r" \tfrac{\gamma}{\sigma} s^{2/L - 1} + O(\gamma^2);\quad w \to 0 \text{ if } \gamma > \sigma \tfrac{sL}{2(L-1)}"
    r"\Big(\tfrac{s(L-2)}{2(L-1)}\Big)^{1 - 2/L}",
    hypotheses=("gradient flow with constant weight decay",),
    controls=(
        "half the rate",
        "rate 10 % larger",
        "weight decay 10 % larger: equilibrium",
        "bias 10 % larger",
        "threshold 6 % lower: collapse",
        "threshold 4 % higher: equilibrium",
    ),
)
def weight_decay_forgets_and_is_biased(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(1, 2, 3, 4, 5), paper=(1, 2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        if L > 1:
            yield from _forgets(study, chain)
            yield from _collapses(study, chain)
        yield from _settles(study, chain)
        yield from _small_bias(study, chain)


def _forgets(study: Study, chain: Chain) -> Iterator[Check]:
    rng = study.rng("forgets", chain.L)
    w = random_weights(rng, 8, chain.L, 0.6 * chain.omega, 1.2 * chain.omega)
    gamma = rng.uniform(0.05, 1.0, 8)
    runs = refine(study, f"forgets {chain.L}", chain, w, _rule(chain, gamma), learning_rate=0.02, horizon=1.0, levels=3)
    values = [imbalance(run["w"]) for run in runs]
    exponent = np.multiply.outer(runs[0].t, gamma)[..., None]
    yield from tends_to(f"depth {chain.L}: imbalance", values, np.exp(-2 * exponent) * imbalance(w))
    if chain.L == 3:
        for control, rate in (("half the rate", 1.0), ("rate 10 % larger", 2.2)):
            yield refuted(control, extrapolated(control, values, np.exp(-rate * exponent) * imbalance(w)))


def _settles(study: Study, chain: Chain) -> Iterator[Check]:
    """Descent and flow rest at the same products; balanced starts at omega come down to them."""
    threshold = min(weight_decay.collapse_threshold(chain), 4.0)
    gamma = threshold * np.array([0.1, 0.5, 0.8])
    w = np.full((3, chain.L), chain.omega)
    steps = 1000
    rule = _rule(chain, gamma)()
    run = train_chain(study, f"settles {chain.L}", chain, w, rule, learning_rate=ETA, steps=steps, record=[steps])
    end = run["w"][-1]
    predicted = np.array([weight_decay.equilibrium(chain, float(number)) for number in gamma])
    # A displacement of all weights alike relaxes at r; descent stalls where its step rounds away.
    u = predicted ** (1 / chain.L)
    slope = (chain.L - 1) * chain.s * u ** (chain.L - 2) - (2 * chain.L - 1) * u ** (2 * chain.L - 2)
    rate = gamma - chain.sigma * slope
    tolerance = chain.L * predicted * (8 * EPS / (ETA * rate) + np.exp(-rate * ETA * steps / 2))
    because = "a step that rounds away, and what half the relaxation rate leaves"
    name = f"depth {chain.L}: equilibrium"
    yield equal(name, product(end), predicted, tolerance=tolerance, because=because)
    if chain.L == 3:
        wrong = np.array([weight_decay.equilibrium(chain, 1.1 * float(number)) for number in gamma])
        check = equal("equilibrium", product(end), wrong, tolerance=tolerance, because=because)
        yield refuted("weight decay 10 % larger: equilibrium", check)


def _small_bias(study: Study, chain: Chain) -> Iterator[Check]:
    """(s - u) / gamma as gamma halves, from trained chains."""
    gamma = 0.08 / 2.0 ** np.arange(4)
    w = np.full((4, chain.L), chain.omega)
    rule = _rule(chain, gamma)()
    run = train_chain(study, f"bias {chain.L}", chain, w, rule, learning_rate=ETA, steps=500, record=[500])
    ratio = (chain.s - product(run["w"][-1])) / gamma
    limit, error = richardson(list(ratio))
    rounding = 2**4 * 8 * EPS * chain.L * chain.s / (ETA * min(1, chain.g) * gamma.min())
    because = "last Richardson correction in gamma, and steps that round away"
    predicted = weight_decay.small_bias(chain, 1.0)
    tolerance = error + rounding
    yield equal(f"depth {chain.L}: bias over gamma", limit, predicted, tolerance=tolerance, because=because)
    if chain.L == 3:
        wrong = equal("bias", limit, 1.1 * predicted, tolerance=tolerance, because=because)
        yield refuted("bias 10 % larger", wrong)


def _collapses(study: Study, chain: Chain) -> Iterator[Check]:
    """2 % above the threshold p falls at least as e^(-L (gamma - threshold) t); 2 % below it rests at equilibrium."""
    threshold = weight_decay.collapse_threshold(chain)
    gamma = threshold * np.array([0.98, 1.02])
    w = np.full((2, chain.L), chain.omega)
    steps = 2400
    rule = _rule(chain, gamma)()
    record = list(range(0, steps + 1, 80))
    run = train_chain(study, f"collapses {chain.L}", chain, w, rule, learning_rate=ETA, steps=steps, record=record)
    below, above = product(run["w"]).T
    bound = lambda threshold, i: chain.s * np.exp(-chain.L * (gamma[i] - threshold) * run.t)  # noqa: E731
    because = "w'/w = sigma (s - p) q/w - gamma, whose first term is at most the threshold"
    yield at_most(f"depth {chain.L}: collapse above", above, bound(threshold, 1), because=because, slack=8 * EPS)
    rests = weight_decay.equilibrium(chain, float(gamma[0]))
    because = "comes down to the stable equilibrium from above"
    yield at_least(f"depth {chain.L}: rest below", below, rests, because=because, slack=8 * chain.L * EPS)
    if chain.L == 3:
        wrong = at_most("0.94 of it", below, bound(0.94 * threshold, 0), because="a threshold 6 % lower")
        yield refuted("threshold 6 % lower: collapse", wrong)
        wrong = at_least("rest", above, weight_decay.equilibrium(chain, 0.98 * threshold), because="a higher threshold")
        yield refuted("threshold 4 % higher: equilibrium", wrong)


@claim(
    "minnorm.chain_schedules",
    source="ours: the price of forgetting by weight decay",
    statement=r"D(t) = e^{-2 \int \gamma} D(0),\quad L \int \gamma p\, dt = \int \sigma (s - p) \textstyle\sum q_l^2 dt"
    r" - [p]_0^T:\ D \to 0 \Rightarrow \int (s - p)\, dt = \infty;\quad \text{Minnorm: } \int h\, dt ="
    r" \tfrac{\lambda^* - \lambda(0)}{b}",
    hypotheses=("gradient flow with weight decay gamma(t)", "p bounded away from 0"),
    controls=(
        "gamma = k / (1 + t)^2 forgets",
        "balance without the change of p",
        "balance with L - 1 layers",
        "annealed: the error is integrable",
        "annealed bias 10 % smaller",
        "two phases: nothing is left",
        "multiplier 10 % larger",
    ),
)
def no_schedule_forgets_without_bias(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(3,), quick=(2, 3), paper=(2, 3, 4)):
        chain = Chain(1.7, L, x=1.2)
        yield from _balance(study, chain)
        yield from _annealed(study, chain)
        yield from _two_phases(study, chain)
        yield from _integrated_error_of_minnorm(study, chain)


def _balance(study: Study, chain: Chain) -> Iterator[Check]:
    """Three schedules: what is forgotten, and the balance that makes forgetting cost an integrated error."""
    k, power = np.array([0.4, 1.25, 0.8]), np.array([0.0, 1.0, 2.0])
    w = _starts(study, chain, 3)
    eta = 0.02
    runs = refine(
        study,
        f"balance {chain.L}",
        chain,
        w,
        lambda: DecayedDescent(squared_loss(chain), _decreasing(k, power)),
        learning_rate=eta,
        horizon=4.0,
        records=201,
        levels=3,
    )
    t = runs[0].t
    integral = np.stack([k[0] * t, k[1] * np.log1p(t), k[2] * t / (1 + t)], axis=-1)
    predicted = np.exp(-2 * integral)[..., None] * imbalance(w)
    values = [imbalance(run["w"]) for run in runs]
    yield from tends_to(f"depth {chain.L}: imbalance under three schedules", values, predicted)
    decay = k / (1 + t[:, None]) ** power
    forgetting = [_integral(t, decay * product(run["w"])) for run in runs]
    error = [_integral(t, _pull(chain, run)) for run in runs]
    change = [(product(run["w"]) - product(w))[-1:] for run in runs]
    # Runs stand where times do: the largest error of the extrapolation bounds them all.
    residual = [(e - chain.L * f - d).T for e, f, d in zip(error, forgetting, change)]
    # The rule of Simpson at twice the spacing tells what it is off by.
    coarse = _integral(t[::2], (_pull(chain, runs[-1]) - chain.L * decay * product(runs[-1]["w"]))[::2])
    quadrature = np.abs(error[-1] - chain.L * forgetting[-1] - coarse).max()
    yield from tends_to(f"depth {chain.L}: balance", residual, 0 * residual[0], quadrature)
    if chain.L == 3:
        ends = [value[-1:, 2:] for value in values]
        yield refuted("gamma = k / (1 + t)^2 forgets", extrapolated("forgets", ends, 0 * ends[0]))
        wrong = [(e - chain.L * f).T for e, f in zip(error, forgetting)]
        check = extrapolated("no change", wrong, 0 * wrong[0], quadrature)
        yield refuted("balance without the change of p", check)
        wrong = [(e - (chain.L - 1) * f - d).T for e, f, d in zip(error, forgetting, change)]
        check = extrapolated("L - 1", wrong, 0 * wrong[0], quadrature)
        yield refuted("balance with L - 1 layers", check)


def _pull(chain: Chain, run: Trajectory) -> Array:
    """sigma (s - p) sum q_l^2."""
    return chain.sigma * (chain.s - product(run["w"])) * (others(run["w"]) ** 2).sum(-1)


def _integral(t: Array, values: Array) -> Array:
    """Simpson's rule along the first axis, kept as one row."""
    return simpson(values, x=t, axis=0)[None]


def _annealed(study: Study, chain: Chain) -> Iterator[Check]:
    """gamma = k / (1 + t): (1 + t) (s - p) tends to k small_bias, so the error integrated grows with log t."""
    k, eta = np.array([1.25, 2.0]), 0.05
    marks = np.array([16, 32, 64, 128])
    record = [round((mark - 1) / eta) for mark in marks]
    w = _starts(study, chain, 2)
    rule = DecayedDescent(squared_loss(chain), _decreasing(k, np.ones(2)))
    name = f"annealed {chain.L}"
    run = train_chain(study, name, chain, w, rule, learning_rate=eta, steps=record[-1], record=record)
    scaled = list((chain.s - product(run["w"])) * marks[:, None])
    limit, error = richardson(scaled)
    because = "last Richardson correction in 1 / (1 + t)"
    predicted = k * weight_decay.small_bias(chain, 1.0)
    yield equal(f"depth {chain.L}: annealed bias x (1 + t)", limit, predicted, tolerance=error, because=because)
    if chain.L == 3:
        wrong = equal("bias", limit, 0.9 * predicted, tolerance=error, because=because)
        yield refuted("annealed bias 10 % smaller", wrong)
        # int (s - p) over a doubling of 1 + t is bias x log 2 for ever; an integrable error has to fade.
        integrable = equal("error of a doubling", limit * np.log(2), 0, tolerance=error, because=because)
        yield refuted("annealed: the error is integrable", integrable)


def _two_phases(study: Study, chain: Chain) -> Iterator[Check]:
    """Weight decay for a while, then none: any fixed accuracy in time log(1 / accuracy), but not a limit."""
    gamma, horizon = 0.5, 12.0
    switch = np.array([1.0, 2.0, 4.0])
    w = np.repeat(_starts(study, chain, 1), 3, axis=0)

    def schedule(time: Tensor) -> Tensor:
        return gamma * (time < torch.tensor(switch - 1e-9, dtype=time.dtype, device=time.device))

    rule = lambda: DecayedDescent(squared_loss(chain), schedule)  # noqa: E731
    name = f"two phases {chain.L}"
    runs = refine(study, name, chain, w, rule, learning_rate=0.025, horizon=horizon, records=2, levels=3)
    ends = [distance(chain, run["w"][-1:]) for run in runs]
    # Only the imbalance left at the switch matters: any weights that have it end at the same place.
    d = (w**2 - (w**2).min(-1, keepdims=True)) * np.exp(-2 * gamma * switch)[:, None]
    predicted = distance(chain, gradient_flow.limit(chain, np.sqrt(1 + d)))[None]
    # The switches stand where times do, and logarithms make them alike: one error bounds them all.
    logs = [np.log(end).T for end in ends]
    yield from tends_to(f"depth {chain.L}: two phases, log distance left", logs, np.log(predicted).T)
    if chain.L == 3:
        yield refuted("two phases: nothing is left", extrapolated("nothing", ends, 0 * ends[0]))


def _integrated_error_of_minnorm(study: Study, chain: Chain) -> Iterator[Check]:
    """eta sum h over the steps: the multiplier has to come to lambda*, and b times the error is all that moves it."""
    best = minnorm.best_tuning(chain)
    w = _starts(study, chain, 3)
    steps = 800
    record = list(range(steps + 1))
    rule = MinnormDescent(chain, best, 0.3)
    run = train_chain(study, f"Minnorm {chain.L}", chain, w, rule, learning_rate=ETA, steps=steps, record=record)
    error = ETA * (chain.x * (chain.s - product(run["w"][:-1]))).sum(0)
    predicted = (minnorm.solution_multiplier(chain) - 0.3) / best.b
    # Each step rounds the multiplier; what is left after 40 units of time at rate 2 is far below.
    tolerance = steps * 4 * EPS * (1 + np.abs(run["multiplier"]).max()) / best.b
    because = "a rounding of the multiplier a step"
    name = f"depth {chain.L}: Minnorm, error integrated"
    yield equal(name, error, predicted, tolerance=tolerance, because=because)
    if chain.L == 3:
        wrong = (1.1 * minnorm.solution_multiplier(chain) - 0.3) / best.b
        check = equal("larger", error, wrong, tolerance=tolerance, because=because)
        yield refuted("multiplier 10 % larger", check)


def _starts(study: Study, chain: Chain, runs: int) -> Array:
    rng = study.rng("starts", chain.L)
    return random_weights(rng, runs, chain.L, 0.7 * chain.omega, 1.2 * chain.omega)


def _rule(chain: Chain, gamma: Array) -> Callable[[], DecayedDescent]:
    return lambda: DecayedDescent(squared_loss(chain), constant(gamma))


def _decreasing(k: Array, power: Array) -> Schedule:
    """gamma = k / (1 + t)^power."""

    def schedule(time: Tensor) -> Tensor:
        scale, exponent = (torch.tensor(number, dtype=time.dtype, device=time.device) for number in (k, power))
        return scale / (1 + time) ** exponent

    return schedule
