"""What a network does to its inputs, operation by operation, whatever classes it is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

WEIGHTED = {"linear": "linear", "conv1d": "convolution", "conv2d": "convolution", "conv3d": "convolution"}
NORMALISING = "batch_norm"
# Where weights, biases and options stand among the arguments.
PLACES = {name: {"weight": 1, "bias": 2} for name in WEIGHTED} | {NORMALISING: {"weight": 3, "bias": 4}}
OPTIONS = {name: {"groups": (6, 1)} for name in WEIGHTED} | {NORMALISING: {"training": (5, False), "eps": (7, 1e-5)}}


@dataclass(frozen=True, eq=False)
class Operation:
    """One call on what depends on the inputs.

    Attributes:
        name: as torch calls it, such as "linear" or "relu".
        reads: numbers of the values it read; 0 are the network's inputs.
        makes: number of the value it made.
        weight, bias: names of the parameters behind them; several where a weight is computed from more than one.
        others: names of the parameters behind its other arguments.
        is_plain: whether its weight is a parameter itself.
        shape: of its weight, () if it has none.
        options: "groups" of a convolution, "training" and "eps" of a normalisation.
        tensors: what went in and what came out.
    """

    name: str
    reads: tuple[int, ...]
    makes: int
    weight: tuple[str, ...]
    bias: tuple[str, ...]
    others: tuple[str, ...]
    is_plain: bool
    shape: tuple[int, ...]
    options: Mapping[str, Any]
    tensors: tuple[Tensor, Tensor] = field(repr=False)

    @property
    def kernel(self) -> int:
        """Entries of each kernel of a convolution, 1 of a linear map."""
        return prod(self.shape[2:])

    @property
    def fan_in(self) -> int:
        """Weights into each unit."""
        return prod(self.shape[1:])


class Trace(TorchFunctionMode):
    """Records what is done to `inputs` inside its `with` block.

    A value has a number, and a new one when it is changed in place. Every tensor is kept until the trace is dropped,
    so that no two have one identity.
    """

    def __init__(self, inputs: Tensor, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._values = {id(inputs): 0}
        self._behind: dict[int, tuple[str, ...]] = {}
        for name, parameter in parameters.items():
            self._behind[id(parameter)] = (*self._behind.get(id(parameter), ()), name)[:1]
        self._parameters = set(self._behind)
        self._kept: list[Any] = [inputs, *parameters.values()]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = list(_tensors([*args, *kwargs.values()]))
        values = tuple(self._values[id(tensor)] for tensor in read if id(tensor) in self._values)
        made = func(*args, **kwargs)
        for output in _tensors(made):
            self._kept.append(output)
            if values and (output.is_floating_point() or output.is_complex()):
                self._note(getattr(func, "__name__", str(func)), values, read, output, args, kwargs)
            elif not values and id(output) not in self._parameters:
                self._behind[id(output)] = self._names(read)
        return made

    def number_of(self, tensor: Tensor) -> int | None:
        """Number of the value it holds by now; None if it does not depend on the inputs."""
        return self._values.get(id(tensor))

    def _note(
        self, name: str, values: tuple[int, ...], read: Sequence[Tensor], output: Tensor, args: Any, kwargs: Any
    ) -> None:
        number = self._values[id(output)] = len(self.operations) + 1
        weight, bias = (_argument(args, kwargs, key, place) for key, place in PLACES.get(name, _NONE).items())
        others = [tensor for tensor in read if id(tensor) not in self._values and tensor is not weight]
        options = {key: _argument(args, kwargs, key, *place) for key, place in OPTIONS.get(name, {}).items()}
        self.operations.append(
            Operation(
                name,
                values,
                number,
                self._behind.get(id(weight), ()),
                self._behind.get(id(bias), ()),
                self._names([tensor for tensor in others if tensor is not bias]),
                id(weight) in self._parameters,
                tuple(weight.shape) if isinstance(weight, Tensor) else (),
                options,
                (read[0], output),
            )
        )

    def _names(self, tensors: Sequence[Tensor]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for tensor in tensors for name in self._behind.get(id(tensor), ())))


_NONE = {"weight": None, "bias": None}


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], key: str, place: int | None, default: Any = None) -> Any:
    if place is None:
        return None
    return kwargs.get(key, args[place] if len(args) > place else default)


def _tensors(what: Any) -> Iterator[Tensor]:
    if isinstance(what, Tensor):
        yield what
    elif isinstance(what, (tuple, list)):
        for each in what:
            yield from _tensors(each)
