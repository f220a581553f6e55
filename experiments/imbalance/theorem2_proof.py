"""Two lines of the proof of Theorem 2: the residual at the start, and the width at which it is worth one unit."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.wide_networks import DELTA, EXPONENTS
from theory.claims import Check, exactly, measured, rounding
from theory.core.regression import Regression
from theory.imbalance import dynamics, width

FEW = 1e4  # roundings of one number, a few operations


def residual_at_the_start() -> Iterator[Check]:
    """S = (3, 2), Y = 0: a start whose residual exceeds the printed bound."""
    example = Regression(np.diag([3.0, 2.0]), np.zeros((2, 1)))
    U1, V = np.array([[5.0], [1.0]]), np.array([[1.0]])
    residual = float(np.linalg.norm(dynamics.residual(example, np.concatenate([V, U1]))))
    product = float(np.linalg.norm(U1 @ V.T))
    # Along the leading direction of the data the triangle inequality is an equality.
    aligned = Regression(np.diag([3.0, 2.0]), np.array([[-1.0], [0.0]]))
    along = float(np.linalg.norm(dynamics.residual(aligned, np.array([[1.0], [5.0], [0.0]]))))
    within = rounding(64, 16, of="the residual")
    bounds = np.array([width.residual_bound(example, product), width.residual_bound(aligned, 5.0)])
    both = measured("residual at the start, and along the leading direction", [residual, along], within=within)
    yield both.at_most(bounds)
    yield measured("residual along the leading direction", along, within=within).equals(bounds[1])
    size = measured("residual at the start", residual, within=exactly("what the proof needs of E(0)"))
    correction = "|E(0)| <= |Y| + lambda_1^(1/2) |U1 V^T|: E = y~ - Sigma_x^(1/2) U1 V^T"
    printed = size.proof_step("lambda_r^(-1/2) in the residual at the start", correction=correction)
    yield printed.at_most(width.printed_residual_bound(example, product))


def width_needed() -> Iterator[Check]:
    """h0 is where the part of the residual that the start adds contributes one unit to the exponent of C."""
    steep = Regression(np.diag([3.0, 0.5]), np.ones((2, 1)))
    s = width.printed_deviation(steep, DELTA)
    few = rounding(FEW, of="one number, a few operations")
    for a in EXPONENTS:
        h = width.theorem_width(steep, a, s)
        product = width.product_bound(steep, h, a, s)
        unit = steep.S[0] ** 2 / steep.S[-1] ** 2 * product
        yield measured(f"exponent at h0, a = {a}", unit, within=few).equals(1.0)
        growth = width.distance_bound(steep, h, a, s) / width.overlap_bound(steep, h, a, s)
        residual = width.residual_bound(steep, product)
        proof = steep.S[0] * residual / (width.imbalance_level_bound(h, a) * steep.S[-1] ** 2)
        # Where the exponent is small its logarithm keeps the rounding of a number near 1.
        of = "inequality 42, lambda_1^(1/2) |E(0)| / (c lambda_r), with (17), (19) and the residual bound at h0"
        within = rounding(1e4, 1 + 1 / proof, of=of)
        yield measured(f"growth allowed at h0, a = {a}", np.log(growth) / proof, within=within).equals(1.0)
        # How the print comes by its h0: from its own residual bound.
        h = width.printed_theorem_width(steep, a, s)
        printed = width.printed_residual_bound(steep, width.product_bound(steep, h, a, s))
        unit = steep.S[0] / steep.S[-1] ** 2 * (printed - np.linalg.norm(steep.Y))
        yield measured(f"exponent at the printed h0, a = {a}", unit, within=few).equals(1.0)
    spread = Regression(np.diag([30.0, 10.0]), np.ones((2, 1)))
    s = width.printed_deviation(spread, DELTA)
    h = width.printed_theorem_width(spread, 0.5, s)
    unit = spread.S[0] ** 2 / spread.S[-1] ** 2 * width.product_bound(spread, h, 0.5, s)
    printed = measured("exponent at the printed h0", unit, within=exactly("what the proof needs of h0"))
    correction = "h0 = max(16 s^2, 4 (lambda_1 / lambda_r)^2 m s^2)"
    yield printed.proof_step("h0 with lambda_1 / lambda_r^3", correction=correction).at_most(1)
