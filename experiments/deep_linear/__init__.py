"""Deep linear networks, trained; importing this registers the setting's claims."""

from experiments.deep_linear import (
    completion,
    crossover,
    double_descent,
    frozen,
    generalisation,
    learning_curves,
    limit,
    minnorm,
    modes,
    stability,
    test_error,
)

__all__ = [
    "completion",
    "crossover",
    "double_descent",
    "frozen",
    "generalisation",
    "learning_curves",
    "limit",
    "minnorm",
    "modes",
    "stability",
    "test_error",
]
