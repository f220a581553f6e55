"""Stochastic OPT: each round turns only a random block of p of the d coordinates, and is merged into the weight."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim import Optimizer

from experiments.methods.orthogonal.parametrisations import Rotation, neurons, put_on, turned
from theory.core.validation import inside, positive_integer, reject


def embed(block: Tensor, rows: Tensor, d: int) -> Tensor:
    """The R (*runs, d, d) that acts by `block` (*runs, p, p) on the coordinates `rows` (p,) and leaves the others."""
    R = torch.eye(d, dtype=block.dtype, device=block.device).expand(*block.shape[:-2], d, d).clone()
    R[..., rows[:, None], rows] = block
    return R


class BlockRotation(nn.Module):
    """W0 -> R W0 with R = embed(R_p) on one random block of coordinates.

    p (p - 1) / 2 parameters that matter in place of d (d - 1) / 2; orthogonality error and component are those of the
    map. A round of training sees the share p (p - 1) / (d (d - 1)) of the gradient, on average over the blocks, and
    about log(d (d - 1) / 2) over that many rounds are needed until every pair of coordinates was in a block.
    """

    rows: Tensor

    def __init__(self, rotation: Rotation, d: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.rotation, self.d, self.generator = rotation, d, generator
        self.register_buffer("rows", self._draw())

    def forward(self, W0: Tensor) -> Tensor:
        rotated = W0.detach().flatten(1).clone()
        rotated[:, self.rows] = turned(self.rotation, rotated[:, self.rows])
        return rotated.view_as(W0)

    @torch.no_grad()
    def next_round(self, layer: nn.Module, optimizer: Optimizer | None = None) -> None:
        """Merge the block into the layer's fixed weight, start from the identity again, and draw the next block.

        Each merging rounds the weight, by an eps of its precision.

        Args:
            layer: the one that the block turns.
            optimizer: made to forget what it remembers of the merged block (momentum, Adam's moments); without it they
                act on the next block, which has other coordinates.

        Raises:
            InvalidArgument: another layer.
        """
        if not is_parametrized(layer, "weight") or layer.parametrizations.weight[0] is not self:
            reject("layer", type(layer).__name__, "the layer that this block was put on")
        original, P = layer.parametrizations.weight.original, self.rotation.parameter
        original.copy_(layer.weight)
        start = Rotation(len(self.rows), self.rotation.name, dtype=P.dtype, device=P.device)
        self.rotation.load_state_dict(start.state_dict())
        P.grad = None
        if optimizer is not None:
            optimizer.state.pop(P, None)
        self.rows.copy_(self._draw())

    def get_extra_state(self) -> Tensor | None:
        """Where the generator stands, so that a loaded network draws the blocks that the saved one would have."""
        return None if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor | None) -> None:
        if self.generator is not None and state is not None:
            self.generator.set_state(state.cpu())

    def _draw(self) -> Tensor:
        device = self.rotation.parameter.device
        return torch.randperm(self.d, generator=self.generator)[: self.rotation.size].to(device)


def orthogonalise_stochastically(
    layer: nn.Module, p: int, map: str = "loewdin", generator: torch.Generator | None = None
) -> BlockRotation:
    """Put stochastic OPT on a layer; call `next_round(layer)` on what this returns after each round of training.

    Raises:
        InvalidArgument: another kind of layer than `orthogonalise` takes, an unknown map, or p not in 2 ... d: with one
            coordinate there is nothing to turn.
    """
    weight = neurons(layer)
    d = weight[0].numel()
    inside("p", positive_integer("p", p), 2, d)
    block = BlockRotation(Rotation(p, map, dtype=weight.dtype, device=weight.device), d, generator)
    put_on(layer, block)
    return block
