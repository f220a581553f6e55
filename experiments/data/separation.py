"""Whether a classifier without bias separates labelled examples, decided within a minute or not at all."""

from pathlib import Path

from experiments.data.labelled import Labelled, load_labelled
from theory.core.arrays import Array
from theory.core.separable import Separable, Uncertified
from theory.core.validation import InvalidArgument, reject

SECONDS = 60.0  # that deciding may take
BIAS = "a column of ones in X gives the classifier a bias"


def load_separable(path: Path) -> Separable:
    """Examples of two classes and their max-margin classifier, which has no bias.

    Raises:
        InvalidArgument: the file has no such examples, no classifier separates them, or it could not be decided.
    """
    return separable(path, load_labelled(path))


def load_inseparable(path: Path) -> Array:
    """Examples times labels Z (n, d) of two classes that no classifier without bias separates.

    Raises:
        InvalidArgument: the file has no such examples, a classifier separates them, or it could not be decided.
    """
    return inseparable(path, load_labelled(path))


def separable(path: Path, examples: Labelled) -> Separable:
    """The same of examples read before, from `path`."""
    found = separated(path, examples.Z)
    if found is None:
        reject(f"data {path}", _in_words(examples), f"examples that a classifier without bias separates; {BIAS}")
    return found


def inseparable(path: Path, examples: Labelled) -> Array:
    """The same of examples read before, from `path`."""
    if separated(path, examples.Z) is not None:
        reject(f"data {path}", _in_words(examples), "examples that no classifier without bias separates")
    return examples.Z


def separated(path: Path, Z: Array) -> Separable | None:
    """The max-margin classifier; None if there is none.

    Raises:
        InvalidArgument: it would take too long, or rounding leaves it open.
    """
    n, d = Z.shape
    seconds = 1e-9 * n * d * (min(n, d) + 500)  # of nnls, measured from 500 x 500 to 100000 x 10
    if seconds > SECONDS:
        expected = f"examples whose separability is decided in {SECONDS:g} seconds, not about {seconds:.2g}"
        reject(f"data {path}: X.shape", Z.shape, f"{expected}: choose fewer rows or columns")
    if not Z.any(axis=1).all():
        return None  # an input of zeros has margin 0 whatever the weights
    try:
        return Separable(Z)
    except Uncertified:
        reject(f"data {path}", f"{n} examples", "examples whose separability rounding leaves no doubt of: rescale X")
    except InvalidArgument as error:
        if "that a classifier without bias separates" in str(error):
            return None
        raise InvalidArgument(f"data {path}: {error}") from error


def _in_words(examples: Labelled) -> str:
    n, d = examples.X.shape
    return f"{n} examples in {d} dimensions"
