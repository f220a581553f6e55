"""Orthogonal over-parameterised training; importing this registers the setting's claims.

`orthogonalise` puts it on a layer of any network, `PreservingDescent` trains a rotation on O(d) itself.
"""

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
from experiments.orthogonal.descent import PreservingDescent
from experiments.orthogonal.parametrisations import hyperspherical_energy, orthogonalise

__all__ = [
    "PreservingDescent",
    "asymptotics",
    "blocks",
    "cayley",
    "double_bracket",
    "exactness",
    "gradients",
    "hyperspherical_energy",
    "invariance",
    "landscape",
    "minima",
    "orthogonalise",
    "penalties",
    "preserving",
    "procrustes",
    "random_start",
    "steps",
    "training",
    "two_sided",
]
