"""Between lazy and rich: when each mode of whitened data reaches half its target, from rows of one length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.imbalance.networks import by_autograd
from experiments.training import State, extrapolated, tends_to
from experiments.training.crossings import passing_times
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, measured, rounding, slope, varies
from theory.claims.estimates import loglog_slope, richardson
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import mixed_regime
from theory.imbalance.compression import Compressed, gaussian_compressed
from theory.imbalance.problem import Network
from theory.imbalance.wide_limit import orthogonal_frame

TARGETS = np.array([2.3, 1.1, 0.45])  # y of the modes
OUTPUTS = 4
DEVIATION = 0.005  # of the weights of the figure's networks
GROUPS = 16  # of runs: each measures one root mean square a width, and so one slope
LAST = 0.7  # of the targets: training ends when the slowest mode is there


@dataclass(frozen=True)
class Lengths:
    """Rows from short to long, Gaussian starts of several widths, and their training."""

    lengths: tuple[float, ...] = varies(
        "k, squared, of the rows of Z", (0.01, 0.07, 0.5, 3.0), smoke=(0.03, 2.0), low=1e-4, high=20
    )
    widths: tuple[int, ...] = varies(
        "units of the hidden layer of Gaussian starts", (10**4, 10**5, 10**6, 10**7), low=10**4, high=10**9
    )
    length: float = varies("k of the Gaussian starts", 0.2, low=0.1, high=2)
    shown: tuple[int, ...] = varies(
        "widths of the figure", (10**2, 10**3, 10**4, 10**5, 10**6), smoke=(10**4, 10**6), low=50, high=10**7
    )
    runs: int = varies("Gaussian starts of each width in each of 16 groups", 8, smoke=2, paper=32, low=1, high=64)
    learning_rate: float = varies(
        "the largest of those that are extrapolated to 0, over the scale of the rates",
        0.05,
        smoke=0.1,
        low=0.01,
        high=0.1,
    )
    levels: int = varies("how many learning rates, each half the one before", 3, paper=4, low=3, high=5)

    def __post_init__(self) -> None:
        if len(set(self.lengths)) < len(self.lengths) or min(self.lengths) > 0.1 or max(self.lengths) < 1:
            reject("lengths", self.lengths, "different ones, from 0.1 at most to 1 at least: from rich to lazy")
        if len(self.widths) < 3 or max(self.widths) < 100 * min(self.widths):
            reject("widths", self.widths, "at least three, the largest at least a hundred times the smallest")


@claim(
    "imbalance.mixed_regime",
    source="the equation: Tu, Aranguri & Jacot 2024 (arXiv 2405.17580), equation 1; solved on whitened data: ours",
    source_kind=OURS,
    statement=r"Z_0 Z_0^\top = k I:\quad p_i' = 2 \sqrt{k^2 + p_i^2}\,(y_i - p_i),\quad T(p) = \frac1s \log"
    r" \frac{(w_+ - 2k)(w - w_-)}{(w_+ - w)(2k - w_-)},\ s = 2 \sqrt{k^2 + y^2},\ w = 2p + 2 \sqrt{k^2 + p^2},"
    r"\ w_+ = 2y + s,\ w_- = -\tfrac{4k^2}{w_+},\quad T(\tfrac y2) \to \tfrac{\log 2}{2k}\ (y \ll k),"
    r"\ \tfrac{\log(2y/k)}{2y}\ (y \gg k)",
    hypotheses=(
        "gradient flow; whitened data, y~ = sum_i y_i a_i b_i^T, p_i = a_i^T U1 V^T b_i",
        "rows of Z = [V; U1] orthogonal and of squared length k, or Gaussian weights and large h",
    ),
    theory_side="closed form",
    controls=(
        "k 5 % larger",
        "the lazy time for rich modes",
        "the rich time for lazy modes",
        "level k for 2 k",
        "data that are not whitened",
        "movement of the kernel without the root",
        "Gaussian weights, k 10 % larger",
        "modes of Gaussian starts stay apart",
    ),
    parameters=Lengths,
)
def modes_between_lazy_and_rich_are_solved(study: Study, sizes: Lengths) -> Iterator[Check | Curves]:
    yield from _orthogonal_rows(study, sizes)
    yield from _other_data(study, sizes)
    yield from _growing_width(study, sizes)
    yield from _shown(study, sizes)


def _problem(study: Study, singular_values: Array) -> Regression:
    """Targets with the singular values `TARGETS`, in random bases."""
    rng, r = study.rng("problem", *singular_values), len(TARGETS)
    W, a = (np.linalg.qr(rng.standard_normal((r, r)))[0] for _ in range(2))
    b = np.linalg.qr(rng.standard_normal((OUTPUTS, r)))[0]
    Phi1 = np.linalg.qr(rng.standard_normal((r + 2, r)))[0]
    return Regression((W * singular_values) @ Phi1.T, W @ (a * TARGETS) @ b.T)


def _frames(study: Study, problem: Regression, lengths: Array) -> Network:
    """Orthogonal rows of these squared lengths, a run each."""
    h = problem.r + problem.m + 2
    starts = [orthogonal_frame(problem, k, h, study.rng("frame", k)) for k in lengths]
    return Network(*(np.concatenate([getattr(start, name) for start in starts]) for name in ("U", "V")))


def _train(study: Study, sizes: Lengths, problem: Regression, network: Network, k: Array) -> list[Trajectory]:
    """At eta, eta/2, ...: the output in the bases of the targets, a_i^T W^T X U V^T b_j, after every step.

    Each run, of rows of squared length k (runs,), has a learning rate in units of its own rates.
    """
    a, _, bT = np.linalg.svd(problem.targets, full_matrices=False)
    A, b = (torch.tensor(x, dtype=torch.float64, device=study.device) for x in (problem.X.T @ problem.W @ a, bT.T))

    def observe(state: State) -> State:
        return {"modes": (A.mT @ state["U"]) @ (b.mT @ state["V"]).mT}

    eta = sizes.learning_rate / (2 * np.hypot(k, TARGETS.max()))
    steps = int((mixed_regime.passage_time(TARGETS.min(), k, LAST * TARGETS.min()) / eta).max())
    trainee = by_autograd(study, problem, network, observe=observe)
    return [
        trainee.train(learning_rate=eta / 2**level, steps=steps * 2**level, record=range(steps * 2**level + 1))
        for level in range(sizes.levels)
    ]


def _half_times(run: Trajectory) -> Array:
    """When the output has half the target of each mode (runs, modes)."""
    learned = np.diagonal(run["modes"], axis1=-2, axis2=-1) / TARGETS
    return passing_times(np.arange(len(learned), dtype=float), learned, 0.5) * run.t[1][:, None]


def _orthogonal_rows(study: Study, sizes: Lengths) -> Iterator[Check | Curves]:
    k = np.array(sizes.lengths)
    problem = _problem(study, np.ones(len(TARGETS)))
    runs = _train(study, sizes, problem, _frames(study, problem, k), k)
    columns = k[:, None]
    law = mixed_regime.half_time(TARGETS, columns)
    times = [_half_times(run)[None] for run in runs]
    yield from tends_to("half time", times, lambda factor: factor * law[None])
    found = extrapolated("half time", times)
    lazy, rich = mixed_regime.lazy_half_time(columns), mixed_regime.rich_half_time(TARGETS, columns)
    for control, wrong in (
        ("k 5 % larger", mixed_regime.half_time(TARGETS, 1.05 * columns)),
        ("level k for 2 k", mixed_regime.half_time(TARGETS, columns / 2)),
        ("the lazy time for rich modes", np.where(TARGETS > columns, lazy, law)),
        ("the rich time for lazy modes", np.where(TARGETS < columns, rich, law)),
    ):
        yield found.control(control).equals(wrong[None])
    yield from _on_the_way(sizes, problem, runs)
    yield curves("orthogonal", k=k, y=TARGETS, half_time=found.value[0])


def _on_the_way(sizes: Lengths, problem: Regression, runs: list[Trajectory]) -> Iterator[Check]:
    """The modes, which stay apart, at a dozen times; and their kernels at the last."""
    k, last = np.array(sizes.lengths), len(runs[0].t) - 1
    seen = np.linspace(0, last, 13).astype(int)
    t = runs[0].t[seen]

    def solved(factor: float) -> Array:
        each = [mixed_regime.solution(TARGETS, factor * length, t[:, i]) for i, length in enumerate(k)]
        return np.stack(each, axis=1)

    looks = [run["modes"][seen * 2**level] for level, run in enumerate(runs)]
    yield from tends_to("modes", [np.diagonal(look, axis1=-2, axis2=-1) for look in looks], solved)
    A = problem.Phi1 @ np.linalg.svd(problem.targets, full_matrices=False)[0]
    kernels = [np.square(A.T @ run.facts["parameters"]["U"]).sum(-1) for run in runs]
    moved, end = [(kernel - k[:, None])[None] for kernel in kernels], solved(1)[-1:]
    law = mixed_regime.kernel_movement(end, k[:, None])
    yield from tends_to("movement of the kernel", moved, lambda factor: factor * law)
    found = extrapolated("movement of the kernel", moved)
    yield found.control("movement of the kernel without the root").equals(end**2 / (2 * k[:, None]))
    yield _apart(looks[-1], problem, k, steps=last * 2 ** (len(runs) - 1)).equals(0, against=TARGETS.max())


def _apart(modes: Array, problem: Regression, k: Array, steps: int) -> Measured:
    """a_i^T U1 V^T b_j of i other than j (T, runs, pairs)."""
    # Each step rounds products of D and h terms; what is rounded grows by no more than the weights do, y/k in squares.
    size = TARGETS.max() * (1 + TARGETS.max() / k)[:, None]
    within = rounding(steps * (problem.D + problem.m), size, of="the modes, every step, grown as they are")
    pairs = modes[..., ~np.eye(len(TARGETS), dtype=bool)]
    return measured("modes of others", pairs, within=within, axes=("t", "run"))


def _other_data(study: Study, sizes: Lengths) -> Iterator[Check]:
    """Singular values a tenth apart: what is left of the solution is not much off, and refused."""
    problem, k = _problem(study, np.array([1.1, 1.0, 0.9])), np.array([max(sizes.lengths)])
    runs = _train(study, sizes, problem, _frames(study, problem, k), k)
    found = extrapolated("half time", [_half_times(run)[None] for run in runs])
    yield found.control("data that are not whitened").equals(mixed_regime.half_time(TARGETS, k[:, None])[None])


def _growing_width(study: Study, sizes: Lengths) -> Iterator[Check | Curves]:
    """Gaussian weights of one k = h sigma^2: root mean squares over runs and modes of T_h / T - 1, slope -1/2.

    A run has the same draws at every width, so that its slope is free of their spread, but for a share h^(-1/2).
    """
    problem, runs = _problem(study, np.ones(len(TARGETS))), GROUPS * sizes.runs
    starts = [_gaussian(study, problem, h, sizes.length, runs) for h in sizes.widths]
    k = np.full(len(starts) * runs, sizes.length)
    trained = _train(study, sizes, starts[0].problem, _together(starts), k)
    times, _ = richardson([_half_times(run) for run in trained])

    def distances(level: float) -> Array:
        off = (times / mixed_regime.half_time(TARGETS, level) - 1).reshape(len(starts), GROUPS, -1)
        return np.sqrt((off**2).mean(-1))

    widths, excluded = np.array(sizes.widths), (-0.45, -0.55)
    found = slope("half time: distance from infinite width", loglog_slope(widths, distances(sizes.length)))
    yield found.equals(-0.5, excludes=excluded)
    wrong = slope("half time: distance from infinite width", loglog_slope(widths, distances(1.1 * sizes.length)))
    yield wrong.control("Gaussian weights, k 10 % larger").equals(-0.5, excludes=excluded)
    apart = _apart(trained[-1]["modes"][-1:], starts[0].problem, k, steps=len(trained[-1].t))
    yield apart.control("modes of Gaussian starts stay apart").equals(0)
    yield curves("widths", h=widths, distance=distances(sizes.length))


def _shown(study: Study, sizes: Lengths) -> Iterator[Curves]:
    """Gaussian weights of one standard deviation, so that k grows with the width."""
    problem, widths = _problem(study, np.ones(len(TARGETS))), np.array(sizes.shown)
    k = DEVIATION**2 * widths
    starts = [_gaussian(study, problem, int(h), length, 1) for h, length in zip(widths, k)]
    times, _ = richardson([_half_times(run) for run in _train(study, sizes, starts[0].problem, _together(starts), k)])
    y = np.geomspace(TARGETS.min() / k.max() / 2, 2 * TARGETS.max() / k.min(), 300)
    lazy, rich = y * mixed_regime.lazy_half_time(1.0) * 2, 2 * y * mixed_regime.rich_half_time(y, 1.0)
    yield curves("gaussian", h=widths, k=k, y=TARGETS, half_time=times)
    yield curves("law", ratio=y, law=2 * y * mixed_regime.half_time(y, 1.0), lazy=lazy, rich=rich)


def _gaussian(study: Study, problem: Regression, h: int, k: float, runs: int) -> Compressed:
    scale = np.sqrt(k / h)
    return gaussian_compressed(problem, h, study.rng("gaussian", runs), scales=(scale, scale), runs=runs)


def _together(starts: list[Compressed]) -> Network:
    """All runs of all starts as one batch."""
    return Network(*(np.concatenate([getattr(start.network, name) for start in starts]) for name in ("U", "V")))
