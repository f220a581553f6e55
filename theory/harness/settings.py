"""Parameters of claims as the command line names them: `--set width=2000`, `--show`, `--sweep width=100,1000`."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from theory.claims import REGISTRY, Claim
from theory.claims.parameters import at, declared, in_words, is_list, read, written
from theory.claims.study import PROFILES
from theory.core.validation import reject
from theory.harness.discovery import Stated

Given = Mapping[str, Any]  # parameters that are not the profile's own, by name


def registered(claim: Stated) -> Claim:
    """The claim itself, its module imported."""
    import_module(claim.module)
    if claim.id not in REGISTRY:
        read_as = "states as plain text, so that it can be read without running the module"
        reject("id", claim.id, f"an id that {claim.module} {read_as}")
    return REGISTRY[claim.id]


def given(words: Sequence[str], claims: Sequence[Stated], profile: str, on_data: bool) -> dict[str, Given]:
    """What NAME=VALUE says, for each claim by its id; a claim without a parameter of this name stays as it is.

    Raises:
        InvalidArgument: none of the claims has this parameter, the value is of another type or outside its range, the
            values do not fit each other, or the user's data decide it.
    """
    if not words:
        return {claim.id: {} for claim in claims}
    texts = dict(_split("set", word) for word in words)
    kinds = {claim.id: registered(claim).parameters for claim in claims}
    for name in texts:
        if not any(kind and name in declared(kind) for kind in kinds.values()):
            _unknown(name, kinds)
    return {id: {} if kind is None else _of_one(kind, texts, profile, on_data) for id, kind in kinds.items()}


def having(word: str, claims: Sequence[Stated]) -> list[Stated]:
    """The claims that have the parameter which NAME=V1,V2,... names.

    Raises:
        InvalidArgument: none of them has it.
    """
    name, _ = _split("sweep", word)
    kinds = {claim.id: registered(claim).parameters for claim in claims}
    found = [claim for claim in claims if (kind := kinds[claim.id]) and name in declared(kind)]
    return found or _unknown(name, kinds)


def sweep(word: str, claim: Stated, given: Given, profile: str, on_data: bool) -> dict[str, Given]:
    """What is given beside `given` at each value that NAME=V1,V2,... lets a parameter of the claim take, by NAME=V.

    Lists are told apart by a semicolon.

    Raises:
        InvalidArgument: as for `given`; or it has no two different values, or is set to one already.
    """
    name, text = _split("sweep", word)
    kind = registered(claim).parameters
    if kind is None or name not in declared(kind):
        _unknown(name, {claim.id: kind})
    if name in given:
        reject("sweep", repr(word), f"a parameter that --set does not make {written(given[name])}")
    texts = [part for part in text.split(";" if is_list(kind, name) else ",") if part]
    values = [_value(kind, name, part, on_data) for part in texts]
    if len(set(values)) < max(len(values), 2):
        reject("sweep", repr(word), "at least two values, all different")
    return {f"{name}={written(value)}": _checked(kind, {**given, name: value}, profile) for value in values}


def shown(claim: Stated, profile: str, given: Given) -> Iterator[tuple[str, ...]]:
    """Name, value, type and range, values in the profiles, and meaning of each parameter."""
    kind = registered(claim).parameters
    if kind is None:
        return
    values = vars(at(kind, profile, given))
    for name, parameter in declared(kind).items():
        own = [written(parameter.values[profile]) for profile in PROFILES]
        unit = f" ({parameter.unit})" if parameter.unit else ""
        decided = "; decided by --data" if parameter.from_data else ""
        yield name, written(values[name]), in_words(kind, name), *own, f"{parameter.means}{unit}{decided}"


def _split(option: str, word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not (name and equals and text):
        reject(option, repr(word), "NAME=VALUE; --show names the parameters of a claim")
    return name.strip(), text


def _of_one(kind: type, texts: Mapping[str, str], profile: str, on_data: bool) -> Given:
    """Those that one claim has, and that differ from what they are anyway."""
    known = declared(kind)
    values = {name: _value(kind, name, text, on_data) for name, text in texts.items() if name in known}
    return _checked(kind, values, profile)


def _checked(kind: type, values: Given, profile: str) -> Given:
    """Those that differ from the profile's own, all of them checked together."""
    at(kind, profile, values)
    return {name: value for name, value in values.items() if value != declared(kind)[name].values[profile]}


def _value(kind: type, name: str, text: str, on_data: bool) -> Any:
    if on_data and declared(kind)[name].from_data:
        reject(name, repr(text), "no value: the data decide it")
    return read(kind, name, text)


def _unknown(name: str, kinds: Mapping[str, type | None]) -> NoReturn:
    known = {each: id for id, kind in kinds.items() if kind for each in declared(kind)}
    if not known:
        reject("parameter", repr(name), f"none: nothing can be varied in {', '.join(list(kinds)[:3])}")
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or sorted(known)[:5]
    reject(
        "parameter",
        repr(name),
        f"one that --show shows, e.g. {', '.join(f'{each} of {known[each]}' for each in nearest)}",
    )
