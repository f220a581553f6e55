"""What the user's own data have, or lack, of the usual hypotheses, in words: `for line in ...: study.remark(line)`.

Rows and columns count from 0.
"""

from collections.abc import Iterator

import numpy as np

from experiments.data.labelled import Labelled
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.separable import Separable

WHITE = 1e-8  # how far singular values of white data may be apart, relatively
UNSCALED = 100.0  # largest over smallest norm of columns from which on it is said
AFFORDABLE = 1e10  # n d min(n, d) up to which a rank takes seconds
SHOWN = 5  # of columns or rows that are named


def of_regression(problem: Regression) -> Iterator[str]:
    """Of inputs and numbers to fit: columns, rank, interpolation, whiteness."""
    n, D = problem.X.shape
    yield from of_columns(problem.X)
    yield from _of_rank(problem.r, n, D)
    if problem.optimal_loss > (64 * (n + D) * EPS) ** 2 * np.square(problem.Y).sum():
        share = 2 * problem.optimal_loss / np.square(problem.Y).sum()
        yield f"no weights interpolate (n = {n} examples, rank {problem.r}): L* > 0, {share:.2g} of |Y|^2 / 2"
    condition = problem.S[0] / problem.S[-1]
    if condition > 1 + WHITE:
        yield f"not white: the condition number of X is {condition:.3g}"


def of_examples(examples: Labelled) -> Iterator[str]:
    """Of labelled examples: columns, rank, bias, classes, rows that occur twice."""
    n, d = examples.X.shape
    yield from of_columns(examples.X)
    if n * d * min(n, d) < AFFORDABLE:
        yield from _of_rank(int(np.linalg.matrix_rank(examples.X)), n, d)
    if not _constant(examples.X).any():
        yield "no constant column: the classifier has no bias"
    counts = np.bincount(examples.labels)
    if counts.max() > 2 * counts.min():
        each = ", ".join(f"{count} {name}" for name, count in zip(examples.classes, counts))
        yield f"classes of unequal size: {each}"
    yield from _of_equal_rows(examples)


def of_support(problem: Separable) -> Iterator[str]:
    """Of separable examples: margin, support vectors, and what is degenerate among them."""
    n, _ = problem.Z.shape
    support = problem.Z[problem.support]
    longest = np.linalg.norm(problem.Z, axis=1).max()
    sigma = np.linalg.svd(support, compute_uv=False)
    rank = int((sigma > max(support.shape) * EPS * sigma[0]).sum())
    size = f"{len(support)} support vectors of {n} examples"
    yield f"separable, the longest example {longest / float(problem.margin):.3g} times the margin; {size}"
    if rank < len(support):
        yield f"support vectors linearly dependent (rank {rank} of {len(support)}): their duals are not unique"
    else:
        yield f"condition number {(sigma[0] / sigma[-1]) ** 2:.3g} of the support vectors' Gram matrix"
    touching = (problem.slack == 0) & ~problem.support
    if touching.any():
        beside = _listed("example", np.flatnonzero(touching))
        yield f"on the margin beside the support: {beside} (duals not unique, or 0)"


def of_columns(X: Array) -> Iterator[str]:
    """Of the columns of inputs: constant, zero, equal or proportional ones, and scales that are far apart."""
    norms = np.linalg.norm(X, axis=0)
    if (norms == 0).any():
        yield f"zeros in all of {_listed('column', np.flatnonzero(norms == 0))}"
    constant = np.flatnonzero(_constant(X) & (norms > 0))
    if constant.size and len(X) > 1:
        yield f"constant: {_listed('column', constant)}"
    yield from _of_collinear(X, norms)
    seen = norms[norms > 0]
    if seen.size and seen.max() > UNSCALED * seen.min():
        yield f"unscaled: the columns' norms are {seen.min():.3g} ... {seen.max():.3g}; nothing is standardised here"


def _of_rank(rank: int, n: int, d: int) -> Iterator[str]:
    if rank < min(n, d):
        yield f"rank-deficient: {n} x {d} inputs of rank {rank}"
    elif n < d:
        yield f"fewer examples than inputs ({n} < {d}): {d - n} directions no example sees"


def _of_collinear(X: Array, norms: Array) -> Iterator[str]:
    """Pairs of columns that are one another's multiple: those whose unit vectors agree in a random coordinate."""
    columns = np.flatnonzero(norms > 0)
    if columns.size < 2 or len(X) < 2:
        return
    signature = np.random.default_rng(0).standard_normal(len(X)) @ X[:, columns] / norms[columns]
    order = np.argsort(np.abs(signature))
    near = np.flatnonzero(np.diff(np.abs(signature[order])) < 64 * EPS * np.sqrt(len(X)))
    neighbours = [sorted(columns[order[[i, i + 1]]].tolist()) for i in near]
    pairs = [(i, j) for i, j in neighbours if _parallel(X[:, i] / norms[i], X[:, j] / norms[j])]
    if pairs:
        named = ", ".join(f"{i} and {j}" for i, j in sorted(pairs)[:SHOWN])
        more = f" and {len(pairs) - SHOWN} pairs more" if len(pairs) > SHOWN else ""
        yield f"proportional columns: {named}{more}"


def _parallel(a: Array, b: Array) -> bool:
    return bool(np.linalg.norm(a - np.copysign(1.0, a @ b) * b) < 1e-12)


def _of_equal_rows(examples: Labelled) -> Iterator[str]:
    _, first, which = np.unique(examples.X, axis=0, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    if first.size == len(examples.X):
        return
    pairs = np.unique(np.stack([which, examples.labels]), axis=1)[0]
    opposite = np.flatnonzero(np.bincount(pairs) > 1)
    if opposite.size:
        rows = _listed("row", first[opposite])
        yield f"equal inputs with different labels: {rows} and others; no classifier separates them"
    repeated = len(examples.X) - first.size
    yield f"{repeated} row{'s repeat others' if repeated > 1 else ' repeats another'}"


def _constant(X: Array) -> Array:
    return np.ptp(X, axis=0) == 0


def _listed(word: str, numbers: Array) -> str:
    """column 3; columns 3, 5 and 7 more."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"{word}{'s' if len(numbers) > 1 else ''} {shown}{more}"
