"""Normalised margins and entropies against test error: exactly for linear interpolants, and on handwritten digits."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from torch import Tensor, nn

from experiments.homogeneous.descent import network_margins
from experiments.homogeneous.networks import TangentDescent
from experiments.training.batches import layers_of, outputs, stack, state_of
from experiments.training.loop import train
from experiments.training.updates import Loss, State, along
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import mean
from theory.claims.legacy import at_least, at_most, equal, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.separable import apply
from theory.homogeneous import generalisation as theory
from theory.homogeneous.decomposition import polar

NORMS = np.array([1.5, 2.0])
SCALES = np.array([0.0, 0.3, 1.0])  # of the part of a start that no example sees
TEST = 2000  # examples an interpolant is tested on
INITIAL = (0.3, 1.0, 2.0, 4.0)  # standard deviation of the first weights, in units of He's
CORRUPTED = (0.5, 1.0)  # share of random labels in pretraining
KAPPA = 30.0  # normalised entropies are those of kappa f(V; x)
CLASSES = 10
LEAK = 0.1  # of the rectified units: without it, one start in a few hundred has an example that no unit sees


@claim(
    "banburski2019.generalisation",
    source="Banburski et al. 2019, equation 1 and (content: normalised weights tell test errors, raw ones do not)",
    statement=r"R_N(\mathcal F) = \rho\, R_N(\tilde{\mathcal F});\quad \text{equal training loss, unequal }"
    r"\min_n y_n f(V; x_n)\ \Rightarrow\ \text{unequal test error}",
    hypotheses=(
        "no biases",
        "interpolants: Gaussian inputs, a linear teacher, starts of different size",
        "digits: one architecture, one training set, trained to one cross-entropy (float32)",
    ),
    controls=(
        "complexity of the sum of the norms",
        "complexity of the largest norm",
        "interpolants: raw margins differ",
        "interpolants: margin of w0 as a whole",
        "digits: raw cross-entropies differ",
        "digits: a tenth of Hoeffding's bound",
        "digits: what random labels taught carries over",
    ),
)
def normalised_weights_tell_networks_apart(study: Study) -> Iterator[Check | Curves]:
    yield from _rademacher(study)
    yield from _interpolants(study)
    yield from _digits(study)


class SphereDescent(TangentDescent):
    """Tangent steps, each followed by a return to the sphere the layer started on."""

    def begin(self, state: State) -> None:
        super().begin(state)
        self.radii = {name: state[name].flatten(1).norm(dim=1) for name in self.names}

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        for name in self.names:
            state[name].mul_(along(self.radii[name] / state[name].flatten(1).norm(dim=1), state[name]))


def _rademacher(study: Study) -> Iterator[Check]:
    """R_N of two-layer linear networks, by training one network to fit each of the 2^N sign vectors."""
    rng = study.rng("rademacher")
    n, d = study.pick(smoke=5, quick=8, paper=10), 6
    X = rng.standard_normal((n, d))
    all_signs = theory.signs(n)
    W = gaussian_stack(rng, (d, 3, 1), 1.0, runs=len(all_signs))
    trained = {}
    for name, radii in (("unit ball", np.ones(2)), ("balls", NORMS)):
        start = [r * layer / np.linalg.norm(layer, axis=(1, 2), keepdims=True) for r, layer in zip(radii, W)]
        margins = network_margins(stack((d, 3, 1)), X, all_signs, study.device)
        # A unit network has curvature up to |sum s x| / N; one of other norms, times their product over a square.
        stable = 0.5 * n / np.linalg.norm(all_signs @ X, axis=-1) * radii.min() / radii.max()
        loss: Loss = lambda state, margins=margins: -margins(state).mean(-1)  # noqa: E731
        steps = study.pick(smoke=200, quick=200, paper=400)
        run = train(
            loss,
            state_of(start),
            learning_rate=stable,
            steps=steps,
            record=[steps // 2, steps],
            update=SphereDescent(loss),
            **study.training(name),
        )
        trained[name] = float(-run["loss"][-1].mean())
        left = float(np.abs(np.diff(run["loss"], axis=0)).mean())
    tolerance = np.prod(NORMS) * (left + 64 * EPS * n)
    because = "descent converges geometrically: less is left than its second half gained; and rounding"
    unit, exact = trained["unit ball"], theory.linear_rademacher(X, np.ones(2))
    yield equal("R_N of the unit ball, trained", unit, exact, tolerance=tolerance, because=because)
    whole = trained["balls"]
    yield equal("R_N of balls, trained", whole, np.prod(NORMS) * unit, tolerance=tolerance, because=because)
    for name, factor in {
        "complexity of the sum of the norms": NORMS.sum(),
        "complexity of the largest norm": NORMS.max(),
    }.items():
        yield refuted(name, equal("R_N", whole, factor * unit, tolerance=tolerance, because=because))
    lower, upper = theory.rademacher_bounds(X)
    yield at_most("R_N below Jensen's bound", unit, upper, slack=tolerance, because=because)
    yield at_least("R_N above Khintchine's bound", unit, lower, slack=tolerance, because=because)


def _interpolants(study: Study) -> Iterator[Check | Curves]:
    """The same examples, all fitted exactly: gradient descent of the square loss from starts of three sizes."""
    rng = study.rng("interpolants")
    seeds, n, d = study.pick(smoke=24, quick=48, paper=400), 30, 50
    teacher = rng.standard_normal((seeds, 1, d))
    X = rng.standard_normal((seeds, n, d))
    Z = np.sign((X * teacher).sum(-1, keepdims=True)) * X
    w0 = SCALES[:, None] * rng.standard_normal((seeds, 1, d))
    w, tolerance = _trained_interpolants(study, Z, w0)
    size = np.linalg.norm(w, axis=-1)
    raw = apply(Z[:, None], w).min(-1)
    because = "what descent has left, relative to the weights"
    predicted = np.stack([theory.interpolant_margin(z, start) for z, start in zip(Z, w0)])
    yield equal("interpolants: normalised margin", raw / size, predicted, tolerance=tolerance, because=because)
    whole = 1 / np.sqrt(predicted[:, :1] ** -2 + (w0**2).sum(-1))
    check = equal("margin", raw / size, whole, tolerance=tolerance, because=because)
    yield refuted("interpolants: margin of w0 as a whole", check)
    ratio = mean((raw / size)[:, 0] / (raw / size)[:, -1])
    name = "interpolants: normalised margin, smallest start over largest"
    yield at_least(name, ratio.low, 2.0, because=ratio.reason)
    ratio = mean(raw[:, 0] / raw[:, -1])
    yield refuted("interpolants: raw margins differ", at_least("ratio", ratio.low, 2.0, because=ratio.reason))
    error = theory.gaussian_test_error(w, teacher)
    fresh = rng.standard_normal((seeds, len(SCALES), TEST, d))
    wrong = np.sign(fresh @ w[..., None]) != np.sign(fresh @ teacher[..., None])
    counted = wrong.mean((-2, -1))
    yield rate("interpolants: test error over angle / pi", mean(counted / error), 1.0, excludes=(0.9, 1.1))
    worse = mean(counted[:, -1] / counted[:, 0])
    yield at_least("interpolants: test error, largest start over smallest", worse.low, 1.0, because=worse.reason)
    complexity = np.array([theory.rademacher_bounds(x)[1] for x in X])
    bound = [theory.margin_bound(float(r), float(m), n) for r, m in zip(complexity, (raw / size)[:, 0])]
    yield curves(interpolant_margin=raw / size, interpolant_error=error, interpolant_counted=counted)
    yield curves(interpolant_bound=np.array(bound), interpolant_scales=SCALES)


def _trained_interpolants(study: Study, Z: Array, w0: Array) -> tuple[Array, Array]:
    """Weights (seeds, scales, d) that descent of 1/2 |Z w - 1|^2 ends at, and what may be left to go, (seeds, 1)."""
    tensor = torch.tensor(Z, dtype=torch.float64, device=study.device)
    loss: Loss = lambda state: 0.5 * (state["w"] @ tensor.mT - 1).square().sum((1, 2))  # noqa: E731
    spectrum = np.linalg.svd(Z, compute_uv=False) ** 2
    condition = spectrum[:, 0] / spectrum[:, -1]
    steps = int(40 * np.median(condition))
    run = train(
        loss,
        {"w": w0},
        learning_rate=1 / spectrum[:, 0],
        steps=steps,
        record=[steps],
        observe=dict,
        **study.training("interpolants"),
    )
    seen = np.abs(apply(Z[:, None], w0) - 1).sum(-1).max(-1) / np.sqrt(spectrum[:, -1])
    left = np.exp(-steps / condition) * seen + 64 * EPS * condition * np.abs(w0).max((1, 2))
    return run["w"][-1], (left * (1 + np.sqrt(spectrum[:, 0])) + 64 * EPS * condition)[:, None]


class Digits(NamedTuple):
    """Images (n, 64) in [0, 1] and their classes, for training and for testing."""

    X: Array
    y: Array
    test_X: Array
    test_y: Array


@cache
def _images() -> tuple[Array, Array]:
    images, classes = load_digits(return_X_y=True)
    return images / 16, classes


def _split(rng: np.random.Generator, n: int) -> Digits:
    X, y = _images()
    order = rng.permutation(len(X))
    return Digits(X[order[:n]], y[order[:n]], X[order[n : n + 1000]], y[order[n : n + 1000]])


def _digits(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("digits")
    data = _split(rng, study.pick(smoke=100, quick=200, paper=500))
    width = study.pick(smoke=24, quick=32, paper=64)
    widths = (64, width, width, CLASSES)
    he = [np.sqrt(2 / before) for before in widths[:-1]]
    shares = np.array(CORRUPTED)
    random = rng.random((len(shares), len(data.y))) < shares[:, None]
    labels = np.where(random, rng.integers(0, CLASSES, random.shape), data.y)
    fitted = study.pick(smoke=5e-2, quick=5e-3, paper=5e-3)
    start = gaussian_stack(rng, widths, he, runs=len(shares))
    pretrained = _fit(study, "pretraining", data, labels, start, np.ones(len(shares)), fitted)
    fresh = [gaussian_stack(rng, widths, [scale * s for s in he]) for scale in INITIAL]
    W = [np.concatenate(parts) for parts in zip(*fresh, pretrained)]
    # Larger weights, larger curvature: their steps shrink with its square.
    pace = np.concatenate([np.maximum(INITIAL, 1) ** -2.0, np.ones(len(shares))])
    W = _fit(study, "training", data, np.tile(data.y, (len(pace), 1)), W, pace, fitted)
    random_net, random_labels = [layer[-1:] for layer in pretrained], labels[-1:]
    yield from _judge_digits(data, W, random_net, random_labels)


def _fit(study: Study, name: str, data: Digits, labels: Array, W: Layers, pace: Array, fitted: float) -> list[Array]:
    """Leaky networks W_l (runs, ...) trained in float32 until each has a mean cross-entropy below `fitted`."""
    network = stack([W[0].shape[-1], *[layer.shape[-2] for layer in W]], lambda: nn.LeakyReLU(LEAK))
    inputs = torch.tensor(data.X, dtype=torch.float32, device=study.device)
    targets = torch.tensor(labels, device=study.device)

    def loss(state: State) -> Tensor:
        f = outputs(network, state, inputs)
        return nn.functional.cross_entropy(f.mT, targets, reduction="none").mean(-1)

    run = train(
        loss,
        {key: torch.tensor(layer, dtype=torch.float32) for key, layer in state_of(W).items()},
        learning_rate=0.4 * pace,
        steps=20000,
        record=[0],
        stop_below=fitted,
        **study.training(name),
    )
    return [layer.astype(np.float64) for layer in layers_of(run.facts["parameters"])]


def _judge_digits(data: Digits, W: Layers, random_net: Layers, random_labels: Array) -> Iterator[Check | Curves]:
    y, test_y = data.y[None], data.test_y[None]
    f, test_f = (theory.rectified_outputs(W, X, LEAK) for X in (data.X, data.test_X))
    normal, normal_test = (KAPPA * theory.rectified_outputs(polar(W).V, X, LEAK) for X in (data.X, data.test_X))
    raw, raw_test = theory.cross_entropy(f, y), theory.cross_entropy(test_f, test_y)
    entropy, entropy_test = theory.cross_entropy(normal, y), theory.cross_entropy(normal_test, test_y)
    median = np.median(theory.margins(normal / KAPPA, np.broadcast_to(y, f.shape[:-1])), axis=-1)
    error = (test_f.argmax(-1) != data.test_y).mean(-1)
    gap = theory.gap_ratio(entropy, entropy_test, CLASSES)
    g, test_g = (KAPPA * theory.rectified_outputs(polar(random_net).V, X, LEAK) for X in (data.X, data.test_X))
    other, other_test = theory.cross_entropy(g, random_labels), theory.cross_entropy(test_g, test_y)
    other_gap = theory.gap_ratio(other, other_test, CLASSES)
    yield from _entropies_are_of_first_order(normal, data, entropy)
    because = "one training loss; the weights' sizes differ by the starts'"
    left = np.log(CLASSES) - entropy
    name = "digits: log 10 - normalised cross-entropy, largest over smallest"
    yield at_least(name, left.max() / left.min(), 3.0, because=because)
    claimed = at_least("raw cross-entropy", raw.max() / raw.min(), 3.0, because=because)
    yield refuted("digits: raw cross-entropies differ", claimed)
    yield at_least("digits: test error, largest start over He's", error[3] / error[1], 1.3, because=because)
    yield at_least("digits: normalised margin, He's start over largest", median[1] / median[3], 3.0, because=because)
    correlation = np.corrcoef(entropy, entropy_test)[0, 1]
    because = "nearly automatic: both are of first order in outputs that are small, and close to log 10"
    yield at_least("digits: correlation of normalised entropies", correlation, 0.99, because=because)
    because = "half way between all carries over and nothing does"
    yield at_least("digits: gap ratio of every network", gap, 0.5, because=because)
    claimed = at_least("gap ratio", other_gap, 0.5, because=because)
    yield refuted("digits: what random labels taught carries over", claimed)
    yield curves(
        raw=np.stack([raw, raw_test]),
        normalised=np.stack([entropy, entropy_test]),
        random_normalised=np.array([other[0], other_test[0]]),
        test_error=error,
        normalised_margin=median,
        gap_ratio=gap,
        random_gap_ratio=other_gap,
        rank_correlation=spearmanr(median, error).statistic,
        initial=np.array(INITIAL),
        corrupted=np.array(CORRUPTED),
        kappa=KAPPA,
    )


def _entropies_are_of_first_order(f: Array, data: Digits, entropy: Array) -> Iterator[Check]:
    """Why normalised entropies of training and test data agree almost whatever is learnt."""
    beyond, bound = entropy - theory.first_order(f, data.y[None]), theory.second_order_bound(f)
    because = "Hoeffding's lemma for the mean of e^f over classes; a few roundings of log 10"
    yield at_most("digits: normalised entropy beyond first order", beyond, bound, slack=64 * EPS, because=because)
    yield at_least("digits: normalised entropy above first order", beyond, 0.0, slack=64 * EPS, because=because)
    small = 0.01 * np.array([[[1.0, -1.0]]])
    sharp = theory.cross_entropy(small, np.array([[0]])) - theory.first_order(small, np.array([[0]]))
    because = "log cosh a = a^2 / 2 (1 - a^2 / 6 + ...), and a few roundings of log 2"
    tolerance = 2e-5 + 16 * EPS / 5e-5
    ratio = sharp / theory.second_order_bound(small)
    yield equal("two classes: Hoeffding's bound is sharp", ratio, 1.0, tolerance=tolerance, because=because)
    check = at_most("beyond first order", beyond, bound / 10, because=because)
    yield refuted("digits: a tenth of Hoeffding's bound", check)
