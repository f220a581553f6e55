"""What neighbouring layers share: the balance of matrices and of units (Du, Hu & Lee 2018; Banburski et al. 2019)."""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from experiments.watch.conserved import Conserved
from experiments.watch.quadratic import Form
from experiments.watch.rounding import joint_error
from experiments.watch.structure import Pair
from theory.claims import RECONSTRUCTED
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.homogeneous import balance


class Balance(Conserved):
    """The balance of neighbouring layers, matrix by matrix and unit by unit, by the law of one step."""

    id = "watch.balance"
    title = "balance of the layers"
    statement = (
        r"D_k = W_{k+1}^T W_{k+1} - W_k W_k^T:\quad D_k^+ = D_k - 2 \eta (a \lambda D_k + c B(W, v))"
        r" + \eta^2 D_k(d), \text{ of each unit where a ReLU is in between}"
    )
    source = "Du, Hu & Lee 2018; Min et al. 2021; with momentum ours"
    source_kind = RECONSTRUCTED
    hypotheses = (
        "units whose outputs are read by one layer alone, homogeneously",
        "gradient descent, with momentum and weight decay or without, any loss, any batch",
    )
    axis = "|D - D(0)|"

    @cached_property
    def forms(self) -> Sequence[Form]:
        return tuple(form for pair in self.structure.pairs for form in self._forms(pair))

    def _forms(self, pair: Pair) -> Iterator[Form]:
        parameters = tuple(filter(None, (pair.weight, pair.bias, pair.outgoing)))
        if not self._is_trained(parameters):
            return
        as_matrices = partial(matrices, has_bias=bool(pair.bias))
        error = partial(joint_error, operations=(pair.head, pair.reader))
        laws = {"units": balance.neurons} | ({"matrix": balance.matrices} if pair.is_linear else {})
        for name, law in laws.items():
            yield Form(f"{pair.name}, {name}", law, parameters, as_matrices, error)

    def _is_trained(self, parameters: Sequence[str]) -> bool:
        named = dict(self.subject.model.network.named_parameters())
        uses = [o.weight for o in self.structure.operations]
        return (
            all(named[name].requires_grad for name in parameters)
            and not self.rule.trained.isdisjoint(parameters)
            and all(uses.count((name,)) <= 1 for name in parameters)
        )

    @property
    def no_form(self) -> str:
        if not self.structure.pairs:
            return self.structure.no_pair
        return self.structure.tied or "a layer of each pair of neighbours is frozen"


def matrices(weights: Sequence[Array], has_bias: bool) -> Layers:
    """[W_in, b] (h, .) and W_out (., h): the units are rows of the first and columns of the second."""
    into, out = weights[0], weights[-1]
    units = len(into)
    columns = [into.reshape(units, -1), *([weights[1][:, None]] if has_bias else [])]
    blocks = out.reshape(len(out), units, -1)
    return [np.concatenate(columns, axis=1), np.moveaxis(blocks, 1, 2).reshape(-1, units)]
