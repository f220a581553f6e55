"""Batch normalisation, torch's own: scale invariance, growth of the norm, and whose margin is maximised."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous import norms
from experiments.homogeneous.losses import LOSSES, loss_of
from experiments.homogeneous.networks import host, tensors
from experiments.homogeneous.predictions import departing
from experiments.homogeneous.problems import sized_layers
from experiments.homogeneous.rules import LayerwiseDescent, with_gradients
from experiments.training import GradientDescent, Loss, State, Trainee, along, tends_to
from experiments.updates import Adam, Momentum
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable
from theory.core.validation import reject
from theory.homogeneous import normalisation
from theory.homogeneous.critical_points import curvature, equilibrium
from theory.homogeneous.decomposition import Examples

# torch refuses eps = 0 while training; below the smallest variance times the machine epsilon it is 0 to all digits.
NO_EPS = 1e-100
LEAST = 1 / 15  # of the largest variance, that the least has to be: the time to come to rest grows as the square


@dataclass(frozen=True)
class Sizes:
    """Of batches, units and trainings."""

    inputs: int = varies("entries of an example", 3, low=2, high=8)
    examples: int = varies("of a batch, or of three", 24, low=12, high=240)
    gains: tuple[float, ...] = varies("g at which the direction comes to rest", (1.0, 2.0, 3.0), low=0.3, high=4)
    rest_steps: int = varies("to there", 4000, smoke=2000, paper=20_000, low=500, high=50_000)
    size: float = varies("norm of the weights at the start", 2.0, low=0.5, high=10)
    learning_rate: float = varies("where each step is judged, eta", 0.2, low=0.01, high=0.5)
    decay: float = varies("weight decay, lambda", 0.3, low=0.01, high=1)
    steps: int = varies("each of which is judged", 200, smoke=20, paper=2000, low=5, high=3000)
    runs: int = varies("starts where each step is judged", 8, smoke=3, paper=32, low=1, high=64)
    refined_steps: int = varies("a learning rate that tends to 0 is cut into", 16, smoke=8, paper=64, low=4, high=256)
    units: int = varies("whose radial derivative is looked at", 10, smoke=3, paper=100, low=1, high=1000)

    def __post_init__(self) -> None:
        if self.examples % 6 or self.examples < 4 * self.inputs:
            reject("examples", self.examples, f"a multiple of 6, four times the inputs {self.inputs} at least")


@claim(
    "banburski2019.batch_normalisation",
    source="Banburski et al. 2019 (content: batch normalisation is descent under a unit norm); whose norm, ours",
    source_kind=RECONSTRUCTED,
    statement=r"f(x) = g\,\frac{w \cdot (x - m)}{(w^\top S w + \varepsilon)^{1/2}}:\quad"
    r" \langle w, \partial_w f \rangle = \frac{\varepsilon f}{w^\top S w + \varepsilon},\quad"
    r" |w|^2_+ = (1 - \eta\lambda)^2 |w|^2 + \eta^2 |G|^2,\quad"
    r" \frac{S^{1/2} w}{|S^{1/2} w|} \to V^*(g) \text{ of } S^{-1/2} (x_n - m)",
    hypotheses=(
        "m and S the mean and covariance of the batch, g the gain",
        "growth: descent by the gradient G of any loss, any batches, learning rate eta, weight decay lambda, eps = 0",
        "margin: gain frozen, eps = 0, separable after centring; V*(g) the direction of least loss at size g",
    ),
    theory_side="law",
    controls=(
        "eps = 1e-5 is scale invariant",
        "eps = 0.01: growth of the norm",
        "three times the weights at the same learning rate",
        "momentum: growth of the norm",
        "Adam: growth of the norm",
        "weight decay once, not squared",
        "max margin on the Euclidean sphere",
        "fewer dimensions than examples: every margin is 1",
        "running statistics are scale invariant",
    ),
    parameters=Sizes,
)
def batch_normalisation_descends_in_the_metric_of_the_data(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _radial_derivatives(study, sizes.units)
    yield from _growth_of_the_weights(study, sizes)
    yield from _effective_learning_rate(study, sizes)
    yield from _whose_margin(study, sizes)
    yield from _interpolating(study, sizes)


def _unit(X: Tensor, state: State, eps: float) -> Tensor:
    """Each run's w as one unit of a batch-normalised layer on inputs (n, d), outputs (runs, n)."""
    layer = nn.BatchNorm1d(len(state["w"]), eps=eps, affine=False, track_running_stats=False)
    return layer(X @ state["w"].mT).mT


