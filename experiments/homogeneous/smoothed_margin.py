"""The smoothed normalised margin never falls once the loss is below 1; the hard margin, or a mean loss, may."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from experiments.homogeneous import own_data
from experiments.homogeneous.losses import Margins, loss_of
from experiments.homogeneous.margin_rates import States, rate_rounding, with_derivatives
from experiments.homogeneous.networks import host, margins_of, network_margins, tensors
from experiments.homogeneous.predictions import nothing, scaled
from experiments.homogeneous.rules import LogTimeDescent, TangentDescent, squared
from experiments.training import GradientDescent, Observe, Trainee, recording_steps
from experiments.training.batches import layers_of, stack, state_of
from experiments.training.together import refine_together
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
    on_data,
    varies,
)
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.separable import labelled_by_a_teacher
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import smoothed_margin as theory

# Of the user's data, that a profile has the time for.
OWN_STEPS = {"smoke": 200, "quick": 2000, "paper": 10_000}
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
BETWEEN = "last Richardson correction over three step sizes, its largest along the run"


@dataclass(frozen=True)
class Sizes:
    """Of networks at whose states the identity is judged."""

    networks: tuple[int, ...] = varies(
        "linear; two layers, rectified; three layers; three layers, rectified, as 1 to 4",
        (1, 2, 3, 4),
        smoke=(1, 2),
        low=1,
        high=4,
    )
    inputs: int = varies("entries of an example", 4, low=2, high=50)
    width: int = varies("of rectified layers", 12, low=2, high=100)
    examples: int = varies("n, separable", 12, low=2, high=100)
    scale: float = varies("of the first weights, times the networks' own", 1.0, low=0.3, high=2)
    learning_rate: float = varies("of descent on log Loss", 0.1, low=0.001, high=0.2)
    steps: int = varies("of the training", 400, smoke=200, paper=1000, low=100, high=5000)
    runs: int = varies("networks of each kind", 8, smoke=3, paper=32, low=1, high=64)

    def __post_init__(self) -> None:
        if len(set(self.networks)) < len(self.networks) or 1 not in self.networks:
            reject("networks", self.networks, "different ones, 1 among them")


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
    parameters=Sizes,
)
def smoothed_margin_never_falls(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study)
    for kind in sizes.networks:
        yield from _at_every_state(study, sizes, tuple(NETWORKS)[kind - 1])
    yield _one_example(study)
    yield from _crowd(study)
    yield from _above_one(study)
    yield from _mean_loss(study)
    yield from _steps(study)


def _at_every_state(study: Study, sizes: Sizes, name: str) -> Iterator[Check]:
    """The identity and the bound at the states training visits, derivatives from autograd."""
    hidden, activation, size = NETWORKS[name]
    widths = (sizes.inputs, *(sizes.width if width == 12 else width for width in hidden[1:]))
    rng = study.rng(name)
    runs, n, depth = sizes.runs, sizes.examples, len(widths) - 1
    y = rng.choice([-1.0, 1.0], (runs, n))
    X = y[..., None] * labelled_by_a_teacher(rng, n=n, d=widths[0], runs=runs, least=0.4)
    W = gaussian_stack(rng, widths, sizes.scale * size, runs=runs)
    margins = network_margins(stack(widths, activation), X, y, study.device)
    states = States(_trained(study, margins, W, sizes.steps, sizes.learning_rate), W)
    rate = states.rate(name)
    yield rate.equals(scaled(states.predicted))
    if (theory.log_loss(states.q) < 0).any():
        yield from states.bounds(name)
    else:
        study.remark(f"{name}: the loss comes nowhere below 1, where the bound holds: more steps, or fewer examples")
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
        W = own_data.layers(study.rng("own data", name), X, widths, runs=own_data.RUNS[study.profile])
        steps = own_data.affordable(study, X, W, OWN_STEPS[study.profile])
        margins = network_margins(stack(widths, activation), X, y, study.device)
        states = States(_trained(study, margins, W, steps), W)
        yield states.rate(f"own data, {name}").equals(scaled(states.predicted))
        fits = theory.log_loss(states.q) < 0
        study.remark(
            f"{name}: the loss is below 1, where the bound holds, at {fits.mean():.0%} of the states looked at"
        )
        if fits.any():
            yield from states.bounds(f"own data, {name}")


def _trained(study: Study, margins: Margins, W: Layers, steps: int, learning_rate: float = 0.1) -> Trajectory:
    trainee = with_derivatives(study, margins, W)
    return trainee.train(learning_rate=learning_rate, steps=steps, record=recording_steps(steps, 41))


def _one_example(study: Study) -> Check:
    """nu = log(1 / Loss): the bound is the rate."""
    rng = study.rng("one example")
    W = gaussian_stack(rng, (4, 5, 1), 0.6, runs=4)
    margins = margins_of(W, rng.standard_normal((4, 1, 4)), study.device)
    # Of either label, so that each network classifies its example.
    W[1] = W[1] * np.sign(host(margins(dict(zip(("W1", "W2"), tensors(study.device, *W))))))[..., None]
    run = with_derivatives(study, margins, W).train(learning_rate=0.1, steps=100, record=recording_steps(100, 11))
    because = "an equality; n + parameters roundings of the largest of the terms"
    within = Tolerance(rate_rounding(run, 2, 25), because)
    rate = measured("one example: the bound is the rate", run["rate"], within=within, axes=("t", "run"))
    return rate.equals(scaled(theory.smoothed_margin_bound(run["q"], np.maximum(run["across"], 0))))


def _crowd(study: Study) -> Iterator[Check | Curves]:
    """Loss below 1 from the start: the smoothed margin rises throughout, the hard one falls at first."""
    runs = refine_together(_with_margins(study, CROWD, [START[:, None]]), learning_rate=0.4, horizon=80.0, records=41)
    smooth, hard = (_each(margin, runs) for margin in (theory.smoothed_margin, theory.normalised_margin))
    falls = _fall("hard", hard)
    yield _fall("crowd: fall of the smoothed margin", smooth).at_most(nothing, against=float(falls.value.max()))
    yield falls.control("the hard margin never falls").at_most(0.0)
    gap = np.log(len(CROWD)) / np.sqrt(runs[-1]["squared_norm"][:, 0])
    yield curves("crowd", s=runs[-1].t, hard=hard[-1][:, 0], smooth=smooth[-1][:, 0], gap=gap)


def _above_one(study: Study) -> Iterator[Check]:
    """From a start that misclassifies: on the sphere log(1 / Loss) rises all the same, off it gamma~ falls."""
    W = [np.array([[[-0.6, 0.1]]])]
    free = refine_together(_with_margins(study, ALONG, W), learning_rate=0.02, horizon=0.5, records=41)
    yield _fall("free", _each(theory.smoothed_margin, free)).control("a loss above 1").at_most(0.0)
    held = refine_together(_with_margins(study, ALONG, W, TangentDescent), learning_rate=0.1, horizon=8.0, records=41)
    fall = _fall("on the sphere, loss above 1: fall of log(1 / Loss)", [-theory.log_loss(run["q"]) for run in held])
    yield fall.supporting().at_most(0.0, against=float(-fall.value.sum()))


def _mean_loss(study: Study) -> Iterator[Check]:
    """Along the best direction the smoothed margin rises, and log N / |theta| falls faster: the mean's margin falls."""
    start = [np.array([[[3.0, 0.0]]])]
    runs = refine_together(_with_margins(study, ALONG, start), learning_rate=0.1, horizon=10.0, records=41)
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
