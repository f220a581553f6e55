"""Ways to keep a matrix orthogonal, torch parametrisations of one interface, and OPT on a layer of one's own network.

A map is a module P -> R on matrices (*runs, d, d), for `torch.nn.utils.parametrize.register_parametrization`. torch
has three of them (`torch.nn.utils.parametrizations.orthogonal`); Gram-Schmidt and Loewdin are here. `MAPS` registers
any of them by name, `Rotation` is a trainable R that starts at the identity, and `orthogonalise` puts one in front of a
layer's fixed weight: one line a layer.

    name          map                                    det R         |R R^T - I|
    gram_schmidt  rows of P made orthonormal in turn     sign det P    d eps, whatever the condition of P
    loewdin       P (P^T P)^(-1/2), nearest to P         sign det P    d eps, whatever the condition of P
    householder   torch: reflections along columns       fixed         d eps
    cayley        torch: (I - A/2)^(-1) (I + A/2)        +1            d eps; eigenvalue -1 out of reach
    matrix_exp    torch: exp A                           +1            d eps max(|A|, 1)
    free          none: for `descent.PreservingDescent`, or `penalties`

In torch's maps A = tril P - (tril P)^T, and R is multiplied from the left by a fixed `base`, in whose component of O(d)
it stays; `Rotation` starts them at base = I. A step of one size in P is a step of another size in R for each map: on a
freshly based R, torch's Cayley and exponential run twice as fast as gradient descent on O(d) itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization

from theory.core.validation import inside, positive_integer, reject

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class GramSchmidt(nn.Module):
    """R = rows of P (*runs, d, d), made orthonormal from the first to the last.

    Domain: P invertible. Component: sign det R = sign det P, for ever under small steps. Orthogonality error: a few
    d eps, since it goes through a QR factorisation by reflections (the published procedure, classical Gram-Schmidt,
    loses the square of the condition of P). Gradient: finite wherever P is invertible, the identity included;
    orthogonal to P row by row, so that descent only lengthens the rows and slows down as it does.
    """

    def forward(self, P: Tensor) -> Tensor:
        Q, r = torch.linalg.qr(P.mT)
        return (Q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)).mT

    def right_inverse(self, R: Tensor) -> Tensor:
        return R


class Loewdin(nn.Module):
    """R = P (P^T P)^(-1/2), the orthogonal matrix nearest to P (*runs, d, d) in the Frobenius norm.

    Domain: P invertible. Component: sign det R = sign det P. Orthogonality error: a few d eps. Gradient: torch's own,
    through the singular vectors, is not finite where two singular values agree, hence at the identity; this one is
    finite wherever P is invertible. It is orthogonal to P, so that descent only lengthens P and slows down as it does.
    Differentiable once.
    """

    def forward(self, P: Tensor) -> Tensor:
        return _Polar.apply(P)[0]

    def right_inverse(self, R: Tensor) -> Tensor:
        return R


class _Polar(torch.autograd.Function):
    """P = U diag(s) V^T -> U V^T; the differential is U [(Z - Z^T) / (s_i + s_j)] V^T, Z = U^T dP V: self-adjoint."""

    generate_vmap_rule = True

    @staticmethod
    def forward(P: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        U, s, Vt = torch.linalg.svd(P)
        return U @ Vt, U, s, Vt

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> Tensor:
        U, s, Vt = ctx.saved_tensors
        Z = U.mT @ gradient @ Vt.mT
        return U @ ((Z - Z.mT) / (s.unsqueeze(-1) + s.unsqueeze(-2))) @ Vt


def _unconstrained(module: nn.Module) -> nn.Module:
    return module


def _ours(make: Callable[[], nn.Module], module: nn.Module) -> nn.Module:
    return register_parametrization(module, "weight", make())


MAPS: Mapping[str, Callable[[nn.Module], nn.Module]] = {
    "gram_schmidt": partial(_ours, GramSchmidt),
    "loewdin": partial(_ours, Loewdin),
    "householder": partial(parametrizations.orthogonal, orthogonal_map="householder"),
    "cayley": partial(parametrizations.orthogonal, orthogonal_map="cayley"),
    "matrix_exp": partial(parametrizations.orthogonal, orthogonal_map="matrix_exp"),
    "free": _unconstrained,
}


class Rotation(nn.Module):
    """x -> R x on the last dimension; `weight` = R (*runs, d, d), orthogonal by one of `MAPS`, the identity at first.

    Raises:
        InvalidArgument: an unknown map, or a size that is not a whole number above 0.
    """

    def __init__(
        self,
        d: int,
        map: str = "loewdin",
        *,
        runs: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if map not in MAPS:
            reject("map", repr(map), f"one of {', '.join(MAPS)}")
        identity = torch.eye(positive_integer("d", d), dtype=dtype, device=device)
        self.weight = nn.Parameter(identity.expand(*runs, d, d).clone())
        self.name, self.size = map, d
        MAPS[map](self)

    def map(self, P: Tensor) -> Tensor:
        """R (*runs, d, d) of a P that is not the module's own: for runs whose states are kept elsewhere."""
        return self.parametrizations.weight[0](P) if hasattr(self, "parametrizations") else P

    @property
    def parameter(self) -> nn.Parameter:
        """P, what the optimiser trains."""
        return self.parametrizations.weight.original if hasattr(self, "parametrizations") else self.weight

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.mT


