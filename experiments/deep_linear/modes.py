"""Learning curves of the singular modes: sigmoidal, strongest first, known at any depth; and what couples them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.interpolate import CubicHermiteSpline

from experiments.deep_linear.aligned import Whitened
from experiments.deep_linear.convergence import integrated
from experiments.deep_linear.gains import copies_of
from experiments.deep_linear.networks import Constraint, ControlledDescent, product, students
from experiments.training import extrapolated, tends_to
from experiments.training.together import copies, refined_together
from theory.chain import gradient_flow
from theory.chain.problem import Chain
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.deep_linear.frozen import seen_flow
from theory.deep_linear.modes import Modes, aligned, balanced_solution, decoupled_starts
from theory.deep_linear.problem import TeacherStudent

SIZES = (0.08, 0.01)  # of small starts
RECORDS = 41
LAST_LOGIT = 25.0  # of a mode that is learned but for 1e-11


@dataclass(frozen=True)
class Learned(Whitened):
    strengths: tuple[float, ...] = varies("of the modes, decreasing", (3.0, 1.5, 0.75), low=0.5, high=4)
    depths: tuple[int, ...] = varies(
        "numbers of layers; 2 and 3 beside them", (2, 3, 4), smoke=(2, 3), paper=(1, 2, 3, 4, 5), low=1, high=6
    )
    start: float = varies("strength of every mode at the start", 0.01, low=1e-3, high=0.1)
    width: int = varies("of hidden layers", 7, low=2, high=40)
    draws: int = varies("random examples", 3, smoke=1, paper=10, low=1, high=100)
    small: int = varies("random examples with small starts", 4, smoke=2, paper=10, low=1, high=100)
    learning_rate: float = varies("of the coarsest run", 0.02, smoke=0.03, paper=0.01, low=2e-3, high=0.03)
    refinements: int = varies("learning rates, each half the one before", 4, smoke=3, low=3, high=6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 2 * len(self.strengths):
            reject("width", self.width, f"at least two a mode, {2 * len(self.strengths)}")
        if (np.array(self.strengths[:-1]) < 1.5 * np.array(self.strengths[1:])).any():
            reject(
                "strengths", self.strengths, "each 1.5 times the next at least: closer ones do not wait for each other"
            )

    def eta(self, L: int) -> float:
        """Smaller where the strongest mode is faster than one of strength 3, or than three layers learn that one."""
        largest, three_layers = self.strengths[0], 3 * 3 ** (2 - 2 / 3)
        return self.learning_rate * min(1.0, (3 / largest) ** 2, three_layers / (L * largest ** (2 - 2 / L)))


@claim(
    "saxe2014.modes",
    source="Saxe et al. 2014, exact learning dynamics of a mode, three layers and more; coupled modes: ours",
    source_kind=RECONSTRUCTED,
    statement=r"u' = L x^2 u^{2 - 2/L} (s - u);\quad L = 2:\ u = \frac{s e^{2 x^2 s t}}{e^{2 x^2 s t} - 1 + s/u_0};"
    r"\quad U^\top W V = \big(e^{-x^2 S t} (G^\top G)^{-1} e^{-x^2 S t} + S^{-1} (1 - e^{-2 x^2 S t})\big)^{-1}",
    hypotheses=(
        "gradient flow on whitened examples, X X^T = x^2 P with the projector P; Y X^+ = U S V^T",
        "u: the strength u_k^T W v_k of one mode of L layers, from u_0; s its strength in Y X^+",
        "balanced start: aligned with the modes, or two layers W_1 = G V^T, W_2 = U G^T with any G",
    ),
    theory_side="closed form",
    controls=(
        "depth 2: half the rate",
        "depth 2: strengths 10 % larger",
        "depth 3: the curve of depth 2",
        "examples that are not whitened",
        "unaligned start: every mode on its own",
        "small starts: no mode leaves less to the next",
        "small starts: W_1 V alone",
    ),
    parameters=Learned,
)
def modes_are_learned_along_these_curves(study: Study, size: Learned) -> Iterator[Check | Curves]:
    depths, flow, trained = sorted({2, 3, *size.depths}), [], []
    for L in depths:
        modes, t, strengths = yield from _aligned(study, L, size)
        fine = np.linspace(0, t[-1], 401)
        flow.append(_at_any_time(modes.chains(L), size)(fine)[:, 0])
        trained.append(strengths)
    yield curves(strengths=size.strengths, depths=depths, t=t, trained=trained, t_flow=fine, flow=flow)
    yield from _unaligned(study, size)
    yield from _small(study, size)


def _aligned(study: Study, L: int, size: Learned) -> Iterator[Check]:
    """Returns the modes, the times, and the strengths (T, modes) of the first run."""
    rng, case = study.rng("aligned", L), f"depth {L}"
    modes = size.draw(rng, size.draws)
    frames = modes.frames(size.widths(L), rng)
    W = aligned(frames, np.full((*modes.s.shape, L), size.start ** (1 / L)))
    runs = _refine(study, modes.problem, W, size)
    t, values = runs[0].t, [_inside(modes, run["W"]) for run in runs]
    curve = lambda chains, t=t: _diagonal(_curves(chains, t, _alike(size)))  # noqa: E731
    flow = curve(modes.chains(L))
    later = _at_any_time(modes.chains(L), size)
    yield from tends_to("modes", values, lambda k: flow if k == 1 else _diagonal(later(k * t)), case=case)
    yield _integrated(modes, W, t, case).equals(flow)
    limit = extrapolated("modes", values, case=case)
    if L == 2:
        yield limit.control("depth 2: half the rate").equals(curve(modes.chains(2), t / 2))
        larger = curve([Chain(1.1 * chain.s, 2, chain.x) for chain in modes.chains(2)])
        yield limit.control("depth 2: strengths 10 % larger").equals(larger)
        X = np.linspace(1.15, 0.85, modes.problem.n) * modes.problem.X
        uneven = TeacherStudent(X, modes.problem.teacher, 0 * modes.problem.Y)
        stretched = [_inside(modes, run["W"]) for run in _refine(study, uneven, W, size)]
        yield extrapolated("modes", stretched).control("examples that are not whitened").equals(flow)
    if L == 3:
        yield limit.control("depth 3: the curve of depth 2").equals(curve(modes.chains(2)))
    return modes, t, np.diagonal(values[-1], axis1=-2, axis2=-1)[:, 0]


def _unaligned(study: Study, size: Learned) -> Iterator[Check]:
    """Two layers, balanced, but with hidden directions that are not orthogonal: Riccati's equation."""
    rng, case = study.rng("unaligned"), "unaligned start"
    modes = size.draw(rng, size.draws)
    G = 0.1 * rng.standard_normal((len(modes.s), size.width, len(size.strengths)))
    W = [G @ modes.V.mT, modes.U @ G.mT]
    runs = _refine(study, modes.problem, W, size)
    t, values = runs[0].t, [_inside(modes, run["W"]) for run in runs]
    coupled = modes.coupled_solution(G, t)
    yield from tends_to("modes", values, lambda k: modes.coupled_solution(G, k * t), case=case)
    yield _integrated(modes, W, t, case).equals(coupled)
    alone = _diagonal(_curves(modes.chains(2), t, (G**2).sum(-2)))
    limit = extrapolated("modes", values, case=case)
    yield limit.control("unaligned start: every mode on its own").equals(alone)


