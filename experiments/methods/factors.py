"""Functions of matrices where torch's own are inexact or have no gradient; linear algebra asks for single precision."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def widened(tensor: Tensor) -> Tensor:
    """The tensor in single precision at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def unrounded(device: torch.device) -> AbstractContextManager[object]:
    """No autocast: products in half precision would round lengths."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


def orthonormal(P: Tensor) -> Tensor:
    """The columns of P (..., A, B) made orthonormal from the first to the last: Q of QR, the diagonal of R positive."""
    Q, r = torch.linalg.qr(P)
    signs = r.diagonal(dim1=-2, dim2=-1).sgn()
    return Q * torch.where(signs == 0, 1, signs).unsqueeze(-2)


def reorthonormal(R: Tensor) -> Tensor:
    """`orthonormal` where rounding alone has left the columns of R (..., A, B) off: its mending has no derivative."""
    at = R.detach()
    return R + (orthonormal(at) - at)


def unitary(R: Tensor) -> Tensor:
    """R (..., d, d) that rounding has left off unitary by little: by 3/4 the square of it, after a step of Newton and
    Schulz. What is mended is rounding's, and has no derivative."""
    at = R.detach()
    identity = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
    return R + at @ (identity - at.mH @ at) / 2


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
