"""Orthogonal over-parameterised training; importing this registers the setting's claims."""

from experiments.orthogonal import (
    asymptotics,
    blocks,
    cayley,
    double_bracket,
    exactness,
    gradients,
    invariance,
    landscape,
    minima,
    penalties,
    preserving,
    procrustes,
    random_start,
    steps,
    training,
    two_sided,
)

__all__ = [
    "asymptotics",
    "blocks",
    "cayley",
    "double_bracket",
    "exactness",
    "gradients",
    "invariance",
    "landscape",
    "minima",
    "penalties",
    "preserving",
    "procrustes",
    "random_start",
    "steps",
    "training",
    "two_sided",
]
