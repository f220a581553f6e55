"""Examples that a ball classifies, sizes above 0 beside those at the edges, norms step by step."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw
from recipes.homogeneous import above_zero, adjusted
from recipes.problems import sized

from theory.homogeneous import depth_and_balance, halpern_lambda, unit_norms


def in_a_ball(draw: Draw) -> dict[str, Any]:
    n, d = sized(draw, "n", "d")
    Z = draw.entries((n, d))
    half = draw.entries((d, d))
    C = half @ half.T if draw.chance(0.3) else np.diag(np.abs(draw.entries((d,))))
    return {"Z": np.abs(Z) if draw.chance(0.7) else Z, "C": C, "rho": abs(draw.number()), "beta": draw.entries((d,))}


def some(*names: str) -> Any:
    return lambda draw: {name: value for name, value in in_a_ball(draw).items() if name in names}


def grown(draw: Draw) -> dict[str, Any]:
    made = {name: above_zero(draw, draw.entries((2,))) for name in ("size", "seen", "unseen")}
    others = above_zero(draw, draw.entries((2, int(draw.rng.integers(0, 3)))))
    start = 0.5 * np.abs(made["size"]) * np.prod(np.abs(others), -1)
    margin = start * (1 + np.abs(draw.entries((2,)))) if draw.chance(0.8) else draw.entries((2,))
    angle = np.full(2, abs(draw.number()) % 1.7)
    return made | {"seen": made["size"], "others": others, "margin": margin, "angle": angle, "unit_margin": 0.5}


def of_these(*names: str) -> Any:
    return lambda draw: {name: value for name, value in grown(draw).items() if name in names}


ARGUMENTS |= {
    unit_norms.in_ellipsoid: some("Z", "C", "rho"),
    unit_norms.in_l1_ball: some("Z", "rho"),
    unit_norms.distance_in_ellipsoid: some("Z", "C", "rho", "beta"),
    unit_norms.distance_in_l1_ball: some("Z", "rho", "beta"),
    depth_and_balance.error: of_these("margin", "seen", "unseen", "others", "unit_margin"),
    depth_and_balance.weight_normalised_error: of_these("margin", "size", "angle", "others", "unit_margin"),
    depth_and_balance.first_size: of_these("margin", "size", "angle", "others", "unit_margin"),
    depth_and_balance.angle_at: lambda draw: {
        "rho": above_zero(draw, draw.entries((2,))),
        "size": above_zero(draw, draw.entries((2,))),
        "angle": np.full(2, abs(draw.number()) % 1.7),
    },
    halpern_lambda.weight: lambda draw: {
        "q": draw.entries((3,)),
        "slope": lambda q: np.exp(-q),
    },
}
adjusted(halpern_lambda.work, rho0=above_zero, rho=above_zero)
adjusted(halpern_lambda.batch_weights, norms=above_zero)
adjusted(halpern_lambda.batch_step, norm=above_zero)
adjusted(halpern_lambda.batch_work, fall=above_zero, norm=above_zero)
