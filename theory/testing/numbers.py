"""Lists, arrays and tensors as float64 arrays, and how finely the type they came in rounds. torch is not imported."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject

BFLOAT16 = 2.0**-7  # numpy has no such type


class Numbers(NamedTuple):
    """Finite numbers, and the relative rounding of each."""

    array: Array
    eps: float


def numbers(name: str, values: Any) -> Numbers:
    """`values` as finite numbers; tensors may be on any device, and may carry gradients.

    Raises:
        InvalidArgument: no array of real finite numbers; the first entry that is none is named.
    """
    try:
        plain, eps = _plain(values)
    except (TypeError, RuntimeError) as error:  # a tensor that is sparse, say, or on no device
        reject(name, f"a {type(values).__name__} that numpy cannot read", f"one that it can ({error})")
    array = entries_inside(name, plain)
    if array.size == 0:
        reject(f"{name}.shape", array.shape, "at least one number")
    return Numbers(array, eps)


def off_by_as(off_by: Any, values: Array) -> Array:
    """`off_by` as numbers of at least 0 that broadcast to the shape of the values.

    Raises:
        InvalidArgument: it does not, or one is negative or not finite.
    """
    off = entries_inside("off_by", numbers("off_by", off_by).array, 0, np.inf, "[)")
    try:
        return np.broadcast_to(off, values.shape)
    except ValueError:
        reject("off_by.shape", off.shape, f"one that broadcasts to that of the values, {values.shape}")


def by_step_size(values: Any) -> tuple[Array, Numbers]:
    """A mapping from step size to what was computed with it, as step sizes, coarse to fine, and values (S, ...).

    Raises:
        InvalidArgument: no mapping, or values of different shapes.
    """
    if not isinstance(values, Mapping):
        reject("values_by_step_size", f"an object of type {type(values).__name__}", "{step size: value or runs (R,)}")
    h = numbers("step sizes", list(values)).array
    each = [numbers(f"values_by_step_size[{step:g}]", value) for step, value in zip(h, values.values())]
    shapes = {number.array.shape for number in each}
    if len(shapes) > 1:
        reject("values_by_step_size", f"values of shapes {sorted(shapes)}", "one shape at every step size")
    coarse_to_fine = np.argsort(-h)
    stacked = np.stack([each[i].array for i in coarse_to_fine])
    return h[coarse_to_fine], Numbers(stacked, max(number.eps for number in each))


def _plain(values: Any) -> tuple[Any, float]:
    if hasattr(values, "detach"):  # a tensor of torch: detached first, since what carries gradients is no array
        rough = str(values.dtype).endswith("bfloat16")
        tensor = values.detach().cpu()
        array = (tensor.float() if rough else tensor).numpy()
        return array, BFLOAT16 if rough else _eps(array)
    if isinstance(values, (list, tuple)) and any(hasattr(value, "detach") for value in values):
        parts = [_plain(value) for value in values]
        return [array for array, _ in parts], max(eps for _, eps in parts)
    return values, _eps(values)


def _eps(values: Any) -> float:
    dtype = getattr(values, "dtype", None)
    coarse = isinstance(dtype, np.dtype) and dtype.kind == "f"
    return float(max(np.finfo(dtype).eps, np.finfo(float).eps)) if coarse else float(np.finfo(float).eps)
