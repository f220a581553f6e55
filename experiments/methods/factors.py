"""Functions of matrices where torch's own are inexact or have no gradient; linear algebra asks for single precision."""

from typing import Any

import torch
from torch import Tensor


def widened(tensor: Tensor) -> Tensor:
    """The tensor in single precision at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def orthonormal(P: Tensor) -> Tensor:
    """The columns of P (..., A, B) made orthonormal from the first to the last: Q of QR, the diagonal of R positive."""
    Q, r = torch.linalg.qr(P)
    signs = r.diagonal(dim1=-2, dim2=-1).sgn()
    return Q * torch.where(signs == 0, 1, signs).unsqueeze(-2)


def exponential(A: Tensor) -> Tensor:
    """exp A of A (..., d, d).

    torch's own takes too few terms of the series in places: it is 10^6 eps off near |A| = 0.06 in double precision, 400
    eps near 0.5 in single. A corner of 1 beside A makes it take all of them.
    """
    d = A.shape[-1]
    corner = torch.zeros(d + 1, dtype=A.dtype, device=A.device)
    corner[d] = 1
    return torch.matrix_exp(torch.nn.functional.pad(A, (0, 1, 0, 1)) + corner.diag())[..., :d, :d]


def polar(P: Tensor) -> Tensor:
    """R = P (P^H P)^(-1/2) of P (..., A, B) of rank B; real or complex.

    torch's own gradient goes through singular vectors and is not finite where two singular values agree, hence on the
    orthogonal matrices themselves. This one is finite wherever R is unique.
    """
    return _Polar.apply(P)


class _Polar(torch.autograd.Function):
    """With H = R^H P: dR = R X + (dP - R R^H dP) H^-1, X H + H X = R^H dP - dP^H R; its adjoint is of the same form."""

    generate_vmap_rule = True

    @staticmethod
    def forward(P: Tensor) -> Tensor:
        U, _, Vh = torch.linalg.svd(P, full_matrices=False)
        return U @ Vh

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        P, R = ctx.saved_tensors
        H, C = R.mH @ P, R.mH @ gradient
        along = R @ _Lyapunov.apply(H, C - C.mH)
        if P.shape[-2] == P.shape[-1]:
            return along
        return along + torch.linalg.solve(H.mH, (gradient - R @ C).mH).mH


class _Lyapunov(torch.autograd.Function):
    """X with X H + H X = C, H Hermitian and positive definite."""

    generate_vmap_rule = True

    @staticmethod
    def forward(H: Tensor, C: Tensor) -> Tensor:
        s, V = torch.linalg.eigh(H)
        return V @ (V.mH @ C @ V / (s.unsqueeze(-1) + s.unsqueeze(-2))) @ V.mH

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        H, X = ctx.saved_tensors
        Y = _Lyapunov.apply(H, gradient)
        return -(X.mH @ Y + Y @ X.mH), Y
