"""The maps under test, by name, and the matrices they are tried on."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import MAPS, Rotation
from theory.core.arrays import Array

Map = Callable[[Tensor], Tensor]
EXACT = tuple(name for name in MAPS if name != "free")


def exact_map(name: str, d: int, like: Tensor) -> Map:
    """P (*runs, d, d) -> R by the map of that name, on the device and of the type of a tensor."""
    return Rotation(d, name, dtype=like.dtype, device=like.device).map


def random_parameter(rng: np.random.Generator, name: str, runs: int, d: int, like: Tensor) -> Tensor:
    """P (runs, d, d) with normal entries; torch's Householder map keeps signs on its diagonal."""
    P = rng.standard_normal((runs, d, d))
    if name == "householder":
        P = np.tril(P, -1) - np.eye(d)
    return torch.from_numpy(P).to(like)


def random_map(rng: np.random.Generator, name: str, runs: int, d: int, like: Tensor) -> Tensor:
    """R (runs, d, d) of a `random_parameter`."""
    return exact_map(name, d, like)(random_parameter(rng, name, runs, d, like))


def of_condition(rng: np.random.Generator, runs: int, d: int, condition: float) -> Array:
    """Matrices (runs, d, d) whose singular values fall geometrically from 1 to 1 / condition."""
    U, V = (np.linalg.qr(rng.standard_normal((runs, d, d)))[0] for _ in range(2))
    return U * np.geomspace(1, 1 / condition, d) @ V
