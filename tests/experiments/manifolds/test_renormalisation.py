"""The slowest motion at the least loss: its curvature is the least of the Hessian's that is not 0."""

import numpy as np
import pytest
import torch

from experiments.classifiers.losses import cross_entropy
from experiments.manifolds.networks import SPACES
from experiments.manifolds.renormalisation import DEPTH, F, slowest
from theory.manifolds import norms


@pytest.mark.parametrize(("manifold", "K"), [("Stiefel", 2), ("Stiefel", 4), ("sphere", 2)])
def test_the_slowest_motion_is_that_of_the_hessian(manifold: norms.Manifold, K: int) -> None:
    space, y = SPACES[manifold], torch.arange(K)
    corners = torch.tensor((np.eye(K) - 1 / K) * (K / (K - 1)) ** 0.5)
    best = torch.eye(K, dtype=torch.float64) if manifold == "Stiefel" else corners[:1].mT @ corners[:1]

    def loss(moved: torch.Tensor) -> torch.Tensor:
        f = F * corners
        for v in moved.unflatten(0, (DEPTH, K, K)):
            f = f @ space.exponential(best, space.tangent(best, v))
        return cross_entropy(f, y).mean()

    hessian = torch.autograd.functional.hessian(loss, torch.zeros(DEPTH * K * K, dtype=torch.float64))
    curvatures = torch.linalg.eigvalsh(hessian).numpy()
    assert curvatures.min() > -1e-9
    assert curvatures[curvatures > 1e-9].min() == pytest.approx(slowest(manifold, K), rel=1e-6)
