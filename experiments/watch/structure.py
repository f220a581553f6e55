"""A network as the theorems see it: layers, neighbours, what is homogeneous, linear, or does not depend on its size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from experiments.watch.trace import NORMALISING, WEIGHTED, Operation, Trace

HOMOGENEOUS = {"relu", "relu_", "leaky_relu", "leaky_relu_"}  # of degree 1, value by value
POOLS = {
    f"{kind}{d}d" for kind in ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool") for d in (1, 2, 3)
}
RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "contiguous"}
NOTHING = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"}  # looked at switched off
SCALINGS = {"mul", "div", "neg", "mean", "sum", "__mul__", "__truediv__", "__neg__"}  # by numbers
SUMS = {"add", "add_", "sub", "__add__", "__iadd__", "__sub__", "__radd__"}


@dataclass(frozen=True, eq=False)
class Layer:
    """The `number`-th of the network's linear maps and convolutions.

    Attributes:
        name: of its module, as `named_modules` has it.
        kind: "linear" or "convolution".
        weight: its parameter's name; "" if it is computed (`parametrised` says how).
        bias: its parameter's name, "" if there is none.
    """

    number: int
    name: str
    kind: str
    weight: str
    bias: str
    parametrised: str
    operation: Operation

    def __str__(self) -> str:
        return f"layer {self.number}"


@dataclass(frozen=True, eq=False)
class Pair:
    """Neighbours: what comes out of a unit of the first is read by the second alone, homogeneously in between.

    Attributes:
        weight, bias: names of the parameters into the units ("" for none): of a layer, or of a batch normalisation.
        head, reader: the operations.
        outgoing: name of the weight that reads the units.
        is_linear: whether nothing is in between two linear layers.
    """

    name: str
    weight: str
    bias: str
    outgoing: str
    head: Operation
    reader: Operation
    is_linear: bool


@dataclass(frozen=True, eq=False)
class Invariant:
    """A parameter on whose size nothing depends: of each of its rows, or as a whole.

    Attributes:
        eps: of the batch normalisation behind it, 0 if there is none.
    """

    layer: Layer
    name: str
    by_row: bool
    because: str
    eps: float


class Structure:
    """What was read from one pass of a network over its inputs.

    Attributes:
        operations: in the order they were done.
        layers: linear maps and convolutions among them.
        output: number of the value that is the network's output.
    """

    def __init__(self, network: nn.Module, trace: Trace, output: Tensor) -> None:
        self.network = network
        self.operations: Sequence[Operation] = tuple(trace.operations)
        self.output = trace.number_of(output)
        weighted = [operation for operation in self.operations if operation.name in WEIGHTED]
        self.layers = tuple(self._layer(number, operation) for number, operation in enumerate(weighted, start=1))

    def _layer(self, number: int, operation: Operation) -> Layer:
        first = operation.weight[0] if operation.weight else ""
        module = _owner(first)
        weight = first if operation.is_plain else ""
        bias = operation.bias[0] if operation.bias else ""
        how = "" if operation.is_plain else self._parametrisation(module, first)
        return Layer(number, module, WEIGHTED[operation.name], weight, bias, how, operation)

    def _parametrisation(self, module: str, parameter: str) -> str:
        if "parametrizations." in parameter:
            kinds = self.network.get_submodule(module).parametrizations["weight"]  # type: ignore[index]
            return ", ".join(type(kind).__name__.strip("_") for kind in kinds)
        return "WeightNorm" if parameter.endswith(("weight_g", "weight_v")) else "a computed weight"

    @cached_property
    def readers(self) -> Mapping[int, Sequence[Operation]]:
        """The operations that read each value."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations:
            for value in dict.fromkeys(operation.reads):
                found.setdefault(value, []).append(operation)
        return found

    @cached_property
    def tied(self) -> str:
        """Layers that share a weight, in words; "" if none do."""
        users: dict[tuple[str, ...], list[str]] = {}
        for layer in self.layers:
            users.setdefault(layer.operation.weight, []).append(str(layer.number))
        shared = [" and ".join(numbers) for names, numbers in users.items() if names and len(numbers) > 1]
        return f"layers {shared[0]} are one weight" if shared else ""

    @cached_property
    def used(self) -> frozenset[str]:
        """Names of the parameters behind some operation."""
        return frozenset(n for o in self.operations for names in (o.weight, o.bias, o.others) for n in names)

    def layer_of(self, operation: Operation) -> Layer:
        return next(layer for layer in self.layers if layer.operation is operation)

    @cached_property
    def pairs(self) -> Sequence[Pair]:
        return tuple(pair for pair in map(self._pair, self._heads) if isinstance(pair, Pair))

    @cached_property
    def no_pair(self) -> str:
        """Why there are no neighbours, by the first layer that has none."""
        reasons = [reason for reason in map(self._pair, self._heads) if isinstance(reason, str)]
        return reasons[0] if reasons else "there is no layer to read"

    @property
    def _heads(self) -> Sequence[Operation]:
        """What has weights into units: layers, and normalisations with a gain."""
        return [o for o in self.operations if o.name in WEIGHTED or (o.name == NORMALISING and o.weight)]

    def _pair(self, head: Operation) -> Pair | str:
        name = str(self.layer_of(head)) if head.name in WEIGHTED else f"normalisation {_owner(head.weight[0])!r}"
        if not head.is_plain:
            return f"{name} is parametrised ({self.layer_of(head).parametrised})"
        between, reader = self._reader(head.makes)
        if isinstance(reader, str):
            return f"{name} {reader}"
        if reader.name == NORMALISING:
            return f"{name} is normalised"
        if not reader.is_plain:
            return f"{self.layer_of(reader)} is parametrised ({self.layer_of(reader).parametrised})"
        if reader.options["groups"] != 1 or not _units_are_seen(head, between, reader):
            return f"what {name} hands to {self.layer_of(reader)} is regrouped on the way"
        bias = head.bias[0] if head.bias else ""
        is_linear = not between and head.name == reader.name == "linear"
        names = f"{name} and {self.layer_of(reader)}", head.weight[0], bias, reader.weight[0]
        return Pair(*names, head, reader, is_linear)

    def _reader(self, value: int) -> tuple[Sequence[Operation], Operation | str]:
        """What a value goes through up to the one operation with weights that reads it; or why there is none."""
        between: list[Operation] = []
        while value != self.output:
            readers = self.readers.get(value, ())
            if len(readers) != 1 or len(readers[0].reads) != 1:
                return between, "has outputs that go two ways, or are joined with others"
            (operation,) = readers
            if operation.name in WEIGHTED or operation.name == NORMALISING:
                return between, operation
            if operation.name not in HOMOGENEOUS | POOLS | RESHAPES | NOTHING:
                return between, f"is followed by {operation.name}"
            if operation.name not in NOTHING:
                between.append(operation)
            value = operation.makes
        return between, "is the last layer"

    @cached_property
    def degree(self) -> int | str:
        """Of homogeneity of the network in all its weights; or, in words, what it is not homogeneous for."""
        degrees, after = {0: 0}, {0: "the input"}
        for operation in self.operations:
            read = {degrees[value] for value in operation.reads}
            place = after[operation.reads[0]]
            if operation.name in WEIGHTED:
                layer = self.layer_of(operation)
                if layer.parametrised:
                    return f"{layer} is parametrised ({layer.parametrised})"
                if layer.bias and read != {0}:
                    return f"{layer} has a bias"
                read, place = {max(read) + 1}, str(layer)
            elif operation.name in SUMS:
                if len(operation.reads) < 2 or operation.others:
                    return f"after {place} a constant is added"
                if len(read) > 1:
                    return f"the link around {place} adds degrees {' and '.join(map(str, sorted(read)))}"
            elif operation.name not in HOMOGENEOUS | POOLS | RESHAPES | NOTHING | SCALINGS or len(operation.reads) > 1:
                return f"{place} is followed by {operation.name}"
            degrees[operation.makes], after[operation.makes] = max(read), place
        return degrees.get(self.output, 0) if self.output is not None else "its output does not depend on its inputs"

    @cached_property
    def stack(self) -> Sequence[Layer] | str:
        """The layers of a linear network; or, in words, what else there is."""
        value = 0
        for operation in self.operations:
            if operation.reads != (value,):
                return "it is no chain of layers"
            if operation.name in WEIGHTED:
                layer = self.layer_of(operation)
                wrong = [layer.kind == "convolution", layer.bias, layer.parametrised]
                words = "is a convolution", "has a bias", f"is parametrised ({layer.parametrised})"
                if any(wrong):
                    return f"{layer} {next(word for word, is_so in zip(words, wrong) if is_so)}"
            elif operation.name not in RESHAPES | NOTHING:
                before = [layer for layer in self.layers if layer.operation.makes <= value]
                return f"{before[-1] if before else 'the input'} is followed by {operation.name}"
            value = operation.makes
        return self.tied or (self.layers if self.layers else "it has no layer")

    @cached_property
    def invariants(self) -> Sequence[Invariant]:
        """Weights before a batch normalisation, and the directions of weight normalisation."""
        found = []
        for layer in self.layers:
            readers = self.readers.get(layer.operation.makes, ())
            normalised = [r for r in readers if r.name == NORMALISING and r.options["training"]]
            if layer.parametrised == "WeightNorm":
                sizes, direction = sorted(layer.operation.weight, key=_is_direction)
                by_row = self.network.get_parameter(sizes).numel() > 1
                found.append(Invariant(layer, direction, by_row, "weight normalisation", 0.0))
            elif layer.weight and normalised and len(readers) == 1 and layer.operation.makes != self.output:
                found.append(Invariant(layer, layer.weight, True, "batch normalisation", normalised[0].options["eps"]))
        return tuple(found)


def _owner(parameter: str) -> str:
    """Name of the module that a parameter is of, or that it parametrises."""
    of, parametrises, _ = f".{parameter}".partition(".parametrizations.")
    return (of if parametrises else of.rpartition(".")[0]).removeprefix(".")


def _is_direction(name: str) -> bool:
    return name.endswith(("original1", "weight_v"))


def _units_are_seen(head: Operation, between: Sequence[Operation], reader: Operation) -> bool:
    """Whether the units of `head` are dimension 1 of what `reader` reads, or blocks of it."""
    made, read = head.tensors[1], reader.tensors[0]
    if made.ndim < 2 or (made.ndim > 2 and head.name == "linear" and (between or reader.name != "linear")):
        return all(operation.name in HOMOGENEOUS for operation in between) and reader.name == head.name == "linear"
    if made.ndim == 2 and any(operation.name in POOLS for operation in between):
        return False
    return read.shape[1] % made.shape[1] == 0
