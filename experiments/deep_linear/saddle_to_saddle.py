"""From any small start modes are learned one after the other, each along a sigmoid, at a time known for every run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.deep_linear.aligned import INPUT, Whitened
from experiments.deep_linear.small_starts import normal_layers, trained
from experiments.training import extrapolated, tends_to
from experiments.training.crossings import passing_times
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    slope,
    varies,
)
from theory.claims.estimates import richardson
from theory.claims.limit_slope import limit_slope_without_noise
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.deep_linear import saddle_to_saddle as theory
from theory.deep_linear.modes import Modes, whitened
from theory.deep_linear.problem import TeacherStudent

NONE = 1e-3  # of a change: what is as small, or of another sign, is not what is predicted
DEVIATIONS = (0.8, 1.3)  # of the layers' entries, in units of a start's size
EVERY = 0.05  # time between records
PASSED = (0.02, 0.1, 0.3, 0.8, 0.97)  # shares of a strength
SETTLED = 5.0  # of 2 x^2 s t after the last jump: what is left of the loss is seen to fall


@dataclass(frozen=True)
class Saddles(Whitened):
    strengths: tuple[float, ...] = varies("of the modes, decreasing", (3.0, 2.4, 1.1), low=0.8, high=4)
    start: float = varies("size of the smallest start, for the law", 1e-14, low=1e-16, high=1e-11)
    sizes: tuple[float, ...] = varies(
        "of starts, decreasing, for what neighbours change", (1e-4, 1e-5, 1e-6, 1e-7), low=1e-8, high=1e-2
    )
    draws: int = varies("examples, labels and starts", 6, smoke=4, paper=40, low=4, high=200)
    learning_rate: float = varies("of the coarsest run", 0.02, low=5e-3, high=0.02)
    refinements: int = varies("learning rates, each half the one before", 4, paper=5, low=3, high=6)

    def __post_init__(self) -> None:
        super().__post_init__()
        s, sizes = np.array(self.strengths), np.array(self.sizes)
        if (s[:-1] < 1.2 * s[1:]).any() or s[0] > 5 * s[-1]:
            reject("strengths", self.strengths, "each 1.2 times the next at least, none 5 times another")
        if len(s) < 3 or s[0] / s[1] - 1 > 0.5 * (1 - s[2] / s[1]):
            reject("strengths", self.strengths, "three or more, the second far nearer to the first than to the third")
        if self.width < len(s) + 2:
            reject("width", self.width, f"at least two more than the modes, {len(s) + 2}: no mode has little left")
        if len(sizes) < 4 or (sizes[:-1] < 9.9 * sizes[1:]).any():
            reject("sizes", self.sizes, "four or more, each ten times the next at least")
        if self.start > 1e-6 * sizes[-1]:
            reject("start", self.start, f"at most a millionth of the least of the sizes, {1e-6 * sizes[-1]:g}")

    @property
    def eta(self) -> float:
        """Smaller where the strongest mode is faster than at 3."""
        return self.learning_rate * min(1.0, 3 / self.strengths[0])


@claim(
    "deep_linear.saddle_to_saddle",
    source="ours; saddle to saddle: Jacot et al. 2021 (conjecture), Pesme & Flammarion 2023 (diagonal nets)",
    source_kind=OURS,
    statement=r"u_k(t) = \frac{s_k}{1 + e^{-2 x^2 s_k (t - t_k)}} + o(1),\quad"
    r" t_k = \frac{\log(s_k / R_{kk}^2)}{2 x^2 s_k} + O(|G|^{q_k}),\quad G = \tfrac12 (W_2^\top U + W_1 V) = Q R,\quad"
    r" q_k = 2 \min\big(1 - \tfrac{s_{k+1}}{s_k}, \tfrac{s_{k-1}}{s_k} - 1, 1\big)",
    hypotheses=(
        "gradient flow of two layers on whitened examples, X X^T = x^2 P; Y X^+ = U S V^T, s_1 > s_2 > ...",
        "a small start of any kind: neither balanced nor aligned, any shape; u_k = u_k^T W v_k",
        "as the start tends to 0; modes beyond the width h are never learned",
    ),
    theory_side="closed form",
    controls=(
        "no mode leaves less to the next",
        "W_1 V alone",
        "times 1 % later",
        "descent's clock without its lag",
        "sigmoids 5 % faster",
        "last plateau of the loss 5 % higher",
        "the mode before changes nothing",
        "the next mode changes nothing",
        "the next mode alone sets the power",
        "two strengths equal",
        "examples that are not whitened",
        "a mode beyond the width is learned",
    ),
    parameters=Saddles,
)
def modes_are_learned_from_saddle_to_saddle(study: Study, size: Saddles) -> Iterator[Check | Curves]:
    one = size.draw(study.rng("problems"), size.draws)
    unit = normal_layers(study.rng("starts"), one, size.width, DEVIATIONS, size.draws)
    many = np.array([*size.sizes, size.start])
    W = [(many[:, None, None] * layer[:, None]).reshape(-1, *layer.shape[1:]) for layer in unit]
    runs = _descent(study, size, Modes(one.problem.each(len(many))), W)
    # Of the smallest start; neighbours change it by less than is read.
    smallest = [layer[len(many) - 1 :: len(many)] for layer in W]
    yield from _law(size, one, smallest, [_each(run, len(many) - 1, len(many)) for run in runs])
    yield from _neighbours(size, one, unit, runs)
    yield from _hypotheses(study, size, one, smallest)
    yield from _narrow(study, size, one)


def _law(size: Saddles, modes: Modes, W: list[Array], runs: list[Trajectory]) -> Iterator[Check | Curves]:
    s, x, G = modes.s[0], modes.x, modes.effective_start(W)
    law, neglected = theory.jump_times(s, x, G), _neglected(size, modes, W)
    jumps = [passing_times(run.t, run["strength"] / s, 0.5)[None] for run in runs]
    yield from tends_to("time of the jump", jumps, lambda k: (k * law)[None], neglected[None])
    found = extrapolated("time of the jump", jumps, neglected[None])
    alone = (np.log(s) - 2 * np.log(np.linalg.norm(G, axis=-2))) / (2 * x**2 * s)
    yield found.control("no mode leaves less to the next").equals(alone[None])
    yield found.control("W_1 V alone").equals(theory.jump_times(s, x, W[0] @ modes.V)[None])
    yield found.control("times 1 % later").equals(1.01 * law[None])
    clock = _by_its_clock(size, modes, jumps[0], neglected)
    yield clock.equals(lambda k: k * law[None])
    slow = np.log1p(size.eta * x**2 * s) / (size.eta * x**2 * s) * jumps[0]
    yield replace(clock, value=slow).control("descent's clock without its lag").equals(law[None])
    yield from _paths(size, modes, runs, 2 * x**2 * s * neglected)
    # The path of each mode in its own time, by the flow's clock at half its strength.
    last = runs[-1]
    flow = [theory.flow_time(s, x, size.eta / 2 ** (len(runs) - 1), each * np.ones(len(s))) for each in last.t]
    since = 2 * x**2 * s * (np.array(flow)[:, None] - law)
    yield curves("path", since=since, share=last["strength"] / s)


def _paths(size: Saddles, modes: Modes, runs: list[Trajectory], shares: Array) -> Iterator[Check]:
    """Each mode along its sigmoid, whenever it jumps; and no other part of the loss than that of the modes.

    A neighbour changes the growth of a mode by these shares (runs, modes), and leaves such a share beside the two.
    """
    s, x = modes.s[0], modes.x
    rate = 2 * x**2 * s
    passing = [_flow_times(size, modes, runs, share) for share in (0.5, *PASSED)]
    levels = [np.stack([each[k] for each in passing]) for k in range(len(runs))]
    since, error = richardson([each[1:] - each[0] for each in levels])
    at = np.array(PASSED)[:, None, None]
    # The next mode grows on, at most as fast; before half, what the one before leaves was larger by its own growth.
    odds = at / (1 - at)
    grown = np.maximum(odds, odds ** -np.append(1, s[:-1] / s[1:]))
    moved = (error.max((0, 1)) + 2 * shares * grown / rate) * rate * at * (1 - at) * s
    within = Tolerance(moved, "last Richardson correction, largest of a mode; what neighbours change by then")
    found = measured("strength so long after half", at * s, within=within, axes=("share", "run", "mode"))
    yield found.equals(lambda k: theory.strengths(s, x, -k * since, 0.0))
    yield found.control("sigmoids 5 % faster").equals(theory.strengths(s, x, -1.05 * since, 0.0))
    loss, u = (runs[-1][name] for name in ("loss", "strength"))
    within = Tolerance(2 * x**2 * s[0] * s[1] * shares.max(-1), "the parts that two modes share, each of that share")
    within += rounding(64, 0.5 * x**2 * (s**2).sum(), of="the loss at the start")
    found = measured("loss, all along", loss, within=within, axes=("t", "run"))

    def of_modes(k: float, largest: Array = s) -> Array:
        return 0.5 * k * x**2 * ((largest - u) ** 2).sum(-1)

    yield found.equals(of_modes)
    higher = of_modes(1, np.append(s[:-1], 1.025 * s[-1]))
    yield found.control("last plateau of the loss 5 % higher").equals(higher)


def _neighbours(size: Saddles, one: Modes, unit: list[Array], runs: list[Trajectory]) -> Iterator[Check | Curves]:
    """By how much, and by which power of its size, a start changes times: against the smallest, which changes least.

    Of the first two modes that part of the change is judged that is along what is predicted, over all draws: of weaker
    ones terms of second order may change more than neighbours.
    """
    sizes, s, x = np.array([*size.sizes, size.start]), one.s[0], one.x
    G = one.effective_start(unit)[:, None] * sizes[:, None, None]

    def from_smallest(times: Array) -> Array:
        times = times.reshape(size.draws, len(sizes), -1)[..., :2]
        return times[:, :-1] - times[:, -1:]

    law = theory.jump_times(s, x, G)
    predicted, before = from_smallest(theory.correction(s, x, G)), from_smallest(_of_the_mode_before(s, x, G))
    changed = [from_smallest(each - law.reshape(each.shape)) for each in _flow_times(size, one, runs, 0.5)]

    def along(change: Array) -> Array:
        return (change * predicted).sum(0) / (predicted**2).sum(0)

    # What grows for so long is a power of 1 + a: its logarithm is what is nearly straight in the learning rate.
    logs, error = richardson([np.log(np.maximum(along(each), NONE)) for each in changed])
    share = np.exp(logs)
    # What a start ten times as large has more; a quarter of what came before, in case two powers of it cancel here.
    before_last, last = np.abs(np.diff(share[-3:], axis=0))
    because = "what a start ten times as large changes by the next power of it; the last Richardson correction"
    within = Tolerance(np.maximum(last, before_last / 4) + share[-1] * error[-1] + EPS, because)
    found = measured("change by the neighbours over its law", share[-1], within=within, axes=("mode",))
    yield found.equals(1.0)
    yield found.control("the mode before changes nothing").equals(along(predicted - before)[-1])
    yield found.control("the next mode changes nothing").equals(along(before)[-1])
    logs, error = richardson([np.log((each**2).sum(0)) / 2 for each in changed])
    for k, q in enumerate(theory.error_exponents(s)[:2]):
        # The change of the smallest start, which is taken off, is this share of another's.
        taken_off = (sizes[-1] / sizes[:-1]) ** q
        settled = limit_slope_without_noise(np.log(sizes[:-1]), logs[:, k], error[:, k] + taken_off)
        found = slope("power of the start", settled, case=f"mode {k + 1}")
        yield found.equals(q, excludes=(0.9 * q, 1.1 * q))
    yield found.control("the next mode alone sets the power").equals(2 * (1 - s[2] / s[1]))
    powers = theory.error_exponents(s)[:2]
    yield curves(
        "neighbours", sizes=sizes[:-1], changed=np.exp(logs), law=np.sqrt((predicted**2).sum(0)), powers=powers
    )


def _of_the_mode_before(s: Array, x: float, G: Array) -> Array:
    """The part of `correction`: that of the last of 1, 2, ... modes, which has no next one."""
    each = [theory.correction(s[: k + 1], x, G[..., : k + 1])[..., k] for k in range(len(s))]
    return np.stack(each, axis=-1)


def _hypotheses(study: Study, size: Saddles, one: Modes, W: list[Array]) -> Iterator[Check]:
    """One of them broken at a time, by descent at its coarsest."""
    s = (*size.strengths[:2], size.strengths[1], *size.strengths[3:])
    sizes = {"d": size.inputs, "n": size.examples, "K": len(s)}
    equal = Modes(whitened(s, x=INPUT, **sizes, rng=study.rng("equal"), draws=size.draws))
    stretched = np.linspace(1.05, 0.95, size.examples) * one.problem.X
    uneven = TeacherStudent(stretched, one.problem.teacher, one.problem.noise)
    for control, modes, problem in (
        ("two strengths equal", equal, None),
        ("examples that are not whitened", one, uneven),
    ):
        (run,) = _descent(study, size, modes, W, problem, levels=1)
        jumps = passing_times(run.t, run["strength"] / modes.s[0], 0.5)[None]
        law = theory.jump_times(modes.s[0], modes.x, modes.effective_start(W))
        yield _by_its_clock(size, modes, jumps, _neglected(size, one, W)).control(control).equals(law[None])


def _narrow(study: Study, size: Saddles, modes: Modes) -> Iterator[Check]:
    """A hidden layer with one unit less than there are modes: the last has no direction but that of those before."""
    h, s = len(size.strengths) - 1, modes.s[0]
    W = [size.start * layer for layer in normal_layers(study.rng("narrow"), modes, h, DEVIATIONS, size.draws)]
    (run,) = _descent(study, size, modes, W, levels=1)
    R = np.linalg.qr(modes.effective_start(W), mode="r")
    # What it has along mode h goes as that is learned, by a clock that is at most a / 2 slow.
    along = s[h - 1] * (R[:, h - 1, h] / R[:, h - 1, h - 1]) ** 2
    slowly = run.t[-1] * (1 - size.eta * modes.x**2 * s[0] / 2)
    left = along * np.exp(-2 * modes.x**2 * (s[h - 1] - s[h]) * slowly) + size.start**2 + 8 * EPS * s[0]
    within = Tolerance(left, "what is left of its part along mode h; the start squared; rounding of the strongest")
    last = measured("strength of the mode beyond the width", run["strength"][-1, :, h], within=within, axes=("run",))
    yield last.equals(0.0, against=float(s[h]))
    yield last.control("a mode beyond the width is learned").equals(s[h])


def _by_its_clock(size: Saddles, modes: Modes, jumps: Array, neglected: Array) -> Measured:
    """The flow's times, from those (1, draws, modes) of descent at its coarsest."""
    s, rate = modes.s[0], modes.x**2 * modes.s[0]
    because = "a^3 / (x^2 s), a = learning rate x x^2 s: the next term is 0.35 of it; what neighbours change"
    within = Tolerance((size.eta * rate) ** 3 / rate + neglected, because)
    flow = theory.flow_time(s, modes.x, size.eta, jumps)
    return measured("time of descent's jump, by its clock", flow, within=within, axes=("t", "run", "mode"))


