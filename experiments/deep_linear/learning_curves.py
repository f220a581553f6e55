"""Learning curves of the singular modes: sigmoidal, strongest first, known at any depth; and what couples them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from experiments.deep_linear.networks import Constraint, product, squared_loss, train_stack
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent
from theory.chain import gradient_flow
from theory.chain.problem import Chain
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_most, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.deep_linear.modes import Modes, aligned, decoupled_starts, learning_curve, whitened
from theory.deep_linear.problem import TeacherStudent

STRENGTHS = (3.0, 1.5, 0.75)
INPUT = 1.2  # x
START = 0.01  # strength of every mode at the start
SIZES = (0.1, 0.0125)  # of small starts
HIDDEN, RECORDS = 7, 41


@claim(
    "saxe2014.modes",
    source="Saxe et al. 2014, exact learning dynamics of a mode, three layers and more; coupled modes: ours",
    statement=r"u' = L x^2 u^{2 - 2/L} (s - u);\quad L = 2:\ u = \frac{s e^{2 x^2 s t}}{e^{2 x^2 s t} - 1 + s/u_0};"
    r"\quad U^\top W V = \big(e^{-x^2 S t} (G^\top G)^{-1} e^{-x^2 S t} + S^{-1} (1 - e^{-2 x^2 S t})\big)^{-1}",
    hypotheses=("gradient flow", "whitened examples", "balanced start", "aligned start, or two layers"),
    controls=(
        "depth 2: half the rate",
        "depth 2: strengths 10 % larger",
        "depth 3: the curve of depth 2",
        "examples that are not whitened",
        "unaligned start: every mode on its own",
        "small starts: no mode leaves less to the next",
        "small starts: W_1 V alone",
    ),
)
def modes_are_learned_along_these_curves(study: Study) -> Iterator[Check | Curves]:
    yield curves(strengths=STRENGTHS)
    for L in study.pick(smoke=(2, 3), quick=(2, 3, 4), paper=(1, 2, 3, 4, 5)):
        yield from _aligned(study, L)
    yield from _unaligned(study)
    yield from _small(study)


def _aligned(study: Study, L: int) -> Iterator[Check | Curves]:
    rng, widths = study.rng("aligned", L), _widths(L)
    modes = _modes(rng, study.pick(smoke=1, quick=3, paper=10))
    frames = modes.frames(widths, rng)
    W = aligned(frames, np.full((*modes.s.shape, L), START ** (1 / L)))
    runs = _refine(study, f"depth {L}", modes.problem, widths, W)
    t, values = runs[0].t, [_inside(modes, run) for run in runs]
    curve = lambda chains: _diagonal(_curves(chains, t))  # noqa: E731
    flow = curve(modes.chains(L))
    yield from tends_to(f"depth {L}: modes", values, flow)
    if L == 2:
        slower = _diagonal(_curves(modes.chains(2), t / 2))
        yield refuted("depth 2: half the rate", extrapolated("half", values, slower))
        larger = curve([Chain(1.1 * chain.s, 2, chain.x) for chain in modes.chains(2)])
        yield refuted("depth 2: strengths 10 % larger", extrapolated("10 %", values, larger))
        uneven = TeacherStudent(
            np.linspace(1.15, 0.85, modes.problem.n) * modes.problem.X, modes.problem.teacher, 0 * modes.problem.Y
        )
        stretched = [_inside(modes, run) for run in _refine(study, "uneven", uneven, widths, W)]
        yield refuted("examples that are not whitened", extrapolated("uneven", stretched, flow))
        yield curves(t=t, t_flow=_fine(t))
    if L == 3:
        yield refuted("depth 3: the curve of depth 2", extrapolated("2", values, curve(modes.chains(2))))
    strengths = np.diagonal(values[-1], axis1=-2, axis2=-1)
    yield curves(**{f"flow_{L}": _curves(modes.chains(L), _fine(t))[:, 0], f"trained_{L}": strengths[:, 0]})


def _fine(t: Array) -> Array:
    """Times at which to draw a line."""
    return np.linspace(0, t[-1], 401)


def _unaligned(study: Study) -> Iterator[Check]:
    """Two layers, balanced, but with hidden directions that are not orthogonal: Riccati's equation."""
    rng = study.rng("unaligned")
    modes = _modes(rng, study.pick(smoke=1, quick=3, paper=10))
    G = 0.1 * rng.standard_normal((len(modes.s), HIDDEN, len(STRENGTHS)))
    W = [G @ modes.V.mT, modes.U @ G.mT]
    runs = _refine(study, "unaligned", modes.problem, _widths(2), W)
    values = [_inside(modes, run) for run in runs]
    yield from tends_to("unaligned start: modes", values, modes.coupled(G, runs[0].t))
    alone = _diagonal(_curves(modes.chains(2), runs[0].t, (G**2).sum(-2)))
    yield refuted("unaligned start: every mode on its own", extrapolated("alone", values, alone))


