"""The smoothed normalised margin never falls once the loss is below 1; the hard margin, or a mean loss, may."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous.descent import (
    LogTimeDescent,
    Margins,
    descend,
    log_exponential,
    network_margins,
    squared,
)
from experiments.homogeneous.networks import TangentDescent
from experiments.training.batches import layers_of, stack, state_of
from experiments.training.legacy import refined
from experiments.training.loop import Observe, recording_steps
from experiments.training.updates import GradientDescent, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.separable import labelled_by_a_teacher
from theory.core.trajectory import Trajectory
from theory.homogeneous import margin

NETWORKS = {
    "linear": ((4, 1), nn.Identity),
    "two layers, rectified": ((4, 12, 1), nn.ReLU),
    "three layers": ((4, 5, 5, 1), nn.Identity),
    "three layers, rectified": ((4, 12, 12, 1), nn.ReLU),
}
# A hundred examples pull one way and one the other: the margin of the one falls at first.
CROWD, START = np.array([[0.3, 1.0]] * 100 + [[0.3, -1.0]]), np.array([[20.0, 0.5]])
# Along the best direction already, where only the lengths of the margins (1, 1 and 2) differ.
ALONG = np.array([[1.0, 0.5], [1.0, -0.5], [2.0, 0.0]])
POINTWISE = "the flow's rate at a state: only rounding separates it from the bound"
BETWEEN = "last Richardson correction over three step sizes, its largest along the run"


@claim(
    "lyu2020.smoothed_margin",
    source="Lyu & Li 2020 (ICLR), monotony of the smoothed normalised margin, with the identity behind it",
    statement=r"\frac{d \log\tilde\gamma}{ds} = \frac{L^2 \nu}{|\theta|^2}\Big(\frac{\nu}{\log 1/\mathcal L} - 1\Big)"
    r" + \frac{|P \nabla \log \mathcal L|^2}{\log 1/\mathcal L} \ge \frac{|P \nabla\log\mathcal L|^2}{\nu} \ge 0"
    r"\quad\text{where } \mathcal L < 1",
    hypotheses=("gradient flow of a sum of exponential losses", "homogeneous of degree L", "loss below 1"),
    controls=(
        "margins of degree L - 1",
        "nu in place of log(1 / Loss)",
        "the hard margin never falls",
        "a loss above 1",
        "mean loss in place of the sum",
        "steps that do not shrink with the weights",
    ),
)
def smoothed_margin_never_falls(study: Study) -> Iterator[Check | Curves]:
    for name in study.pick(smoke=("linear", "two layers, rectified"), quick=tuple(NETWORKS), paper=tuple(NETWORKS)):
        yield from _at_every_state(study, name)
    yield from _one_example(study)
    yield from _crowd(study)
    yield from _above_one(study)
    yield from _mean_loss(study)
    yield from _steps(study)


def _at_every_state(study: Study, name: str) -> Iterator[Check]:
    """The identity and the bound at the states training visits, derivatives from autograd."""
    widths, activation = NETWORKS[name]
    rng = study.rng(name)
    runs, n = study.pick(smoke=3, quick=8, paper=32), 12
    y = rng.choice([-1.0, 1.0], (runs, n))
    X = y[..., None] * labelled_by_a_teacher(rng, n=n, d=4, runs=runs, least=0.4)
    margins = network_margins(stack(widths, activation), X, y, study.device)
    W = gaussian_stack(rng, widths, 0.6, runs=runs)
    horizon = study.pick(smoke=20, quick=40, paper=100)
    depth = len(W)
    run = descend(
        study,
        name,
        log_exponential(margins),
        W,
        learning_rate=0.1,
        steps=10 * horizon,
        record=recording_steps(10 * horizon, 41),
        observe=_derivatives(margins, depth),
    )
    size, across = run["squared_norm"], np.maximum(run["across"], 0)
    predicted = margin.smoothed_margin_rate(run["q"], size, across, depth)
    rounding = _rate_rounding(run, depth, sum(a * b for a, b in zip(widths, widths[1:])))
    because = "autograd and the formula: n + parameters roundings of the largest of its terms"
    yield equal(f"{name}: rate of log smoothed margin", run["rate"], predicted, tolerance=rounding, because=because)
    fits = margin.log_loss(run["q"]) < 0
    bound = np.where(fits, margin.smoothed_margin_bound(run["q"], across), 0)
    rate = np.where(fits, run["rate"], 0)
    yield at_least(f"{name}: the rate where the loss is below 1", rate, bound, slack=rounding, because=POINTWISE)
    smooth, hard = (f(run["q"], size, depth) for f in (margin.smoothed_margin, margin.normalised_margin))
    gap = (hard - smooth) * size ** (depth / 2)
    because = "max_n <= logsumexp_n <= max_n + log N"
    yield at_most(f"{name}: log N bounds hard - smooth", gap, np.log(n), slack=64 * EPS * n, because=because)
    yield at_least(f"{name}: the hard margin is above", gap, 0.0, slack=64 * EPS * n, because=because)
    if name == "linear":
        wrong = margin.smoothed_margin_rate(run["q"], size, across, depth + 1)
        check = equal("rate", run["rate"], wrong, tolerance=rounding, because=because)
        yield refuted("margins of degree L - 1", check)
        nu = margin.norm_push(run["q"])
        wrong = predicted + across * (1 / nu + 1 / margin.log_loss(run["q"]))
        check = equal("rate", run["rate"], wrong, tolerance=rounding, because=because)
        yield refuted("nu in place of log(1 / Loss)", check)


def _one_example(study: Study) -> Iterator[Check]:
    """nu = log(1 / Loss): the bound is the rate."""
    rng = study.rng("one example")
    W = gaussian_stack(rng, (4, 5, 1), 0.6, runs=4)
    x = rng.standard_normal((4, 1, 4))
    q = network_margins(stack((4, 5, 1)), x, np.ones((4, 1)), study.device)
    # Of either label, so that each network classifies its example.
    W[1] = (
        W[1]
        * np.sign(q({name: torch.tensor(w, device=study.device) for name, w in state_of(W).items()}).cpu().numpy())[
            ..., None
        ]
    )
    run = descend(
        study,
        "one example",
        log_exponential(q),
        W,
        learning_rate=0.1,
        steps=100,
        record=recording_steps(100, 11),
        observe=_derivatives(q, 2),
    )
    bound = margin.smoothed_margin_bound(run["q"], np.maximum(run["across"], 0))
    because = "an equality; n + parameters roundings of the largest of the terms"
    tolerance = _rate_rounding(run, 2, 25)
    yield equal("one example: the bound is the rate", run["rate"], bound, tolerance=tolerance, because=because)


def _rate_rounding(run: Trajectory, depth: int, parameters: int) -> Array:
    """Every term, with log(1 / Loss) in its denominator, which is a difference where the loss is near 1."""
    q, size = run["q"], run["squared_norm"]
    descended, nu = np.abs(margin.log_loss(q)), np.abs(q).max(-1)
    terms = depth**2 * nu / size * (nu / descended + 1) + run["gradient"] / descended
    return 4 * EPS * (q.shape[-1] + parameters) * terms * (1 + np.abs(q).max(-1) / descended)


def _derivatives(margins: Margins, depth: int) -> Observe:
    """Margins, squared norm, squared gradient of log Loss and of its part across theta, d log gamma~ / ds."""

    def observe(state: State) -> State:
        leaves = {f"W{l}": W.detach().requires_grad_() for l, W in enumerate(layers_of(state), start=1)}
        inputs = tuple(leaves.values())
        with torch.enable_grad():
            q = margins(leaves)
            log_loss = torch.logsumexp(-q, -1)
            log_margin = torch.log(log_loss.abs()) - depth / 2 * torch.log(squared(inputs))
            gradient = torch.autograd.grad(log_loss.sum(), inputs, retain_graph=True)
            slope = torch.autograd.grad(log_margin.sum(), inputs)
        size = squared(inputs).detach()
        along = _dot(inputs, gradient).detach() / size
        across = [g - along.reshape(-1, 1, 1) * W.detach() for g, W in zip(gradient, inputs)]
        return {
            "q": q.detach(),
            "squared_norm": size,
            "gradient": squared(gradient),
            "across": squared(across),
            "rate": -_dot(slope, gradient),
        }

    return observe


def _dot(a: Any, b: Any) -> Tensor:
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b)]).sum(0)


def _crowd(study: Study) -> Iterator[Check | Curves]:
    """Loss below 1 from the start: the smoothed margin rises throughout, the hard one falls at first."""
    runs = _refine(study, "crowd", CROWD, [START[:, None]], horizon=80.0, learning_rate=0.4)
    yield _never_falls("crowd: fall of the smoothed margin", _measured(margin.smoothed_margin, runs))
    hard = _measured(margin.normalised_margin, runs)
    yield refuted("the hard margin never falls", _never_falls("hard", hard))
    yield curves(
        crowd_s=runs[-1].t,
        crowd_hard=hard[-1][:, 0],
        crowd_smooth=_measured(margin.smoothed_margin, runs)[-1][:, 0],
        crowd_gap=np.log(len(CROWD)) / np.sqrt(runs[-1]["squared_norm"][:, 0]),
    )


def _above_one(study: Study) -> Iterator[Check]:
    """From a start that misclassifies: on the sphere log(1 / Loss) rises all the same, off it gamma~ falls."""
    W = [np.array([[[-0.6, 0.1]]])]
    free = _refine(study, "free", ALONG, W, horizon=0.5, learning_rate=0.02)
    yield refuted("a loss above 1", _never_falls("free", _measured(margin.smoothed_margin, free)))
    held = _refine(study, "on the sphere", ALONG, W, horizon=8.0, learning_rate=0.1, rule=TangentDescent)
    rises = [-margin.log_loss(run["q"]) for run in held]
    yield _never_falls("on the sphere, loss above 1: fall of log(1 / Loss)", rises)


def _mean_loss(study: Study) -> Iterator[Check]:
    """Along the best direction the smoothed margin rises, and log N / |theta| falls faster: the mean's margin falls."""
    runs = _refine(study, "along", ALONG, [np.array([[[3.0, 0.0]]])], horizon=10.0, learning_rate=0.1)
    sums = _measured(margin.smoothed_margin, runs)
    yield _never_falls("along: fall of the smoothed margin", sums)
    means = [value + np.log(len(ALONG)) / np.sqrt(run["squared_norm"]) for value, run in zip(sums, runs)]
    yield refuted("mean loss in place of the sum", _never_falls("mean", means))


