"""Exact steps on O(d), one by one: planes in closed form, contraction, stability limit, and the metric of each map."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch

from experiments.methods.orthogonal import published
from experiments.methods.orthogonal.parametrisations import Rotation
from experiments.orthogonal.linear import squared_loss, turn
from experiments.training.legacy import extrapolated
from experiments.training.loop import train
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import discrete, procrustes
from theory.orthogonal.procrustes import (
    Component,
    LinearOPT,
    component,
    coordinates,
    plane_rotation,
    random_problem,
    start_near,
)

S = np.array([2.0, 1.5, 1.1, 0.8, 0.5])
HALVES = (0.96, 0.97, 0.98, 1.01, 1.015, 1.02, 1.03, 1.04, 1.05)  # learning rate / limit; the cap sets in at 1.06


@claim(
    "liu2021.discrete_steps",
    source="Liu et al. 2021 (OPT), derived: steps of orthogonality-preserving descent, linear layer",
    statement=r"\theta \leftarrow \theta - 2 \arctan(\tfrac{\eta (s_i + s_j)}{4} \sin\theta) \text{ in planes},"
    r"\quad A_{ij} \leftarrow (1 - \eta \tfrac{s_i + s_j}{2}) A_{ij} \text{ near } R^*;\quad"
    r" \text{stable iff } \eta < \tfrac{4}{s_1 + s_2}",
    hypotheses=("exact (Cayley) steps, R <- R Cay(-eta skew(R^T grad L))", "whitened inputs or a tight frame"),
    controls=(
        "the angle of the flow over one step",
        "contraction of twice the rate",
        "above the limit it converges",
        "the limit of the slowest mode",
        "one learning rate is one step in every map",
    ),
)
def every_step_is_known(study: Study) -> Iterator[Check | Curves]:
    s = S[: study.pick(smoke=3, quick=5, paper=5)]
    batch = random_problem(study.rng("problem"), s, N=len(s) + 3, n=len(s) + 4)
    problem = LinearOPT(batch.X[0], batch.Y[0], batch.W0[0])
    for side, determinant in (("against", -1.0), ("with", 1.0)):
        chart = component(problem, np.diag(np.append(np.ones(len(s) - 1), determinant)))
        yield from _planes(study, side, problem, chart)
        yield from _contraction(study, side, problem, chart)
    yield from _stability(study, problem, chart)
    yield from _metrics(study, s)


def _planes(study: Study, side: str, problem: LinearOPT, chart: Component) -> Iterator[Check]:
    """Every plane from three angles: the whole matrix against one angle a step."""
    eta, steps, starts = 0.2, 40, np.array([0.3, 1.0, 2.5])
    d, rates = len(chart.s), chart.rates
    pairs = list(combinations(range(d), 2))
    turned = lambda pair, angles: chart.P @ plane_rotation(d, pair, angles) @ chart.Q.T  # noqa: E731
    R = np.concatenate([turned(pair, starts) for pair in pairs])
    run = _descend(study, f"planes {side}", problem, R, eta, list(range(steps + 1)))
    exact = [turned(pair, discrete.plane_angles(starts, eta * rates[pair] / 2, steps)) for pair in pairs]
    # An error of one step grows while the angle is beyond pi / 2, by less than tan(2.5 / 2)^2 < 10, and then shrinks.
    tolerance = 10 * 10 * d * EPS * steps
    because = "10 d roundings a step, growing less than tenfold on the way"
    yield equal(f"{side} det M: planes", run, np.concatenate(exact, axis=1), tolerance=tolerance, because=because)
    if side == "with":
        t = eta * np.arange(steps + 1)
        angles = [2 * np.arctan(np.exp(-rates[pair] * t)[:, None] * np.tan(starts / 2)) for pair in pairs]
        flown = np.concatenate([turned(pair, angle) for pair, angle in zip(pairs, angles)], axis=1)
        wrong = equal("planes", run, flown, tolerance=tolerance, because=because)
        yield refuted("the angle of the flow over one step", wrong)


def _contraction(study: Study, side: str, problem: LinearOPT, chart: Component) -> Iterator[Check]:
    eta, size, d = 0.3, 1e-6, len(chart.s)
    R = start_near(chart, study.rng("near", side), size)
    run = _descend(study, f"contraction {side}", problem, R[None], eta, [0, 1])[:, 0]
    i, j = np.triu_indices(d, 1)
    before, after = (coordinates(chart, each)[i, j] for each in run)
    # By transposition the step is odd in A, so that the next term is of relative size |A|^2.
    tolerance = 20 * d * EPS / (size / 2) + 100 * size**2
    because = "20 d roundings over the smallest coordinate, and the cubic term"
    predicted = discrete.contraction(chart, eta)[i, j]
    yield equal(f"{side} det M: contraction", after / before, predicted, tolerance=tolerance, because=because)
    if side == "with":
        twice = discrete.contraction(chart, 2 * eta)[i, j]
        wrong = equal("contraction", after / before, twice, tolerance=tolerance, because=because)
        yield refuted("contraction of twice the rate", wrong)


def _stability(study: Study, problem: LinearOPT, chart: Component) -> Iterator[Check | Curves]:
    """Below 4 / (s_1 + s_2) all modes contract, the fastest least; above, its angle alternates for ever."""
    h = np.array(HALVES)
    limit, d, record = float(discrete.largest_learning_rate(chart)), len(chart.s), [0, 100, 200, 800]
    many = Component(*(np.broadcast_to(part, (len(h), *part.shape)) for part in (chart.P, chart.s, chart.Q)))
    R = start_near(many, study.rng("stability"), 0.02)
    distance = _away(_descend(study, "stability", problem, R, h * limit, record), chart)
    stable = h < 1
    early, late = distance[1, stable], distance[2, stable]
    tolerance = 1e2 * d * EPS / late / 100 + early**2
    because = "rounding over the distance, and the cubic term"
    fastest = np.array([np.log(np.abs(discrete.contraction(chart, eta)[0, 1])) for eta in h[stable] * limit])
    measured = np.log(late / early) / 100
    yield equal("below the limit: the fastest mode", measured, fastest, tolerance=tolerance, because=because)
    end, beyond = distance[-1, ~stable], h[~stable]
    shrinks = np.abs(discrete.cycle_contraction(beyond))
    tolerance = 10 * shrinks ** record[-1] + 1e2 * d * EPS / (1 - shrinks)
    because = "what is left of the way to the cycle, and rounding"
    cycle = 2 * np.sqrt(2) * np.sin(discrete.cycle_angle(beyond) / 2)
    yield equal("above the limit: distance of the cycle", end, cycle, tolerance=tolerance, because=because)
    converges = equal("distance", end, 0, tolerance=tolerance, because=because)
    yield refuted("above the limit it converges", converges)
    slow = 0.97 * 2 / float(procrustes.slowest_rate(chart))
    end = _away(_descend(study, "slowest", problem, R, slow, record), chart)[-1]
    converges = equal("distance", end, 0, tolerance=tolerance.max(), because=because)
    yield refuted("the limit of the slowest mode", converges)
    fine = 1 + (h[-1] - 1) * np.linspace(0.05, 1, 60) ** 2
    yield curves(h=h, distance=distance[-1], h_cycle=fine)
    yield curves(cycle=2 * np.sqrt(2) * np.sin(discrete.cycle_angle(fine) / 2))


def _away(R: Array, chart: Component) -> Array:
    return np.linalg.norm(R - chart.optimum, axis=(-2, -1))


def _metrics(study: Study, s: Array) -> Iterator[Check]:
    """One step of gradient descent on the parameters of each map, from R = I, against the embedded flow's velocity."""
    runs = study.pick(smoke=4, quick=16, paper=64)
    problem = random_problem(study.rng("metrics"), s, N=len(s) + 3, n=len(s) + 4, runs=runs)
    velocity = procrustes.velocity(problem, np.broadcast_to(np.eye(len(s)), problem.M.shape))[None]
    for name, speed in discrete.SPEEDS.items():
        velocities = _first_steps(study, name, problem)
        yield from tends_to(f"{name}: first step over learning rate", velocities, speed * velocity)
        if name == "published cayley":
            same = extrapolated("first step", velocities, discrete.SPEEDS["cayley"] * velocity)
            yield refuted("one learning rate is one step in every map", same)


