"""Weight manifolds and fine-grained SGD (FG-SGD)."""

from experiments.methods.manifolds.descent import (
    GROUPS,
    FineGrainedSGD,
    FineGrainedStep,
    FineGrainedUpdate,
    RiemannianStep,
)
from experiments.methods.manifolds.spaces import Manifold, Oblique, Sphere, Spheres, Stiefel

__all__ = [
    "GROUPS",
    "FineGrainedSGD",
    "FineGrainedStep",
    "FineGrainedUpdate",
    "Manifold",
    "Oblique",
    "RiemannianStep",
    "Sphere",
    "Spheres",
    "Stiefel",
]