def _normalised_loss(study: Study, examples: Examples, eps: float = NO_EPS) -> Loss:
    """Logistic loss of gain 1, on all examples."""
    X, y = tensors(study.device, examples.X, examples.y)
    return loss_of(lambda state: y * _unit(X, state, eps), "logistic")


def _radial_derivatives(study: Study, runs: int) -> Iterator[Check]:
    """<w, df/dw> of each example, by torch, against the law in eps."""
    rng = study.rng("radial")
    examples = _spread_examples(rng, 12, 4)
    w = rng.standard_normal((runs, 4))
    weight = rng.standard_normal((runs, 12))
    X, weights, start = tensors(study.device, examples.X, weight, w)
    tolerance = 64 * EPS * np.abs(weight).sum(-1) * np.sqrt(12)
    within = Tolerance(tolerance, "64 roundings of outputs that are at most n^(1/2)")
    for eps in (NO_EPS, 1e-5, 1e-2, 0.5):
        leaf = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((weights * _unit(X, {"w": leaf}, eps)).sum(), leaf)
        radial = measured("<w, df/dw>", host((leaf * gradient).sum(-1)), within=within, case=f"eps = {eps:g}")
        predicted = (weight * normalisation.radial_derivative(examples.X, w, eps)).sum(-1)
        visible = np.abs(weight * normalisation.normalised_outputs(examples.X, w, 0.0)).sum(-1).max()
        yield radial.equals(predicted, against=float(visible) if eps == NO_EPS else None)
        if eps == 1e-5:
            yield radial.control("eps = 1e-5 is scale invariant").equals(0.0)
    layer = nn.BatchNorm1d(runs, eps=NO_EPS, affine=False, dtype=torch.float64, device=study.device).eval()
    once, twice = (host(layer(X @ (c * start).mT)) for c in (1, 2))
    frozen = measured("running statistics", twice, within=Tolerance(tolerance.max(), within.reason))
    yield frozen.control("running statistics are scale invariant").equals(once)