def _small(study: Study, size: Learned) -> Iterator[Check]:
    """Two layers, neither aligned nor balanced, at two sizes: one after the other, modes seem to start from R_kk^2.

    u / (s - u) grows as e^(2 x^2 s t) once a mode grows alone: where it is half learned, that gives its start.
    """
    rng, draws, many = study.rng("small"), size.small, len(size.strengths)
    both = size.draw(rng, draws)
    grows, dies = np.linalg.qr(rng.standard_normal((2, draws, size.width, many)))[0]
    grows = grows @ np.linalg.cholesky(0.5 + 0.5 * np.eye(many)).T  # columns at 60 degrees
    layers = (grows + dies) @ both.V.mT, both.U @ (grows - dies).mT
    modes = Modes(both.problem.each(len(SIZES)))
    start = [np.tile(SIZES, draws)[:, None, None] * np.repeat(layer, len(SIZES), axis=0) for layer in layers]
    runs = _refine(study, modes.problem, start, size, horizon=7.0)
    u = [np.diagonal(_inside(modes, run["W"]), axis1=-2, axis2=-1) for run in runs]
    half = np.abs(u[-1] - modes.s / 2).argmin(0)[None]
    growing = 2 * modes.x**2 * modes.s * runs[0].t[:, None, None]
    logits = [np.take_along_axis(special.logit(v.clip(1e-12) / modes.s) - growing, half, 0)[0] for v in u]
    limit, error = richardson(logits)
    started = modes.s * special.expit(limit)

    def over(starts: Array) -> Measured:
        large, small = np.moveaxis((started / starts).reshape(draws, len(SIZES), -1), 1, 0)
        changed = np.abs(large / small - 1).max()
        because = f"what a start {SIZES[0] / SIZES[1]:g} times as large changes, and the last Richardson correction"
        within = Tolerance(changed + error.max(), because)
        return measured(
            "start of the modes over R_kk^2", small, within=within, case="small starts", axes=("draw", "mode")
        )

    G = modes.effective_start(start)
    yield over(decoupled_starts(G)).equals(1.0)
    yield over((G**2).sum(-2)).control("small starts: no mode leaves less to the next").equals(1.0)
    yield over(decoupled_starts(start[0] @ modes.V)).control("small starts: W_1 V alone").equals(1.0)


