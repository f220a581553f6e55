"""What three schedules leave of a small angle without noise: Gamma functions, trained on the circle."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.manifolds.networks import circle_loss, observe_angle, on_circle, on_manifolds
from experiments.methods.manifolds import FineGrainedStep, Sphere
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import schedules
from theory.manifolds.schedules import Schedule

START = 1e-4  # angle to the minimum
A = 2.0  # a of the schedules that vanish


@dataclass(frozen=True)
class Sizes:
    """Of the schedules."""

    rate: float = varies("h at the minimum", 0.6, low=0.1, high=1.5)
    constant: float = varies("g of the schedule that is constant", 0.02, low=0.001, high=0.5)
    c: float = varies("of c / (t + 2); twice that of c / (t + 2)^2", 1.0, low=0.3, high=2)
    steps: int = varies("of which some are judged", 1500, smoke=400, paper=10_000, low=300, high=20_000)

    def __post_init__(self) -> None:
        if not 0.25 <= self.c * self.rate <= 1:
            reject("c", self.c, f"c h of 0.25 to 1, not {self.c * self.rate:.3g}")

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The three by name."""
        vanishing = {"c / t": Schedule(self.c, A, 1), "c / t^2": Schedule(2 * self.c, A, 2)}
        return {"constant": Schedule(self.constant, 1, 0)} | vanishing


@claim(
    "ozay2019.schedules",
    source="Ozay 2019 (Robbins-Monro conditions); what they leave without noise derived",
    source_kind=RECONSTRUCTED,
    statement=r"\tfrac12 < q \le 1:\ \textstyle\sum g_t = \infty,\ \sum g_t^2 < \infty;\quad"
    r" \prod_{s<t} (1 - g_s h) = \frac{\Gamma(t + a - ch)\, \Gamma(a)}{\Gamma(t + a)\, \Gamma(a - ch)} \sim"
    r" t^{-ch}\ (q = 1),\quad \to \frac{\Gamma(a)^2}{\Gamma(a - r) \Gamma(a + r)},\ r^2 = ch\ (q = 2)",
    hypotheses=("g_t = c (t + a)^(-q)", "no noise", "a minimum, along a mode of rate h"),
    theory_side="closed form",
    controls=("c / t at the exponential rate", "c / t^2 arrives", "an exponent 10 % larger"),
    parameters=Sizes,
)
def what_schedules_leave_without_noise(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    left, h = {}, sizes.rate
    for case, schedule in sizes.schedules.items():
        t, left[case] = _left(study, h, case, schedule, sizes.steps)
        predicted = lambda k: schedules.remaining(schedule, k * h, t)  # noqa: B023, E731
        yield left[case].equals(predicted)
        yield curves(case, t=t, left=left[case].value, predicted=predicted(1.0))
    yield from _exponent(t, left["c / t"], sizes.schedules["c / t"], h)
    end, summable = left["c / t^2"], sizes.schedules["c / t^2"]
    within = end.within + Tolerance(2 * summable.c * h / t[-1], "sum of the steps to come")
    limit = measured("limit", end.value[-1], within=within, case="c / t^2")
    yield limit.equals(lambda k: schedules.remaining(summable, k * h, np.inf))
    yield limit.control("c / t^2 arrives").equals(0)
    converge = [Schedule(1.0, 1.0, q).converges for q in (0, 0.5, 0.51, 0.75, 1, 1.01, 2)]
    which = measured("which schedules converge", converge, within=Tolerance(0.4, "yes or no"), axes=("q",))
    yield which.equals([False, False, True, True, True, False, False])


def _left(study: Study, h: float, case: str, schedule: Schedule, steps: int) -> tuple[Array, Measured]:
    """Recorded steps, and the angle there over that of the start."""
    record = sorted({round(step) for step in np.geomspace(1, steps, 20)} | {0})
    moves, start = {"x": FineGrainedStep(Sphere())}, {"x": on_circle(np.array([START]))}
    trainee = on_manifolds(study, circle_loss(study, h), moves, start, schedule=schedule, observe=observe_angle)
    run = trainee.train(learning_rate=schedule.c, steps=steps, record=record)
    # sin 2 theta is 2 theta up to theta^2; the angle is known to a rounding of the circle's coordinates.
    within = Tolerance(START**2 + 1e-12, "the cube of the angle, and the Gamma functions")
    within += rounding(20 * steps, 1 / START, of="a coordinate over the start, twenty a step")
    left = measured("what is left", run["theta"][:, 0] / START, within=within, case=case, axes=("record",))
    return run.facts["recorded"].astype(float), left


def _exponent(t: Array, left: Measured, schedule: Schedule, h: float) -> Iterator[Check]:
    late = t >= 40
    slope = np.diff(np.log(left.value[late]))[-1] / np.diff(np.log(t[late]))[-1]
    within = Tolerance(schedule.a / t[late][-2] * 2, "the next term of the Gamma quotient, of relative size a / t")
    within += left.within * (1 / left.value[-1])
    exponent = measured("exponent", slope, within=within, case="c / t")
    yield exponent.equals(-schedule.c * h)
    yield exponent.control("an exponent 10 % larger").equals(-1.1 * schedule.c * h)
    yield left.control("c / t at the exponential rate").equals(np.exp(-schedule.c * h * t))
