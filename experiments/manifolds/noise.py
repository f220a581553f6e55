"""Gradient noise on the circle under three schedules: thousands of chains against the exact second moments."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.manifolds.rayleigh import angle, on_circle, quotient
from experiments.methods.manifolds.descent import FineGrainedStep, FineGrainedUpdate
from experiments.methods.manifolds.spaces import Sphere
from experiments.training.loop import train
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import mean
from theory.claims.legacy import equal, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.manifolds import noise, schedules
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

D, SIGMA = 1.5, 0.05  # gap of the two eigenvalues, and size of the noise
SCHEDULES = {"constant": Schedule(0.3, 1, 0), "c / t": Schedule(1.0, 2.0, 1), "c / t^2": Schedule(1.0, 2.0, 2)}
QUIET = {"constant": Schedule(0.02, 1, 0), "c / t": Schedule(1.0, 2.0, 1), "c / t^2": Schedule(2.0, 2.0, 2)}
START = {"constant": 0.0, "c / t": 0.0, "c / t^2": 0.03}


class NoisyUpdate(FineGrainedUpdate):
    """FG-SGD whose gradient has sigma xi added, xi (steps, runs, A, B) of signs: its tangent part has variance 1."""

    def __init__(self, loss: Loss, signs: Tensor, schedule: Schedule) -> None:
        super().__init__(loss, {"x": FineGrainedStep(Sphere())}, a=schedule.a, q=schedule.q)
        self.signs = signs

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, (gradient,) = super().evaluate(state)
        return losses, (gradient + SIGMA * self.signs.index_select(0, state["count"][:1].long())[0],)


@claim(
    "ozay2019.noise_laws",
    source="Ozay 2019 (convergence under sum g = inf, sum g^2 < inf); the exact laws derived",
    statement=r"E\theta^2 \to \frac{g \sigma^2}{D (2 - g D)}\ (g_t = g),\quad \sim \frac{c^2 \sigma^2}{(2 c D - 1)\, t}"
    r"\ (g_t = c / t),\quad \not\to 0\ (\textstyle\sum g_t < \infty)",
    hypotheses=("independent noise of variance sigma^2 in the tangent direction", "small angles", "2 c D > 1"),
    controls=(
        "a constant step converges",
        "a summable schedule converges",
        "constant: stationary law without g D",
        "c / t: law without the 1",
        "c / t: noise 10 % larger",
    ),
)
def three_schedules_leave_three_laws(study: Study) -> Iterator[Check | Curves]:
    ends = {}
    for name, schedule in SCHEDULES.items():
        t, squares = _chains(study, name, schedule)
        exact = noise.second_moments(schedule, D, SIGMA, START[name] ** 2, int(t[-1]))[t]
        for k in range(1, len(t)):
            yield _moment(f"{name}: E theta^2 after {t[k]} steps", squares[k], exact[k])
        ends[name] = Law(t[-1], squares[-1], exact[-1])
        estimates = [mean(each) for each in squares[1:]]
        every = np.arange(t[-1] + 1)
        moments = noise.second_moments(schedule, D, SIGMA, START[name] ** 2, int(t[-1]))
        yield curves(**{f"{name} t": t[1:], f"{name} measured": [e.value for e in estimates]})
        yield curves(**{f"{name} error": [e.half_width for e in estimates]})
        yield curves(**{f"{name} times": every[1:], f"{name} exact": moments[1:]})
    yield from _constant(ends["constant"])
    yield from _harmonic(ends["c / t"])
    summable = ends["c / t^2"]
    reached = rate("E theta^2", mean(summable.squares), 0, excludes=(summable.exact,))
    yield refuted("a summable schedule converges", reached)


class Law(NamedTuple):
    """The last step, theta^2 of all chains there, and its exact mean."""

    t: int
    squares: Array
    exact: float


def _moment(name: str, squares: Array, exact: float) -> Check:
    return rate(name, mean(squares), exact, excludes=(0.9 * exact, 1.1 * exact))


def _chains(study: Study, name: str, schedule: Schedule) -> tuple[Array, Array]:
    """Recorded steps (T,) and theta^2 (T, chains)."""
    chains = study.pick(smoke=24_000, quick=24_000, paper=100_000)
    steps = study.pick(smoke=60, quick=250, paper=1500)
    record = np.unique(np.geomspace(3, steps, study.pick(smoke=4, quick=8, paper=12)).round().astype(int))
    signs = 2 * study.rng(name).integers(0, 2, (steps, chains, 2, 1), dtype=np.int8) - 1
    loss = quotient(study, Rayleigh(np.diag([D, 0.0])))
    run = train(
        loss,
        {"x": on_circle(np.full(chains, START[name]))},
        learning_rate=schedule.c,
        steps=steps,
        record=[0, *record.tolist()],
        observe=lambda state: {"squares": angle(state["x"]).square()},
        update=NoisyUpdate(loss, torch.tensor(signs, device=study.device), schedule),
        **study.training(name),
    )
    return run.facts["recorded"], run["squares"]


def _constant(law: Law) -> Iterator[Check]:
    g = SCHEDULES["constant"].c
    predicted = noise.stationary(g, D, SIGMA)
    because = "(1 - g D)^(2 t) of the way is left, and a hundred roundings"
    tolerance = predicted * ((1 - g * D) ** (2 * int(law.t)) * 2 + 100 * EPS)
    yield equal("constant: recursion against law", law.exact, predicted, tolerance=tolerance, because=because)
    yield _moment("constant: stationary law", law.squares, predicted)
    yield refuted("constant: stationary law without g D", _moment("law", law.squares, g * SIGMA**2 / (2 * D)))
    yield refuted("a constant step converges", rate("E theta^2", mean(law.squares), 0, excludes=(predicted,)))


def _harmonic(law: Law) -> Iterator[Check]:
    schedule, t = SCHEDULES["c / t"], 20_000
    exact = noise.second_moments(schedule, D, SIGMA, 0.0, t)[-1]
    predicted = float(noise.harmonic(schedule.c, D, SIGMA, np.float64(t)))
    tolerance = predicted * 10 * (schedule.a + schedule.c * D) / t
    because = "ten times the next term, of relative size (a + c D) / t"
    yield equal("c / t: recursion against law", exact, predicted, tolerance=tolerance, because=because)
    without = schedule.c**2 * SIGMA**2 / (2 * schedule.c * D * t)
    yield refuted("c / t: law without the 1", equal("law", exact, without, tolerance=tolerance, because=because))
    yield refuted("c / t: noise 10 % larger", _moment("E theta^2", law.squares, 1.1**2 * law.exact))


@claim(
    "ozay2019.schedules",
    source="Ozay 2019 (Robbins-Monro conditions); what they leave without noise derived",
    statement=r"\prod_{s<t} (1 - g_s D) = \frac{\Gamma(t + a - cD)\, \Gamma(a)}{\Gamma(t + a)\, \Gamma(a - cD)}"
    r" \sim t^{-cD}\ (q = 1),\quad \to \frac{\Gamma(a)^2}{\Gamma(a - r) \Gamma(a + r)},\ r^2 = cD\ (q = 2)",
    hypotheses=("g_t = c (t + a)^(-q)", "no noise", "a minimum of curvature D"),
    controls=("c / t at the exponential rate", "c / t^2 arrives", "an exponent 10 % larger"),
)
def what_schedules_leave_without_noise(study: Study) -> Iterator[Check | Curves]:
    steps, start, gap = study.pick(smoke=400, quick=1500, paper=10_000), 1e-4, 0.6
    for name, schedule in QUIET.items():
        record = sorted({round(step) for step in np.geomspace(1, steps, 20)} | {0})
        loss = quotient(study, Rayleigh(np.diag([gap, 0.0])))
        run = _decay(study, name, loss, schedule, np.array([start]), record)
        left, t = run["theta"][:, 0] / start, run.facts["recorded"].astype(float)
        predicted = schedules.remaining(schedule, gap, t)
        # sin 2 theta is 2 theta up to theta^2; the angle is known to a rounding of the circle's coordinates.
        tolerance = start**2 + 20 * EPS * steps / start + 1e-12
        because = "the cube of the angle, twenty roundings a step over the start, and the Gamma functions"
        yield equal(f"{name}: what is left", left, predicted, tolerance=tolerance, because=because)
        yield curves(**{f"{name} t": t, f"{name} left": left, f"{name} predicted": predicted})
        if name == "c / t":
            late = t >= 40
            slope = np.diff(np.log(left[late]))[-1] / np.diff(np.log(t[late]))[-1]
            slack = schedule.a / t[late][-2] * 2 + tolerance / left[-1]
            because = "the next term of the Gamma quotient, of relative size a / t"
            yield equal("c / t: exponent", slope, -schedule.c * gap, tolerance=slack, because=because)
            wrong = equal("exponent", slope, -1.1 * schedule.c * gap, tolerance=slack, because=because)
            yield refuted("an exponent 10 % larger", wrong)
            exponential = equal("left", left, np.exp(-schedule.c * gap * t), tolerance=tolerance, because=because)
            yield refuted("c / t at the exponential rate", exponential)
    limit = schedules.remaining(schedule, gap, np.inf)
    tolerance += 2 * schedule.c * gap / steps
    because = "sum of the steps to come"
    yield equal("c / t^2: limit", left[-1], limit, tolerance=tolerance, because=because)
    yield refuted("c / t^2 arrives", equal("left", left[-1], 0, tolerance=tolerance, because=because))
    yield equal(
        "which schedules converge",
        [Schedule(1.0, 1.0, q).converges for q in (0, 0.5, 0.51, 0.75, 1, 1.01, 2)],
        [False, False, True, True, True, False, False],
        tolerance=0.5,
        because="1/2 < q <= 1",
    )


def _decay(study: Study, name: str, loss: Loss, schedule: Schedule, theta: Array, record: list[int]) -> Trajectory:
    return train(
        loss,
        {"x": on_circle(theta)},
        learning_rate=schedule.c,
        steps=record[-1],
        record=record,
        observe=lambda state: {"theta": angle(state["x"])},
        update=FineGrainedUpdate(loss, {"x": FineGrainedStep(Sphere())}, a=schedule.a, q=schedule.q),
        **study.training(name),
    )
