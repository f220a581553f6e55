"""Exact steps on O(d), one by one: planes in closed form, contraction, stability limit, and the metric of each map."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from experiments.methods.orthogonal.parametrisations import Rotation
from experiments.orthogonal import published_maps
from experiments.orthogonal.linear import (
    Spectrum,
    components,
    descent,
    random_data,
    single_problem,
    squared_loss,
)
from experiments.training import Trainee, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.orthogonal import discrete, procrustes
from theory.orthogonal.procrustes import Component, LinearOPT, coordinates, start_near
from theory.orthogonal.rotations import plane_rotation

RATIOS = (0.96, 0.97, 0.98, 1.01, 1.015, 1.02, 1.03, 1.04, 1.05)  # learning rate / limit; the cap sets in at 1.06


@dataclass(frozen=True)
class Sizes(Spectrum):
    """Of the problem, and of the steps."""

    learning_rate: float = varies("of the steps in planes; 1.5 times it near the optimum", 0.2, low=0.01, high=0.25)
    steps: int = varies("in planes, each of which is judged", 40, low=1, high=500)
    runs: int = varies("random problems for the first step of each map", 16, smoke=4, paper=64, low=1, high=200)


@claim(
    "orthogonal.discrete_steps",
    source="ours, of the orthogonality-preserving descent of Liu et al. 2021 (OPT) on a linear layer",
    source_kind=OURS,
    statement=r"\theta \leftarrow \theta - 2 \arctan(\tfrac{\eta (s_i + s_j)}{4} \sin\theta)"
    r" \text{ in the plane } (i, j),\quad"
    r" A_{ij} \leftarrow (1 - \eta \tfrac{s_i + s_j}{2}) A_{ij} \text{ near } R^*;\quad"
    r" \text{stable iff } \eta < \tfrac{4}{s_1 + s_2}",
    hypotheses=(
        "exact (Cayley) steps of learning rate eta, R <- R Cay(-eta skew(R^T grad L))",
        "whitened inputs or a tight frame of neurons, s the singular values of M = X Y^T W0^T",
        "theta the angle from the optimum R*, A Cayley's coordinates about it",
    ),
    theory_side="closed form",
    controls=(
        "the angle of the flow over one step",
        "contraction of twice the rate",
        "above the limit it converges",
        "the limit of the slowest mode",
        "one learning rate is one step in every map",
    ),
    parameters=Sizes,
)
def every_step_is_known(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem = single_problem(study.rng("problem"), sizes.s)
    for side, chart in components(problem):
        yield from _planes(study, side, problem, chart, sizes)
        yield from _contraction(study, side, problem, chart, 1.5 * sizes.learning_rate)
    yield from _stability(study, problem, chart)
    yield from _metrics(study, sizes.s, sizes.runs)


def _planes(study: Study, side: str, problem: LinearOPT, chart: Component, sizes: Sizes) -> Iterator[Check]:
    """Every plane from three angles: the whole matrix against one angle a step."""
    eta, steps, starts = sizes.learning_rate, sizes.steps, np.array([0.3, 1.0, 2.5])
    d, rates = len(chart.s), chart.rates
    pairs = list(combinations(range(d), 2))

    def turned(angles: list[Array]) -> Array:
        """R (T, runs, d, d) from the angles (T, starts) in the plane of each pair."""
        planes = [plane_rotation(d, pair, each) for pair, each in zip(pairs, angles)]
        return np.concatenate([chart.P @ plane @ chart.Q.T for plane in planes], axis=-3)

    run = _train(study, problem, turned([starts] * len(pairs)), eta, list(range(steps + 1)))
    # An error of one step grows while the angle is beyond pi / 2, by less than tan(2.5 / 2)^2 < 10, and then shrinks.
    within = rounding(10 * 10 * d * steps, of="entries of R: 10 d a step, growing less than tenfold on the way")
    planes = measured("planes", run, within=within, case=f"{side} det M", axes=("step", "run"))

    def stepped(k: float) -> Array:
        return turned([discrete.plane_angles(starts, k * eta * rates[pair] / 2, steps) for pair in pairs])

    yield planes.equals(stepped)
    if side == "with":
        t = eta * np.arange(steps + 1)
        flown = [2 * np.arctan(np.exp(-rates[pair] * t)[:, None] * np.tan(starts / 2)) for pair in pairs]
        yield planes.control("the angle of the flow over one step").equals(turned(flown))


def _contraction(study: Study, side: str, problem: LinearOPT, chart: Component, eta: float) -> Iterator[Check]:
    size, d = 1e-6, len(chart.s)
    R = start_near(chart, study.rng("near", side), size)
    run = _train(study, problem, R[None], eta, [0, 1])[:, 0]
    i, j = np.triu_indices(d, 1)
    before, after = (coordinates(chart, each)[i, j] for each in run)
    # By transposition the step is odd in A, so that the next term is of relative size |A|^2.
    within = Tolerance(
        20 * d * EPS / (size / 2) + 100 * size**2, "20 d roundings over the smallest coordinate, cubic term"
    )
    left = measured("contraction", after / before, within=within, case=f"{side} det M")
    yield left.equals(lambda k: discrete.contraction(chart, k * eta)[i, j])
    if side == "with":
        yield left.control("contraction of twice the rate").equals(discrete.contraction(chart, 2 * eta)[i, j])


def _stability(study: Study, problem: LinearOPT, chart: Component) -> Iterator[Check | Curves]:
    """Below 4 / (s_1 + s_2) all modes contract, the fastest least; above, its angle alternates for ever."""
    h = np.array(RATIOS)
    limit, d, record = float(discrete.largest_learning_rate(chart)), len(chart.s), [0, 100, 200, 800]
    many = Component(*(np.broadcast_to(part, (len(h), *part.shape)) for part in (chart.P, chart.s, chart.Q)))
    R = start_near(many, study.rng("stability"), 0.02)
    distance = _distance(_train(study, problem, R, h * limit, record), chart)
    stable = h < 1
    early, late = distance[1, stable], distance[2, stable]
    within = Tolerance(1e2 * d * EPS / late / 100 + early**2, "rounding over the distance, and the cubic term")

    def fastest(k: float) -> Array:
        return np.array([np.log(np.abs(discrete.contraction(chart, k * eta)[0, 1])) for eta in h[stable] * limit])

    mode = measured("the fastest mode", np.log(late / early) / 100, within=within, case="below the limit")
    yield mode.equals(fastest)
    beyond = h[~stable]
    shrinks = np.abs(discrete.cycle_contraction(beyond))
    left = 10 * shrinks ** record[-1] + 1e2 * d * EPS / (1 - shrinks)
    within = Tolerance(left, "what is left of the way to the cycle, and rounding")
    end = measured("distance of the cycle", distance[-1, ~stable], within=within, case="above the limit")
    yield end.equals(lambda k: _cycle_distance(beyond / k))
    yield end.control("above the limit it converges").equals(0)
    slow = 0.97 * 2 / float(procrustes.slowest_rate(chart))
    end = _distance(_train(study, problem, R, slow, record), chart)[-1]
    converges = measured("distance", end, within=Tolerance(left.max(), within.reason))
    yield converges.control("the limit of the slowest mode").equals(0)
    fine = 1 + (h[-1] - 1) * np.linspace(0.05, 1, 60) ** 2
    cycle = np.append([0, 0], _cycle_distance(fine))
    yield curves(h=h, distance=distance[-1], h_cycle=np.append([h[0], 1], fine), cycle=cycle)


def _distance(R: Array, chart: Component) -> Array:
    """Of R (..., d, d) from the optimum."""
    return np.linalg.norm(R - chart.optimum, axis=(-2, -1))


def _cycle_distance(h: Array) -> Array:
    """Of both ends of the cycle from the optimum; 0 below the limit, where there is none."""
    beyond = h > 1
    return 2 * np.sqrt(2) * np.sin(np.where(beyond, discrete.cycle_angle(np.where(beyond, h, 2.0)), 0.0) / 2)


def _metrics(study: Study, s: Array, runs: int) -> Iterator[Check]:
    """One step of gradient descent on the parameters of each map, from R = I, against the embedded flow's velocity."""
    problem = random_data(study.rng("metrics"), s, runs)
    velocity = procrustes.velocity(problem, np.broadcast_to(np.eye(len(s)), problem.M.shape))[None]
    for name, speed in discrete.SPEEDS.items():
        velocities = _first_steps(study, name, problem)
        yield from tends_to("first step over learning rate", velocities, speed * velocity, case=name)
        if name == "published cayley":
            same = extrapolated("first step", velocities).control("one learning rate is one step in every map")
            yield same.equals(discrete.SPEEDS["cayley"] * velocity)


