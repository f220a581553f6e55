"""The smallest weights that fit: certified, found from any start, and no mystery to a penalty of the right strength."""

from collections.abc import Iterator

import numpy as np

from experiments.images.descent import cross_entropy, hinge
from experiments.images.methods import CROSS_ENTROPY, MINNORM, Cells, Runs, Trainer
from experiments.images.settings import SMALLEST_WEIGHTS, prepared
from theory.claims import Check, Curves, Study, Tolerance, claim, curves, exactly, measured
from theory.core.arrays import Array
from theory.images.solutions import GAP, RADIUS, STATIONARITY, VIOLATION, Convergence, normalised_margin

SCALES = (0.25, 1.0)  # of the start, over He's


@claim(
    "minnorm.images_norm",
    source="Bansal et al. 2018, abstract, on MNIST (experiment ours: no other text was at hand)",
    statement=r"0 \in \partial_\varepsilon \mathcal{L}(\theta, \lambda),\quad |\theta|^2 = L \sum_i \lambda_i,"
    r"\quad |\theta|^2 \text{ the same from every start}",
    hypotheses=("rectifiers, no biases: degree L in the weights", "steps that decrease", "labels as they are"),
    theory_side="law",
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
    images, trainer = prepared(study, SMALLEST_WEIGHTS, flipped=0.0)
    rate, degree = (trainer.budget.rate,), trainer.budget.degree
    cells = Cells(rate, scales=SCALES)
    solved, free = trainer.minnorm(cells), trainer.penalised(cross_entropy, cells)
    found = solved.convergence()
    stopped = trainer.minnorm(Cells(rate), steps=trainer.budget.steps // 10).convergence()
    yield from _certificates(found, stopped)
    euler = measured("L sum lambda / |theta|^2", found.euler_ratio(degree), within=_euler_error(found, degree))
    yield euler.equals(1.0)
    other = measured("L + 1", found.euler_ratio(degree + 1), within=euler.within)
    yield other.control(f"degree {degree + 1} in place of {degree}").equals(1.0)
    yield from _starts(solved, free, found)
    yield from _margins(solved, free, degree)
    yield from _exact_penalty(trainer, solved, found)
    yield curves(images=images.name, train_size=trainer.task.train.size, scales=SCALES)
    yield from _drawn({MINNORM: solved, CROSS_ENTROPY: free}, found)


def _certificates(found: Convergence, stopped: Convergence) -> Iterator[Check]:
    """All that the conditions of Karush, Kuhn and Tucker leave is below what `theory.images` allows."""
    axes, size = ("seed", "start"), np.sqrt(found.squared_norm)
    decay = exactly("a solution, for weights that decay to a point this far from 0, in units of |theta|")
    stationarity = measured("stationarity: mean gradient / |theta|", found.stationarity, within=decay, axes=axes)
    yield stationarity.at_most(STATIONARITY)
    early = measured("stationarity", stopped.stationarity.min(), within=decay)
    yield early.control("stopped after a tenth of the steps").at_most(STATIONARITY)
    one = measured("stationarity", (found.steepness / size).min(), within=exactly("rectifiers are not smooth"))
    yield one.control("the gradient at one state").at_most(STATIONARITY)
    near = exactly("the states whose gradients are averaged lie this close to the last one")
    yield measured("radius / |theta|", found.radius / size, within=near, axes=axes).at_most(RADIUS)
    slack = exactly("sum_i lambda_i |h_i|: multipliers only where the margin is 1")
    gap = found.gap / found.squared_norm
    yield measured("complementarity gap / |theta|^2", gap, within=slack, axes=axes).at_most(GAP)
    yield measured("violation", found.violation, within=exactly("of a margin of 1"), axes=axes).at_most(VIOLATION)


def _euler_error(found: Convergence, degree: int) -> Tolerance:
    left = "what stationarity, gap and radius leave of theta . grad L = |theta|^2 - L sum lambda (1 - h)"
    return Tolerance(found.euler_error(degree), left)


def _starts(solved: Runs, free: Runs, found: Convergence) -> Iterator[Check]:
    because = "2 x both backward errors: what convex problems of curvature 1 would allow; networks are not convex"
    within = Tolerance(2 * _backward_error(found).sum(1), because)
    same, other = (
        measured("|theta|^2 from a start four times smaller", _ratio(runs), within=within, axes=("seed",))
        for runs in (solved, free)
    )
    yield same.equals(1.0)
    yield other.control("cross-entropy: |theta|^2 from both starts").equals(1.0)


def _backward_error(found: Convergence) -> Array:
    """Where the weights would have to decay to for this to be a solution, and its radius, in units of |theta|."""
    return found.stationarity + found.radius / np.sqrt(found.squared_norm)


def _ratio(runs: Runs) -> Array:
    small, large = np.moveaxis(runs.records["squared_norm"][-1], 1, 0)
    return small / large


def _margins(solved: Runs, free: Runs, degree: int) -> Iterator[Check]:
    """Both fit every example; one with smaller weights, so with the larger normalised margin."""
    fits = np.concatenate([runs.records["train"][-1] for runs in (solved, free)])
    fitted = exactly("every example is fitted, by cross-entropy too")
    yield measured("training accuracy", fits, within=fitted).at_least(1.0)
    margins = [
        normalised_margin(runs.records["margin"][-1], runs.records["squared_norm"][-1], degree)
        for runs in (solved, free)
    ]
    largest = exactly("the smallest weights of margin 1 are the largest normalised margin")
    ratio = measured("normalised margin over that of cross-entropy", margins[0] / margins[1], within=largest)
    yield ratio.at_least(1.0)


def _exact_penalty(trainer: Trainer, solved: Runs, found: Convergence) -> Iterator[Check]:
    """A hinge loss of weight C has Minnorm's solutions if no multiplier exceeds C: the penalty is exact.

    That is what the multipliers are good for: they need not know C.
    """
    largest = solved.records["multipliers"][-1, :, 1].max(-1)
    strengths = largest[:, None] * [1.2, 1 / 30]  # the mean gradient settles the later, the larger C
    penalised = trainer.penalised(hinge, Cells((trainer.budget.rate,), strengths))
    ratio = penalised.records["squared_norm"][-1] / solved.records["squared_norm"][-1][:, 1:]
    left, radius, squared = (penalised.records[name][-1, :, 0] for name in ("gradient", "radius", "squared_norm"))
    error = 2 * ((left + radius) / np.sqrt(squared) + _backward_error(found)[:, 1])
    within = Tolerance(error, "2 x both backward errors, as from two starts")
    name = "|theta|^2 of hinge + L2, C a fifth above the largest multiplier"
    yield measured(name, ratio[:, 0], within=within, axes=("seed",)).equals(1.0)
    weaker = measured("|theta|^2 of hinge + L2", ratio[:, 1], within=within, axes=("seed",))
    yield weaker.control("hinge + L2, C a thirtieth of the largest multiplier").equals(1.0)


def _drawn(trained: dict[str, Runs], found: Convergence) -> Iterator[Curves]:
    """Norms and violations along training, (T, starts), over the seeds; and what is left over what is allowed."""
    for name, runs in trained.items():
        squared, violation = runs.records["squared_norm"], np.maximum(1 - runs.records["margin"], 0)
        steps = np.maximum(runs.steps, 1)  # that of the start has a place on a logarithmic axis
        yield curves(name, steps=steps, squared_norm=squared, violation=violation, test=runs.records["test"])
        yield curves(name, mean_norm=squared.mean(1), least_norm=squared.min(1), largest_norm=squared.max(1))
        shown = np.maximum(violation, 1e-5)
        yield curves(name, mean_violation=shown.mean(1), least_violation=shown.min(1), largest_violation=shown.max(1))
    for name, left, limit in (
        ("stationarity", found.stationarity, STATIONARITY),
        ("radius", found.radius / np.sqrt(found.squared_norm), RADIUS),
        ("gap", found.gap / found.squared_norm, GAP),
        ("violation", found.violation, VIOLATION),
    ):
        yield curves(name, left=left, limit=limit, share=left / limit)
    yield curves(certified=found.certified)