def _first_steps(study: Study, name: str, problem: LinearOPT) -> list[Array]:
    """(R_1 - R_0) / eta at three learning rates."""
    runs, d = problem.M.shape[:2]
    if name == "published cayley":
        P, turned = torch.zeros(runs, d, d, dtype=torch.float64, device=study.device), published.cayley
    else:
        rotation = Rotation(d, name, runs=(runs,), dtype=torch.float64, device=study.device)
        P, turned = rotation.parameter, rotation.map
    inner = squared_loss(problem, study.device)
    loss = lambda state: inner({"R": turned(state["P"])})  # noqa: E731
    observe = lambda state: {"R": turned(state["P"])}  # noqa: E731
    velocities = []
    for eta in (0.01, 0.005, 0.0025):
        schedule = {"learning_rate": eta, "steps": 1, "record": [0, 1], "observe": observe}
        R = train(loss, {"P": P}, **schedule, **study.training(f"{name} {eta}"))["R"]
        velocities.append((R[1:] - R[:1]) / eta)
    return velocities


def _descend(study: Study, name: str, problem: LinearOPT, R: Array, eta: Array | float, record: list[int]) -> Array:
    loss = squared_loss(problem, study.device)
    return turn(study, name, loss, R, learning_rate=eta, steps=record[-1], record=record)["R"]
