"""How signatures are checked: as PEP 484 reads them, so that a whole number will do for a float.

To check every call costs more than the training of a small network does: of each function it is the first hundred of
each test.
"""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from types import CodeType, FunctionType
from typing import Any

import jaxtyping
import torch
from beartype import BeartypeConf, beartype

MOST = 100

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
calls: Counter[CodeType] = Counter()


def check_first_calls() -> None:
    """Let `jaxtyping.jaxtyped`, with which its import hook decorates functions, check so many calls and no more."""
    every_call = jaxtyping.jaxtyped

    def first_calls(*, typechecker: Callable) -> Callable:
        def decorate(function: Any) -> Any:
            if not isinstance(function, FunctionType):
                return every_call(function, typechecker=typechecker)
            return _at_first(function, lambda: every_call(function, typechecker=typechecker))

        return decorate

    jaxtyping.jaxtyped = first_calls


def _at_first(function: FunctionType, decorated: Callable[[], Callable]) -> Callable:
    """The function, `decorated` once it is called and no longer than for its first calls."""
    code, known = function.__code__, None

    @wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        nonlocal known
        if torch.compiler.is_compiling():  # what counts and checks is not what torch is to compile
            return function(*arguments, **named)
        calls[code] += 1
        if calls[code] > MOST:
            return function(*arguments, **named)
        known = known or decorated()
        return known(*arguments, **named)

    return called
