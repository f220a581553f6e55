"""Gradient flow of the chain: it conserves the imbalance, so it ends at the minimum norm only from balanced starts."""

from collections.abc import Iterator

import numpy as np

from experiments.chain.networks import random_weights, refine, squared_loss, train_chain
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent
from theory.chain import gradient_flow
from theory.chain.problem import Chain, distance, imbalance, imbalance_after_step, product
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory

BALANCED = np.array([0.5, 0.8, 1.15])  # starts, as fractions of omega


@claim(
    "minnorm.chain_gradient_flow",
    source="Bansal et al. 2018 (reconstruction: gradient flow of the scalar chain)",
    statement=r"\frac{d}{dt}(w_i^2 - w_j^2) = 0,\quad w_l(\infty)^2 = z + d_l,\ \prod_l (z + d_l) = s^2,"
    r"\quad t = \frac{H(p) - H(p_0)}{L \sigma},\ H' = \frac{p^{2/L - 2}}{s - p}\ \text{(balanced)}",
    hypotheses=("gradient flow", "p > 0 at the start", "closed forms: balanced, or depth 2"),
    controls=(
        "the sum of squares is conserved",
        "one step conserves the imbalance",
        "time of a chain one layer deeper",
        "sigma 10 % larger",
        "imbalance 10 % larger, depth 2",
        "unbalanced start: minimum norm",
    ),
)
def gradient_flow_keeps_its_imbalance(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(1, 2, 3, 4, 5), paper=(1, 2, 3, 4, 5, 6)):
        chain = Chain(1.7, L, x=1.2)
        rng = study.rng("starts", L)
        random = random_weights(rng, study.pick(smoke=5, quick=13, paper=61), L, 0.6 * chain.omega, 1.2 * chain.omega)
        w = np.concatenate([np.repeat(BALANCED[:, None] * chain.omega, L, axis=1), random])
        runs = _refine(study, f"depth {L}", chain, w, horizon=1.0)
        yield from _imbalance(study, chain, w, runs)
        yield from _balanced(chain, runs)
        yield from _limit(study, chain, w)
        if L == 2:
            yield from _two_layers(chain, w, runs)


def _imbalance(study: Study, chain: Chain, w: Array, runs: list[Trajectory]) -> Iterator[Check]:
    if chain.L == 1:
        return
    name = f"depth {chain.L}"
    yield from tends_to(f"{name}: imbalance", [imbalance(run["w"]) for run in runs], _constant(runs, imbalance(w)))
    steps = list(range(51))
    each = train_chain(
        study, f"{name}, each step", chain, w, _descent(chain), learning_rate=0.01, steps=50, record=steps
    )
    before, after = each["w"][:-1], imbalance(each["w"][1:])
    force = 0.01 * chain.sigma * (chain.s - product(before))
    predicted = imbalance_after_step(before, force)
    # L multiplications in p and in q, a dozen operations in the step; each rounds numbers below the largest w^2.
    tolerance = (2 * chain.L + 12) * EPS * float((each["w"] ** 2).max())
    because = "2 L + 12 roundings of the largest squared weight"
    yield equal(f"{name}: imbalance after one step", after, predicted, tolerance=tolerance, because=because)
    if chain.L == 3:
        squares = [(run["w"] ** 2).sum(-1) for run in runs]
        wrong = extrapolated("sum", squares, _constant(runs, (w**2).sum(-1)))
        yield refuted("the sum of squares is conserved", wrong)
        wrong = equal("conserved", after, imbalance(before), tolerance=tolerance, because=because)
        yield refuted("one step conserves the imbalance", wrong)


