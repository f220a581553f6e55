"""Weight manifolds and fine-grained SGD; importing this registers the setting's claims."""

from experiments.manifolds import brockett, curvature, limits, noise, norms, oblique, rank_one, rayleigh, steps

__all__ = ["brockett", "curvature", "limits", "noise", "norms", "oblique", "rank_one", "rayleigh", "steps"]
