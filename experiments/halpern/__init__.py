"""Norm-minimising descent, trained; importing this registers the setting's claims.

`Halpern` and `halpern_` put Halpern's step after that of any torch optimiser.
"""

from experiments.halpern import (
    any_loss,
    bound,
    flow,
    least_squares,
    margin,
    nonconvex,
    relu,
    schedules,
)
from experiments.halpern.method import Halpern, halpern_, harmonic, vanishing

__all__ = [
    "Halpern",
    "any_loss",
    "bound",
    "flow",
    "halpern_",
    "harmonic",
    "least_squares",
    "margin",
    "nonconvex",
    "relu",
    "schedules",
    "vanishing",
]
