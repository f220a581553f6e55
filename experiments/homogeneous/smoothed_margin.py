"""The smoothed normalised margin never falls once the loss is below 1; the hard margin, or a mean loss, may."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous import own_data
from experiments.homogeneous.losses import Margins, loss_of
from experiments.homogeneous.networks import host, margins_of, network_margins, tensors
from experiments.homogeneous.predictions import nothing, scaled
from experiments.homogeneous.rules import LogTimeDescent, TangentDescent, squared
from experiments.training import GradientDescent, Observe, State, Trainee, recording_steps
from experiments.training.batches import layers_of, stack, state_of
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, on_data
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.separable import labelled_by_a_teacher
from theory.core.trajectory import Trajectory
from theory.homogeneous import smoothed_margin as theory

# Widths, activation, and the size of the first weights: a large linear classifier fits before it has turned to its end.
NETWORKS = {
    "linear": ((4, 1), nn.Identity, 2.0),
    "two layers, rectified": ((4, 12, 1), nn.ReLU, 0.6),
    "three layers": ((4, 5, 5, 1), nn.Identity, 0.6),
    "three layers, rectified": ((4, 12, 12, 1), nn.ReLU, 0.6),
}
# A hundred examples on one side and one on the other: the margin of the one falls at first.
CROWD, START = np.array([[0.3, 1.0]] * 100 + [[0.3, -1.0]]), np.array([[20.0, 0.5]])
# Along the best direction already, where only the lengths of the margins (1, 1 and 2) differ.
ALONG = np.array([[1.0, 0.5], [1.0, -0.5], [2.0, 0.0]])
FAR = 100  # times that the bound may lie below the rate where the direction has come to rest
POINTWISE = "the flow's rate at a state: only rounding separates it from the bound"
BETWEEN = "last Richardson correction over three step sizes, its largest along the run"


@claim(
    "lyu2020.smoothed_margin",
    source="Lyu & Li 2020 (ICLR), monotony of the smoothed normalised margin, with the identity behind it",
    source_kind=RECONSTRUCTED,
    statement=r"\tilde\gamma = \frac{\log 1/\mathcal L}{|\theta|^L},\ ds = \mathcal L\,dt:\quad"
    r" \frac{d \log\tilde\gamma}{ds} = \frac{L^2 \nu}{|\theta|^2}\Big(\frac{\nu}{\log 1/\mathcal L} - 1\Big)"
    r" + \frac{|P \nabla \log \mathcal L|^2}{\log 1/\mathcal L} \ge \frac{|P \nabla\log\mathcal L|^2}{\nu} \ge 0"
    r"\quad\text{where } \mathcal L < 1",
    hypotheses=(
        "gradient flow of a sum of exponential losses, L = sum_n e^{-q_n} below 1",
        "margins q_n homogeneous of degree L (the depth) in the weights theta",
        "nu = sum_n e^{-q_n} q_n / sum_n e^{-q_n}; P the projection orthogonal to theta",
    ),
    theory_side="identity",
    controls=(
        "margins of degree L - 1",
        "nu in place of log(1 / Loss)",
        "the hard margin never falls",
        "a loss above 1",
        "mean loss in place of the sum",
        "steps that do not shrink with the weights",
    ),
    accepts_data="labelled",
)
def smoothed_margin_never_falls(study: Study) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study)
    for name in study.pick(smoke=("linear", "two layers, rectified"), quick=tuple(NETWORKS), paper=tuple(NETWORKS)):
        yield from _at_every_state(study, name)
    yield _one_example(study)
    yield from _crowd(study)
    yield from _above_one(study)
    yield from _mean_loss(study)
    yield from _steps(study)


def _at_every_state(study: Study, name: str) -> Iterator[Check]:
    """The identity and the bound at the states training visits, derivatives from autograd."""
    widths, activation, size = NETWORKS[name]
    rng = study.rng(name)
    runs, n, depth = study.pick(smoke=3, quick=8, paper=32), 12, len(widths) - 1
    y = rng.choice([-1.0, 1.0], (runs, n))
    X = y[..., None] * labelled_by_a_teacher(rng, n=n, d=4, runs=runs, least=0.4)
    W = gaussian_stack(rng, widths, size, runs=runs)
    margins = network_margins(stack(widths, activation), X, y, study.device)
    steps = study.pick(smoke=200, quick=400, paper=1000)
    states = _States(_trained(study, margins, W, steps), W)
    rate = states.rate(name)
    yield rate.equals(scaled(states.predicted))
    yield from states.bounds(name)
    if name == "linear":
        deeper = theory.smoothed_margin_rate(states.q, states.squares, states.across, depth + 1)
        yield rate.control("margins of degree L - 1").equals(deeper)
        exchanged = states.predicted + states.across * (
            1 / theory.norm_growth(states.q) + 1 / theory.log_loss(states.q)
        )
        yield rate.control("nu in place of log(1 / Loss)").equals(exchanged)


@on_data
def _on_own_data(study: Study) -> Iterator[Check]:
    """The same of networks on the user's examples, whether or not any of them comes to fit."""
    X, y = own_data.examples(study)
    for name, (widths, activation, _) in NETWORKS.items():
        widths = (X.shape[1], *widths[1:])
        W = own_data.layers(study.rng("own data", name), X, widths, runs=study.pick(smoke=1, quick=2, paper=4))
        steps = own_data.affordable(study, X, W, study.pick(smoke=200, quick=2000, paper=10_000))
        margins = network_margins(stack(widths, activation), X, y, study.device)
        states = _States(_trained(study, margins, W, steps), W)
        yield states.rate(f"own data, {name}").equals(scaled(states.predicted))
        fits = theory.log_loss(states.q) < 0
        study.remark(
            f"{name}: the loss is below 1, where the bound holds, at {fits.mean():.0%} of the states looked at"
        )
        if fits.any():
            yield from states.bounds(f"own data, {name}")


