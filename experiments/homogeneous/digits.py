"""Networks trained to one cross-entropy on handwritten digits: what their normalised weights tell of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from torch import Tensor, nn

from experiments.homogeneous.networks import widths_of
from experiments.training import State, Trainee
from experiments.training.batches import layers_of, outputs, stack, state_of
from theory.claims import Check, Curves, Measured, Study, Tolerance, curves, exactly, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.homogeneous import generalisation as theory
from theory.homogeneous.decomposition import polar

INITIAL = (0.3, 1.0, 2.0, 4.0)  # standard deviation of the first weights, in units of He's
CORRUPTED = (0.5, 1.0)  # share of random labels in pretraining
KAPPA = 30.0  # normalised entropies are those of kappa f(V; x)
CLASSES = 10
LEAK = 0.1  # of the rectified units: without it, one start in a few hundred has an example that no unit sees


@dataclass(frozen=True)
class Training:
    """Of networks on handwritten digits."""

    images: int = varies("digits: images to train on", 200, smoke=100, paper=500, low=60, high=700)
    digits_width: int = varies("digits: of the two hidden layers", 32, smoke=24, paper=64, low=16, high=128)
    fitted: float = varies("digits: cross-entropy at which training stops", 5e-3, smoke=5e-2, low=2e-3, high=0.1)


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


def networks_differ(study: Study, digits: Training) -> Iterator[Check | Curves]:
    """Networks trained to one cross-entropy, from starts of several sizes and after labels that are partly random; the
    thresholds of how they differ are empirical."""
    rng = study.rng("digits")
    data = _split(rng, digits.images)
    widths = (64, digits.digits_width, digits.digits_width, CLASSES)
    he = [np.sqrt(2 / before) for before in widths[:-1]]
    shares = np.array(CORRUPTED)
    random = rng.random((len(shares), len(data.y))) < shares[:, None]
    labels = np.where(random, rng.integers(0, CLASSES, random.shape), data.y)
    fitted = digits.fitted
    start = gaussian_stack(rng, widths, he, runs=len(shares))
    pretrained = _fit(study, data, labels, start, np.ones(len(shares)), fitted)
    fresh = [gaussian_stack(rng, widths, [scale * s for s in he]) for scale in INITIAL]
    W = [np.concatenate(parts) for parts in zip(*fresh, pretrained)]
    # Larger weights, larger curvature: their steps shrink with its square.
    pace = np.concatenate([np.maximum(INITIAL, 1) ** -2.0, np.ones(len(shares))])
    W = _fit(study, data, np.tile(data.y, (len(pace), 1)), W, pace, fitted)
    random_net, random_labels = [layer[-1:] for layer in pretrained], labels[-1:]
    yield from _judge_digits(data, W, random_net, random_labels)


def _fit(study: Study, data: Digits, labels: Array, W: Layers, pace: Array, fitted: float) -> list[Array]:
    """Leaky networks W_l (runs, ...) trained in float32 until each has a mean cross-entropy below `fitted`."""
    network = stack(widths_of(W), lambda: nn.LeakyReLU(LEAK))
    inputs = torch.tensor(data.X, dtype=torch.float32, device=study.device)
    targets = torch.tensor(labels, device=study.device)

    def loss(state: State) -> Tensor:
        f = outputs(network, state, inputs)
        return nn.functional.cross_entropy(f.mT, targets, reduction="none").mean(-1)

    start = {key: torch.tensor(layer, dtype=torch.float32) for key, layer in state_of(W).items()}
    trainee = Trainee(study, loss, start, observe=lambda state: {"loss": loss(state)})
    run = trainee.train(learning_rate=0.4 * pace, steps=20000, record=[0], stop_below=fitted)
    return [layer.astype(np.float64) for layer in layers_of(run.facts["parameters"])]


def _judge_digits(data: Digits, W: Layers, random_net: Layers, random_labels: Array) -> Iterator[Check | Curves]:
    f, (normal, normal_test) = _outputs(data, W), _normalised_outputs(data, W)
    raw, entropies = _entropies(data, f, data.y[None]), _entropies(data, (normal, normal_test), data.y[None])
    random_entropies = _entropies(data, _normalised_outputs(data, random_net), random_labels)
    gap, random_gap = (theory.gap_ratio(*each, CLASSES) for each in (entropies, random_entropies))
    entropy, entropy_test = entropies
    median = np.median(theory.margins(normal / KAPPA, np.broadcast_to(data.y, normal.shape[:-1])), axis=-1)
    error = (f[1].argmax(-1) != data.test_y).mean(-1)
    yield from _entropies_are_of_first_order(normal, data, entropy)
    left = np.log(CLASSES) - entropy
    sizes = left.max() / left.min()
    yield _differ("log 10 - normalised cross-entropy, largest over smallest", sizes).at_least(3.0)
    unnormalised = _differ("raw cross-entropy", raw[0].max() / raw[0].min())
    yield unnormalised.control("digits: raw cross-entropies differ").at_least(3.0)
    yield _differ("test error, largest start over He's", error[3] / error[1]).at_least(1.3)
    yield _differ("normalised margin, He's start over largest", median[1] / median[3]).at_least(3.0)
    because = "empirical: nearly automatic, as both are of first order in outputs that are small, and close to log 10"
    correlation = np.corrcoef(entropy, entropy_test)[0, 1]
    automatic = measured("correlation of normalised entropies", correlation, within=exactly(because), case="digits")
    yield automatic.at_least(0.99)
    within = exactly("empirical: half way between all carries over and nothing does")
    carried = measured("gap ratio of every network", gap, within=within, case="digits")
    yield carried.within_factor(2.5, because="all may carry over, and a little more").at_least(0.5)
    other = measured("gap ratio", random_gap, within=within)
    yield other.control("digits: what random labels taught carries over").at_least(0.5)
    yield curves(
        "digits",
        raw=raw,
        normalised=entropies,
        random_normalised=[each[0] for each in random_entropies],
        test_error=error,
        normalised_margin=median,
        gap_ratio=gap,
        random_gap_ratio=random_gap,
        rank_correlation=spearmanr(median, error).statistic,
        initial=np.array(INITIAL),
        corrupted=np.array(CORRUPTED),
        kappa=KAPPA,
    )


def _differ(name: str, ratio: float) -> Measured:
    """How far apart networks are; what counts as far is empirical, a threshold that is chosen and not derived."""
    within = exactly("empirical: a threshold that is chosen; the weights' sizes differ by the starts'")
    ratio_of = measured(name, ratio, within=within, case="digits")
    return ratio_of.within_factor(100, because="what is asked is that networks differ, by however much")


def _outputs(data: Digits, W: Layers) -> tuple[Array, ...]:
    """f(W; x), (runs, n, 10), of the training and of the test examples."""
    return tuple(theory.rectified_outputs(W, X, LEAK) for X in (data.X, data.test_X))


def _normalised_outputs(data: Digits, W: Layers) -> tuple[Array, ...]:
    """kappa f(V; x) of both."""
    return tuple(KAPPA * f for f in _outputs(data, polar(W).V))


def _entropies(data: Digits, f: tuple[Array, ...], labels: Array) -> list[Array]:
    """Cross-entropies (runs,) of outputs in training, with these labels, and in testing."""
    return [theory.cross_entropy(each, y) for each, y in zip(f, (labels, data.test_y[None]))]


def _entropies_are_of_first_order(f: Array, data: Digits, entropy: Array) -> Iterator[Check]:
    """Why normalised entropies of training and test data agree almost whatever is learnt."""
    beyond, bound = entropy - theory.first_order(f, data.y[None]), theory.second_order_bound(f)
    because = "Hoeffding's lemma for the mean of e^f over classes; a few roundings of log 10"
    within = Tolerance(64 * EPS, because)
    above = measured("normalised entropy beyond first order", beyond, within=within, case="digits").supporting()
    yield above.at_most(bound)
    yield replace(above, name="normalised entropy above first order").at_least(0.0, against=float(bound.max()))
    small = 0.01 * np.array([[[1.0, -1.0]]])
    sharp = theory.cross_entropy(small, np.array([[0]])) - theory.first_order(small, np.array([[0]]))
    because = "log cosh a = a^2 / 2 (1 - a^2 / 6 + ...), and a few roundings of log 2"
    within = Tolerance(2e-5 + 16 * EPS / 5e-5, because)
    ratio = sharp / theory.second_order_bound(small)
    sharp_bound = measured("Hoeffding's bound is sharp", ratio, within=within, case="two classes")
    yield sharp_bound.supporting().equals(1.0)
    tenth = measured("beyond first order", beyond, within=exactly("Hoeffding's lemma"))
    yield tenth.control("digits: a tenth of Hoeffding's bound").at_most(bound / 10)
