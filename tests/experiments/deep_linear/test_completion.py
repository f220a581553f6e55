"""Constraints at the known entries only."""

import numpy as np
import torch

from experiments.deep_linear.completion import Known
from experiments.training.batches import state_of
from theory.core.linear_networks import end_to_end, gaussian_stack
from theory.deep_linear.completion import planted

KNOWN = np.add.outer(np.arange(4), np.arange(5)) % 3 > 0


def test_violations_are_those_of_the_known_entries() -> None:
    rng = np.random.default_rng(0)
    problem, _ = planted(KNOWN, 1.5, rng)
    W = gaussian_stack(rng, [5, 3, 4], 1.0, runs=2)
    state = {name: torch.tensor(layer) for name, layer in state_of(W).items()}
    h = Known(problem, W, "cpu")(state)
    assert np.allclose(h.mT.numpy(), problem.violation(end_to_end(W)))
    assert not h.mT.numpy()[:, ~KNOWN].any()
