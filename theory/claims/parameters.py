"""What can be varied in a claim: a frozen dataclass of its sizes and settings, each with its range and its values.

    @dataclass(frozen=True)
    class Sizes:
        width: int = varies("units of the hidden layer", 500, smoke=50, low=2, high=10**5)
        learning_rate: float = varies("of gradient descent", 1e-3, low=0, high=1, brackets="()")

    @claim("min2021.theorem1", ..., parameters=Sizes)
    def loss_decays_at_the_rate_of_the_imbalance(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:

A whole number, a number, or a list of either; what must fit together is for `__post_init__` to refuse.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from theory.core.validation import inside, reject

KINDS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Parameter:
    """One thing that can be varied.

    Attributes:
        means: what it is, in words.
        values: what it is in each profile.
        low, high, brackets: the interval in which a number, or each of a list, has to lie; as in mathematics.
        unit: in which it is counted, "" for none.
        from_data: whether the user's own data decide it, where there are some.
    """

    means: str
    values: Mapping[str, Any]
    low: float
    high: float
    brackets: str
    unit: str
    from_data: bool

    @property
    def range(self) -> str:
        """The interval as mathematics writes it, "" for all numbers."""
        if (self.low, self.high) == (-np.inf, np.inf):
            return ""
        return f"in {self.brackets[0]}{self.low:g}, {self.high:g}{self.brackets[1]}"


def varies(
    means: str,
    value: Any,
    *,
    smoke: Any = None,
    paper: Any = None,
    low: float = -np.inf,
    high: float = np.inf,
    brackets: str = "[]",
    unit: str = "",
    from_data: bool = False,
) -> Any:
    """A field of a dataclass of parameters: its `value` in every profile but those for which another is named.

    See `Parameter` for the rest.
    """
    values = {"smoke": value if smoke is None else smoke, "quick": value, "paper": value if paper is None else paper}
    parameter = Parameter(means, values, low, high, brackets, unit, from_data)
    return field(default=value, metadata={"parameter": parameter})


def declared(kind: type) -> dict[str, Parameter]:
    """The parameters that a dataclass declares, by name."""
    return {each.name: _parameter(each) for each in fields(kind)}


def at(kind: type, profile: str, given: Mapping[str, Any]) -> Any:
    """The parameters of a profile, with those that are given in place of the profile's own.

    Raises:
        InvalidArgument: one of them does not exist, is of another type or outside its range, or does not fit the rest.
    """
    known = declared(kind)
    for name, value in given.items():
        if name not in known:
            reject("parameter", repr(name), f"one of {', '.join(known)}")
        _require(name, value, known[name], get_type_hints(kind)[name])
    return kind(**({name: parameter.values[profile] for name, parameter in known.items()} | dict(given)))


def read(kind: type, name: str, text: str) -> Any:
    """The value of the parameter `name` that `text` writes: 2000, 1e-3, or a list as 0.3,0.05.

    Raises:
        InvalidArgument: it writes no value of this type, or one outside the range.
    """
    parameter, hint = declared(kind)[name], get_type_hints(kind)[name]
    words = [word for word in text.split(",") if word] if is_list(kind, name) else [text]
    numbers = tuple(_number(name, word, _entry(hint), text, parameter) for word in words)
    value = numbers if is_list(kind, name) else numbers[0]
    _require(name, value, parameter, hint)
    return value


def written(value: Any) -> str:
    """A value as --set takes it."""
    return ",".join(map(written, value)) if isinstance(value, tuple) else f"{value:.12g}"


def is_list(kind: type, name: str) -> bool:
    """Whether this parameter is a list of numbers."""
    return get_origin(get_type_hints(kind)[name]) is tuple


def in_words(kind: type, name: str) -> str:
    """Type and range of the parameter: a whole number in [2, 1e+05]."""
    hint = get_type_hints(kind)[name]
    what = f"{KINDS[_entry(hint)]} {declared(kind)[name].range}".strip()
    return f"a list of {what.removeprefix('a ').replace('number', 'numbers')}" if is_list(kind, name) else what


def _parameter(declaration: "Field[Any]") -> Parameter:
    found: Parameter = declaration.metadata["parameter"]
    return found


def _entry(hint: Any) -> type:
    return get_args(hint)[0] if get_origin(hint) is tuple else hint


def _number(name: str, word: str, kind: type, text: str, parameter: Parameter) -> Any:
    """1e6 is a whole number, and so is 2000.0."""
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        return reject(name, repr(text), f"{KINDS[kind]} {parameter.range}".strip())
    if kind is int and (not number.is_finite() or number != number.to_integral_value()):
        reject(name, repr(text), f"{KINDS[kind]} {parameter.range}".strip())
    return kind(number)


def _require(name: str, value: Any, parameter: Parameter, hint: Any) -> None:
    entries = value if get_origin(hint) is tuple else (value,)
    if not isinstance(entries, tuple) or not entries:
        reject(name, repr(value), "a tuple of at least one number")
    for number in entries:
        if type(number) is not _entry(hint):
            reject(name, repr(value), f"{KINDS[_entry(hint)]} {parameter.range}".strip())
        inside(name, number, parameter.low, parameter.high, parameter.brackets)
        if not np.isfinite(number):
            reject(name, number, "a finite number")
