"""Balance on handwritten digits: networks of the same function at the start, with and without it, fitted alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.descent import single_precision
from experiments.classifiers.examples import Examples, group_outputs
from experiments.classifiers.losses import cross_entropy
from experiments.classifiers.paired import drawn, paired
from experiments.classifiers.tasks import Split, Task, draw
from experiments.data.idx import load_digits
from experiments.training import GradientDescent, State
from experiments.training.batches import stack
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.validation import reject
from theory.homogeneous.decomposition import Polar, polar, weights

STEPS = 1000  # at most, at kappa = 1; a fit takes a tenth
LEAK = 0.1  # of the rectified units: without it, one start in a few hundred has an example that no unit sees
LOOK = 32  # steps between looks at whether all are fitted
FEWER = 6  # of the draws, one in so many is trained at the smaller learning rate, which takes long


@dataclass(frozen=True)
class Sizes:
    """Of scikit-learn's digits, of the networks, and of their training; chosen on draws that are not judged."""

    images: int = varies("to train on", 100, smoke=60, low=40, high=300)
    draws: int = varies("of images and starts", 64, low=24, high=200)
    depths: tuple[int, ...] = varies("L", (2, 3), smoke=(3,), low=2, high=5)
    width: int = varies("of hidden layers", 32, smoke=24, low=16, high=128)
    imbalance: float = varies("kappa, by which the first layer is multiplied and the last divided", 4.0, low=3, high=8)
    learning_rate: float = varies("at kappa = 1; divided by its square else", 0.2, smoke=0.3, low=0.02, high=0.3)
    fitted: float = varies("cross-entropy at which training stops", 0.05, smoke=0.1, low=0.02, high=0.3)
    bound: float = varies("difference of the errors that is to be exceeded", 0.02, low=0.0, high=0.05)

    def __post_init__(self) -> None:
        if len(set(self.depths)) < len(self.depths):
            reject("depths", self.depths, "different ones")


@claim(
    "banburski2019.balance_on_digits",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract; the comparison is ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"E\,[\text{error}(\kappa) - \text{error}(1)] > \delta,\quad W_1 \to \kappa W_1,\ W_L \to W_L / \kappa"
    r" \text{ at the start},\ L \text{ layers}",
    hypotheses=(
        "scikit-learn's digits; leaky rectified networks without biases, started as He does, in pairs of one function",
        "plain gradient descent on all images to one cross-entropy; learning rate over kappa^2, as is curvature",
        "delta a named bound; error the share of 1000 other images that is misclassified",
    ),
    theory_side="bound",
    controls=("layers normalised at the start", "a learning rate smaller by kappa^2"),
    parameters=Sizes,
)
def unbalanced_starts_generalise_worse(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    looks = len(sizes.depths) + 2
    task = draw(load_digits(), study.rng("task"), train=sizes.images, validation=1, seeds=sizes.draws, flipped=0.0)
    for depth in sizes.depths:
        even = _start(study, sizes, depth)
        uneven, slow = _scaled(even, sizes.imbalance), sizes.learning_rate / sizes.imbalance**2
        balanced = _error(study, sizes, task, even, sizes.learning_rate)
        unbalanced = _error(study, sizes, task, uneven, slow)
        name, case = f"error at kappa = {sizes.imbalance:g} less that of balanced layers", f"L = {depth}"
        yield paired(name, unbalanced - balanced, looks=looks, case=case).above(sizes.bound)
        yield drawn(case, unbalanced - balanced, sizes.bound, looks=looks)
        yield curves(f"errors, {case}", balanced=balanced, unbalanced=unbalanced)
        if depth == sizes.depths[0]:
            yield _same_function(study, sizes, task, even, uneven)
            again = _error(study, sizes, task, _normalised(uneven, even), sizes.learning_rate)
            control = paired(name, again - balanced, looks=looks).control("layers normalised at the start")
            yield control.above(sizes.bound)
            few, fewer = _first(task, even, sizes.draws // FEWER)
            slower = _error(study, sizes, few, fewer, slow) - balanced[: sizes.draws // FEWER]
            control = paired(name, slower, looks=looks).control("a learning rate smaller by kappa^2")
            yield control.above(sizes.bound)
            yield curves("a learning rate smaller by kappa^2", differences=slower)


def _start(study: Study, sizes: Sizes, depth: int) -> list[Array]:
    """W_l (draws, h_l, h_{l-1}) with entries of variance 2 / h_{l-1} (He et al. 2015)."""
    widths = (64, *[sizes.width] * (depth - 1), 10)
    scales = [float(np.sqrt(2 / before)) for before in widths[:-1]]
    return gaussian_stack(study.rng("start", depth), widths, scales, runs=sizes.draws)


def _scaled(W: Layers, kappa: float) -> list[Array]:
    """The first layer kappa times as large, the last as much smaller."""
    return [kappa * W[0], *W[1:-1], W[-1] / kappa]


def _normalised(W: Layers, like: Layers) -> list[Array]:
    """The directions of the layers W, in the sizes |W_k|_F of others."""
    return weights(Polar(polar(like).rho, polar(W).V))


def _first(task: Task, W: Layers, draws: int) -> tuple[Task, list[Array]]:
    """The first draws of a task, and their layers."""
    train, test = (replace(split, x=split.x[:draws], y=split.y[:draws]) for split in (task.train, task.test))
    return replace(task, train=train, test=test, true=task.true[:draws]), [layer[:draws] for layer in W]


def _same_function(study: Study, sizes: Sizes, task: Task, one: Layers, other: Layers) -> Check:
    """Outputs of the two starts on the images to train on."""
    network, examples = _network(one), _examples(study, task.train)
    f, g = (
        group_outputs(network, {f"W{l}": torch.tensor(layer) for l, layer in enumerate(W, 1)}, examples.x.double())
        for W in (one, other)
    )
    within = Tolerance(1e-12 * float(f.abs().max()), "roundings of sums over inputs and units")
    same = measured("outputs at the start, kappa and 1", g.numpy(), within=within).supporting()
    return same.equals(f.numpy())


def _error(study: Study, sizes: Sizes, task: Task, W: Layers, learning_rate: float) -> Array:
    """Share of the test images (draws,) misclassified, once the cross-entropy is that of a fit."""
    network, learning, testing = _network(W), _examples(study, task.train), _examples(study, task.test)

    def loss(state: State) -> Tensor:
        return cross_entropy(group_outputs(network, state, learning.x), learning.labels).mean(-1)

    trainee = single_precision(study, loss, W, GradientDescent(loss), lambda state: {})
    steps = int(np.ceil(STEPS * sizes.learning_rate / learning_rate))
    looks = range(0, steps, LOOK)  # whether any run is left
    run = trainee.train(learning_rate=learning_rate, steps=steps, record=looks, stop_below=sizes.fitted)
    late = int((run.facts["steps"] == steps).sum())
    if late:
        study.remark(f"{late} of {len(W[0])} networks were not fitted in {steps} steps, and count as they are")
    end = {name: torch.tensor(layer, device=study.device) for name, layer in run.facts["parameters"].items()}
    return 1 - testing.accuracy(network, end).cpu().numpy()


def _network(W: Layers) -> nn.Sequential:
    return stack([W[0].shape[-1], *[layer.shape[-2] for layer in W]], lambda: nn.LeakyReLU(LEAK))


def _examples(study: Study, split: Split) -> Examples:
    return Examples(split, 1, split.size, study.rng("batches"), study.device)