def _balanced(chain: Chain, runs: list[Trajectory]) -> Iterator[Check]:
    """The time at which the balanced product should be where training has it, against the time it has."""
    products = [product(run["w"][:, : len(BALANCED)]) for run in runs]
    t = np.broadcast_to(runs[0].t[:, None], products[0].shape)
    name = f"depth {chain.L}: time of the balanced product"
    yield from tends_to(name, _times(chain, products), t)
    if chain.L == 3:
        wrong = extrapolated("time", _times(Chain(chain.s, 4, chain.x), products), t)
        yield refuted("time of a chain one layer deeper", wrong)
        wrong = extrapolated("time", _times(Chain(chain.s, 3, chain.x * 1.1**0.5), products), t)
        yield refuted("sigma 10 % larger", wrong)


def _times(chain: Chain, products: list[Array]) -> list[Array]:
    return [gradient_flow.balanced_time(chain, p[:1], p) for p in products]


def _two_layers(chain: Chain, w: Array, runs: list[Trajectory]) -> Iterator[Check]:
    products = [product(run["w"]) for run in runs]
    yield from tends_to("depth 2: product", products, gradient_flow.two_layer_product(chain, w, runs[0].t))
    # sqrt(z^2 + D^2/4) -+ D/2: the weights with the same product whose imbalance is 10 % larger.
    p, D = product(w), 1.1 * imbalance(w)[:, 0]
    size = np.hypot(p, D / 2)
    larger = np.stack([np.sqrt(size + D / 2), np.sqrt(size - D / 2)], axis=-1)
    wrong = extrapolated("product", products, gradient_flow.two_layer_product(chain, larger, runs[0].t))
    yield refuted("imbalance 10 % larger, depth 2", wrong)


def _limit(study: Study, chain: Chain, w: Array) -> Iterator[Check]:
    """Trained until nothing is left: where the imbalance of the start says, and so at the minimum norm if it is 0."""
    runs = _refine(study, f"depth {chain.L} to the end", chain, w, horizon=25.0, records=2, levels=3)
    ends = [run["w"][-1:] for run in runs]
    predicted = gradient_flow.limit(chain, w)[None]
    # Descent stalls where its step, learning rate x rate x error, rounds away; the rate is sigma |q|^2 >= g.
    stalled = 8 * EPS * (1 + chain.omega) / (runs[-1].t[1] / runs[-1].facts["recorded"][1] * min(1, chain.g))
    because = "a step that rounds away: 8 eps over learning rate x g; a balanced start stays balanced step by step"
    if chain.L == 1:
        yield equal("depth 1: limit", ends[-1], predicted, tolerance=stalled, because=because)
        return
    # Runs stand where times do: the largest error of the extrapolation bounds them all.
    along = [end.swapaxes(0, 1) for end in ends]
    yield from tends_to(f"depth {chain.L}: limit", along, predicted.swapaxes(0, 1), stalled)
    distances = [distance(chain, end) for end in ends]
    balanced, unbalanced = slice(None, len(BALANCED)), slice(len(BALANCED), None)
    name = f"depth {chain.L}: balanced starts end at the minimum norm"
    yield equal(name, distances[-1][:, balanced], 0, tolerance=stalled, because=because)
    if chain.L == 3:
        wrong = equal("minimum norm", distances[-1][:, unbalanced], 0, tolerance=stalled, because=because)
        yield refuted("unbalanced start: minimum norm", wrong)


def _refine(
    study: Study, name: str, chain: Chain, w: Array, *, horizon: float, records: int = 17, levels: int = 4
) -> list[Trajectory]:
    rule = lambda: _descent(chain)  # noqa: E731
    # At most half the step that takes the largest balanced product to the target at once, and then past it.
    fastest = chain.sigma * chain.L * float(product(w).max()) ** (2 - 2 / chain.L)
    eta = min(0.02, 0.5 / fastest)
    return refine(study, name, chain, w, rule, learning_rate=eta, horizon=horizon, records=records, levels=levels)


def _descent(chain: Chain) -> GradientDescent:
    return GradientDescent(squared_loss(chain))


def _constant(runs: list[Trajectory], value: Array) -> Array:
    return np.broadcast_to(value, (len(runs[0].t), *value.shape))
