"""Maps P -> R of matrices (*runs, d, d), real or complex, onto the orthogonal or unitary ones: torch parametrisations.

P in half precision counts as single, since linear algebra has no other; so does the R made of it.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from experiments.methods.exponentials import skew_exponential
from experiments.methods.factors import orthonormal, polar, reorthonormal, unrounded, widened
from theory.core.validation import reject


def defect(R: Tensor) -> Tensor:
    """R R^H - I of R (*runs, d, d).

    Raises:
        InvalidArgument: R is not square.
    """
    if R.dim() < 2 or R.shape[-1] != R.shape[-2]:
        reject("R.shape", tuple(R.shape), "(*runs, d, d)")
    return R @ R.mH - torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)


class GramSchmidt(nn.Module):
    """R = rows of P (*runs, d, d), made orthonormal from the first to the last.

    Domain: P invertible. Component: sign det R = sign det P, for ever under small steps. Orthogonality error: a few
    d eps, since it goes through a QR factorisation by reflections (the published procedure, classical Gram-Schmidt,
    loses the square of the condition of P). Gradient: finite wherever P is invertible, the identity included;
    orthogonal to P row by row, so that descent only lengthens the rows and slows down as it does.
    """

    def forward(self, P: Tensor) -> Tensor:
        return orthonormal(widened(P).mT).mT

    def right_inverse(self, R: Tensor) -> Tensor:
        return R


class Loewdin(nn.Module):
    """R = P (P^H P)^(-1/2), the orthogonal matrix nearest to P (*runs, d, d) in the Frobenius norm.

    Domain: P invertible. Component: sign det R = sign det P. Orthogonality error: a few d eps. Gradient: finite
    wherever P is invertible, of every order. It is orthogonal to P, so that descent only lengthens P and slows down as
    it does.
    """

    def forward(self, P: Tensor) -> Tensor:
        return polar(widened(P))

    def right_inverse(self, R: Tensor) -> Tensor:
        return R


class Based(nn.Module):
    """R = base map(P), map(0) = I: torch's dynamic trivialisation. Setting R makes it the base, and P zero."""

    base: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("base", None)

    def turn(self, P: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, P: Tensor) -> Tensor:
        with unrounded(P.device):
            R = self.turn(widened(P))
            return R if self.base is None else self.base.to(R.dtype) @ R

    @torch.no_grad()
    def right_inverse(self, R: Tensor) -> Tensor:
        wide = widened(R)
        near = bool(defect(wide).abs().max() <= 10 * wide.shape[-1] * torch.finfo(wide.dtype).eps)
        self.base = wide.clone() if near else polar(wide)
        return torch.zeros_like(R)


class Cayley(Based):
    """(I - A/2)^-1 (I + A/2), A = tril P - (tril P)^H, made orthonormal anew: solving leaves d eps |A|.

    As 2 (I - A/2)^-1 - I, whose derivative is two products.
    """

    def turn(self, P: Tensor) -> Tensor:
        A = _skew(P)
        identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
        return reorthonormal(2 * torch.linalg.inv(identity - A / 2) - identity)


class Exponential(Based):
    """exp A, A = tril P - (tril P)^H."""

    def turn(self, P: Tensor) -> Tensor:
        return skew_exponential(_skew(P))


class Householder(Based):
    """-H_1 ... H_d, H_k the reflection along v_k = e_k + the k-th column of P below the diagonal; real P.

    torch's own map reads signs from the diagonal of the trained P, as integers: weight decay turns them, and R, to 0.
    """

    def turn(self, P: Tensor) -> Tensor:
        """H_1 ... H_d = I - V T V^T, V = (v_1 / |v_1|, ...), T^-1 the upper triangle of V^T V, its diagonal halved
        (Puglisi 1992). V_k of length 1 bounds T by 4, however large P is."""
        identity = torch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
        V = P.tril(-1) + identity
        V = V / torch.linalg.vector_norm(V, dim=-2, keepdim=True)
        inverse = (V.mT @ V).triu(1) + identity / 2
        return V @ torch.linalg.solve_triangular(inverse, V.mT, upper=True) - identity


def _skew(P: Tensor) -> Tensor:
    below = P.tril()
    return below - below.mH


MAPS: Mapping[str, Callable[[], nn.Module] | None] = {
    "gram_schmidt": GramSchmidt,
    "loewdin": Loewdin,
    "householder": Householder,
    "cayley": Cayley,
    "matrix_exp": Exponential,
    "free": None,
}
