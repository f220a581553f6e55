"""Problems of each setting whose fields have to fit, and functions that take functions."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, RECIPES, Draw

from theory.core import validation
from theory.core.regression import Regression
from theory.deep_linear import generalisation, modes, spectrum
from theory.deep_linear.completion import Completion
from theory.deep_linear.problem import Ensemble, TeacherStudent
from theory.halpern import least_squares
from theory.homogeneous import balance, decomposition, dynamics
from theory.homogeneous.decomposition import Examples, Polar
from theory.imbalance.problem import Network
from theory.imbalance.three_layers import FullRankRegression
from theory.manifolds import rayleigh
from theory.manifolds.brockett import Brockett
from theory.minnorm.stability import Mode
from theory.orthogonal import maps
from theory.orthogonal.procrustes import Component, LinearOPT
from theory.orthogonal.two_sided import TwoSided


def sized(draw: Draw, *names: str) -> tuple[int, ...]:
    """Sizes of these dimensions, the same wherever the name stands in this call."""
    for name in names:
        draw.sizes.setdefault(name, (int(draw.rng.integers(1, 5)),))
    return tuple(draw.sizes[name][0] for name in names)


def runs(draw: Draw) -> tuple[int, ...]:
    return draw.sizes.setdefault("*", (2,) * int(draw.rng.integers(0, 2)))


def teacher_student(draw: Draw) -> TeacherStudent:
    (d, n, K), batch = sized(draw, "d", "n", "K"), runs(draw)
    draw.sizes["r"] = (min(n, d),)
    return TeacherStudent(draw.entries((*batch, d, n)), draw.entries((*batch, K, d)), draw.entries((*batch, K, n)))


def ensemble(draw: Draw) -> Ensemble:
    d, n, K = sized(draw, "d", "n", "K")
    draw.sizes["r"] = (min(n, d),)
    return Ensemble(d=d, n=n, K=K, teacher=draw.number(), noise=draw.number())


def completion(draw: Draw) -> Completion:
    K, d = sized(draw, "K", "d")
    return Completion(draw.entries((K, d)), draw.rng.random((K, d)) < 0.7)


def examples(draw: Draw) -> Examples:
    n, d = sized(draw, "n", "d")
    return Examples(draw.entries((n, d)), np.sign(draw.rng.standard_normal(n)), float(draw.rng.choice([0, 0.3, 1])))


def polar(draw: Draw) -> Polar:
    return classifier(draw)["state"]


def network(draw: Draw) -> Network:
    (D, m, h), batch = sized(draw, "D", "m", "h"), runs(draw)
    return Network(draw.entries((*batch, D, h)), draw.entries((*batch, m, h)))


def full_rank(draw: Draw) -> FullRankRegression:
    n, m = sized(draw, "n", "m")
    rows = n + int(draw.rng.integers(0, 3))
    return FullRankRegression(draw.entries((rows, n)), draw.entries((rows, m)))


def linear_opt(draw: Draw) -> LinearOPT:
    (d, n, N), batch = sized(draw, "d", "n", "N"), runs(draw)
    X, Y, W0 = draw.entries((*batch, d, n)), draw.entries((*batch, N, n)), draw.entries((*batch, d, N))
    return LinearOPT(np.broadcast_to(np.eye(d, n), X.shape) if n >= d and draw.chance(0.5) else X, Y, W0)


def component(draw: Draw) -> Component:
    (d,), batch = sized(draw, "d"), runs(draw)
    s = np.sort(np.abs(draw.entries((*batch, d))))[..., ::-1]
    frame = lambda: np.linalg.qr(draw.rng.standard_normal((*batch, d, d)))[0]  # noqa: E731
    return Component(frame(), s, frame())


def two_sided(draw: Draw) -> TwoSided:
    (d,) = sized(draw, "d")
    return TwoSided(draw.entries((d, d)), draw.entries((d, d)))


def brockett(draw: Draw) -> Brockett:
    p = int(draw.rng.integers(1, 4))
    n = p + int(draw.rng.integers(0, 3))
    draw.sizes |= {"n": (n,), "p": (p,)}
    return Brockett(np.sort(draw.entries((n,)))[::-1], np.sort(np.abs(draw.entries((p,))))[::-1])


RECIPES |= {
    TeacherStudent: teacher_student,
    Ensemble: ensemble,
    Completion: completion,
    Examples: examples,
    Polar: polar,
    Network: network,
    FullRankRegression: full_rank,
    LinearOPT: linear_opt,
    Component: component,
    TwoSided: two_sided,
    Brockett: brockett,
    Mode: lambda draw: Mode(draw.number(), draw.number()),
}


def of_a_function(name: str, function: Any, *others: str) -> Any:
    """Arguments of a function that takes a function: this one, and these others by their annotations."""

    def arguments(draw: Draw) -> dict[str, Any]:
        return {name: function, **{other: kinds[other](draw) for other in others}}

    kinds = {
        "ensemble": ensemble,
        "start": Draw.number,
        "problem": lambda draw: RECIPES[Regression](draw),
        "eta": Draw.number,
        "w": lambda draw: draw.entries((*draw.sizes["D"], *draw.sizes["m"])),
        "k": lambda draw: int(draw.rng.integers(0, 20)),
    }
    return arguments


def layers(draw: Draw, inputs: int, outputs: int = 1) -> list[Any]:
    """Of a network from `inputs` to `outputs`, as deep as it comes."""
    widths = [inputs, *(int(h) for h in draw.rng.integers(1, 4, draw.rng.integers(0, 3))), outputs]
    return [draw.entries((rows, columns)) for columns, rows in zip(widths, widths[1:])]


def classifier(draw: Draw) -> dict[str, Any]:
    """Examples, and a network for them."""
    problem = examples(draw)
    W = layers(draw, problem.X.shape[1])
    norms = np.array([np.linalg.norm(layer) for layer in W])
    start = Polar(norms, [layer / (norm or 1.0) for layer, norm in zip(W, norms)])
    return {"examples": problem, "state": start}


def along_time(draw: Draw, times: str) -> dict[str, Any]:
    """Arguments of the flow of a network's sizes and directions."""
    made = classifier(draw)
    rule = (dynamics.gradient_flow, dynamics.weight_normalisation, dynamics.tangent_gradient)[draw.rng.integers(3)]
    t = np.cumsum(np.abs(draw.entries((2,))))
    return {
        "dynamics": rule,
        "examples": made["examples"],
        "start": made["state"],
        times: t,
        "slope": decomposition.exponential_slope,
    }


