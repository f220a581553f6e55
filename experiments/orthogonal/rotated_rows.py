"""Rows of a matrix turned by a Cayley map, in batches of small matrices: products in place of torch's solver.

For 240 matrices of 64 x 64 torch solves one system after the other; an inverse by blocks, all of them at once, takes
half the time, and the gradient needs no system of its own.
"""

from typing import Any

import torch
from torch import Tensor

SMALL = 8  # rows of a block that torch inverts faster than blocks of it


def skew(entries: Tensor, d: int) -> Tensor:
    """The skew matrices (..., d, d) with these entries (..., d (d - 1) / 2) below the diagonal, row by row."""
    rows, columns = torch.tril_indices(d, d, -1, device=entries.device)
    lower = entries.new_zeros(*entries.shape[:-1], d * d).index_copy(-1, rows * d + columns, entries)
    lower = lower.unflatten(-1, (d, d))
    return lower - lower.mT


def rotated_rows(W: Tensor, A: Tensor) -> Tensor:
    """W R^T of rows W (..., h, d), R = (I - A)^-1 (I + A) with A (..., d, d) skew: 2 W (I + A)^-1 - W."""
    with torch.no_grad():
        inverse = inverse_by_blocks(torch.eye(A.shape[-1], dtype=A.dtype, device=A.device) + A)
    return 2 * _Divided.apply(W, A, inverse) - W


def inverse_by_blocks(M: Tensor) -> Tensor:
    """M^-1 of M (..., d, d) whose symmetric part is positive, as that of I + A is with A skew: all pivots are then.

    Blocks are not exchanged, so that rounding grows with |A|^2: a solver is better for |A| of hundreds.
    """
    if M.shape[-1] <= SMALL:
        return torch.linalg.inv_ex(M).inverse
    half = M.shape[-1] // 2
    (a, b), (c, e) = ((rows[..., :half], rows[..., half:]) for rows in (M[..., :half, :], M[..., half:, :]))
    first = inverse_by_blocks(a)
    right, below = first @ b, c @ first
    last = inverse_by_blocks(e - c @ right)
    corner = right @ last
    top = torch.cat([first + corner @ below, -corner], -1)
    return torch.cat([top, torch.cat([-last @ below, last], -1)], -2)


class _Divided(torch.autograd.Function):
    """X = W (I + A)^-1, the inverse given: dX = (dW - X dA) (I + A)^-1, and the adjoint divides by I + A^T."""

    @staticmethod
    def forward(W: Tensor, A: Tensor, inverse: Tensor) -> Tensor:
        return W @ inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        _, A, inverse = inputs
        ctx.save_for_backward(A, inverse, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        A, inverse, X = ctx.saved_tensors
        Y = _Divided.apply(gradient, A.mT, inverse.mT)
        return Y, -X.mT @ Y, None