def _first_steps(study: Study, name: str, problem: LinearOPT) -> list[Array]:
    """(R_1 - R_0) / eta at three learning rates."""
    runs, d = problem.M.shape[:2]
    if name == "published cayley":
        P, turned = torch.zeros(runs, d, d, dtype=torch.float64, device=study.device), published_maps.cayley
    else:
        rotation = Rotation(d, name, runs=(runs,), dtype=torch.float64, device=study.device)
        P, turned = rotation.parameter, rotation.map
    inner = squared_loss(problem, study.device)
    loss = lambda state: inner({"R": turned(state["P"])})  # noqa: E731
    trainee = Trainee(study, loss, {"P": P}, observe=lambda state: {"R": turned(state["P"])})
    rates = (0.01, 0.005, 0.0025)
    steps = [trainee.train(learning_rate=eta, steps=1, record=[0, 1])["R"] for eta in rates]
    return [(R[1:] - R[:1]) / eta for R, eta in zip(steps, rates)]


def _train(study: Study, problem: LinearOPT, R: Array, eta: Array | float, record: list[int]) -> Array:
    """R (T, runs, d, d) at the steps of `record`."""
    trainee = descent(study, squared_loss(problem, study.device), R)
    return trainee.train(learning_rate=eta, steps=record[-1], record=record)["R"]
