"""What gradients and laws of a step may be off by: rounding, of numbers of known sizes."""

from collections.abc import Sequence

import numpy as np

from experiments.watch.look import Look
from experiments.watch.trace import NORMALISING, Operation
from theory.claims.verdicts import LIMIT
from theory.core.arrays import EPS, Array

# A sum of n rounded terms is off by at most LIKELY n^(1/2) u times the sum of their sizes, u = eps / 2, but with a
# probability of 2 exp(-LIKELY^2 / 2) = 3e-14 (Higham & Mary 2019, Theorem 2.4). Linear algebra sums in LANES at once.
LIKELY, LANES = 8.0, 8
PROBABLE = "roundings of numbers of these sizes (Higham & Mary 2019)"
FINEST = 3.0  # times what the best look resolves: what others may that judge, too


def summed(terms: float, eps: float) -> float:
    """What a sum of so many terms may be off by, as a share of the sum of their sizes."""
    return float(LIKELY * eps / 2 * np.sqrt(max(terms / LANES, 1.0)))


def gradient_error(look: Look) -> float:
    """What the gradient, all of it, may be off by, Euclidean norm.

    A layer's is sum_n dL/dz_n x_n^T, of at most |dL/dz| |x| in size (Cauchy & Schwarz), k^(1/2) times that of a
    convolution by k entries; the sums over examples, and those behind either factor, have as many terms as examples
    and units.
    """
    landscape = look.landscape
    sizes = [np.prod(landscape.sizes(i)) * np.sqrt(o.kernel) for i, o in enumerate(landscape.weighted)]
    terms = max((_terms(o) for o in landscape.weighted), default=1)
    return summed(terms, look.subject.eps) * float(np.linalg.norm(sizes))


def output_error(look: Look) -> float:
    """What the outputs may be off by: of each layer's a share for its sums, as the layers after it pass it on."""
    fans = [o.fan_in for o in look.landscape.weighted if o.name != NORMALISING]
    return sum(summed(fan, look.subject.eps) for fan in fans) * float(look.landscape.outputs.double().norm())


def loss_error(look: Look) -> float:
    """What the loss may be off by: of its own sum, and of each layer's z what dLoss/dz makes of it."""
    landscape, eps = look.landscape, look.subject.eps
    layers = [
        summed(o.fan_in, eps) * float(o.tensors[1].detach().norm()) * landscape.sizes(i)[1]
        for i, o in enumerate(landscape.weighted)
    ]
    return summed(look.subject.targets.numel(), eps) * abs(landscape.loss) + sum(layers)


def joint_error(look: Look, operations: Sequence[Operation]) -> float:
    """Of <w, G> of the units between two operations, |w_in| |w_out| being 1.

    It is of size |x| |dL/dz|, x what the first reads and z what the last makes.
    """
    landscape = look.landscape
    numbers = [i for i, o in enumerate(landscape.weighted) if o.weight in {each.weight for each in operations}]
    numbers = [numbers[0], numbers[-1]] if len(operations) > 1 else numbers[:1]
    read, pull = landscape.sizes(numbers[0])[0], landscape.sizes(numbers[-1])[1]
    across = np.prod([landscape.weighted[i].kernel for i in numbers])
    terms = sum(_terms(landscape.weighted[i]) for i in numbers)
    return summed(terms, look.subject.eps) * float(read * pull * np.sqrt(across))


def resolving(tolerance: Array, scale: Array, off: Array) -> Array:
    """Which looks judge: the finest, as far as they resolve the limit, and any that is off."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(scale > 0, tolerance / scale, np.inf)
    finest = share.min()
    return (share <= min(max(FINEST * finest, EPS), LIMIT)) | (share == finest) | ~(np.abs(off) <= tolerance)


def _terms(operation: Operation) -> int:
    """Of the sums over examples and places, and over the units before and after."""
    read, made = operation.tensors
    places = made.numel() // made.shape[1] if made.ndim > 1 else made.numel()
    return places + read[0].numel() + made[0].numel()
