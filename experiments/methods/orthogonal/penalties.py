"""Orthogonality as a penalty on a free matrix R (*runs, d, d): added to the loss, with a weight of its own."""

import torch
from torch import Tensor

from experiments.methods.orthogonal.maps import defect


def squared_penalty(R: Tensor) -> Tensor:
    """|R R^H - I|_F^2 of R (*runs, d, d): smooth, but its minimisers are orthogonal only up to 1 / weight."""
    return defect(R).abs().square().sum((-2, -1))


def unsquared_penalty(R: Tensor) -> Tensor:
    """|R R^H - I|_F, as published: its minimisers are orthogonal from a threshold of the weight on, but it has a kink.

    Its gradient at an orthogonal R is torch's subgradient 0; as the root of a sum of squares it would be NaN.
    """
    return torch.linalg.matrix_norm(defect(R))
