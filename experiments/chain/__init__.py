"""Chains of scalar weights, trained; importing this registers the setting's claims."""

from experiments.chain import collapse, gradient_flow, minnorm, orbits, stability, times, weight_decay

__all__ = ["collapse", "gradient_flow", "minnorm", "orbits", "stability", "times", "weight_decay"]
