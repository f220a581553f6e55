"""The maps as the paper's own code computes them, to be measured against those of `experiments.methods.orthogonal`.

All take P (*runs, d, d). They are slower and less accurate: nothing but the claims should use them.
"""

import torch
from torch import Tensor


def classical_gram_schmidt(P: Tensor) -> Tensor:
    """Each row minus its projections on the rows before it, all taken from the row itself: loses cond(P)^2 eps."""
    R = P[..., :0, :]
    for p in P.split(1, dim=-2):
        rest = p - p @ R.mT @ R
        R = torch.cat([R, rest / rest.norm(dim=-1, keepdim=True)], dim=-2)
    return R


def modified_gram_schmidt(P: Tensor) -> Tensor:
    """The same, but each projection is taken from what the ones before it left: loses cond(P) eps (Bjorck 1967)."""
    rows: list[Tensor] = []
    for rest in P.unbind(-2):
        for q in rows:
            rest = rest - (rest * q).sum(-1, keepdim=True) * q
        rows.append(rest / rest.norm(dim=-1, keepdim=True))
    return torch.stack(rows, -2)


def householder_reflections(P: Tensor) -> Tensor:
    """H_1 ... H_(d-1), where the reflection H_k takes column k of what is left of P to +|x| e_k.

    It is NaN where the column is there already, as it is at the identity.
    """
    d = P.shape[-1]
    R = torch.eye(d, dtype=P.dtype, device=P.device).expand_as(P)
    left = P
    for k in range(d - 1):
        x = left[..., :, k] * (torch.arange(d, device=P.device) >= k)
        u = x - x.norm(dim=-1, keepdim=True) * (torch.arange(d, device=P.device) == k)
        u = (u / u.norm(dim=-1, keepdim=True)).unsqueeze(-1)
        left = left - 2 * u @ (u.mT @ left)
        R = R - 2 * (R @ u) @ u.mT
    return R


def polar_by_singular_vectors(P: Tensor) -> Tensor:
    """U V^T, its gradient torch's own: not finite where two singular values of P agree."""
    U, _, Vt = torch.linalg.svd(P)
    return U @ Vt


def cayley(P: Tensor) -> Tensor:
    """(I + A) (I - A)^(-1), A = triu P - (triu P)^T: twice the A of torch's map, and the other sign."""
    A = P.triu() - P.triu().mT
    identity = torch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return torch.linalg.solve(identity - A, identity + A)
