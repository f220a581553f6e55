"""Inputs, labels and sizes that claims on the kernel share."""

from dataclasses import dataclass

import numpy as np

from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.kernel.inputs import Inputs, random_inputs

CANDIDATES = 30
DENSEST = 3  # examples an input: beyond, lambda_0 is so small that training takes for ever


@dataclass(frozen=True)
class Sizes:
    """Of the problem: inputs uniform on a sphere."""

    examples: int = varies("n", 8, low=2, high=40)
    inputs: int = varies("of the network, d", 6, low=2, high=40)

    def __post_init__(self) -> None:
        if self.examples > DENSEST * self.inputs:
            reject("examples", self.examples, f"at most {DENSEST} times the inputs {self.inputs}")


def draw_inputs(study: Study, sizes: Sizes) -> Inputs:
    """Of these sizes: of `CANDIDATES` draws that with the largest lambda_0, without which no width here is large."""
    rng = study.rng("inputs")
    candidates = (random_inputs(sizes.examples, sizes.inputs, rng) for _ in range(CANDIDATES))
    return max(candidates, key=lambda inputs: inputs.least)


def signed_numbers(study: Study, n: int, *cell: str) -> Array:
    """Labels, or residuals (n,): of either sign and sizes between 1/2 and 3/2."""
    rng = study.rng(*(cell or ("labels",)))
    return rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n)


def in_chunks(runs: int, m: int, n: int, numbers: float = 4e6) -> list[int]:
    """`runs` divided into as few chunks as keep activations m x n of each below this many numbers."""
    chunks = int(np.ceil(runs * m * n / numbers))
    return [len(part) for part in np.array_split(np.arange(runs), min(max(chunks, 1), runs))]
