"""Classification problems on which Minnorm converges fast."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.separable import apply
from theory.core.validation import positive_integer


def well_conditioned(rng: np.random.Generator, runs: int) -> Float[Array, "runs n d"]:
    """Signed inputs of separable problems: four support vectors and eight others.

    The support's Gram matrix has eigenvalues in [0.8, 1.25]. |G^{-1} - 1| then has row sums of at most
    1/4 x 4^(1/2), so alpha = G^{-1} 1 is at least 1/2; the others have margins of at least 1.5: all conditions of
    optimality are met with room.

    Raises:
        InvalidArgument: runs below 1.
    """
    positive_integer("runs", runs)
    k, others, d = 4, 8, 8
    Q, P = (np.linalg.qr(rng.normal(size=(runs, size, size)))[0] for size in (k, d))
    support = Q @ (np.sqrt(rng.uniform(0.8, 1.25, (runs, k, 1))) * P[:, :k])
    w = np.linalg.pinv(support).sum(-1)
    rest = rng.normal(size=(runs, others, d)) / np.sqrt(d)
    margins = 1.5 + np.abs(rng.normal(size=(runs, others)))
    rest += ((margins - apply(rest, w)) / (w**2).sum(-1, keepdims=True))[..., None] * w[:, None]
    return np.concatenate([support, rest], axis=1)
