"""OPT on networks of one's own.

`orthogonalise` puts it on a layer of any network, `orthogonalise_stochastically` turns only a random block of the
layer's coordinates at a time, and `PreservingDescent` trains a rotation on O(d) itself. `squared_penalty` and
`unsquared_penalty` only ask for orthogonality. `hyperspherical_energy` is what rotations keep.
"""

from experiments.methods.orthogonal.descent import PreservingDescent
from experiments.methods.orthogonal.parametrisations import hyperspherical_energy, orthogonalise
from experiments.methods.orthogonal.penalties import squared_penalty, unsquared_penalty
from experiments.methods.orthogonal.stochastic import orthogonalise_stochastically

__all__ = [
    "PreservingDescent",
    "hyperspherical_energy",
    "orthogonalise",
    "orthogonalise_stochastically",
    "squared_penalty",
    "unsquared_penalty",
]