def _trained(study: Study, margins: Margins, W: Layers, steps: int) -> Trajectory:
    return _with_derivatives(study, margins, W).train(learning_rate=0.1, steps=steps, record=recording_steps(steps, 41))


class _States:
    """What training records of networks that began as W."""

    def __init__(self, run: Trajectory, W: Layers) -> None:
        self.run, self.depth = run, len(W)
        self.q, self.squares, self.across = run["q"], run["squared_norm"], np.maximum(run["across"], 0)
        rounding = _rate_rounding(run, self.depth, sum(layer[0].size for layer in W))
        self.rounding = np.maximum(rounding, np.finfo(float).tiny)  # a network that has died is at rest exactly
        self.predicted = theory.smoothed_margin_rate(self.q, self.squares, self.across, self.depth)

    def rate(self, case: str) -> Measured:
        within = Tolerance(
            self.rounding, "autograd and the formula: n + parameters roundings of the largest of its terms"
        )
        return measured("rate of log smoothed margin", self.run["rate"], within=within, case=case, axes=("t", "run"))

    def bounds(self, case: str) -> Iterator[Check]:
        """On the rate where the loss is below 1, and on the margins."""
        q, squares, n = self.q, self.squares, self.q.shape[-1]
        fits, within = theory.log_loss(q) < 0, Tolerance(self.rounding, POINTWISE)
        below_one = np.where(fits, self.run["rate"], 0)
        bounded = measured("the rate where the loss is below 1", below_one, within=within, case=case, axes=("t", "run"))
        bounded = bounded.within_factor(FAR, because="directions are at rest where the loss is well below 1")
        yield bounded.at_least(scaled(np.where(fits, theory.smoothed_margin_bound(q, self.across), 0)))
        smooth, hard = (f(q, squares, self.depth) for f in (theory.smoothed_margin, theory.normalised_margin))
        gap = (hard - smooth) * squares ** (self.depth / 2)
        within = Tolerance(64 * EPS * n, "max_n <= logsumexp_n <= max_n + log N")
        beside = measured("log N bounds hard - smooth", gap, within=within, case=case, axes=("t", "run")).supporting()
        yield beside.at_most(np.log(n))
        yield replace(beside, name="the hard margin is above").at_least(0.0, against=np.log(n))


