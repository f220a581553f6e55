"""Arguments drawn for any function from its annotations: ordinary ones, and those at which formulas break.

The names in a jaxtyping shape ("*runs n d") stand for one size within a call, so what fits together is drawn together.
Zeros, coincidences, parallel and orthogonal rows, huge numbers beside tiny ones, infinity and NaN come up on purpose.
"""

import dataclasses
import inspect
import types
import typing
from collections import abc
from typing import Any

import numpy as np

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.separable import Separable

EDGES = (
    0.0,
    1e-300,
    1e-16,
    1e-8,
    0.5,
    1.0,
    1.0 + 1e-15,
    2.0,
    3.0,
    20.0,
    800.0,
    1e8,
    1e150,
    1e300,
    np.inf,
    -1.0,
    np.nan,
)
WHOLE_EDGES = (0, -1, 1, 1, 2, 2, 3, 4, 5, 8, 17, 100)
SCALES = (1e-200, 1e-100, 1e-8, 1e-6, 1e6, 1e8, 1e100, 1e200)


class Unmakeable(TypeError):
    """No argument of this annotation can be drawn."""


class Draw:
    """One call's arguments.

    Args:
        rng: decides everything.
        wildness: the share of arguments that are drawn at an edge; the others are ordinary.
    """

    def __init__(self, rng: np.random.Generator, wildness: float) -> None:
        self.rng, self.wildness = rng, wildness
        self.sizes: dict[str, tuple[int, ...]] = {}

    def arguments(self, function: abc.Callable) -> dict[str, Any]:
        """A value for each parameter without a default, and for about half of those with one.

        Raises:
            Unmakeable: a parameter is of a kind that has no recipe here, such as a function.
        """
        if function in ARGUMENTS:
            return ARGUMENTS[function](self)
        hints = typing.get_type_hints(function)
        made = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.default is not parameter.empty and self.chance(0.5):
                continue
            made[name] = self.value(hints[name])
        return made

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def value(self, hint: Any) -> Any:
        """Something of this annotation."""
        if hint in (Array, np.ndarray):
            return self.entries(tuple(self.rng.integers(1, 4, self.rng.integers(0, 3))))
        origin, words = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            return self.value(self._choice([word for word in words if not _is_scalar_of_numpy(word)]))
        if hint in RECIPES:
            return RECIPES[hint](self)
        if hasattr(hint, "dim_str"):
            return self.shaped(hint)
        if origin is typing.Literal:
            return self._choice(words)
        if origin is tuple:
            return tuple(self.value(word) for word in words if word is not Ellipsis)
        if origin in (list, abc.Sequence):
            return self.stack() if words[0] is Array else [self.value(words[0]) for _ in range(self.rng.integers(1, 4))]
        if dataclasses.is_dataclass(hint):
            return hint(**self.arguments(hint))
        raise Unmakeable(str(hint))

    def number(self) -> float:
        if self.chance(self.wildness):
            return float(self._choice(EDGES))
        return float(np.exp(self.rng.normal()))

    def whole(self) -> int:
        return int(self._choice(WHOLE_EDGES) if self.chance(self.wildness) else self.rng.integers(1, 7))

    def shaped(self, hint: Any) -> Array:
        shape: tuple[int, ...] = ()
        for word in hint.dim_str.split():
            shape += self._size(word.replace("#", ""))
        if "int" in str(hint.dtypes[0]) and "float" not in str(hint.dtypes):
            return self.rng.integers(0, 5, shape)
        if "bool" in str(hint.dtypes[0]):
            return self.rng.random(shape) < 0.7
        return self.entries(shape)

    def _size(self, word: str) -> tuple[int, ...]:
        if word.isdigit():
            return (int(word),)
        if word in ("_", "*_", "..."):
            return (int(self.rng.integers(1, 4)),)
        if word.startswith("*") and "times" not in word and "steps" not in word:
            word = "*"  # runs, draws and batches of one call are the same, or broadcast
        if word not in self.sizes:
            dimensions = int(self.rng.integers(0, 2)) if word.startswith("*") else 1
            self.sizes[word] = tuple(int(size) for size in self.rng.integers(1, 5, dimensions))
        return self.sizes[word]

    def entries(self, shape: tuple[int, ...]) -> Array:
        """Numbers of this shape: of one kind or another, and now and then with an edge in them."""
        array = KINDS[int(self.rng.integers(len(KINDS)))](self.rng, shape)
        if array.size and self.chance(self.wildness):
            array = self._spoilt(array)
        return array

    def _spoilt(self, array: Array) -> Array:
        array = np.array(array)
        spoil = int(self.rng.integers(5))
        if spoil == 0:
            array = array * self._choice(SCALES)
        elif spoil == 1 and array.ndim:
            array[..., -1] = array[..., 0]
        elif spoil == 2 and array.ndim:
            array[..., 0] *= self._choice(SCALES)
        elif spoil == 3 and array.ndim > 1:
            array[..., -1, :] = self._choice((0.0, 1.0, -1.0, 2.0)) * array[..., 0, :]
        else:
            array.flat[int(self.rng.integers(array.size))] = self._choice(EDGES)
        return array

    def stack(self) -> list[Array]:
        """Layers that can be multiplied: W_1 first."""
        widths = self.rng.integers(1, 5, self.rng.integers(2, 5))
        return [self.entries((int(rows), int(columns))) for columns, rows in zip(widths, widths[1:])]

    def _choice(self, items: abc.Sequence[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]


def _is_scalar_of_numpy(word: Any) -> bool:
    """The second half of `Array`: what numpy hands back where no dimension is left."""
    kind = getattr(word, "array_type", word)
    return isinstance(kind, type) and issubclass(kind, np.generic)


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.linalg.qr(_normal(rng, shape))[0] if _is_square(shape) else np.abs(_normal(rng, shape))


def _symmetric(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    A = _normal(rng, shape)
    return A @ np.swapaxes(A, -1, -2) if _is_square(shape) else A


def _skew(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    A = _normal(rng, shape)
    return A - np.swapaxes(A, -1, -2) if _is_square(shape) else A


def _increasing(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.cumsum(np.abs(_normal(rng, shape)), axis=-1) if shape else np.abs(_normal(rng, shape))


def _decreasing(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return _increasing(rng, shape)[..., ::-1] if shape else _increasing(rng, shape)


def _few_values(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-1, 3, shape).astype(float)


def _unit_rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    A = _normal(rng, shape)
    return A / np.linalg.norm(A, axis=-1, keepdims=True) if shape else np.sign(A)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.standard_normal(shape))


def _is_square(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-1] == shape[-2]


KINDS = (_normal, _normal, _orthogonal, _symmetric, _skew, _increasing, _decreasing, _few_values, _unit_rows)


def _regression(draw: Draw) -> Regression:
    n, D, m = (int(size) for size in draw.rng.integers(1, 6, 3))
    draw.sizes |= {"n": (n,), "D": (D,), "m": (m,)}
    problem = Regression(draw.entries((n, D)), draw.entries((n, m)))
    draw.sizes |= {"r": (problem.r,), "null": (D - problem.r,), "m_plus_r": (m + problem.r,)}
    return problem


def _separable(draw: Draw) -> Separable:
    n, d = (int(size) for size in draw.rng.integers(1, 5, 2))
    draw.sizes |= {"n": (n,), "d": (d,)}
    Z = draw.entries((n, d))
    return Separable(np.where(Z @ draw.rng.standard_normal((d, 1)) < 0, -Z, Z))


RECIPES: dict[Any, abc.Callable[[Draw], Any]] = {
    float: Draw.number,
    int: Draw.whole,
    bool: lambda draw: draw.chance(0.5),
    type(None): lambda draw: None,
    np.random.Generator: lambda draw: np.random.default_rng(int(draw.rng.integers(2**32))),
    Regression: _regression,
    Separable: _separable,
}

# A function whose arguments have to fit in a way that annotations do not say gets a recipe for all of them.
ARGUMENTS: dict[abc.Callable, abc.Callable[[Draw], dict[str, Any]]] = {}
