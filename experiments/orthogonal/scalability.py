"""Stochastic OPT's scalability: training by random blocks is the full flow slowed down, and what that costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor, nn

from experiments.methods.orthogonal.descent import PreservingUpdate, capped, cayley_step, tangent
from experiments.methods.orthogonal.parametrisations import orthogonalise
from experiments.methods.orthogonal.stochastic import orthogonalise_stochastically
from experiments.orthogonal.linear import SIZE, random_data, squared_loss
from experiments.training import Loss, State, Trainee, along, extrapolated
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    by_chance,
    claim,
    curves,
    measured,
    rate,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, Estimate, mean
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.orthogonal import procrustes, scalability
from theory.orthogonal.procrustes import Component, LinearOPT, component, coordinates, start_near
from theory.orthogonal.stochastic import captured_share

RECORDS = 3  # at which the loss is judged, evenly over the training
PROGRESS = 1.5  # of the full flow: time its rates of about 1 have to act
LARGEST, SMALLEST = 1.5, 0.5  # singular values of M
COUNTED = Tolerance(0.25, "counted")


@dataclass(frozen=True)
class Sizes:
    """Of the layer, its blocks and its training."""

    inputs: int = varies("d of the layer", 10, smoke=6, low=4, high=16)
    block: int = varies("p of its coordinates that a step turns", 5, smoke=3, low=2, high=15)
    learning_rate: float = varies("of the coarsest training, halved twice", 0.2, smoke=0.3, low=0.05, high=0.3)
    runs: int = varies("random sequences of blocks", 5000, smoke=800, paper=20_000, low=500, high=50_000)

    def __post_init__(self) -> None:
        if not self.inputs / 3 <= self.block <= self.inputs - 1:
            reject("block", self.block, f"a third of the {self.inputs} inputs at least, and fewer than these")


class BlockUpdate(PreservingUpdate):
    """Steps of stochastic OPT: each turns its own p coordinates of each run, `blocks` (steps, runs, d) says which.

    `luck` adds up, step by step times its size, by how much the share of the squared gradient in the block exceeds its
    mean over all blocks. A block does not know what came before, so the mean of luck is 0.
    """

    def __init__(self, loss: Loss, blocks: Tensor) -> None:
        super().__init__(loss, momentum=0.0)
        self.blocks = blocks
        d, p = blocks.shape[-1], int(blocks[0, 0].sum())
        self.fair = comb(d - 2, p - 2) / comb(d, p)  # of all blocks, those with two given coordinates

    def begin(self, state: State) -> None:
        super().begin(state)
        state["luck"] = torch.zeros(len(state["R"]), dtype=state["R"].dtype, device=state["R"].device)
        state["count"] = torch.zeros(len(state["R"]), dtype=torch.long, device=state["R"].device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        (gradient,), R = work, state["R"]
        chosen = self.blocks[state["count"][0]].to(R.dtype)
        whole = tangent(R, -gradient)
        W = whole * chosen[:, :, None] * chosen[:, None, :]
        inside, squared = (each.square().sum((1, 2)) for each in (W, whole))
        state["luck"] += learning_rate * (inside / squared - self.fair)
        R.copy_(cayley_step(R, capped(W, along(learning_rate, R))))
        state["count"] += 1


@claim(
    "liu2021.scalability",
    source="Liu et al. 2021, abstract: stochastic OPT for better scalability; the laws are ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\mathbb{E}\,L(R_k) \to L(R(q \eta k)) \text{ as } \eta \to 0,\quad q = \frac{p(p-1)}{d(d-1)};\quad"
    r" \frac{p^3 + F}{q} < d^3 + F \iff F < \frac{p d (p d - p - d)}{p + d - 1}",
    hypotheses=(
        "R_k after k steps of size eta, each along the gradient in a random block of p of the d coordinates",
        "R(t) the flow of the whole rotation; linear OPT with white inputs; eta k fixed",
        "a map of size p costs p^3, and the rest of a step F",
    ),
    theory_side="closed form",
    controls=(
        "random blocks slow nothing down",
        "slowed by p / d",
        "slowed by (p / d)^2",
        "blocks of one more coordinate",
        "cheaper up to p^2 d^2 / (p + d)",
        "blocks cost less, whatever a step costs besides",
    ),
    parameters=Sizes,
)
def blocks_slow_the_flow_down(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    d, p = sizes.inputs, sizes.block
    rng = study.rng("problem")
    problem = random_data(rng, np.linspace(LARGEST, SMALLEST, d))
    R = start_near(component(problem, np.eye(d)[None]), rng, SIZE)
    chart = component(problem, R)
    yield from _stored(d, p)
    yield from _whole(study, sizes, problem, chart, R)
    t = PROGRESS / captured_share(d, p) * np.arange(1, RECORDS + 1) / RECORDS
    runs = _blocks(study, sizes, problem, chart, R)
    yield _fair(d, p, runs, t[-1])
    levels = [_without_luck(run["excess"], run["luck"]) for run in runs]
    limit = _limit(levels)
    within = Tolerance(
        np.array([each.half_width for each in limit]) + _correction(levels),
        f"mean of the last Richardson correction; {limit[0].reason}, one of {RECORDS}",
        SIGNIFICANCE,
    )
    values = np.array([each.value for each in limit])
    excess = measured("mean excess loss, learning rate 0", values, within=within, axes=("t",))
    flow = lambda q: _flow(chart, R, q * t)  # noqa: E731
    yield excess.equals(lambda k: flow(k * captured_share(d, p)))
    yield excess.control("random blocks slow nothing down").equals(flow(1.0))
    yield excess.control("slowed by p / d").equals(flow(p / d))
    yield excess.control("slowed by (p / d)^2").equals(flow((p / d) ** 2))
    yield excess.control("blocks of one more coordinate").equals(flow(captured_share(d, p + 1)))
    yield from _ledger(d, p, _progress(chart, R, limit[-1], t[-1]))
    shown = np.linspace(0, t[-1], 60)
    yield curves(t=t, trained=values, grid=shown, law=_flow(chart, R, captured_share(d, p) * shown))


def _flow(chart: Component, R: Array, t: Array) -> Array:
    """Excess loss (T,) of the full flow from R (1, d, d)."""
    A = procrustes.coordinates_solution(chart, coordinates(chart, R), t)
    return np.asarray(procrustes.excess_loss(chart, A))[:, 0]


def _stored(d: int, p: int) -> Iterator[Check]:
    """Numbers that torch stores for a step of either: entries of one map's parameter."""
    layers = [nn.Linear(d, d + 3, bias=False, dtype=torch.float64) for _ in range(2)]
    whole = orthogonalise(layers[0], "cayley").parameter.numel()
    block = orthogonalise_stochastically(layers[1], p, "cayley").rotation.parameter.numel()
    stored = measured("entries that a map stores, whole and block", np.array([whole, block]), within=COUNTED)
    yield stored.equals(np.array([d**2, p**2]))