def _one_example(study: Study) -> Check:
    """nu = log(1 / Loss): the bound is the rate."""
    rng = study.rng("one example")
    W = gaussian_stack(rng, (4, 5, 1), 0.6, runs=4)
    margins = margins_of(W, rng.standard_normal((4, 1, 4)), study.device)
    # Of either label, so that each network classifies its example.
    W[1] = W[1] * np.sign(host(margins(dict(zip(("W1", "W2"), tensors(study.device, *W))))))[..., None]
    run = _with_derivatives(study, margins, W).train(learning_rate=0.1, steps=100, record=recording_steps(100, 11))
    because = "an equality; n + parameters roundings of the largest of the terms"
    within = Tolerance(_rate_rounding(run, 2, 25), because)
    rate = measured("one example: the bound is the rate", run["rate"], within=within, axes=("t", "run"))
    return rate.equals(scaled(theory.smoothed_margin_bound(run["q"], np.maximum(run["across"], 0))))


def _rate_rounding(run: Trajectory, depth: int, parameters: int) -> Array:
    """Every term, with log(1 / Loss) in its denominator, which is a difference where the loss is near 1."""
    q, size = run["q"], run["squared_norm"]
    descended, nu = np.abs(theory.log_loss(q)), np.abs(q).max(-1)
    terms = depth**2 * nu / size * (nu / descended + 1) + run["gradient"] / descended
    return 4 * EPS * (q.shape[-1] + parameters) * terms * (1 + np.abs(q).max(-1) / descended)


def _with_derivatives(study: Study, margins: Margins, W: Layers) -> Trainee:
    """Records margins, squared norm, squared gradient of log Loss and of its part across theta, d log gamma~ / ds."""
    depth, loss = len(W), loss_of(margins)

    def observe(state: State) -> State:
        leaves = {f"W{l}": layer.detach().requires_grad_() for l, layer in enumerate(layers_of(state), start=1)}
        inputs = tuple(leaves.values())
        with torch.enable_grad():
            q = margins(leaves)
            log_loss = torch.logsumexp(-q, -1)
            log_margin = torch.log(log_loss.abs()) - depth / 2 * torch.log(squared(inputs))
            gradient = torch.autograd.grad(log_loss.sum(), inputs, retain_graph=True)
            slope = torch.autograd.grad(log_margin.sum(), inputs)
        size = squared(inputs).detach()
        along = _dot(inputs, gradient).detach() / size
        across = [g - along.reshape(-1, 1, 1) * layer.detach() for g, layer in zip(gradient, inputs)]
        return {
            "q": q.detach(),
            "squared_norm": size,
            "gradient": squared(gradient),
            "across": squared(across),
            "rate": -_dot(slope, gradient),
        }

    return Trainee(study, loss, state_of(W), LogTimeDescent(loss), observe)


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b)]).sum(0)


def _crowd(study: Study) -> Iterator[Check | Curves]:
    """Loss below 1 from the start: the smoothed margin rises throughout, the hard one falls at first."""
    runs = _with_margins(study, CROWD, [START[:, None]]).refine(learning_rate=0.4, horizon=80.0, records=41)
    smooth, hard = (_each(margin, runs) for margin in (theory.smoothed_margin, theory.normalised_margin))
    falls = _fall("hard", hard)
    yield _fall("crowd: fall of the smoothed margin", smooth).at_most(nothing, against=float(falls.value.max()))
    yield falls.control("the hard margin never falls").at_most(0.0)
    gap = np.log(len(CROWD)) / np.sqrt(runs[-1]["squared_norm"][:, 0])
    yield curves("crowd", s=runs[-1].t, hard=hard[-1][:, 0], smooth=smooth[-1][:, 0], gap=gap)


