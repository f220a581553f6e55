"""The user's own labelled examples for networks: inputs of any scale, starts that suit them."""

from collections.abc import Sequence

import numpy as np

from experiments.data import budget
from experiments.data.hypotheses import of_examples
from experiments.data.labelled import load_labelled
from experiments.data.separation import separated
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack
from theory.core.validation import InvalidArgument, reject

RUNS = {"smoke": 1, "quick": 2, "paper": 4}  # starts, that a profile has the time for
MOST_NUMBERS = 10**7  # of one training, that are kept


def examples(study: Study) -> tuple[Array, Array]:
    """Inputs (n, d) and labels (n,), -1 and 1; what they violate is said, and whether a linear network can fit them."""
    labelled = load_labelled(study.data)  # type: ignore[arg-type]
    for line in of_examples(labelled):
        study.remark(line)
    try:
        fits = separated(study.data, labelled.Z) is not None  # type: ignore[arg-type]
        study.remark(f"{'' if fits else 'not '}separable by a linear network without bias")
    except InvalidArgument as error:
        study.remark(f"separable or not: {error}")
    return labelled.X, np.where(labelled.labels == 1, 1.0, -1.0)


def layers(rng: np.random.Generator, X: Array, widths: Sequence[int], runs: int) -> Layers:
    """Random layers of equal size that have outputs of about 1 on the longest input.

    Of twenty draws a run those whose rectified network lets most of the examples by: many draws let none by where all
    inputs are positive.
    """
    scales = [1 / np.linalg.norm(X, axis=1).max(), *(1 / np.sqrt(width) for width in widths[1:-1])]
    drawn = gaussian_stack(rng, widths, scales, runs=20 * runs)
    passed = X
    for layer in drawn[:-1]:
        passed = np.maximum(passed @ layer.mT, 0)
    alive = ((passed @ drawn[-1].mT)[..., 0] != 0).mean(1)
    chosen = np.argsort(-alive, kind="stable")[:runs]
    sizes = [np.linalg.norm(layer[chosen], axis=(-2, -1), keepdims=True) for layer in drawn]
    alike = np.prod(sizes, axis=0) ** (1 / len(drawn))
    return [layer[chosen] * alike / size for layer, size in zip(drawn, sizes)]


def seconds(X: Array, W: Layers, steps: int) -> float:
    """Of one training, on one core."""
    multiplications = 6 * len(X) * sum(layer.size for layer in W)
    return steps * (5e-4 + multiplications / 2e9)


def affordable(study: Study, X: Array, W: Layers, steps: int) -> int:
    """So many steps, or as many as this profile has the time for.

    Raises:
        InvalidArgument: not even a hundred.
    """
    each = seconds(X, W, 1)
    most = int(budget.allowed(study) / each)
    if most < min(steps, 100):
        expected = f"a hundred steps in {budget.allowed(study)} seconds, not {each:.2g} seconds each: choose fewer rows"
        reject(f"data {study.data}: X.shape", X.shape, f"{expected} or columns{budget.longer_profile(100 * each)}")
    budget.say_before(study, each * min(steps, most))
    return min(steps, most)
