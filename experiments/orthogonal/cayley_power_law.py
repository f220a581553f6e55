"""Cayley's map never turns a plane by pi: a target that does is approached by a power law, any other exponentially."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from experiments.orthogonal import published_maps
from experiments.orthogonal.linear import squared_loss
from experiments.orthogonal.maps import exact_map
from experiments.training import Trainee, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.orthogonal import cayley, procrustes
from theory.orthogonal.cayley import Plane
from theory.orthogonal.procrustes import LinearOPT, component
from theory.orthogonal.rotations import plane_rotation

NEXT_TERM = "twice the next term of the expansion"


@dataclass(frozen=True)
class Sizes:
    """Of the plane that turns, and of the training; 1.4 / m is the unit of time, and so of learning rates."""

    pair: tuple[float, ...] = varies("singular values of M in the plane", (0.9, 0.5), low=0.05, high=20)
    starts: tuple[float, ...] = varies("of kappa a, for the flow", (0.2, 0.5, 1.0, 2.0), low=0.1, high=3)
    steps: int = varies(
        "to the last time at which the power law is read", 1600, smoke=200, paper=10_000, low=200, high=20_000
    )
    targets: int = varies("angles from 0 to 0.9 pi, with their rates", 10, low=2, high=100)

    def __post_init__(self) -> None:
        if len(self.pair) != 2:
            reject("pair", self.pair, "two numbers")

    @property
    def m(self) -> float:
        """The sum of the two."""
        return sum(self.pair)

    @property
    def unit(self) -> float:
        """Time runs as 1 / m."""
        return 1.4 / self.m


@claim(
    "orthogonal.cayley_power_law",
    source="ours, of the Cayley parametrisation of Liu et al. 2021 (OPT)",
    source_kind=OURS,
    statement=r"L = m (1 - \cos(\theta - \varphi)),\ \theta = 2 \arctan \kappa a,\ a' = -\partial L / \partial a:\quad"
    r" L \sim \frac{1}{2\kappa} \sqrt{\frac{m}{t}} \text{ for } \varphi = \pi;\quad"
    r" \text{else } \theta \to \varphi \text{ at the rate } 4 m \kappa^2 \cos^4 \tfrac{\varphi}{2}",
    hypotheses=(
        "gradient flow on the parameter a of the Cayley map, kappa = 1 as published, 1/2 in torch",
        "linear layer, one plane left to turn, m the sum of the two singular values of M in it",
    ),
    theory_side="law",
    controls=(
        "exponential decay of the Cayley map",
        "power law of the exponential map",
        "power law with the other map's constant",
        "power law with a constant 10 % larger",
        "one rate for all targets",
    ),
    parameters=Sizes,
)
def a_half_turn_is_out_of_reach(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _on_the_flow(study, sizes)
    yield from _power_law(study, sizes)
    yield from _exponential_map(study, sizes)
    yield from _other_targets(study, sizes)


class Map(NamedTuple):
    """A skew map of the plane: its kappa, where its parameter a stands and with which sign, and torch's word for it."""

    kappa: float
    entry: tuple[int, int]
    sign: float
    word: str = ""


MAPS = {
    "published Cayley": Map(1.0, (0, 1), -1.0),
    "torch's Cayley": Map(0.5, (1, 0), 1.0, "cayley"),
    "exponential": Map(np.nan, (1, 0), 1.0, "matrix_exp"),
}


def _problem(phi: Array, s: tuple[float, ...]) -> LinearOPT:
    """M = G(phi) diag(s): the optimum turns the plane by phi (runs,)."""
    turn = plane_rotation(2, (0, 1), phi)
    one = np.broadcast_to(np.eye(2), turn.shape)
    return LinearOPT(one, (turn * np.array(s)).mT, one)


def _descent(study: Study, sizes: Sizes, map: str, phi: Array | float, a: Array) -> Trainee:
    """Descent on P of R = map(P), zero but for a; the parameter a and the loss above the optimum are recorded."""
    _, (i, j), sign, word = MAPS[map]
    problem = _problem(np.broadcast_to(phi, a.shape), sizes.pair)
    inner = squared_loss(problem, study.device)
    optimal = procrustes.optimal_loss(problem, component(problem, np.broadcast_to(np.eye(2), problem.M.shape)))
    least = torch.tensor(optimal, dtype=torch.float64, device=study.device)
    turned = exact_map(word, 2, least) if word else published_maps.cayley
    P = np.zeros((len(a), 2, 2))
    P[:, i, j] = sign * a
    loss = lambda state: inner({"R": turned(state["P"])})  # noqa: E731
    observe = lambda state: {"a": sign * state["P"][:, i, j], "excess": loss(state) - least}  # noqa: E731
    return Trainee(study, loss, {"P": P}, observe=observe)


def _refined(trainee: Trainee, eta: float, record: list[int]) -> list[Trajectory]:
    """At eta, eta / 2, eta / 4, recorded at the same times."""
    return [
        trainee.train(learning_rate=eta / k, steps=k * record[-1], record=[k * step for step in record])
        for k in (1, 2, 4)
    ]