def _above_one(study: Study) -> Iterator[Check]:
    """From a start that misclassifies: on the sphere log(1 / Loss) rises all the same, off it gamma~ falls."""
    W = [np.array([[[-0.6, 0.1]]])]
    free = _with_margins(study, ALONG, W).refine(learning_rate=0.02, horizon=0.5, records=41)
    yield _fall("free", _each(theory.smoothed_margin, free)).control("a loss above 1").at_most(0.0)
    held = _with_margins(study, ALONG, W, TangentDescent).refine(learning_rate=0.1, horizon=8.0, records=41)
    fall = _fall("on the sphere, loss above 1: fall of log(1 / Loss)", [-theory.log_loss(run["q"]) for run in held])
    yield fall.supporting().at_most(0.0, against=float(-fall.value.sum()))


def _mean_loss(study: Study) -> Iterator[Check]:
    """Along the best direction the smoothed margin rises, and log N / |theta| falls faster: the mean's margin falls."""
    start = [np.array([[[3.0, 0.0]]])]
    runs = _with_margins(study, ALONG, start).refine(learning_rate=0.1, horizon=10.0, records=41)
    sums = _each(theory.smoothed_margin, runs)
    means = [value + np.log(len(ALONG)) / np.sqrt(run["squared_norm"]) for value, run in zip(sums, runs)]
    falls = _fall("mean", means)
    yield _fall("along: fall of the smoothed margin", sums).at_most(nothing, against=float(falls.value.max()))
    yield falls.control("mean loss in place of the sum").at_most(0.0)


def _steps(study: Study) -> Iterator[Check]:
    """Two layers, by steps rate / Loss alone: the curvature grows with the weights, until a step is too large."""
    W = [np.array([[[1.0, 0.2], [0.8, -0.3]]]), np.array([[[1.0, 0.7]]])]
    within = Tolerance(64 * EPS, "a few dozen roundings of a margin below 1, step by step")
    falls = {}
    for name, rule in {"shrinking": LogTimeDescent, "constant": GradientDescent}.items():
        run = _with_margins(study, ALONG, W, rule).train(learning_rate=0.02, steps=300, record=range(301))
        fall = -np.diff(theory.smoothed_margin(run["q"], run["squared_norm"], 2), axis=0)
        falls[name] = measured(f"two layers, {name} steps: fall", fall, within=within, axes=("t", "run"))
    yield falls["shrinking"].at_most(nothing, against=float(falls["constant"].value.max()))
    yield falls["constant"].control("steps that do not shrink with the weights").at_most(0.0)


def _fall(name: str, values: list[Array]) -> Measured:
    """How much a record (T, runs) of the flow is below the one before it; values at three step sizes."""
    limit, error = richardson(values)
    within = Tolerance(2 * error.max() + 64 * EPS, BETWEEN)
    return measured(name, -np.diff(limit, axis=0), within=within, axes=("t", "run"))


def _each(margin: Callable[[Array, Array, int], Array], runs: list[Trajectory]) -> list[Array]:
    """A margin (T, runs) of linear classifiers."""
    return [margin(run["q"], run["squared_norm"], 1) for run in runs]


def _with_margins(study: Study, Z: Array, W: Layers, rule: type[GradientDescent] = LogTimeDescent) -> Trainee:
    """Records margins and squared norm of networks without activation, all labels 1."""
    margins = margins_of(W, Z, study.device)
    loss = loss_of(margins)
    observe: Observe = lambda state: {"q": margins(state), "squared_norm": squared(layers_of(state))}  # noqa: E731
    return Trainee(study, loss, state_of(W), rule(loss), observe)