def _growth_of_the_weights(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """|w|^2 step by step, on batches, with and without weight decay."""
    steps, eta, shrinkage = sizes.steps, sizes.learning_rate, sizes.learning_rate * sizes.decay
    rng = study.rng("weights")
    examples, w = _start(rng, sizes)
    loss, visible = _batched_loss(study, examples), _normalised_loss(study, examples, eps=1e-2)
    rules = {
        "descent": LayerwiseDescent(loss, (1.0,)),
        "weight decay": LayerwiseDescent(loss, (1.0,), sizes.decay),
        "momentum": Momentum(loss),
        "Adam": Adam(loss),
        "eps = 0.01": GradientDescent(visible),
    }
    paths = {
        name: with_gradients(study, rule, {"w": w}).train(learning_rate=eta, steps=steps, record=range(steps + 1))
        for name, rule in rules.items()
    }
    judged = {name: norms.growth(run, "w", eta, name) for name, run in paths.items()}
    descent, decayed = paths["descent"], paths["weight decay"]
    yield judged["descent"].equals(norms.grown(descent, "w", eta))
    yield judged["weight decay"].equals(norms.grown(decayed, "w", eta, shrinkage))
    once = norms.grown(decayed, "w", eta, 1 - np.sqrt(1 - shrinkage))
    yield judged["weight decay"].control("weight decay once, not squared").equals(once)
    for name in ("momentum", "Adam", "eps = 0.01"):
        yield judged[name].control(f"{name}: growth of the norm").equals(norms.grown(paths[name], "w", eta))
    yield curves(norms=norms.squares(descent["w"]), grown=np.cumsum(eta**2 * norms.squares(descent["dw"]), axis=0))


def _batched_loss(study: Study, examples: Examples) -> Loss:
    """Logistic loss on a third of the examples a step, in turn."""
    X, y = tensors(study.device, examples.X, examples.y)
    batches = X.reshape(3, -1, X.shape[1]), y.reshape(3, -1)

    def loss(state: State) -> Tensor:
        taken = state.get("taken", torch.zeros(1, dtype=torch.long, device=X.device))[:1] % 3
        inputs, labels = (part.index_select(0, taken)[0] for part in batches)
        return LOSSES["logistic"][0](labels * _unit(inputs, state, NO_EPS))

    return loss


def _effective_learning_rate(study: Study, sizes: Sizes) -> Iterator[Check]:
    """(3 w, 9 eta) takes the directions of (w, eta), step by step; at learning rate 0 the norm stays."""
    steps, eta = sizes.steps, sizes.learning_rate
    rng = study.rng("effective")
    examples, w = _start(rng, sizes)
    loss = _normalised_loss(study, examples)
    first, scaled, other, jolted = (
        Trainee(study, loss, {"w": scale * w}, rule(loss)).train(
            learning_rate=rate, steps=steps, record=range(steps + 1)
        )["w"]
        for scale, rate, rule in (
            (1, eta, GradientDescent),
            (3, 9 * eta, GradientDescent),
            (3, eta, GradientDescent),
            (1, eta, norms.Jolted),
        )
    )
    name = "(3 w, 9 eta) and (w, eta): directions"
    same, unchanged = (norms.turned(name, path, first, jolted, sizes.examples) for path in (scaled, other))
    yield same.equals(departing(unchanged.value))
    yield unchanged.control("three times the weights at the same learning rate").equals(0.0)
    rate = eta / sizes.refined_steps
    invariant, visible = (
        [norms.squares(run["w"]) for run in trainee.refine(learning_rate=rate, horizon=1.0, records=9)]
        for trainee in (Trainee(study, each, {"w": w}) for each in (loss, _normalised_loss(study, examples, eps=1e-2)))
    )
    growth, grown = [squared - squared[:1] for squared in invariant], visible[-1] - visible[-1][:1]
    yield from tends_to("growth of |w|^2 along the flow", growth, departing(grown))


def _whose_margin(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """Weights trained at frozen gains g: the direction rests at V*(g) of the whitened examples, not of the plain."""
    examples, gains = _separable_after_centring(study.rng("margin"), sizes), np.array(sizes.gains)
    white, plain = normalisation.whitened(examples), _centred(examples)
    w, force = _train_weights(study, sizes, "margin", examples)
    u = normalisation.whitened_direction(examples.X, w)
    direction = measured("S^(1/2) w rests at V*(g) of the whitened examples", u, within=_unrest(white, gains, u, force))
    yield direction.equals(lambda k: equilibrium(white, k * gains))
    elsewhere = normalisation.whitened_direction(examples.X, equilibrium(plain, gains))
    yield direction.control("max margin on the Euclidean sphere").equals(elsewhere)
    metric = examples.y * normalisation.normalised_outputs(examples.X, np.stack([w[-1], plain.w]), 0.0)
    yield curves(gains=gains, metric_margins=metric.min(-1), best_metric_margin=white.margin)


def _unrest(white: Separable, gains: Array, u: Array, force: Array) -> Tolerance:
    """How far directions (gains, r) can be from rest, (gains, 1): torch's force over the curvature."""
    stiffness = np.linalg.eigvalsh(curvature(white, gains, u))[:, 0]
    because = "twice the force by torch that is left over the least curvature (its first order), and 100 roundings"
    return Tolerance((2 * force / stiffness + 100 * EPS * gains)[:, None], because)


def _interpolating(study: Study, sizes: Sizes) -> Iterator[Check]:
    """As many dimensions as examples, balanced labels: every margin in the data's metric is 1, the largest mean."""
    rng = study.rng("interpolating")
    # Seven directions of centred inputs with standard deviations from 1 to 1/2.
    frame = np.linalg.qr(np.column_stack([np.ones(8), rng.standard_normal((8, 7))]))[0][:, 1:]
    X = np.sqrt(8) * frame * np.geomspace(1, 0.5, 7) @ np.linalg.qr(rng.standard_normal((20, 7)))[0].T
    examples = Examples(X, np.tile([1.0, -1.0], 4))
    w, force = _train_weights(study, sizes, "interpolating", examples)
    margins = examples.y * normalisation.normalised_outputs(examples.X, w, 0.0)
    u, gains = normalisation.whitened_direction(examples.X, w), np.array(sizes.gains)
    unrest = _unrest(normalisation.whitened(examples), gains, u, force)
    because = f"{unrest.reason}; times the length n^(1/2) of a whitened example"
    within = Tolerance(np.sqrt(8) * unrest.value + 64 * EPS, because)
    yield measured("interpolating: every margin is 1", margins, within=within).equals(1.0)
    fewer = normalisation.whitened(_separable_after_centring(study.rng("fewer"), sizes))
    best = measured("margins", fewer.Z @ fewer.w * fewer.margin, within=Tolerance(within.value.max(), because))
    yield best.control("fewer dimensions than examples: every margin is 1").equals(1.0)


def _train_weights(study: Study, sizes: Sizes, name: str, examples: Examples) -> tuple[Array, Array]:
    """Weights (gains, d) at the end, from one random start, and how large a force (gains,) is left on each.

    The gradient by w is S^(1/2) / |S^(1/2) w| times that by u on the sphere, which is g times the force there.
    """
    frozen = np.array(sizes.gains)
    X, y, gains = tensors(study.device, examples.X, examples.y, frozen)
    loss = loss_of(lambda state: y * along(gains, X[: len(gains)]) * _unit(X, state, NO_EPS))
    # From the difference of the classes' means, astray: the far side of the sphere is left only slowly.
    mean = examples.y @ (examples.X - examples.X.mean(0))
    astray = study.rng("start", name).standard_normal(len(mean))
    w = mean / np.linalg.norm(mean) + 0.5 * astray / np.linalg.norm(astray)
    variances = np.linalg.eigvalsh(normalisation.covariance(examples.X))
    # Curvature g^2 w^T S w / |w|^2 times that of the whitened sphere, which is of order 1.
    rates = variances[variances > 1e-9].min() / variances[-1] / frozen**2
    steps = sizes.rest_steps
    trainee = with_gradients(study, GradientDescent(loss), {"w": np.tile(w, (len(frozen), 1))})
    run = trainee.train(learning_rate=rates, steps=steps, record=[steps])
    w, gradient = run["w"][-1], np.linalg.norm(run["dw"][-1], axis=-1)
    spread = np.sqrt(variances[variances > 1e-9].min())
    return w, gradient * np.std(examples.X @ w.T, axis=0) / spread / frozen


def _centred(examples: Examples) -> Separable:
    return Separable(examples.y[:, None] * (examples.X - examples.X.mean(0)))


def _start(rng: np.random.Generator, sizes: Sizes) -> tuple[Examples, Array]:
    """Examples, and weights (runs, d) in random directions."""
    examples = _spread_examples(rng, sizes.examples, sizes.inputs)
    return examples, sized_layers(rng, (sizes.inputs, 1), (sizes.size,), sizes.runs)[0][:, 0]


def _spread_examples(rng: np.random.Generator, n: int, d: int) -> Examples:
    """Inputs whose coordinates differ in scale, off the origin."""
    X = rng.standard_normal((n, d)) * np.geomspace(0.7, 1.4, d) + rng.standard_normal(d)
    return Examples(X, np.tile([1.0, -1.0], n // 2))


def _separable_after_centring(rng: np.random.Generator, sizes: Sizes) -> Examples:
    """Two halves either side of a plane through their mean; drawn again where a variance is below `LEAST`."""
    while True:
        examples = _two_halves(rng, sizes)
        variances = np.linalg.eigvalsh(normalisation.covariance(examples.X))
        if variances[0] > LEAST * variances[-1]:
            return examples


def _two_halves(rng: np.random.Generator, sizes: Sizes) -> Examples:
    """Inputs on other scales in each coordinate, moved apart across the plane."""
    n, d = sizes.examples, sizes.inputs
    scales = np.geomspace(0.6, 1.5, d)
    X = rng.standard_normal((n, d)) * scales
    teacher = np.ones(d) / np.sqrt(d)
    order = np.argsort(X @ teacher)
    y = np.where(np.isin(np.arange(n), order[n // 2 :]), 1.0, -1.0)
    return Examples(X + 0.5 * y[:, None] * teacher, y)
