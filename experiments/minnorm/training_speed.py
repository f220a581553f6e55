"""Gradients to the largest margin, each method at the best of equally many settings: Minnorm against five others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from experiments.classifiers.paired import drawn, paired
from experiments.minnorm.arrivals import gradients_until
from experiments.minnorm.classifiers import (
    BoxedMinnorm,
    MomentumDescent,
    Steps,
    away_from,
    grouped_margins,
)
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.core.arrays import Array
from theory.core.separable import Separable, labelled_by_a_teacher
from theory.core.validation import reject
from theory.shallow import heavy_ball

DESCENT, NORMALISED, MOMENTUM, ACCELERATED, CONTINUED = OTHERS = (
    "gradient descent",
    "loss-normalised",
    "loss-normalised, momentum",
    "dual acceleration",
    "annealed L2",
)
ALTERNATING, SIMULTANEOUS, SUPPORT = "Minnorm", "Minnorm, simultaneous", "Minnorm, steps for the support alone"
METHODS = (*OTHERS, SIMULTANEOUS, ALTERNATING)
ERRORS = (0.1, 0.03, 0.01, 0.003, 1e-3)  # of the direction; the last is judged
LARGE, SMALL = 0, -1
LOOKS = len(OTHERS) + 3
WELL, BADLY = 20, 80  # condition numbers of the support's Gram matrix
CLEAR = 0.1  # the others' slack: one that is nearly on the margin shows on which side it is only after very long


@dataclass(frozen=True)
class Race:
    """Random problems, and how long each method has."""

    draws: int = varies("random problems", 160, smoke=96, paper=400, low=64, high=500)
    examples: int = varies("of a problem, with a teacher's labels", 40, low=10, high=100)
    inputs: int = varies("of each example", 8, low=3, high=20)
    settings: int = varies("of each method, on each problem: a square number", 16, smoke=9, low=9, high=49)
    budget: int = varies("gradients at most", 800, smoke=220, paper=2000, low=200, high=5000)

    def __post_init__(self) -> None:
        if self.side**2 != self.settings:
            reject("settings", self.settings, "a square number: as many of one rate as of another")

    @property
    def side(self) -> int:
        return round(np.sqrt(self.settings))


@claim(
    "minnorm.training_speed",
    source="Bansal et al. 2018, abstract (reconstruction: the setting is ours); Ji, Srebro & Telgarsky 2021",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"N(\epsilon) \text{ gradients until } \big|\tfrac{w}{|w|} - \tfrac{\hat w}{|\hat w|}\big| \le \epsilon"
    r" \text{ for good}, \quad \hat w \text{ the smallest with } y_i \hat w \cdot x_i \ge 1:\quad"
    r" E \log N_m(\epsilon) > E \log N_{\text{Minnorm}}(\epsilon), \epsilon = 10^{-3},\ m: \text{ gradient descent,"
    r" loss-normalised, with momentum, dual acceleration, annealed L2}",
    hypotheses=(
        "shallow: w linear in x, |x| at most 1, separable; condition of the support's Gram matrix in [20, 80]",
        "examples off the support clear its margin by a tenth",
        "full batches, from w = 0; N at the best of equally many settings of a grid, on each problem",
        "Minnorm alternates: its multipliers move after the weights, its steps are bounded by the norm of all examples",
        "small errors; on chains, minnorm.chain_times",
    ),
    theory_side="law",
    controls=(
        "simultaneous steps are faster than dual acceleration",
        "steps for the support alone are faster than dual acceleration",
        "Minnorm is faster to an error of 0.1",
    ),
    parameters=Race,
)
def minnorm_takes_fewer_gradients(study: Study, race: Race) -> Iterator[Check | Curves]:
    problem = _problems(study, race)
    counts = _counted(study, race, problem)
    logs = {name: np.log(np.maximum(count, 1)) for name, count in counts.items()}
    for method in OTHERS:
        saved = logs[method][:, SMALL] - logs[ALTERNATING][:, SMALL]
        yield paired(f"log gradients to 0.001, {method} less Minnorm", saved, looks=LOOKS).above(0.0)
        yield drawn(f"{method} less Minnorm", saved, 0.0, looks=LOOKS)
    accelerated = logs[ACCELERATED][:, SMALL]
    slower = paired("log gradients, dual acceleration less", accelerated - logs[SIMULTANEOUS][:, SMALL], looks=LOOKS)
    yield slower.control("simultaneous steps are faster than dual acceleration").above(0.0)
    slower = paired("log gradients, dual acceleration less", accelerated - logs[SUPPORT][:, SMALL], looks=LOOKS)
    yield slower.control("steps for the support alone are faster than dual acceleration").above(0.0)
    yield from _large_errors(logs)
    yield curves(methods=METHODS, errors=ERRORS, budget=race.budget, condition=problem.condition)
    for method, count in counts.items():
        low, middle, high = np.quantile(count, (0.1, 0.5, 0.9), axis=0)
        yield curves(f"gradients, {method}", count=count, fewest=low, median=middle, most=high)


def _large_errors(logs: Mapping[str, Array]) -> Iterator[Check | Curves]:
    first = np.minimum(logs[MOMENTUM][:, LARGE], logs[ACCELERATED][:, LARGE])
    saved, name = first - logs[ALTERNATING][:, LARGE], "Minnorm is faster to an error of 0.1"
    condition = "errors of 0.001: to 0.1 momentum or dual acceleration, whichever is first, is no slower"
    sentence = paired("log gradients to 0.1, momentum or acceleration less Minnorm", saved, looks=LOOKS)
    yield sentence.unconditioned(name, condition=condition).above(0.0)
    yield drawn(name, saved, 0.0, looks=LOOKS)


def _problems(study: Study, race: Race) -> Separable:
    """Gaussian examples with a teacher's labels, the longest of length 1, neither well nor badly conditioned."""
    rng, found = study.rng("problems"), []
    while sum(map(len, found)) < race.draws:
        Z = labelled_by_a_teacher(rng, n=race.examples, d=race.inputs, runs=race.draws, least=0.3)
        Z = Z / np.linalg.norm(Z, axis=-1).max(-1)[:, None, None]
        problems = Separable(Z)
        clear = np.where(problems.support, np.inf, problems.slack).min(-1) > CLEAR
        found.append(Z[(problems.condition > WELL) & (problems.condition < BADLY) & clear])
        # One in five fits: that so few of all that were drawn do by chance is rarer than one seed in 400 000.
        if sum(map(len, found)) < 0.01 * len(found) * race.draws:
            reject("examples", race.examples, f"numbers whose condition is mostly between {WELL} and {BADLY}")
    return Separable(np.concatenate(found)[: race.draws])


