"""Homogeneous networks, trained; importing this registers the setting's claims."""

from experiments.homogeneous import (
    balance,
    batch_normalisation,
    decomposition,
    dynamics,
    equilibrium,
    generalisation,
    margin,
    max_margin,
    other_losses,
    smoothed_margin,
    sphere,
    weight_normalisation,
)

__all__ = [
    "balance",
    "batch_normalisation",
    "decomposition",
    "dynamics",
    "equilibrium",
    "generalisation",
    "margin",
    "max_margin",
    "other_losses",
    "smoothed_margin",
    "sphere",
    "weight_normalisation",
]
