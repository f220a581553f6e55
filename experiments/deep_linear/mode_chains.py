"""Minnorm on whitened examples from an aligned start: every singular mode is a chain, and feels no other."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.deep_linear.aligned import by_minnorm_from, draw_modes, off_the_modes, state_of_modes, widths
from experiments.deep_linear.convergence import integrated
from experiments.deep_linear.networks import by_minnorm
from experiments.training import tends_to
from theory.chain import minnorm
from theory.chain.problem import Chain
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, rounding
from theory.core import flows
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.deep_linear.modes import Modes, aligned
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

STRENGTHS = (1.8, 1.2, 0.7)


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
)
def every_mode_is_a_chain(study: Study) -> Iterator[Check]:
    for L in study.pick(smoke=(3,), quick=(1, 2, 3, 4), paper=(1, 2, 3, 4, 5)):
        yield from _chains(study, L)


def _chains(study: Study, L: int) -> Iterator[Check]:
    """Random unbalanced starts and multipliers of every mode: the network's modes against the chains, step and flow."""
    rng, draws, case = study.rng("chains", L), study.pick(smoke=2, quick=4, paper=16), f"depth {L}"
    modes = draw_modes(rng, STRENGTHS, draws)
    frames = modes.frames(widths(modes, L), rng)
    w = rng.uniform(0.7, 1.2, (draws, len(STRENGTHS), L))
    multipliers = rng.uniform(0.2, 0.8, (draws, len(STRENGTHS)))
    tuning = Tuning(rng.uniform(0.5, 1.0, draws), rng.uniform(0.2, 1.5, draws), rng.uniform(0.3, 0.6, draws))
    chains = modes.chains(L)
    trainee = by_minnorm_from(study, modes, frames, w, multipliers, tuning)
    runs = trainee.refine(learning_rate=0.02, horizon=1.0, records=6, levels=4)
    start = np.concatenate([w, multipliers[..., None]], axis=-1)
    flow, error = integrated(lambda tolerance: _flow(chains, tuning, start, runs[0].t, tolerance), 1e-12)
    faster = lambda k: flow if k == 1 else _flow(chains, tuning, start, k * runs[0].t, 1e-9)  # noqa: E731
    values = [state_of_modes(modes, frames, run) for run in runs]
    yield from tends_to("modes", values, faster, error.value, case=case)
    run = trainee.train(learning_rate=0.02, steps=50, record=range(51))
    state = state_of_modes(modes, frames, run)
    # The modes are read off with products over all widths, before and after a step.
    size = max(1, np.abs(state).max()) ** (2 * L - 1)
    of = "the largest product of weights: 4 (all widths + n)"
    within = rounding(4 * (sum(widths(modes, L)) + modes.problem.n), size, of=of)
    velocity = lambda chains: _velocities(chains, tuning, state[:-1])  # noqa: E731
    name, axes = "a step of every mode", ("step", "run", "mode")
    step = measured(name, np.diff(state, axis=0), within=within, case=case, axes=axes)
    yield step.equals(0.02 * velocity(chains))
    off = [np.abs(part).max((1, 2, 3)) for part in off_the_modes(frames, run)]
    each = Tolerance(np.arange(1, 52) * within.value, f"{within.reason}, a step: next to an attractor they do not grow")
    uneven = _uneven(study, modes, frames, w, tuning)
    still = measured("no mode feels another", off, within=each, case=case, axes=("layer", "step"))
    yield still.equals(0, against=uneven)
    if L == 3:
        larger = [Chain(1.1 * chain.s, L, chain.x) for chain in chains]
        yield step.control("modes: strengths 10 % larger").equals(0.02 * velocity(larger))
        once = [Chain(chain.s, L, np.sqrt(chain.x)) for chain in chains]
        yield step.control("modes: x in place of x^2").equals(0.02 * velocity(once))
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