def _whole(study: Study, sizes: Sizes, problem: LinearOPT, chart: Component, R: Array) -> Iterator[Check]:
    loss, least = squared_loss(problem, study.device), float(procrustes.optimal_loss(problem, chart)[0])
    trainee = Trainee(study, loss, {"R": R}, PreservingUpdate(loss, 0.0), lambda state: {"excess": loss(state) - least})
    runs = trainee.refine(learning_rate=sizes.learning_rate, horizon=PROGRESS, records=RECORDS + 1)
    values = [run["excess"] for run in runs]
    flow = lambda k: _flow(chart, R, k * runs[-1].t)[:, None]  # noqa: E731
    yield extrapolated("excess loss of whole rotations, learning rate 0", values).supporting().equals(flow)


def _blocks(study: Study, sizes: Sizes, problem: LinearOPT, chart: Component, R: Array) -> list[Trajectory]:
    """Excess loss and luck (records, runs) at three learning rates, each half the last, each with its own blocks."""
    d, p, runs = sizes.inputs, sizes.block, sizes.runs
    horizon = PROGRESS / captured_share(d, p)
    fewest = max(round(horizon / sizes.learning_rate / RECORDS), 1)
    loss, least = squared_loss(problem, study.device), float(procrustes.optimal_loss(problem, chart)[0])
    start = {"R": np.broadcast_to(R[0], (runs, d, d))}
    levels = []
    for level in range(3):
        between = fewest * 2**level
        steps = between * RECORDS
        rng = study.rng("blocks", level)
        ranks = rng.random((steps, runs, d), dtype=np.float32).argsort(-1)
        rule = BlockUpdate(loss, torch.tensor(ranks < p, device=study.device))
        seen = lambda state: {"excess": loss(state) - least, "luck": state["luck"]}  # noqa: E731
        trainee = Trainee(study, loss, start, rule, seen)
        record = [between * k for k in range(1, RECORDS + 1)]
        levels.append(trainee.train(learning_rate=horizon / steps, steps=steps, record=record))
    return levels


