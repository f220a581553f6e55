"""Errors of the max-margin classifier on an example left out, and on new ones: bounds without a constant to be chosen.

Of n + 1 examples z_i = y_i x_i with the classifier w = sum_i alpha_i z_i, leave one support vector out; m is its margin
with the classifier w' of the others. The dual D = sum_i alpha_i - 1/2 |sum_i alpha_i z_i|^2 loses alpha_i^2 |z_i|^2 / 2
where alpha_i is set to 0, and from its optimum without i gains (1 - m)^2 / (2 |z_i|^2) where alpha_i alone is raised:

    m >= 1 - alpha_i |z_i|^2                                                      (Jaakkola & Haussler 1999)

So it errs only if alpha_i |z_i|^2 >= 1, and since sum_i alpha_i = |w|^2 = 1 / gamma^2,

    errors left out <= #{alpha_i |z_i|^2 >= 1} <= min(#support vectors, R^2 / gamma^2)        (Vapnik 1995, chapter 5)

and as the average over exchangeable examples, E err_n <= E min(...) / (n + 1).
"""

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import EPS, Array
from theory.core.separable import Separable
from theory.core.validation import inside, positive_integer

Counts = Int[np.ndarray | np.integer, "*runs"]

MOST = 2000  # examples of a constructed instance


def left_out_margin(problem: Separable) -> Float[Array, "*runs n"]:
    """1 - alpha_i |z_i|^2: the least margin that an example can have with the max-margin classifier of the others."""
    lengths = np.linalg.norm(problem.Z, axis=-1)
    return 1 - problem.duals * lengths * lengths  # two factors, neither of which overflows


def may_err(problem: Separable) -> Counts:
    """How many of the examples can be misclassified where they are left out; a margin of 0 counts as an error."""
    rounding = 64 * sum(problem.Z.shape[-2:]) * EPS
    return np.asarray((left_out_margin(problem) <= rounding).sum(-1))


def support_vectors(problem: Separable) -> Counts:
    """How many examples hold up the classifier: the others may be left out without a change."""
    return np.asarray(problem.support.sum(-1))


def radius_over_margin(problem: Separable) -> Float[Array, "*runs"]:
    """R^2 / gamma^2, R the length of the longest example: no sequence makes a perceptron err more often (Novikoff)."""
    return (np.linalg.norm(problem.Z, axis=-1).max(-1) / problem.margin) ** 2


def error_bound(problem: Separable) -> Float[Array, "*runs"]:
    """min(#support vectors, R^2 / gamma^2) / (n + 1) of n + 1 examples: its mean is above that of the error after n."""
    return np.minimum(support_vectors(problem), radius_over_margin(problem)) / problem.Z.shape[-2]


def nearly_orthogonal(n: int, obtuse: float | int) -> Float[Array, "n n"]:
    """n examples of length 1 whose inner products all are -obtuse: each of them errs where it is left out, #support
    vectors = n and R^2 / gamma^2 = n / (1 - (n - 1) obtuse), so that the bounds are equalities as obtuse tends to 0.

    Raises:
        InvalidArgument: fewer than 2 examples, or ones so obtuse that no classifier separates them by a margin.
    """
    inside("n", positive_integer("n", n), 2, MOST)
    inside("obtuse", obtuse, 0, 0.9 / (n - 1), "()")
    gram = np.full((n, n), -float(obtuse))
    np.fill_diagonal(gram, 1.0)
    return np.linalg.cholesky(gram)
