"""Independent draws against a law, and against each other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, isfinite
from typing import Any

import numpy as np

from theory.claims import samples as drawn
from theory.claims.check import Check
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.testing.numbers import numbers
from theory.testing.verdict import RESOLVES, SIGNIFICANCE, options, settle

FEWEST = 5


def assert_distributed(
    samples: Any, law: Any, *, resolves: float = RESOLVES, significance: float = SIGNIFICANCE
) -> None:
    """Independent samples follow a law that is stated, not fitted to them; a scale off by `resolves` would be seen.

    Kolmogorov and Smirnov's test and the smooth tests of location and scale, at a third of the significance each.

    Args:
        samples: of any shape, each entry one draw; 5 at least.
        law: a frozen continuous one of scipy.stats, such as stats.norm(0, 2), or a function of the factor by which its
            parameter is multiplied that gives one: `lambda k: stats.chi2(k * 7)`. `resolves` is a share of that
            parameter, or of the law's scale.

    Raises:
        AssertionError: they follow another.
        Undecided: they may, but are too few to see a scale off by the share asked.

    >>> import numpy as np
    >>> from scipy import stats
    >>> rng = np.random.default_rng(0)
    >>> assert_distributed(rng.standard_normal(20_000), stats.norm())
    >>> assert_distributed(rng.standard_normal(20_000), stats.norm(scale=1.1))
    Traceback (most recent call last):
        ...
    AssertionError: samples (law) does not hold
    ...
    """
    __tracebackhide__ = True
    options(resolves, significance)
    draws = _draws("samples", samples)
    stated = _stated(law)
    found = drawn("samples", draws, because="independent draws", significance=significance).follow(law)
    found = replace(found, where=_furthest(draws, stated.cdf, "as the law says"))
    ideal = stated.ppf((np.arange(draws.size) + 0.5) / draws.size)
    settle(found, resolves, lambda: _decide(found, resolves, draws.size), lambda: _told(ideal, law, significance))


def assert_same_law(a: Any, b: Any, *, resolves: float = RESOLVES, significance: float = SIGNIFICANCE) -> None:
    """Independent samples a and b follow one law, whichever it is; a factor of 1 + `resolves` between them is seen.

    Args:
        a, b: of any shapes, each entry one draw; 5 at least of each.

    Raises:
        AssertionError: they follow different ones.
        Undecided: they may follow one, but are too few to see a factor between them as small as asked.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> assert_same_law(rng.exponential(size=20_000), rng.exponential(size=20_000))
    >>> assert_same_law(rng.exponential(size=20_000), 1.1 * rng.exponential(size=20_000))
    Traceback (most recent call last):
        ...
    AssertionError: samples (law) does not hold
    ...
    """
    __tracebackhide__ = True
    options(resolves, significance)
    draws, others = _draws("a", a), _draws("b", b)
    because = f"independent draws, compared with {others.size} others"
    found = drawn("samples", draws, because=because, significance=significance).match(others)
    found = replace(found, where=_furthest(draws, lambda x: _shares(others, x), "of b"))
    fewer = min(draws, others, key=len)
    settle(found, resolves, lambda: _decide(found, resolves, fewer.size), lambda: _told_apart(fewer, significance))


def _draws(name: str, values: Any) -> Array:
    draws = numbers(name, values).array.ravel()
    if draws.size < FEWEST:
        reject(name, f"{draws.size} draws", f"at least {FEWEST}")
    return draws


def _stated(law: Any) -> Any:
    """The law itself, of the factor 1 where it is a function of one."""
    expected = "a frozen continuous law of scipy.stats, such as stats.norm(0, 2); assert_same_law takes samples"
    try:
        stated = law if hasattr(law, "cdf") or not callable(law) else law(1.0)
    except TypeError as error:
        reject("law", error, f"a function of the factor of its parameter, or {expected}")
    if not hasattr(stated, "cdf") or not hasattr(getattr(stated, "dist", None), "pdf"):
        reject("law", f"an object of type {type(stated).__name__}", expected)
    return stated


def _furthest(draws: Array, distribution: Callable[[Array], Array], of: str) -> str:
    """Where the share of draws at or below differs the most from what it is to be."""
    share, stated = _shares(draws, draws), distribution(draws)
    worst = int(np.argmax(np.abs(share - stated)))
    return f"{draws[worst]:.6g}: {share[worst]:.1%} lie at or below, {stated[worst]:.1%} {of}"


def _shares(draws: Array, x: Array) -> Array:
    return np.searchsorted(np.sort(draws), x, side="right") / draws.size


def _told(ideal: Array, law: Any, significance: float) -> float:
    """What so many draws tell of a scale where they follow the law as well as they can."""
    return drawn("ideal", ideal, because="", significance=significance).follow(law).resolution or 0.0


def _told_apart(draws: Array, significance: float) -> float:
    return drawn("ideal", draws, because="", significance=significance).match(draws).resolution or 0.0


def _decide(found: Check, resolves: float, draws: int) -> Iterator[str]:
    """What is seen of a scale shrinks as one over the root of the number of draws."""
    if found.resolution is not None and isfinite(found.resolution):
        yield f"{ceil(draws * (found.resolution / resolves) ** 2):d} draws instead of {draws}"
    else:
        yield f"many more draws than {draws}"