def _fair(d: int, p: int, runs: list[Trajectory], t: float) -> Check:
    """A block holds its share of the gradient in the mean: what `_without_luck` takes for granted."""
    blocks = comb(d - 2, p - 2) / comb(d, p)
    share = mean(blocks + np.mean([run["luck"][-1] / t for run in runs], axis=0))
    q = captured_share(d, p)
    return rate("share of the squared gradient in a block", share).equals(q, excludes=(0.95 * q, 1.05 * q))


def _without_luck(excess: Array, luck: Array) -> Array:
    """Excess losses (records, runs) less what the luck of their blocks explains, most of their variance.

    Luck has mean 0, so their mean stays; with a slope that is read from the same n runs it is off by a part n^-1/2 of
    its standard error.
    """
    centred = luck - luck.mean(1, keepdims=True)
    slope = (centred * excess).sum(1) / np.square(centred).sum(1)
    return excess - slope[:, None] * luck


def _limit(levels: list[Array]) -> list[Estimate]:
    """Mean at learning rate 0, at each record: independent runs, extrapolated one by one."""
    coarse, middle, fine = levels
    return [mean(each, SIGNIFICANCE / RECORDS) for each in (8 * fine - 6 * middle + coarse) / 3]


def _correction(levels: list[Array]) -> Array:
    """What the last step of the extrapolation changes in the mean."""
    coarse, middle, fine = (each.mean(1) for each in levels)
    return np.abs((8 * fine - 6 * middle + coarse) / 3 - (2 * fine - middle))


def _progress(chart: Component, R: Array, excess: Estimate, t: float) -> Estimate:
    """What a step makes of full OPT's progress: the time of the full flow that leaves the same loss, over its own."""

    def share(left: float) -> float:
        return float(brentq(lambda q: _flow(chart, R, np.array([q * t]))[0] - left, 1e-9, 1.0))

    return Estimate(share(excess.value), share(excess.high), share(excess.low), excess.reason, excess.significance)


def _ledger(d: int, p: int, progress: Estimate) -> Iterator[Check]:
    q = captured_share(d, p)
    made = rate("progress of a step, of full OPT's", progress)
    yield made.equals(q, excludes=(0.9 * q, 1.1 * q))
    low, value, high = (
        scalability.break_even_of_progress(d, p, each) for each in (progress.low, progress.value, progress.high)
    )
    same = Estimate(value, low, high, progress.reason, progress.significance)
    even = scalability.break_even(d, p)
    because = "the difference of two cubes: it moves by a multiple of what the progress of a step does"
    break_even = rate("rest F of a step at which both cost the same", same).resolving(0.08, because=because)
    yield break_even.equals(even)
    yield break_even.control("cheaper up to p^2 d^2 / (p + d)").equals(p**2 * d**2 / (p + d))
    for part, rest in (("half", even / 2), ("twice", 2 * even)):
        cost = q / progress.value * scalability.relative_cost(d, p, rest)
        within = by_chance(progress) * (cost / progress.value)
        ratio = measured(f"cost of the same loss, of full OPT's, F {part} of that", cost, within=within)
        if part == "half":
            yield ratio.supporting().at_most(1)
        else:
            condition = f"F < p d (p d - p - d) / (p + d - 1), {even:.4g} here: the map's cost dominates a step"
            name = "blocks cost less, whatever a step costs besides"
            yield ratio.unconditioned(name, condition=condition).at_most(1)
