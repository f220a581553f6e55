"""Ways to keep a matrix orthogonal, torch parametrisations of one interface, and OPT on a layer of one's own network.

A map is a module P -> R on matrices (*runs, d, d), for `torch.nn.utils.parametrize.register_parametrization`; they are
in `maps`. `MAPS` has them by name, `Rotation` is a trainable R that starts at the identity, and `orthogonalise` puts
one in front of a layer's fixed weight: one line a layer.

    name          map                                    det R         |R R^H - I|
    gram_schmidt  rows of P made orthonormal in turn     sign det P    d eps, whatever the condition of P
    loewdin       P (P^H P)^(-1/2), nearest to P         sign det P    d eps, whatever the condition of P
    householder   reflections along columns, real P      fixed         d eps, whatever the size of P
    cayley        (I - A/2)^(-1) (I + A/2)               +1            d eps; eigenvalue -1 out of reach
    matrix_exp    exp A                                  +1            d eps, whatever the size of A
    free          none: for `descent.PreservingDescent`, or `penalties`

A = tril P - (tril P)^H. R of householder, cayley and matrix_exp is multiplied from the left by a fixed `base`, in whose
component of O(d) it stays; `Rotation` starts them at base = I, P = 0. All but `free` keep R orthogonal whatever an
optimiser does to P, weight decay included. A step of one size in P is a step of another size in R for each map: on a
freshly based R, Cayley and the exponential run twice as fast as gradient descent on O(d) itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from experiments.methods.factors import unrounded, widened
from experiments.methods.orthogonal.maps import MAPS, GramSchmidt, Loewdin
from theory.core.validation import inside, positive_integer, reject

__all__ = [
    "MAPS",
    "GramSchmidt",
    "Loewdin",
    "Rotated",
    "Rotation",
    "energies",
    "hyperspherical_energy",
    "neurons",
    "orthogonalise",
]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Rotation(nn.Module):
    """x -> R x on the last dimension; `weight` = R (*runs, d, d), orthogonal by one of `MAPS`, the identity at first.

    Its precision is single at least, also where half is asked for.

    Raises:
        InvalidArgument: an unknown map, householder of complex numbers, or a size that is not a whole number above 0.
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
        identity = widened(torch.eye(positive_integer("d", d), dtype=dtype, device=device))
        if map == "householder" and identity.is_complex():
            reject("map", repr(map), "another for complex numbers: it is real")
        self.weight = nn.Parameter(identity.expand(*runs, d, d).clone())
        self.name, self.size = map, d
        make = MAPS[map]
        if make is not None:
            register_parametrization(self, "weight", make())

    def map(self, P: Tensor) -> Tensor:
        """R (*runs, d, d) of a P that is not the module's own: for runs whose states are kept elsewhere."""
        return self.parametrizations.weight[0](P) if hasattr(self, "parametrizations") else P

    @property
    def parameter(self) -> nn.Parameter:
        """P, what the optimiser trains."""
        return self.parametrizations.weight.original if hasattr(self, "parametrizations") else self.weight

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.mT


def turned(rotation: Rotation, x: Tensor) -> Tensor:
    """R x of the last dimension, in the wider of the two precisions, also under autocast: it would round lengths."""
    with unrounded(x.device):
        R = rotation.weight
        wide = torch.promote_types(x.dtype, R.dtype)
        return (x.to(wide) @ R.to(wide).mT).to(x.dtype)


class Rotated(nn.Module):
    """W0 -> R W0, each neuron w_i of a layer's weight (N, ...) turned by the same R: the parametrisation of OPT.

    W0 has no gradient, whoever asks for one. A weight that is assigned to the layer gets the W0 that gives it.
    """

    def __init__(self, rotation: Rotation) -> None:
        super().__init__()
        self.rotation = rotation

    def forward(self, W0: Tensor) -> Tensor:
        return turned(self.rotation, W0.detach().flatten(1)).view_as(W0)

    @torch.no_grad()
    def right_inverse(self, W: Tensor) -> Tensor:
        R = self.rotation.weight
        wide = torch.promote_types(W.dtype, R.dtype)
        return torch.linalg.solve(R.to(wide), W.to(wide).flatten(1).mT).mT.reshape(W.shape).to(W.dtype)