def _flow_times(size: Saddles, modes: Modes, runs: list[Trajectory], share: float) -> list[Array]:
    """When trainings (levels) pass this share, by the flow's clock: what is left to extrapolate is small."""
    s = modes.s[0]
    rates = size.eta / 2.0 ** np.arange(len(runs))
    times = [passing_times(run.t, run["strength"] / s, share) for run in runs]
    return [theory.flow_time(s, modes.x, eta, each, share) for eta, each in zip(rates, times)]


def _neglected(size: Saddles, modes: Modes, W: list[Array]) -> Array:
    """Of times (draws, modes): twice what neighbours change to first order, the start squared, and rounding."""
    changed = theory.correction(modes.s[0], modes.x, modes.effective_start(W))
    return 2 * np.abs(changed) + size.start**2 + EPS + _rounded(size, modes, W)


def _rounded(size: Saddles, modes: Modes, W: list[Array]) -> Array:
    """Of times (draws, modes): once the first mode is learned, each step rounds weights of its size, sqrt(s_1), beside
    which a later one has only grown to R_kk e^(x^2 s_k t_1): such a share of itself, a 1 / (eta x^2 s_k) times over."""
    s, x, G = modes.s[0], modes.x, modes.effective_start(W)
    rate, eta = x**2 * s, size.eta / 2 ** (size.refinements - 1)
    grown = np.abs(np.diagonal(np.linalg.qr(G, mode="r"), axis1=-2, axis2=-1))
    grown = grown * np.exp(rate * theory.jump_times(s, x, G)[:, :1])
    later = np.arange(len(s)) > 0
    return later * EPS * np.sqrt(s[0]) / grown / (eta * rate) / rate


def _each(run: Trajectory, first: int, apart: int) -> Trajectory:
    """Every so many runs of a training."""
    return Trajectory(run.t, {name: array[:, first::apart] for name, array in run.arrays.items()})


def _descent(
    study: Study,
    size: Saddles,
    modes: Modes,
    W: list[Array],
    problem: TeacherStudent | None = None,
    levels: int | None = None,
) -> list[Trajectory]:
    """Until the last mode is learned, by the law: where that is wrong, it may not be."""
    jumps = theory.jump_times(modes.s[0], modes.x, modes.effective_start(W))
    horizon = 1.1 * jumps[np.isfinite(jumps)].max() + SETTLED / (2 * modes.x**2 * modes.s[0, -1])
    options = {"learning_rate": size.eta, "horizon": horizon, "every": EVERY, "levels": levels or size.refinements}
    return trained(study, modes, W, problem=problem, **options)
