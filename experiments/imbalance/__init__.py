"""Single-hidden-layer linear networks, trained; importing this registers the setting's claims."""

from experiments.imbalance import conservation, convergence

__all__ = ["conservation", "convergence"]
