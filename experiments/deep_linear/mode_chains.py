"""Minnorm on whitened examples from an aligned start: every singular mode is a chain, and feels no other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.deep_linear.aligned import (
    Whitened,
    by_minnorm_from,
    off_the_modes,
    require_different,
    shown,
    state_of_modes,
)
from experiments.deep_linear.convergence import integrated
from experiments.deep_linear.networks import by_minnorm
from experiments.training import tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, rounding, varies
from theory.core import flows
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.deep_linear.modes import Modes, aligned
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Chained(Whitened):
    depths: tuple[int, ...] = varies(
        "numbers of layers", (1, 2, 3, 4), smoke=(3,), paper=(1, 2, 3, 4, 5), low=1, high=6
    )
    draws: int = varies("random examples, starts and tunings", 4, smoke=2, paper=16, low=1, high=200)
    learning_rate: float = varies("of the coarsest run", 0.02, low=1e-3, high=0.02)
    horizon: float = varies("until when modes are watched", 1.0, low=0.1, high=2, unit="time")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different(self.depths)


@claim(
    "minnorm.deep_mode_chains",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=OURS,
    statement=r"X X^\top = x^2 P,\ W_l = R_l\,\mathrm{diag}(w_l) R_{l-1}^\top:\ w_{lk}' = a (-w_{lk} + x (\lambda_k +"
    r" c h_k) \textstyle\prod_{j \ne l} w_{jk}),\ \lambda_k' = b h_k,\ h_k = x (s_k - \textstyle\prod_j w_{jk})",
    hypotheses=(
        "whitened examples, X X^T = x^2 P with the projector P; Y X^+ = U diag(s) V^T",
        "aligned start: R_l with orthonormal columns, R_0 = V, R_L = U",
        "Minnorm at rates a, b and augmentation c, by simultaneous steps; multipliers U diag(lambda) V^T X / x",
    ),
    theory_side="ODE",
    controls=(
        "modes: strengths 10 % larger",
        "modes: x in place of x^2",
        "modes of examples that are not whitened",
    ),
    parameters=Chained,
)
def every_mode_is_a_chain(study: Study, size: Chained) -> Iterator[Check]:
    for L in size.depths:
        yield from _chains(study, L, size)


def _chains(study: Study, L: int, size: Chained) -> Iterator[Check]:
    """Random unbalanced starts and multipliers of every mode: the network's modes against the chains, step and flow."""
    rng, draws, case, eta = study.rng("chains", L), size.draws, f"depth {L}", size.learning_rate
    modes, widths, many = size.draw(rng, draws), size.widths(L), len(size.strengths)
    frames = modes.frames(widths, rng)
    w = rng.uniform(0.7, 1.2, (draws, many, L))
    multipliers = rng.uniform(0.2, 0.8, (draws, many))
    tuning = Tuning(rng.uniform(0.5, 1.0, draws), rng.uniform(0.2, 1.5, draws), rng.uniform(0.3, 0.6, draws))
    chains = modes.chains(L)
    trainee = by_minnorm_from(study, modes, frames, w, multipliers, tuning)
    runs = trainee.refine(learning_rate=eta, horizon=size.horizon, records=6, levels=4)
    start = np.concatenate([w, multipliers[..., None]], axis=-1)
    flow, error = integrated(lambda tolerance: _flow(chains, tuning, start, runs[0].t, tolerance), 1e-12)
    faster = lambda k: flow if k == 1 else _flow(chains, tuning, start, k * runs[0].t, 1e-9)  # noqa: E731
    values = [state_of_modes(modes, frames, run) for run in runs]
    yield from tends_to("modes", values, faster, error.value, case=case)
    run = trainee.train(learning_rate=eta, steps=50, record=range(51))
    state = state_of_modes(modes, frames, run)
    # The modes are read off with products over all widths, before and after a step.
    largest = max(1, np.abs(state).max()) ** (2 * L - 1)
    of = "the largest product of weights: 4 (all widths + n)"
    within = rounding(4 * (sum(widths) + modes.problem.n), largest, of=of)
    velocity = lambda chains: _velocities(chains, tuning, state[:-1])  # noqa: E731
    name, axes = "a step of every mode", ("step", "run", "mode")
    step = measured(name, np.diff(state, axis=0), within=within, case=case, axes=axes)
    yield step.equals(eta * velocity(chains))
    off = [np.abs(part).max((1, 2, 3)) for part in off_the_modes(frames, run)]
    each = Tolerance(np.arange(1, 52) * within.value, f"{within.reason}, a step: next to an attractor they do not grow")
    uneven = _uneven(study, modes, frames, w, tuning)
    still = measured("no mode feels another", off, within=each, case=case, axes=("layer", "step"))
    yield still.equals(0, against=uneven)
    if L == shown(size.depths):
        larger = [Chain(1.1 * chain.s, L, chain.x) for chain in chains]
        yield step.control("modes: strengths 10 % larger").equals(eta * velocity(larger))
        once = [Chain(chain.s, L, np.sqrt(chain.x)) for chain in chains]
        yield step.control("modes: x in place of x^2").equals(eta * velocity(once))
        feels = measured("no mode feels another", uneven, within=within * 21)
        yield feels.control("modes of examples that are not whitened").equals(0)


def _uneven(study: Study, modes: Modes, frames: Layers, w: Array, tuning: Tuning) -> float:
    """The same start and solution, but X X^T with other eigenvalues: how far the layers leave the modes."""
    X = np.linspace(1.15, 0.85, modes.problem.n) * modes.problem.X
    problem = TeacherStudent(X, modes.problem.teacher, modes.problem.noise)
    trainee = by_minnorm(study, problem, aligned(frames, w), tuning)
    run = trainee.train(learning_rate=0.01, steps=20, record=[0, 20])
    return float(np.max([np.abs(part).max() for part in off_the_modes(frames, run)]))


def _velocities(chains: Sequence[Chain], tuning: Tuning, state: Array) -> Array:
    """(w', lambda') of every chain, of states (..., modes, L + 1)."""
    w, multipliers = state[..., :-1], state[..., -1]
    each = [minnorm.velocity(chain, tuning, w[..., k, :], multipliers[..., k]) for k, chain in enumerate(chains)]
    return np.stack([np.concatenate([dw, dm[..., None]], axis=-1) for dw, dm in each], axis=-2)


def _flow(chains: Sequence[Chain], tuning: Tuning, start: Array, t: Array, tolerance: float) -> Array:
    """States (T, runs, modes, L + 1) of the chains' flows."""
    velocity = lambda _, state: {"z": _velocities(chains, tuning, state["z"])}  # noqa: E731
    return flows.flow(velocity, {"z": start}, t, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)["z"]