class Rotated(nn.Module):
    """W0 -> R W0, each neuron w_i of a layer's weight (N, ...) turned by the same R: the parametrisation of OPT."""

    def __init__(self, rotation: Rotation) -> None:
        super().__init__()
        self.rotation = rotation

    def forward(self, W0: Tensor) -> Tensor:
        return self.rotation(W0.flatten(1)).view_as(W0)


def orthogonalise(layer: nn.Module, map: str = "loewdin") -> Rotation:
    """Put OPT on a layer: its weight becomes R W0, W0 the weight it has now and from now on fixed, R = I at first.

    Args:
        layer: nn.Linear or nn.Conv*d; a neuron of a convolution is its flattened kernel.
        map: one of `MAPS`.

    Returns:
        The trainable R, (d, d) with d the length of a neuron. Optimisers made before this call do not train it.

    Raises:
        InvalidArgument: another kind of layer, or an unknown map.
    """
    weight = neurons(layer)
    rotation = Rotation(weight[0].numel(), map, dtype=weight.dtype, device=weight.device)
    weight.requires_grad_(False)
    register_parametrization(layer, "weight", Rotated(rotation))
    return rotation


def hyperspherical_energy(weight: Tensor, s: float | int = 1) -> Tensor:
    """E_s of the neurons of a layer, the rows of weight (N, ...): the sum of |w_i - w_j|^-s over i != j on the sphere.

    -log in place of the power at s = 0. `theory.orthogonal.energy.energy(W, s)` is the same of columns, in numpy.
    """
    return energies(weight.flatten(1), s)


def energies(weight: Tensor, s: float | int = 1) -> Tensor:
    """E_s (*runs,) of weights (*runs, N, d), one neuron a row; differentiable once, where no two neurons agree.

    Raises:
        InvalidArgument: a negative s.
    """
    inside("s", s, 0, float("inf"), "[)")
    neurons = weight / weight.norm(dim=-1, keepdim=True)
    first, second = torch.triu_indices(neurons.shape[-2], neurons.shape[-2], 1, device=weight.device)
    # By differences: 2 - 2 cos would lose the distance of neurons that nearly agree.
    distances = torch.cdist(neurons, neurons, compute_mode="donot_use_mm_for_euclid_dist")[..., first, second]
    return 2 * (-distances.log() if s == 0 else distances.pow(-s)).sum(-1)


def neurons(layer: nn.Module) -> Tensor:
    """The weight of a layer whose neurons OPT can turn.

    Raises:
        InvalidArgument: another kind of layer.
    """
    if not isinstance(layer, LAYERS):
        reject("layer", type(layer).__name__, "a Linear, Conv1d, Conv2d or Conv3d layer")
    return layer.weight