def layers_and_rates(draw: Draw) -> dict[str, Any]:
    W = layers(draw, *sized(draw, "d", "K"))
    return {"law": shrinking, "W": W, "learning_rates": np.abs(draw.entries((len(W),)))}


def before_a_step(draw: Draw) -> dict[str, Any]:
    made = layers_and_rates(draw)
    return {**made, "G": [draw.entries(layer.shape) for layer in made["W"]], "shrinkage": draw.number()}


def shrinking(W: Any) -> Any:
    return [-layer for layer in W]


ARGUMENTS |= {
    validation.positive: lambda draw: {"name": "a", "value": draw.number()},
    validation.positive_integer: lambda draw: {"name": "a", "value": draw.whole()},
    validation.times: lambda draw: {"value": draw.entries((3,))},
    validation.finite_matrix: lambda draw: {"name": "a", "value": draw.entries((2, 3))},
    validation.inside: lambda draw: {"name": "a", "value": draw.number(), "low": 0, "high": 1},
    validation.entries_inside: lambda draw: {"name": "a", "values": draw.entries((2, 3))},
    balance.imbalance: layers_and_rates,
    balance.after_step: before_a_step,
    decomposition.radial_and_tangential: lambda draw: {**classifier(draw), "slope": decomposition.exponential_slope},
    dynamics.flow: lambda draw: along_time(draw, "t"),
    dynamics.orbit: lambda draw: along_time(draw, "log_growth"),
    dynamics.directions: lambda draw: {"arrays": {"V1": draw.entries((2, 3)), "rho": draw.entries((1,))}},
    generalisation.expected_error: of_a_function("memory", np.exp, "ensemble", "start"),
    spectrum.bulk_sum: of_a_function("f", np.cos, "ensemble"),
    spectrum.edge_sum: of_a_function("f", np.cos, "ensemble"),
    spectrum.expected_sum: of_a_function("f", np.cos, "ensemble"),
    least_squares.scheduled_solution: of_a_function("left", lambda k: 1 / (1.0 + k), "problem", "eta", "w", "k"),
    maps.require_orthogonal: lambda draw: {"name": "R", "R": draw.entries((3, 3))},
    rayleigh.require_gap: lambda draw: {"name": "gap", "gap": draw.number(), "spectrum": draw.entries((3,))},
    modes.planted: lambda draw: {
        "strengths": np.abs(draw.entries((2,))),
        "rates": np.abs(draw.entries((3,))),
        "d": draw.whole(),
        "K": draw.whole(),
        "rng": RECIPES[np.random.Generator](draw),
    },
}
