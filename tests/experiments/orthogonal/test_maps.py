"""Matrices the maps are tried on, and the published maps on matrices of good condition."""

import numpy as np
import pytest
import torch

from experiments.orthogonal import published_maps
from experiments.orthogonal.maps import EXACT, exact_map, of_condition, random_map, random_parameter

LIKE = torch.empty(0, dtype=torch.float64)


@pytest.mark.parametrize("name", EXACT)
def test_random_maps_are_the_maps_of_random_parameters(name: str) -> None:
    R = random_map(np.random.default_rng(0), name, 3, 4, LIKE)
    P = random_parameter(np.random.default_rng(0), name, 3, 4, LIKE)
    assert torch.equal(R, exact_map(name, 4, LIKE)(P))
    assert torch.allclose(R @ R.mT, torch.eye(4).double().expand(3, 4, 4))


def test_conditions_are_as_asked() -> None:
    s = np.linalg.svd(of_condition(np.random.default_rng(0), 2, 5, 100.0), compute_uv=False)
    assert s == pytest.approx(np.broadcast_to(np.geomspace(1, 0.01, 5), (2, 5)))


@pytest.mark.parametrize(
    "map",
    [
        published_maps.classical_gram_schmidt,
        published_maps.modified_gram_schmidt,
        published_maps.householder_reflections,
        published_maps.polar_by_singular_vectors,
        published_maps.cayley,
    ],
)
def test_published_maps_are_orthogonal(map) -> None:
    P = torch.from_numpy(of_condition(np.random.default_rng(1), 3, 4, 5.0))
    R = map(P)
    assert R.shape == P.shape
    assert torch.allclose(R @ R.mT, torch.eye(4).double().expand(3, 4, 4), atol=1e-12)