def orthogonalise(layer: nn.Module, map: str = "loewdin") -> Rotation:
    """Put OPT on a layer: its weight becomes R W0, W0 the weight it has now and from now on fixed, R = I at first.

    A weight that another layer shares stays as it is there, and trains on: W0 is a copy. To turn a layer anew, take
    the first rotation off with `torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")`.

    Args:
        layer: nn.Linear or nn.Conv*d, real or complex; a neuron of a convolution is its flattened kernel.
        map: one of `MAPS`.

    Returns:
        The trainable R, (d, d) with d the length of a neuron. Optimisers made before this call do not train it.

    Raises:
        InvalidArgument: another kind of layer, one whose weight is computed already (orthogonalised, weight_norm,
            spectral_norm, pruned) or not yet known, or an unknown map.
    """
    weight = neurons(layer)
    rotation = Rotation(weight[0].numel(), map, dtype=weight.dtype, device=weight.device)
    put_on(layer, Rotated(rotation))
    return rotation


def put_on(layer: nn.Module, parametrisation: nn.Module) -> None:
    """Parametrise a copy of the layer's weight, fixed from now on."""
    layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    register_parametrization(layer, "weight", parametrisation)


def hyperspherical_energy(weight: Tensor, s: float | int = 1) -> Tensor:
    """E_s of the neurons of a layer, the rows of weight (N, ...): the sum of |w_i - w_j|^-s over i != j on the sphere.

    -log in place of the power at s = 0. `theory.orthogonal.energy.energy(W, s)` is the same of columns, in numpy.
    """
    if weight.dim() < 2:
        reject("weight.shape", tuple(weight.shape), "(N, ...): the weight of a layer")
    return energies(weight.flatten(1), s)


def energies(weight: Tensor, s: float | int = 1) -> Tensor:
    """E_s (*runs,) of weights (*runs, N, d), one neuron a row; differentiable once, where no two neurons agree.

    Neurons that agree have the energy inf, one of length 0 has none: NaN. Half precision counts as single.

    Raises:
        InvalidArgument: a negative s.
    """
    inside("s", s, 0, float("inf"), "[)")
    neurons = torch.view_as_real(weight).flatten(-2) if weight.is_complex() else widened(weight)
    neurons = neurons / neurons.detach().abs().amax(-1, keepdim=True)  # squares neither overflow nor vanish
    neurons = neurons / neurons.norm(dim=-1, keepdim=True)
    first, second = torch.triu_indices(neurons.shape[-2], neurons.shape[-2], 1, device=weight.device)
    # By differences: 2 - 2 cos would lose the distance of neurons that nearly agree.
    distances = torch.cdist(neurons, neurons, compute_mode="donot_use_mm_for_euclid_dist")[..., first, second]
    return 2 * (-distances.log() if s == 0 else distances.pow(-s)).sum(-1)


def neurons(layer: nn.Module) -> Tensor:
    """The weight of a layer whose neurons OPT can turn.

    Raises:
        InvalidArgument: another kind of layer, or one that has no weight of its own (yet).
    """
    if not isinstance(layer, LAYERS):
        reject("layer", type(layer).__name__, "a Linear, Conv1d, Conv2d or Conv3d layer")
    weight = layer._parameters.get("weight")
    if is_parametrized(layer, "weight") or not isinstance(weight, nn.Parameter):
        computed = "a layer whose weight is computed already (orthogonalise, weight_norm, spectral_norm, ...)"
        reject("layer", computed, "one with a weight of its own; remove the other first")
    if isinstance(weight, nn.UninitializedParameter):
        reject("layer", "a lazy layer without a weight yet", "one that has seen its first inputs")
    if weight.numel() == 0:
        reject("layer", f"a layer whose weight has shape {tuple(weight.shape)}", "one with neurons")
    return weight
