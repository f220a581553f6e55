"""Components, targets and lazy training that claims on tensors share."""

import numpy as np

from experiments.tensor.models import Linearised, Monomials, tensor
from experiments.training import Trainee
from theory.claims import Study, Tolerance, rounding
from theory.core.arrays import Array
from theory.tensor.coordinates import dimension
from theory.tensor.lazy import Tangents

CANDIDATES = 30
REST = 1e-6  # of each direction of the tangent space, what lazy training has still to fit where it ends


def unit_vectors(rng: np.random.Generator, *shape: int) -> Array:
    """Uniform on the sphere of the last dimension."""
    vectors = rng.standard_normal(shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def orthonormal(rng: np.random.Generator, runs: int, r: int, d: int) -> Array:
    """r orthonormal vectors of d dimensions in random position, for each run (runs, r, d)."""
    Q, R = np.linalg.qr(rng.standard_normal((runs, d, r)))
    return np.swapaxes(Q * np.sign(np.diagonal(R, axis1=-2, axis2=-1))[:, None], -1, -2)


def components(rng: np.random.Generator, d: int, l: int, m: int) -> Tangents:
    """Random unit vectors: of `CANDIDATES` draws that whose tangents are best conditioned, others train for ever."""
    generic = [Tangents(unit_vectors(rng, m, d), l) for _ in range(CANDIDATES)]
    return max(generic, key=lambda each: (each.rank, each.eigenvalues[-1] / each.eigenvalues[0]))


def powers_of(study: Study, Q: Array, l: int) -> Array:
    """Sum of q_j^l for each run's Q (runs, r, d), in coordinates."""
    monomials = Monomials(Q.shape[-1], l, study.device)
    return monomials.powers(tensor(study, Q)).sum(-2).cpu().numpy()


def steps_to_fit(start: Tangents, rest: float = REST) -> int:
    """Steps of 1 / lambda_max until no direction of S(U) has more than this share left."""
    return int(np.ceil(np.log(1 / rest) * start.eigenvalues[0] / start.eigenvalues[-1]))


def what_training_leaves(study: Study, start: Tangents, steps: int | None = None) -> Array:
    """What lazy training by torch's own Jacobian leaves of the D unit tensors, one a run, in rows (D, D).

    To the end, if no number of steps is given. Lazy training is linear: of targets T (runs, D) it leaves T @ this.
    """
    m, d = start.U.shape
    unit = np.eye(dimension(d, start.l))
    jacobian = Monomials(d, start.l, study.device).jacobian(tensor(study, start.U))
    model = Linearised(jacobian, tensor(study, unit))
    steps = steps or steps_to_fit(start)
    moves = np.zeros((len(unit), m * d))
    training = Trainee(study, model.loss, {"moves": moves}, observe=lambda state: {"left": model.left(state)})
    return training.train(learning_rate=1 / start.eigenvalues[0], steps=steps, record=[steps])["left"][-1]


def share_left(T: Array, rest: Array) -> Array:
    """|T - model|^2 / |T|^2 of targets T (..., D), where training leaves `rest` of the unit tensors."""
    return np.square(T @ rest).sum(-1) / np.square(T).sum(-1)


def rest_of(start: Tangents) -> Tolerance:
    """What a number of `what_training_leaves` is off by: each is between 0 and 1."""
    within = Tolerance(REST, f"{REST:g} of the slowest direction is left where a run ends")
    return within + rounding(10 * start.U.size, of=f"sums of {start.U.size} terms, ten from a step's start to its end")
