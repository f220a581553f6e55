"""Compressed networks in torch: the training code is that of any network; only the optimiser is restricted."""

from collections.abc import Sequence
from typing import Any

from experiments.imbalance.networks import LinearDescent, train_network
from experiments.updates import GradientDescent, Momentum, Update
from theory.imbalance.compression import Compressed
from theory.study import Study
from theory.trajectory import Trajectory
from theory.validation import Array, reject

# Rules that commute with a rotation of the hidden layer: what they do to (U Q, V Q) is what they do to (U, V), times Q.
EQUIVARIANT: tuple[type, ...] = (LinearDescent, GradientDescent, Momentum)


def train_compressed(
    study: Study,
    name: str,
    compressed: Compressed,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    **options: Any,
) -> Trajectory:
    """Train the small network in place of the large one; see `experiments.imbalance.networks.train_network`.

    Raises:
        InvalidArgument: an update rule for which the two would differ.
    """
    rule: Update | None = options.get("update")
    if rule is not None and type(rule) not in EQUIVARIANT:
        reject(
            "update",
            type(rule).__name__,
            "a rule that commutes with rotations of the hidden layer (gradient descent, momentum): one that scales "
            "each weight by itself, as Adam does, trains the compressed network differently",
        )
    return train_network(
        study,
        name,
        compressed.problem,
        compressed.network,
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        **options,
    )
