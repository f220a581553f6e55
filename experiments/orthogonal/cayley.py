"""Cayley's map never turns a plane by pi: a target that does is approached by a power law, any other exponentially."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal import published
from experiments.methods.orthogonal.parametrisations import Rotation
from experiments.orthogonal.linear import squared_loss
from experiments.training.loop import train
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal import cayley, procrustes
from theory.orthogonal.cayley import Plane
from theory.orthogonal.procrustes import LinearOPT, component, transposed

SIGMA = 1.4  # s_1 + s_2 in the plane that turns
STARTS = np.array([0.2, 0.5, 1.0, 2.0])  # of the parameter a


@claim(
    "liu2021.cayley_power_law",
    source="Liu et al. 2021 (OPT), derived: reach of the Cayley parametrisation",
    statement=r"L = \sigma (1 + \cos\theta),\ \theta = 2 \arctan \kappa a:\quad L \sim \frac{1}{2\kappa}"
    r"\sqrt{\frac{\sigma}{t}} \text{ towards a rotation by } \pi;\quad"
    r" \text{rate } 4 \sigma \kappa^2 \cos^4 \tfrac{\varphi}{2} \text{ towards } \varphi",
    hypotheses=("gradient flow on the parameter of the Cayley map", "linear layer, one plane left to turn"),
    controls=(
        "exponential decay of the Cayley map",
        "power law of the exponential map",
        "power law with the other map's constant",
        "power law with a constant 10 % larger",
        "one rate for all targets",
    ),
)
def a_half_turn_is_out_of_reach(study: Study) -> Iterator[Check | Curves]:
    yield from _on_the_flow(study)
    yield from _power_law(study)
    yield from _exponential_map(study)
    yield from _other_targets(study)


class Map(NamedTuple):
    """A skew map of the plane: its kappa (None: the exponential), and where its parameter a stands, with which sign."""

    kappa: float | None
    entry: tuple[int, int]
    sign: float


MAPS = {
    "published Cayley": Map(1.0, (0, 1), -1.0),
    "torch's Cayley": Map(0.5, (1, 0), 1.0),
    "exponential": Map(None, (1, 0), 1.0),
}


def _problem(phi: Array) -> LinearOPT:
    """M = G(phi) diag(0.9, 0.5), sigma = 1.4: the optimum turns the plane by phi (runs,)."""
    turn = np.stack([np.stack([np.cos(phi), -np.sin(phi)], -1), np.stack([np.sin(phi), np.cos(phi)], -1)], -2)
    one = np.broadcast_to(np.eye(2), turn.shape)
    return LinearOPT(one, transposed(turn * np.array([0.9, 0.5])), one)


def _train(
    study: Study, name: str, map: str, phi: Array | float, a: Array, eta: float, record: list[int]
) -> Trajectory:
    """Descent on P of R = map(P), all of it zero but a: the parameters a and the loss above the optimum."""
    _, (i, j), sign = MAPS[map]
    problem = _problem(np.broadcast_to(phi, a.shape))
    turned = published.cayley if map == "published Cayley" else _torch_map(study, map, len(a))
    inner = squared_loss(problem, study.device)
    least = torch.tensor(
        procrustes.optimal_loss(problem, component(problem, np.broadcast_to(np.eye(2), problem.M.shape))),
        dtype=torch.float64,
        device=study.device,
    )
    P = np.zeros((len(a), 2, 2))
    P[:, i, j] = sign * a
    return train(
        lambda state: inner({"R": turned(state["P"])}),
        {"P": P},
        learning_rate=eta,
        steps=record[-1],
        record=record,
        observe=lambda state: {"a": sign * state["P"][:, i, j], "excess": inner({"R": turned(state["P"])}) - least},
        **study.training(name),
    )


def _torch_map(study: Study, map: str, runs: int) -> Callable[[Tensor], Tensor]:
    word = {"torch's Cayley": "cayley", "exponential": "matrix_exp"}[map]
    return Rotation(2, word, runs=(runs,), dtype=torch.float64, device=study.device).map


def _refined(
    study: Study, name: str, map: str, phi: Array | float, a: Array, eta: float, record: list[int]
) -> list[Trajectory]:
    """At eta, eta / 2, eta / 4, recorded at the same times."""
    return [_train(study, f"{name} {map} {k}", map, phi, a, eta / k, [k * step for step in record]) for k in (1, 2, 4)]


def _on_the_flow(study: Study) -> Iterator[Check]:
    for name in ("published Cayley", "torch's Cayley"):
        plane = Plane(SIGMA, MAPS[name].kappa)
        runs = _refined(study, "flow", name, np.pi, STARTS / plane.kappa, 0.04, list(range(0, 101, 10)))
        predicted = cayley.half_turn_parameter(plane, STARTS / plane.kappa, runs[0].t)
        yield from tends_to(f"{name}: a(t)", [run["a"] for run in runs], predicted)
        loss = cayley.half_turn_loss(plane, predicted)
        yield from tends_to(f"{name}: loss", [run["excess"] for run in runs], loss, 1e2 * EPS)


def _power_law(study: Study) -> Iterator[Check | Curves]:
    """From a = 1, long enough for the next term of the expansion, 1 + 1 / (2 root), to be small."""
    steps = study.pick(smoke=200, quick=1600, paper=10000)
    record = sorted({round(step) for step in np.geomspace(1, steps, 40)} | {0})
    plane = Plane(SIGMA, 1.0)
    runs = _refined(study, "late", "published Cayley", np.pi, np.ones(1), 1.0, record)
    t = runs[0].t
    losses = np.stack([run["excess"][:, 0] for run in runs])
    exact = cayley.half_turn_loss(plane, cayley.half_turn_parameter(plane, np.ones(1), t))[:, 0]
    limit, error = richardson(list(losses[:, -1:] / cayley.half_turn_asymptote(plane, t[-1:])))
    tolerance = error + 1 / np.sqrt(4 * plane.sigma * plane.kappa**2 * t[-1])
    because = "twice the next term of the expansion, and the last Richardson correction"
    law = lambda ratio: equal("loss over its power law", ratio, 1, tolerance=tolerance, because=because)  # noqa: E731
    yield law(limit)
    yield refuted("power law with a constant 10 % larger", law(limit / 1.1))
    yield refuted("power law with the other map's constant", law(limit * 0.5))
    yield from _exponent(t, losses, 4 * plane.sigma * plane.kappa**2)
    yield curves(t=t[1:], trained=losses[-1, 1:], predicted=exact[1:])
    yield curves(asymptote=cayley.half_turn_asymptote(plane, t[1:]))


def _exponent(t: Array, losses: Array, speed: float) -> Iterator[Check]:
    """Over the last decade of time the loss falls by the square root of ten, and by no exponential."""
    begin = int(np.argmin(np.abs(np.log(10 * t[1:] / t[-1])))) + 1
    span = np.log(t[-1] / t[begin])
    slope, error = richardson(list(np.log(losses[:, -1] / losses[:, begin])[:, None] / span))
    tolerance = error + 1 / np.sqrt(speed * t[begin]) / span
    because = "twice the next term of the expansion at the begin of the decade, and the last Richardson correction"
    yield equal("exponent of the loss", slope, -0.5, tolerance=tolerance, because=because)
    exponential = equal("exponent", slope * span / (t[-1] - t[begin]), -2 * SIGMA, tolerance=tolerance, because=because)
    yield refuted("exponential decay of the Cayley map", exponential)


def _exponential_map(study: Study) -> Iterator[Check | Curves]:
    """exp(A) with the same target: tan((theta - pi) / 2) decays at rate sigma."""
    plane, starts = Plane(SIGMA), np.array([0.2, 1.0, 2.0])
    runs = _refined(study, "flow", "exponential", np.pi, starts, 0.08, list(range(0, 101, 5)))
    t = runs[0].t
    predicted = cayley.exponential_angle(plane, np.pi, starts, t)
    yield from tends_to("exponential: angle", [run["a"] for run in runs], predicted)
    ratio = runs[-1]["excess"][-1] / cayley.half_turn_asymptote(plane, t[-1])
    because = "twice the next term of the expansion"
    tolerance = 1 / np.sqrt(4 * SIGMA * t[-1])
    law = equal("loss over the power law", ratio, 1, tolerance=tolerance, because=because)
    yield refuted("power law of the exponential map", law)
    loss = SIGMA * (1 - np.cos(predicted - np.pi))
    yield curves(t_exponential=t, exponential=runs[-1]["excess"][:, 1], predicted_exponential=loss[:, 1])


def _other_targets(study: Study) -> Iterator[Check | Curves]:
    """Near the target one step leaves 1 - eta rate of the way, which is ever less as phi nears pi."""
    phi, eta, away = np.linspace(0, 0.9 * np.pi, 10), 0.1, 1e-6
    for name in ("published Cayley", "torch's Cayley"):
        plane = Plane(SIGMA, MAPS[name].kappa)
        target = np.tan(phi / 2) / plane.kappa
        a = _train(study, f"near {name}", name, phi, target + away, eta, [0, 1])["a"]
        measured = (1 - (a[1] - target) / away) / eta
        # The loss is within sigma kappa^3 |delta a|^3 of a parabola; a itself is known to a rounding.
        tolerance = 10 * plane.kappa**3 * SIGMA * away + 50 * EPS * (1 + target) / away / eta
        because = "curvature times the distance, and the rounding of a over it"
        predicted = cayley.rate(plane, phi)
        yield equal(f"{name}: rate towards phi", measured, predicted, tolerance=tolerance, because=because)
    same = equal("rate towards phi", measured, predicted[0], tolerance=tolerance, because=because)
    yield refuted("one rate for all targets", same)
    yield curves(phi=phi, rates=measured, predicted_rates=predicted)