def _counted(study: Study, race: Race, problem: Separable) -> dict[str, Array]:
    """Gradients (problems, errors) at the best setting; `budget` + 1 where there is none that arrives."""
    margins = grouped_margins(problem.Z, study.device)
    descent = MomentumDescent(margins, Steps(**_descents(race)))
    minnorm = BoxedMinnorm(margins, *(each.ravel() for each in _minnorms(race, problem)))
    directions = problem.w * problem.margin[:, None]
    counts = []
    for rule, cells in ((descent, len(OTHERS) * race.settings), (minnorm, 2 * race.settings + 1)):
        start = torch.zeros(race.draws * cells, race.inputs, dtype=torch.float64)
        error = away_from(directions, cells, study.device)
        counts.append(gradients_until(study, rule, start, error, ERRORS, race.budget).reshape(race.draws, cells, -1))
    of_methods, alone = np.split(np.concatenate(counts, axis=1), [-1], axis=1)
    best = of_methods.reshape(race.draws, len(METHODS), race.settings, -1).min(2)
    return {method: best[:, i] for i, method in enumerate(METHODS)} | {SUPPORT: alone[:, 0]}


def _descents(race: Race) -> dict[str, Array]:
    """Settings (problems x methods x settings,) of the five others: the same on every problem."""
    side, every = race.side, race.settings
    rate = {
        DESCENT: np.geomspace(0.1, 64, every),
        NORMALISED: np.geomspace(1, 32, every),
        MOMENTUM: np.geomspace(0.5, 16, every),
        ACCELERATED: np.geomspace(0.5, 32, every),
        CONTINUED: np.repeat(np.geomspace(1, 32, side), side),
    }
    none = np.zeros(every)
    decay = np.tile(np.geomspace(0.3, 3, side), side) / rate[CONTINUED]
    momentum = {MOMENTUM: none + 0.9, ACCELERATED: none + np.inf}
    each = {
        "rate": [rate[name] for name in OTHERS],
        "power": [none + (name == DESCENT) for name in OTHERS],
        "momentum": [momentum.get(name, none) for name in OTHERS],
        "decay": [decay if name == CONTINUED else none for name in OTHERS],
    }
    return {name: np.tile(np.concatenate(numbers), race.draws) for name, numbers in each.items()}


def _minnorms(race: Race, problem: Separable) -> tuple[Array, Array, Array]:
    """A, B, and whether they alternate: settings of both Minnorms, and one more (problems, 2 x settings + 1).

    Shares of the largest stable B for the norm of all examples, and the best steps for the support's spectrum.
    """
    side = race.side
    largest = np.linalg.norm(problem.Z, ord=2, axis=(1, 2))[:, None] ** 2
    share = np.tile(np.linspace(0.5, 0.95, side), side)
    slow, fast = (np.repeat(np.geomspace(*ends, side), side) for ends in ((0.01, 1.2), (0.04, 0.4)))
    best = heavy_ball.best_alternating(*problem.gram_range)
    rows = (len(largest), 1)
    A = np.hstack([np.tile(slow, rows), np.tile(fast, rows), best.A[:, None]])
    together = share * heavy_ball.simultaneous_limit(largest)
    in_turn = share * heavy_ball.alternating_limit(*np.broadcast_arrays(largest, fast))
    B = np.hstack([together, in_turn, best.B[:, None]])
    return A, B, np.tile(np.repeat([False, True], (side**2, side**2 + 1)), rows)
