"""The imbalances D_l of a deep linear network are conserved by the flow; a step of descent moves them by eta^2."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from experiments.imbalance.deep_networks import deep_network
from experiments.imbalance.min2023.problems import DATA, FanOut, fan_out_training, regression, three_layers_on_data
from experiments.training.batches import layers_of
from theory.claims import AS_PRINTED, Check, Measured, Study, Tolerance, claim, measured, on_data, rounding
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack, imbalances, layer_gradients
from theory.core.trajectory import Trajectory
from theory.imbalance import three_layers


@claim(
    "min2023.conservation",
    source="Min et al. 2023, the imbalances D_l; the drift of a step is ours",
    source_kind=AS_PRINTED,
    statement=r"\frac{d}{dt} D_l = 0,\quad D_l = W_{l+1}^\top W_{l+1} - W_l W_l^\top;\quad "
    r"W_l \to W_l - \eta G_l \Rightarrow D_l \to D_l + \eta^2 (G_{l+1}^\top G_{l+1} - G_l G_l^\top),\quad "
    r"G_l = \partial L / \partial W_l",
    hypotheses=("gradient flow, or one step of gradient descent", "linear layers"),
    theory_side="identity",
    controls=(
        "imbalance drift with its two terms exchanged",
        "the sum of the squares in place of their difference",
    ),
    accepts_data="regression",
    parameters=FanOut,
)
def imbalances_of_deep_networks_are_conserved(study: Study, sizes: FanOut) -> Iterator[Check]:
    yield from _one_step(study)
    _, W, trained = fan_out_training(study, sizes)
    yield from _along_training(W, trained)
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    _, W, trained = three_layers_on_data(study)
    yield from _conserved(W, trained, case=DATA)


def _one_step(study: Study) -> Iterator[Check]:
    """D_l after one step of torch, to rounding."""
    rng, eta = study.rng("one step"), 0.01
    problem = regression(rng, rng.standard_normal((2, 3)), spread=1.5)
    W = gaussian_stack(rng, (3, 6, 5, 2), 0.5, runs=8)
    run = deep_network(study, problem, W).train(learning_rate=eta, steps=1, record=[0, 1])
    before, after = ([layer[k] for layer in layers_of(run.arrays)] for k in (0, 1))
    gradient = problem.gradient(end_to_end(before))
    predicted = three_layers.imbalance_drift(before, gradient, eta)
    terms = sum(sum(layer.shape[-2:]) for layer in before) + sum(problem.X.shape)
    size = sum(np.abs(layer).sum((-2, -1)).max() for layer in before)
    size += eta * sum(np.abs(G).sum((-2, -1)).max() for G in layer_gradients(before, gradient))
    within = rounding(terms, size**2, of="numbers no larger than the squared weights; an identity")
    for l, (new, old, drift) in enumerate(zip(imbalances(after), imbalances(before), predicted), start=1):
        moved = measured(f"drift of D_{l} in one step", new - old, within=within, axes=("run",))
        yield moved.equals(drift)
        if l == 1:
            yield moved.control("imbalance drift with its two terms exchanged").equals(-drift)


def _along_training(W: Layers, trained: Sequence[Trajectory]) -> Iterator[Check]:
    """Conserved by the flow: the drift of descent from the paper's fan-out start, extrapolated to learning rate 0."""
    yield from _conserved(W, trained)
    control = "the sum of the squares in place of their difference"
    yield _moved(_sums_of_squares, "sum", W, trained)[0].control(control).equals(0)


def _conserved(W: Layers, trained: Sequence[Trajectory], case: str = "") -> Iterator[Check]:
    sums = _moved(_sums_of_squares, "sum", W, trained)
    for moved, other in zip(_moved(imbalances, "D", W, trained), sums):
        yield replace(moved, case=case).equals(0, against=float(np.abs(other.value).max()))


def _moved(
    squares: Callable[[Layers], list[Array]], name: str, W: Layers, trained: Sequence[Trajectory]
) -> list[Measured]:
    """The drift of what is made of each two layers."""
    ends = [squares([layer[-1] for layer in layers_of(run.arrays)]) for run in trained]
    steps = max(run.facts["recorded"][-1] for run in trained)
    widths = sum(layer.shape[-2] for layer in W) + W[0].shape[-1]
    return [
        _drift(f"{name}_{l}", refined, start, widths * steps)
        for l, (refined, start) in enumerate(zip(zip(*ends), squares(W)), start=1)
    ]


def _drift(name: str, refined: Sequence[Array], start: Array, terms: int | np.integer) -> Measured:
    """What training moved, from trainings at learning rates eta, eta/2, ..., extrapolated to 0."""
    limit, error = richardson(refined)
    within = Tolerance(error.max(), "drift of descent, extrapolated: its largest last correction")
    within += rounding(terms, np.abs(start).max(), of="the squares of the weights, one of each width a step")
    return measured(f"drift of {name} over the training", limit - start, within=within, axes=("run",))


def _sums_of_squares(W: Layers) -> list[Array]:
    """W_{l+1}^T W_{l+1} + W_l W_l^T: not conserved."""
    return [after.mT @ after + before @ before.mT for before, after in pairwise(W)]
