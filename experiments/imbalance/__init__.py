"""Single-hidden-layer linear networks, trained; importing this registers the setting's claims."""

from experiments.imbalance import (
    closed_forms,
    compression,
    conservation,
    convergence,
    invariant_set,
    rescaling,
    three_layers,
    tighter_rate,
    wide_limit,
    width,
)

__all__ = [
    "closed_forms",
    "compression",
    "conservation",
    "convergence",
    "invariant_set",
    "rescaling",
    "three_layers",
    "tighter_rate",
    "wide_limit",
    "width",
]