def _alike(size: Learned) -> Array:
    """The start of every mode (1, modes)."""
    return np.full((1, len(size.strengths)), size.start)


def _curves(chains: Sequence[Chain], t: Array, starts: Array) -> Array:
    """Strengths (T, runs, modes) from these starts (runs, modes); depth 2 by its closed form."""
    if chains[0].L == 2:
        each = [
            gradient_flow.two_layer_solution(chain, np.sqrt(start)[:, None] * np.ones(2), t)
            for chain, start in zip(chains, starts.T)
        ]
    else:
        each = [balanced_solution(chain, start, t) for chain, start in zip(chains, starts.T)]
    return np.stack(each, axis=-1)


def _at_any_time(chains: Sequence[Chain], size: Learned) -> Callable[[Array], Array]:
    """The same curves as functions of t, which needs no solving: of the logits y = log u / (s - u) the times are known,
    and y' = L x^2 s u^(1 - 2/L); between 2000 of them the curves are cubic, and off by less than 1e-9."""
    if chains[0].L == 2:
        return lambda t: _curves(chains, t, _alike(size))
    splines = []
    for chain in chains:
        y = np.linspace(special.logit(size.start / chain.s), LAST_LOGIT, 2000)
        u = np.maximum(chain.s * special.expit(y), size.start)
        t = gradient_flow.balanced_time(chain, size.start, u)
        splines.append(CubicHermiteSpline(t, y, chain.L * chain.sigma * chain.s * u ** (1 - 2 / chain.L)))

    def strengths(t: Array) -> Array:
        logits = [spline(np.minimum(t, spline.x[-1])) for spline in splines]
        each = [chain.s * special.expit(y) for chain, y in zip(chains, logits)]
        return np.stack(each, axis=-1)[:, None]

    return strengths


def _diagonal(strengths: Array) -> Array:
    return strengths[..., None] * np.eye(strengths.shape[-1])


def _inside(modes: Modes, W: Array) -> Array:
    """U^T W V (T, runs, modes, modes)."""
    return modes.U.mT @ W @ modes.V


def _integrated(modes: Modes, W: Layers, t: Array, case: str) -> Measured:
    """The modes along the flow of all layers, which knows no modes."""

    def solve(tolerance: float) -> Array:
        _, layers = seen_flow(modes.problem, W, t, relative_tolerance=tolerance)
        return _inside(modes, end_to_end(layers) @ modes.problem.basis.mT)

    flow, within = integrated(solve)
    return measured("modes, flow integrated", flow, within=within, case=case, axes=("t", "run")).supporting()


def _refine(study: Study, problem: TeacherStudent, W: Layers, size: Learned, horizon: float = 6.0) -> list[Trajectory]:
    levels, between = size.refinements, max(round(horizon / size.eta(len(W)) / (RECORDS - 1)), 1)
    steps = between * (RECORDS - 1)
    many, W = copies_of(problem, levels), [copies(layer, levels) for layer in W]
    trainee = students(study, Constraint(many, W, study.device), W, ControlledDescent(many), product)
    record = range(0, steps + 1, between)
    return refined_together(trainee, learning_rate=horizon / steps, record=record, levels=levels)