def _steps(study: Study) -> Iterator[Check]:
    """Two layers, by steps rate / Loss alone: the curvature grows with the weights, until a step is too large."""
    W = [np.array([[[1.0, 0.2], [0.8, -0.3]]]), np.array([[[1.0, 0.7]]])]
    margins = _margins(study, ALONG, W)
    falls = {}
    for name, rule in {"shrinking": LogTimeDescent, "constant": GradientDescent}.items():
        run = descend(
            study,
            name,
            log_exponential(margins),
            W,
            learning_rate=0.02,
            steps=300,
            record=list(range(301)),
            observe=_margin_and_size(margins),
            rule=rule,
        )
        fall = -np.diff(margin.smoothed_margin(run["q"], run["squared_norm"], 2), axis=0)
        because = "a few dozen roundings of a margin below 1, step by step"
        falls[name] = at_most(f"two layers, {name} steps: fall", fall, 0.0, slack=64 * EPS, because=because)
    yield falls["shrinking"]
    yield refuted("steps that do not shrink with the weights", falls["constant"])


def _never_falls(name: str, values: list[Array]) -> Check:
    """No record (T, runs) of the flow is below the one before it; values at three step sizes."""
    limit, error = richardson(values)
    return at_most(name, -np.diff(limit, axis=0), 0.0, slack=2 * error.max() + 64 * EPS, because=BETWEEN)


def _measured(measure: Callable[[Array, Array, int], Array], runs: list[Trajectory]) -> list[Array]:
    """A margin (T, runs) of linear classifiers."""
    return [measure(run["q"], run["squared_norm"], 1) for run in runs]


def _refine(
    study: Study,
    name: str,
    Z: Array,
    W: Layers,
    *,
    horizon: float,
    learning_rate: float,
    rule: Callable[..., GradientDescent] = LogTimeDescent,
) -> list[Trajectory]:
    margins = _margins(study, Z, W)

    def run(level: str, **schedule: Any) -> Trajectory:
        loss = log_exponential(margins)
        return descend(study, level, loss, W, observe=_margin_and_size(margins), rule=rule, **schedule)

    return refined(run, name, learning_rate=learning_rate, horizon=horizon, records=41)


def _margins(study: Study, Z: Array, W: Layers) -> Margins:
    network = stack([Z.shape[-1], *[layer.shape[-2] for layer in W]])
    return network_margins(network, Z, np.ones(Z.shape[:-1]), study.device)


def _margin_and_size(margins: Margins) -> Observe:
    return lambda state: {"q": margins(state), "squared_norm": squared(layers_of(state))}
