"""Minnorm: fit the data exactly with the smallest weights, around any torch module and any torch optimiser.

    min 1/2 |theta|^2   subject to   h_i(theta) = 0 (regression)   or   h_i(theta) <= 0 (classification),

solved by descent in the weights theta and ascent in one multiplier a training example and output (Bansal et al. 2018;
their full text was not at hand, so update rule and scalings are a reconstruction):

    loss = method(network(inputs), targets, index)
    loss.backward()
    method.step()

The multipliers integrate the error, so weight decay leaves no bias. When training has converged they are the Lagrange
multipliers of the problem: where they are not 0 are the support examples.
"""

from experiments.methods.minnorm.constraints import Constraint, Equality, Margin, MulticlassMargin
from experiments.methods.minnorm.method import Minnorm, SimultaneousMinnorm
from theory.minnorm.stability import Mode, linear_chain, linear_model

__all__ = [
    "Constraint",
    "Equality",
    "Margin",
    "Minnorm",
    "Mode",
    "MulticlassMargin",
    "SimultaneousMinnorm",
    "linear_chain",
    "linear_model",
]