def _small(study: Study) -> Iterator[Check]:
    """Two layers, neither aligned nor balanced, at two sizes: one after the other, modes seem to start from R_kk^2."""
    rng, draws = study.rng("small"), study.pick(smoke=2, quick=4, paper=10)
    problem = whitened(STRENGTHS, x=INPUT, d=6, n=4, K=len(STRENGTHS), rng=rng, draws=draws)
    grows, dies = np.linalg.qr(rng.standard_normal((2, draws, HIDDEN, len(STRENGTHS))))[0]
    grows = grows @ np.linalg.cholesky(0.5 + 0.5 * np.eye(len(STRENGTHS))).T  # columns at 60 degrees
    both = Modes(problem)
    layers = (grows + dies) @ both.V.mT, both.U @ (grows - dies).mT
    modes = Modes(problem.each(len(SIZES)))
    start = [np.tile(SIZES, draws)[:, None, None] * np.repeat(layer, len(SIZES), axis=0) for layer in layers]
    runs = _refine(study, "small", modes.problem, _widths(2), start, horizon=7.0)
    t, trained = runs[0].t, np.diagonal(richardson([_inside(modes, run) for run in runs])[0], axis1=-2, axis2=-1)
    G = modes.effective_start(start)
    shrinks = SIZES[1] / SIZES[0]
    expected = 2 - 2 * max(weaker / s for s, weaker in pairwise(STRENGTHS))
    because = f"the distance falls as the size to the power {expected:g}; half of it is asked for, at sizes this large"

    def nearer(name: str, starts: Array) -> Check:
        distances = np.abs(trained - _curves(modes.chains(2), t, starts)).max((0, 2)).reshape(draws, len(SIZES))
        return at_most(name, distances[:, 1] / distances[:, 0], shrinks ** (expected / 2), because=because)

    yield nearer("small starts: distance to the curves", decoupled_starts(G))
    yield refuted("small starts: no mode leaves less to the next", nearer("|g_k|^2", (G**2).sum(-2)))
    first = decoupled_starts(start[0] @ modes.V)
    yield refuted("small starts: W_1 V alone", nearer("W_1 V", first))


def _widths(L: int) -> list[int]:
    return [6, *[HIDDEN] * (L - 1), len(STRENGTHS)]


def _modes(rng: np.random.Generator, draws: int) -> Modes:
    return Modes(whitened(STRENGTHS, x=INPUT, d=6, n=4, K=len(STRENGTHS), rng=rng, draws=draws))


def _curves(chains: Sequence[Chain], t: Array, starts: Array | None = None) -> Array:
    """Strengths (T, runs, modes); depth 2 by its closed form."""
    starts = np.full((1, len(chains)), START) if starts is None else starts
    if chains[0].L == 2:
        each = [
            gradient_flow.two_layer_product(chain, np.sqrt(start)[:, None] * np.ones(2), t)
            for chain, start in zip(chains, starts.T)
        ]
    else:
        each = [learning_curve(chain, start, t) for chain, start in zip(chains, starts.T)]
    return np.stack(each, axis=-1)


def _diagonal(strengths: Array) -> Array:
    return strengths[..., None] * np.eye(strengths.shape[-1])


def _inside(modes: Modes, run: Trajectory) -> Array:
    """U^T W V (T, runs, modes, modes)."""
    return modes.U.mT @ run["W"] @ modes.V


def _refine(
    study: Study, name: str, problem: TeacherStudent, widths: list[int], W: Layers, horizon: float = 6.0
) -> list[Trajectory]:
    constraint = Constraint(problem, widths, study.device)

    def descend(level: str, **schedule) -> Trajectory:
        rule = GradientDescent(squared_loss(constraint))
        return train_stack(study, level, constraint, W, rule, **schedule, observe=product)

    eta = study.pick(smoke=0.04, quick=0.02, paper=0.01)
    return refined(descend, name, learning_rate=eta, horizon=horizon, records=RECORDS, levels=3)
