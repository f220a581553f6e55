"""Norms by torch, and points of the manifolds to take them of."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.manifolds.networks import SPACES, tensor
from theory.claims import Study
from theory.manifolds import norms

TORCH_NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "Frobenius": torch.linalg.matrix_norm,
    "spectral": lambda w: torch.linalg.matrix_norm(w, 2),
    "(2,1)": lambda w: torch.linalg.vector_norm(w, dim=-2).sum(-1),
    "nuclear": lambda w: torch.linalg.matrix_norm(w, "nuc"),
    "column l1": lambda w: torch.linalg.matrix_norm(w, 1),
    "row l1": lambda w: torch.linalg.matrix_norm(w, torch.inf),
    "entrywise l1": lambda w: w.abs().sum((-2, -1)),
}


def drawn_points(study: Study, manifold: norms.Manifold, A: int, B: int, draws: int) -> Tensor:
    """Projected |x|^power sign x: nearly signs, normal, nearly sparse."""
    x = study.rng(manifold, A, B).standard_normal((3, draws // 3 + 1, A, B))
    shaped = np.sign(x) * np.abs(x) ** np.array([0.05, 1, 8]).reshape(3, 1, 1, 1)
    return SPACES[manifold].project(tensor(study, shaped.reshape(-1, A, B)))
