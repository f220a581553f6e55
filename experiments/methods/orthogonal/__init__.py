"""OPT on networks of one's own.

`orthogonalise` puts it on a layer of any network, `PreservingDescent` trains a rotation on O(d) itself.
"""

from experiments.methods.orthogonal.descent import PreservingDescent
from experiments.methods.orthogonal.parametrisations import hyperspherical_energy, orthogonalise

__all__ = ["PreservingDescent", "hyperspherical_energy", "orthogonalise"]
