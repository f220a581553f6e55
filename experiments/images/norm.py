"""The smallest weights that fit: certified, found from any start, and no mystery to a penalty of the right strength."""

from collections.abc import Iterator

import numpy as np

from experiments.images.descent import cross_entropy, hinge
from experiments.images.methods import Cells, Runs, Workshop
from experiments.images.settings import smallest_weights, workshop
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.images import solutions as images
from theory.images.solutions import Convergence

SCALES = (0.25, 1.0)  # of the start, over He's


@claim(
    "minnorm.images_norm",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"0 \in \partial_\varepsilon \mathcal{L}(\theta, \lambda),\quad |\theta|^2 = L \sum_i \lambda_i,"
    r"\quad |\theta|^2 \text{ the same from every start}",
    hypotheses=("rectifiers, no biases: degree L in the weights", "steps that decrease", "labels as they are"),
    controls=(
        "stopped after a tenth of the steps",
        "the gradient at one state",
        "degree 3 in place of 2",
        "cross-entropy: |theta|^2 from both starts",
        "hinge + L2, C a thirtieth of the largest multiplier",
    ),
    accepts_data="images",
)
def smallest_weights_that_fit(study: Study) -> Iterator[Check | Curves]:
    pictures, shop = workshop(study, smallest_weights(study), flipped=0.0)
    rate = (shop.budget.rate,)
    cells = Cells(rate, scales=SCALES)
    solved, free = shop.minnorm("Minnorm", cells), shop.penalised("cross-entropy", cross_entropy, cells)
    found = solved.convergence()
    stopped = shop.minnorm("stopped", Cells(rate), steps=shop.budget.steps // 10).convergence()
    yield from _certificates(found, stopped)
    yield from _eulers_identity(found, shop.budget.degree)
    yield from _starts(solved, free, found)
    yield from _margins(solved, free, shop.budget.degree)
    yield from _exact_penalty(shop, solved, found)
    yield curves(
        steps=solved.steps,
        scales=SCALES,
        images=pictures.name,
        train_size=shop.task.train.size,
        minnorm_norm=solved.records["squared_norm"],
        minnorm_violation=np.maximum(1 - solved.records["margin"], 0),
        minnorm_test=solved.records["test"],
        cross_entropy_norm=free.records["squared_norm"],
        cross_entropy_test=free.records["test"],
        certified=found.certified,
        stationarity=found.stationarity,
        radius=found.radius / np.sqrt(found.squared_norm),
        gap=found.gap / found.squared_norm,
        violation=found.violation,
        stationarity_limit=images.STATIONARITY,
        radius_limit=images.RADIUS,
        gap_limit=images.GAP,
        violation_limit=images.VIOLATION,
    )


def _certificates(found: Convergence, stopped: Convergence) -> Iterator[Check]:
    """All that the conditions of Karush, Kuhn and Tucker leave is below what `theory.images` allows."""
    size = np.sqrt(found.squared_norm)
    because = "a solution, for weights that decay to a point this far from 0, in units of |theta|"
    limit = images.STATIONARITY
    yield at_most("stationarity: mean gradient / |theta|", found.stationarity, limit, because=because)
    wrong = at_most("stationarity", stopped.stationarity.min(), limit, because=because)
    yield refuted("stopped after a tenth of the steps", wrong)
    wrong = at_most("stationarity", (found.steepness / size).min(), limit, because="rectifiers are not smooth")
    yield refuted("the gradient at one state", wrong)
    because = "the states whose gradients are averaged lie this close to the last one"
    yield at_most("radius / |theta|", found.radius / size, images.RADIUS, because=because)
    because = "sum_i lambda_i |h_i|: multipliers only where the margin is 1"
    yield at_most("complementarity gap / |theta|^2", found.gap / found.squared_norm, images.GAP, because=because)
    yield at_most("violation", found.violation, images.VIOLATION, because="of a margin of 1")


def _eulers_identity(found: Convergence, degree: int) -> Iterator[Check]:
    because = "what stationarity, gap and radius leave of theta . grad L = |theta|^2 - L sum lambda (1 - h)"
    tolerance = found.euler_error(degree)
    yield equal("L sum lambda / |theta|^2", found.euler_ratio(degree), 1.0, tolerance=tolerance, because=because)
    wrong = equal("L + 1", found.euler_ratio(degree + 1), 1.0, tolerance=tolerance, because=because)
    yield refuted(f"degree {degree + 1} in place of {degree}", wrong)


def _starts(solved: Runs, free: Runs, found: Convergence) -> Iterator[Check]:
    because = "2 x both backward errors: what convex problems of curvature 1 would allow; networks are not convex"
    tolerance = 2 * _backward_error(found).sum(1)
    name = "|theta|^2 from a start four times smaller"
    yield equal(name, _ratio(solved), 1.0, tolerance=tolerance, because=because)
    wrong = equal(name, _ratio(free), 1.0, tolerance=tolerance, because=because)
    yield refuted("cross-entropy: |theta|^2 from both starts", wrong)


def _backward_error(found: Convergence) -> Array:
    """Where the weights would have to decay to for this to be a solution, and its radius, in units of |theta|."""
    return found.stationarity + found.radius / np.sqrt(found.squared_norm)


def _ratio(runs: Runs) -> Array:
    small, large = np.moveaxis(runs.records["squared_norm"][-1], 1, 0)
    return small / large


def _margins(solved: Runs, free: Runs, degree: int) -> Iterator[Check]:
    """Both fit every example; one with smaller weights, so with the larger normalised margin."""
    fits = np.concatenate([runs.records["train"][-1] for runs in (solved, free)])
    yield at_least("training accuracy", fits, 1.0, because="every example is fitted, by cross-entropy too")
    margins = [
        images.normalised_margin(runs.records["margin"][-1], runs.records["squared_norm"][-1], degree)
        for runs in (solved, free)
    ]
    because = "the smallest weights of margin 1 are the largest normalised margin"
    yield at_least("normalised margin over that of cross-entropy", margins[0] / margins[1], 1.0, because=because)


def _exact_penalty(shop: Workshop, solved: Runs, found: Convergence) -> Iterator[Check]:
    """A hinge loss of weight C has Minnorm's solutions if no multiplier exceeds C: the penalty is exact.

    That is what the multipliers are good for: they need not know C.
    """
    largest = solved.records["multipliers"][-1, :, 1].max(-1)
    strengths = largest[:, None] * [1.2, 1 / 30]  # the mean gradient settles the later, the larger C
    penalised = shop.penalised("hinge", hinge, Cells((shop.budget.rate,), strengths))
    ratio = penalised.records["squared_norm"][-1] / solved.records["squared_norm"][-1][:, 1:]
    left, radius, squared = (penalised.records[name][-1, :, 0] for name in ("gradient", "radius", "squared_norm"))
    tolerance = 2 * ((left + radius) / np.sqrt(squared) + _backward_error(found)[:, 1])
    because = "2 x both backward errors, as from two starts"
    name = "|theta|^2 of hinge + L2, C a fifth above the largest multiplier"
    yield equal(name, ratio[:, 0], 1.0, tolerance=tolerance, because=because)
    wrong = equal(name, ratio[:, 1], 1.0, tolerance=tolerance, because=because)
    yield refuted("hinge + L2, C a thirtieth of the largest multiplier", wrong)
