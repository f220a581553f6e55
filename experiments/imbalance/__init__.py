"""Single-hidden-layer linear networks, trained; importing this registers the setting's claims."""

from experiments.imbalance import compression, conservation, convergence, invariant_set, width

__all__ = ["compression", "conservation", "convergence", "invariant_set", "width"]
