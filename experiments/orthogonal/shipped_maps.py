"""The maps of OFT and BOFT as the peft library (0.21) computes them, for batches of runs: to be measured, not used.

Parameters are skew matrices Q. OFT turns inputs, x -> x R, so that the effective weight of a layer W (N, d) is W R^T.
"""

import torch
from torch import Tensor


def skew(P: Tensor) -> Tensor:
    """The skew matrix of the entries above the diagonal, the ones that are trained."""
    upper = P.triu(1)
    return upper - upper.mT


def series(Q: Tensor, terms: int) -> Tensor:
    """The Neumann series of OFT's default, term after term as its code adds them up: 5 terms by default."""
    R = torch.eye(Q.shape[-1], dtype=Q.dtype, device=Q.device) + 2 * Q
    power = Q @ Q
    R = R + 2 * power
    for _ in range(3, terms - 1):
        power = power @ Q
        R = R + 2 * power
    return R + power @ Q


def exact_option(Q: Tensor) -> Tensor:
    """Its exact option, (I - Q) (I + Q)^-1: the transpose of what the series tends to. BOFT has this one only."""
    one = torch.eye(Q.shape[-1], dtype=Q.dtype, device=Q.device)
    return torch.linalg.solve(one + Q, one - Q, left=False)


def block_diagonal(blocks: Tensor) -> Tensor:
    """R (*runs, d, d) of blocks (*runs, d / b, b, b)."""
    count, b = blocks.shape[-3:-1]
    R = blocks.new_zeros(*blocks.shape[:-3], count, b, count, b)
    index = torch.arange(count, device=blocks.device)
    R[..., index, :, index, :] = blocks.movedim(-3, 0)
    return R.flatten(-4, -3).flatten(-2, -1)


def butterfly(factors: Tensor) -> Tensor:
    """R of BOFT, a product of factors (*runs, m, d / b, b, b) of blocks.

    Halves of blocks, b / 2 coordinates each, are numbered; factor i turns those together whose numbers differ in
    binary digit i.
    """
    m, count, b = factors.shape[-4:-1]
    d, half = count * b, b // 2
    R = torch.eye(d, dtype=factors.dtype, device=factors.device)
    coordinates = torch.arange(d, device=factors.device).reshape(2 * count, half)
    for i in range(m):
        # (rest, 2, 2^i) -> pairs of halves that differ in digit i, side by side
        pairs = torch.arange(2 * count, device=factors.device).reshape(-1, 2, 2**i).transpose(1, 2).flatten()
        order = coordinates[pairs].flatten()
        factor = torch.empty_like(R).expand(*factors.shape[:-4], d, d).clone()
        factor[..., order[:, None], order] = block_diagonal(factors[..., i, :, :, :])
        R = factor @ R
    return R