def _on_the_flow(study: Study, sizes: Sizes) -> Iterator[Check]:
    for name in ("published Cayley", "torch's Cayley"):
        plane = Plane(sizes.m, MAPS[name].kappa)
        starts = np.array(sizes.starts) / plane.kappa
        runs = _refined(_descent(study, sizes, name, np.pi, starts), 0.04 * sizes.unit, list(range(0, 101, 10)))
        solution = lambda k: cayley.half_turn_solution(plane, starts, k * runs[0].t)  # noqa: B023, E731
        yield from tends_to("a(t)", [run["a"] for run in runs], solution, case=name)
        loss = lambda k: cayley.half_turn_loss(plane, solution(k))  # noqa: B023, E731
        yield from tends_to("loss", [run["excess"] for run in runs], loss, 1e2 * EPS, case=name)


def _power_law(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """From a = 1, long enough for the next term of the expansion, 1 + 1 / (2 root), to be small."""
    record = sorted({round(step) for step in np.geomspace(1, sizes.steps, 40)} | {0})
    plane = Plane(sizes.m, 1.0)
    runs = _refined(_descent(study, sizes, "published Cayley", np.pi, np.ones(1)), sizes.unit, record)
    t = runs[0].t
    losses = np.stack([run["excess"][:, 0] for run in runs])
    exact = cayley.half_turn_loss(plane, cayley.half_turn_solution(plane, np.ones(1), t))[:, 0]
    limit, error = richardson(list(losses[:, -1:] / cayley.half_turn_asymptote(plane, t[-1:])))
    within = Tolerance(1 / np.sqrt(4 * plane.m * plane.kappa**2 * t[-1]), NEXT_TERM)
    within += Tolerance(error, "last Richardson correction")
    yield measured("loss over its power law", limit, within=within).equals(1)
    for constant, wrong in ((1.1, "with a constant 10 % larger"), (2, "with the other map's constant")):
        law = measured("loss over its power law", limit / constant, within=within)
        yield law.control(f"power law {wrong}").equals(1)
    yield from _exponent(t, losses, plane)
    late, trained = t[1:], losses[-1, 1:]
    yield curves("Cayley", t=late, trained=trained, predicted=exact[1:], deviation=100 * (trained / exact[1:] - 1))
    yield curves("Cayley", asymptote=cayley.half_turn_asymptote(plane, late))


def _exponent(t: Array, losses: Array, plane: Plane) -> Iterator[Check]:
    """Over the last decade of time the loss falls by the square root of ten, and by no exponential."""
    begin = int(np.argmin(np.abs(np.log(10 * t[1:] / t[-1])))) + 1
    span, speed = np.log(t[-1] / t[begin]), 4 * plane.m * plane.kappa**2
    slope, error = richardson(list(np.log(losses[:, -1] / losses[:, begin])[:, None] / span))
    within = Tolerance(1 / np.sqrt(speed * t[begin]) / span, f"{NEXT_TERM} at the begin of the decade")
    within += Tolerance(error, "last Richardson correction")
    yield measured("exponent of the loss", slope, within=within).equals(-0.5)
    exponential = measured("exponent", slope * span / (t[-1] - t[begin]), within=within)
    yield exponential.control("exponential decay of the Cayley map").equals(-2 * plane.m)


def _exponential_map(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """exp(A) with the same target: tan((theta - pi) / 2) decays at rate m."""
    plane, starts = Plane(sizes.m), np.array([0.2, 1.0, 2.0])
    runs = _refined(_descent(study, sizes, "exponential", np.pi, starts), 0.08 * sizes.unit, list(range(0, 101, 5)))
    t = runs[0].t
    solution = lambda k: cayley.exponential_solution(plane, np.pi, starts, k * t)  # noqa: E731
    yield from tends_to("angle", [run["a"] for run in runs], solution, case="exponential")
    ratio = runs[-1]["excess"][-1] / cayley.half_turn_asymptote(plane, t[-1])
    law = measured("loss over the power law", ratio, within=Tolerance(1 / np.sqrt(4 * plane.m * t[-1]), NEXT_TERM))
    yield law.control("power law of the exponential map").equals(1)
    loss = plane.m * (1 - np.cos(solution(1.0) - np.pi))[1:, 1]
    trained = runs[-1]["excess"][1:, 1]
    yield curves("exponential", t=t[1:], trained=trained, predicted=loss)
    early = t[1:] < 2.5 * sizes.unit  # then the deviation, linear in time, leaves the figure
    yield curves("exponential, early", t=t[1:][early], deviation=100 * (trained / loss - 1)[early])


def _other_targets(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """Near the target one step leaves 1 - eta rate of the way, which is ever less as phi nears pi."""
    phi, eta, away = np.linspace(0, 0.9 * np.pi, sizes.targets), 0.1 * sizes.unit, 1e-6
    for name in ("published Cayley", "torch's Cayley"):
        plane = Plane(sizes.m, MAPS[name].kappa)
        target = np.tan(phi / 2) / plane.kappa
        a = _descent(study, sizes, name, phi, target + away).train(learning_rate=eta, steps=1, record=[0, 1])["a"]
        # The loss is within m kappa^3 |delta a|^3 of a parabola; a itself is known to a rounding.
        error = 10 * plane.kappa**3 * plane.m * away + 50 * EPS * (1 + target) / away / eta
        within = Tolerance(error, "curvature times the distance, and the rounding of a over it")
        rates = (1 - (a[1] - target) / away) / eta
        found = measured("rate towards phi", rates, within=within, case=name, axes=("phi",))
        predicted = cayley.rate(plane, phi)
        yield found.equals(predicted)
    yield found.control("one rate for all targets").equals(predicted[0])
    yield curves(phi=phi, rates=rates, predicted_rates=predicted)
