"""Inputs on a sphere with labels, kernels of random inputs, and steps with a gap."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw

from theory.adversarial import descent, kernel, polynomials, sphere


def labelled(draw: Draw) -> dict[str, Any]:
    n, d = (int(size) for size in draw.rng.integers(1, 6, 2))
    X = draw.rng.standard_normal((n, d))
    X *= draw.number() / np.linalg.norm(X, axis=1, keepdims=True)
    return {"X": X, "y": draw.rng.choice((1.0, -1.0), n), "rho": draw.number()}


def of_a_kernel(draw: Draw) -> dict[str, Any]:
    X = draw.entries((int(draw.rng.integers(1, 6)), 3))
    with np.errstate(all="ignore"):
        K = X @ X.T
    return {"K": K, "y": draw.entries((len(X),)), "slack": draw.number()}


def caps(draw: Draw) -> dict[str, Any]:
    n, k = (int(size) for size in draw.rng.integers(1, 4, 2))
    K = draw.entries((n, k, n, k))
    return {"K": K, "y": draw.entries((n,)), "learning_rate": draw.number(), "steps": draw.whole()}


def series(draw: Draw) -> dict[str, Any]:
    offset = float(draw.rng.choice((0.0, 0.25, draw.number())))
    return {"count": draw.whole(), "bias": draw.number(), "slope": 1 - offset, "offset": offset}


def step(*names: str) -> Any:
    def made(draw: Draw) -> dict[str, Any]:
        low, high = np.sort(draw.rng.uniform(-1, 1, 2))
        values = {"degree": draw.whole(), "low": float(low), "high": float(high), "error": draw.number() / 4}
        values |= {"low": draw.number()} if draw.chance(draw.wildness) else {}
        return {name: values[name] for name in names}

    return made


ARGUMENTS |= {
    descent.robust_losses: caps,
    sphere.floor: labelled,
    kernel.least_norm: of_a_kernel,
    kernel.coefficients: series,
    polynomials.best: step("degree", "low", "high"),
    polynomials.rate: step("low", "high"),
    polynomials.error_at_one: step("degree", "low"),
    polynomials.error_at_least: step("degree", "low", "high"),
    polynomials.degree_at_least: step("error", "low", "high"),
}
