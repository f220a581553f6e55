"""The smallest weights that fit: certified, found from any start, and no mystery to a penalty of the right strength."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.classifiers.losses import by_cell, cross_entropy, hinge
from experiments.images import settings
from experiments.images.methods import CROSS_ENTROPY, MINNORM, SLOWER, Budget, Cells, Runs, Trainer, recorded
from experiments.images.settings import Setting, prepared, require_long_enough
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    on_data,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.images.solutions import ALIKE, GAP, RADIUS, STATIONARITY, VIOLATION, Convergence, normalised_margin

SCALES = (0.25, 1.0)  # of the start, over He's
STRENGTHS = (1.2, 1 / 3)  # C over the largest multiplier; the mean gradient settles the later, the larger C


@dataclass(frozen=True)
class Sizes(settings.Sizes):
    """Of trainings that have to converge: two of them are to end at the same weights."""

    images: int = settings.IMAGES(100, smoke=40, paper=400)
    draws: int = settings.DRAWS(12, smoke=9, low=3)
    width: int = settings.WIDTH(32, paper=64)
    steps: int = settings.STEPS(1800, smoke=650, paper=4000)
    looks: int = varies("early steps that are recorded, and as many more", 9, smoke=4, low=2, high=20, from_data=True)
    learning_rate: float = settings.LEARNING_RATE(0.02, smoke=0.035)
    augmentation: float = settings.AUGMENTATION(0.1, smoke=0.08, paper=0.05)
    dual_learning_rate: float = settings.DUAL_LEARNING_RATE(0.005, smoke=0.01)

    many: ClassVar[Setting] = Setting(
        1000, 5, Budget((64,), 8000, 1000, 0.01, augmentation=0.05, dual_learning_rate=0.005)
    )


@claim(
    "minnorm.images_norm",
    source="ours, of the algorithm of Bansal et al. 2018 (abstract); Euler's identity, exact penalties",
    source_kind=OURS,
    statement=r"0 \in \partial_\varepsilon \Lambda(\theta),\quad |\theta|^2 = L \sum_i \lambda_i,"
    r"\quad |\theta|^2 \text{ the same from every start, and with a hinge loss of weight } C > \max_i \lambda_i",
    hypotheses=(
        "theta: all weights of L layers of rectifiers without biases, so that the outputs have degree L in them",
        "lambda_i: the multiplier of example i; Lambda = |theta|^2 / 2 + sum_i lambda_i (1 - margin_i)",
        "the subdifferential is Goldstein's, of gradients within epsilon of theta",
        "steps that decrease; labels as they are",
    ),
    theory_side="law",
    controls=(
        "stopped after a twentieth of the steps",
        "the gradient at one state",
        "degree 3 in place of 2",
        "normalised by degree 3 in place of 2",
        "Euler's identity 5 % off",
        "cross-entropy: |theta|^2 from both starts",
        "hinge + L2, C a third of the largest multiplier",
        "cross-entropy: normalised margin",
    ),
    accepts_data="images",
    parameters=Sizes,
)
@on_data
def smallest_weights_that_fit(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    images, trainer = prepared(study, sizes, flipped=0.0)
    rate, degree = (trainer.budget.rate,), trainer.budget.degree
    looks, early = recorded(trainer.budget.steps, sizes.looks), trainer.budget.steps // 20
    solved = trainer.minnorm(Cells(rate, scales=SCALES), record=looks)
    free, penalised = _penalised(trainer, solved, looks)
    found = solved.convergence()
    require_long_enough(study, sizes, found.certified, "reach certified solutions")
    require_long_enough(study, sizes, _fitted(solved, free) == 1, "fit every example")
    stopped = trainer.minnorm(Cells(rate), steps=early, record=[early]).convergence()
    yield from _certificates(found, stopped)
    yield from _euler(found, degree)
    yield from _starts(solved, free)
    yield from _homogeneous(solved, degree)
    yield from _exact_penalty(degree, solved, free, penalised)
    yield curves(images=images.name, train_size=trainer.task.train.size, scales=SCALES)
    yield from _drawn({MINNORM: solved, CROSS_ENTROPY: free}, found)


def _penalised(trainer: Trainer, solved: Runs, looks: list[int]) -> tuple[Runs, Runs]:
    """Cross-entropy from both starts, and the hinge loss from the larger one with C around the largest multiplier.

    Cross-entropy at the rate that it does best at: at the others' it forgets the start on one draw in three of few.
    """
    largest = solved.records["multipliers"][-1, :, 1].max(-1)
    strengths = np.insert(largest[:, None] * STRENGTHS, 0, [[np.inf], [np.inf]], axis=1)
    rates = trainer.budget.rate * np.repeat([SLOWER, 1.0], [len(SCALES), len(STRENGTHS)])
    cells = Cells(rates, strengths, (*SCALES, *[SCALES[1]] * len(STRENGTHS)))
    runs = trainer.penalised(by_cell(cross_entropy, cross_entropy, hinge, hinge), cells, record=looks)
    return runs.of_cells(slice(0, 2)), runs.of_cells(slice(2, None))


def _certificates(found: Convergence, stopped: Convergence) -> Iterator[Check]:
    """That the runs have converged: what the conditions of Karush, Kuhn and Tucker leave is below what is allowed.

    In the mean, since a run in some thousands gets stuck.
    """
    size = np.sqrt(found.squared_norm)
    decay = exactly("empirical: a solution for weights that decay to a point this far from 0, in units of |theta|")
    name = "stationarity: mean gradient / |theta|"
    yield _left(name, found.stationarity, decay).at_most(STATIONARITY)
    early = measured("stationarity", stopped.stationarity.min(), within=decay)
    yield early.control("stopped after a twentieth of the steps").at_most(STATIONARITY)
    one = measured("stationarity", (found.steepness / size).min(), within=exactly("rectifiers are not smooth"))
    yield one.control("the gradient at one state").at_most(STATIONARITY)
    near = exactly("empirical: the states whose gradients are averaged lie this close to the last one")
    yield _left("radius / |theta|", found.radius / size, near).at_most(RADIUS)
    slack = exactly("empirical: sum_i lambda_i |h_i|, multipliers only where the margin is 1")
    yield _left("complementarity gap / |theta|^2", found.gap / found.squared_norm, slack).at_most(GAP)
    yield _left("violation", found.violation, exactly("empirical: of a margin of 1")).at_most(VIOLATION)


def _left(name: str, values: Array, within: Tolerance) -> Measured:
    return measured(name, values.mean(), within=within).supporting()


def _euler(found: Convergence, degree: int) -> Iterator[Check]:
    left = "what stationarity, gap and radius leave of theta . grad Lambda = |theta|^2 - L sum lambda (1 - h)"
    within = Tolerance(found.euler_error(degree), left)
    euler = measured("L sum lambda / |theta|^2", found.euler_ratio(degree), within=within)
    yield euler.equals(1.0)
    yield euler.control("Euler's identity 5 % off").equals(1.05)
    other = measured("L + 1", found.euler_ratio(degree + 1), within=within)
    yield other.control(f"degree {degree + 1} in place of {degree}").equals(1.0)


def _starts(solved: Runs, free: Runs) -> Iterator[Check]:
    same, other = (_alike("|theta|^2 from a start four times smaller", _ratio(runs)) for runs in (solved, free))
    yield same.equals(1.0)
    yield other.control("cross-entropy: |theta|^2 from both starts").equals(1.0)


def _alike(name: str, ratio: Array) -> Measured:
    """The ratio of what two solutions have, (seeds,), in the median: now and then one ends far worse."""
    because = "empirical: rectifiers are not convex, and starts lead to solutions that differ by a few percent"
    return measured(name, float(np.median(ratio)), within=Tolerance(ALIKE, because)).resolving(
        2 * ALIKE, because=because
    )


def _ratio(runs: Runs) -> Array:
    small, large = np.moveaxis(runs.records["squared_norm"][-1], 1, 0)
    return small / large


def _exact_penalty(degree: int, solved: Runs, free: Runs, penalised: Runs) -> Iterator[Check]:
    """A hinge loss of weight C has Minnorm's solutions if no multiplier exceeds C: the penalty is exact.

    That is what the multipliers are good for: they need not know C. As the smallest weights of margin 1 they have the
    largest normalised margin; the hinge loss comes to the same one, cross-entropy to a smaller.
    """
    ratio = penalised.records["squared_norm"][-1] / solved.records["squared_norm"][-1][:, 1:]
    yield _alike("|theta|^2 of hinge + L2, C a fifth above the largest multiplier", ratio[:, 0]).equals(1.0)
    weaker = _alike("|theta|^2 of hinge + L2", ratio[:, 1])
    yield weaker.control("hinge + L2, C a third of the largest multiplier").equals(1.0)
    fitted = exactly("every example is fitted, by cross-entropy too")
    yield measured("training accuracy", _fitted(solved, free), within=fitted).supporting().at_least(1.0)
    margin = _margin(solved, degree)[:, 1]
    exact, other = _margin(penalised, degree)[:, 0], _margin(free, degree)[:, 1]
    yield _alike("normalised margin over that of hinge + L2", margin / exact).equals(1.0)
    yield _alike("normalised margin", other / margin).control("cross-entropy: normalised margin").equals(1.0)


def _fitted(solved: Runs, free: Runs) -> Array:
    """Shares of the examples that Minnorm fits, and cross-entropy: (2 seeds, starts)."""
    return np.concatenate([runs.records["train"][-1] for runs in (solved, free)])


def _homogeneous(solved: Runs, degree: int) -> Iterator[Check]:
    """f(2 theta) = 2^L f(theta), so that only with the network's own degree scale drops out of the normalised margin.

    Twice a number rounds nothing: only logarithms and powers do, whose arguments are some units in the last place off.
    """

    def ratio(degree: int) -> Measured:
        twice = _margin(solved, degree, " of twice") / _margin(solved, degree)
        return measured(
            "normalised margin of 2 theta, over that of theta",
            twice,
            within=rounding(64, of="logarithms and powers, in units of 1"),
        )

    yield ratio(degree).equals(1.0)
    yield ratio(degree + 1).control("normalised by degree 3 in place of 2").equals(1.0)


def _margin(runs: Runs, degree: int, of: str = "") -> Array:
    """Normalised margins (seeds, cells) at the end, of the weights or `of` twice."""
    margin, squared = (runs.records[name + of][-1].astype(np.float64) for name in ("margin", "squared_norm"))
    return normalised_margin(margin, squared, degree)


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
