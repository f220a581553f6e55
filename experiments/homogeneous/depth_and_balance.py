"""Depth and balance: how wrong linear networks are on new examples, at the same margins, from the same function."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import gains, sizes_and_directions, stack_margins, weight_normalised_margins
from experiments.homogeneous.predictions import Predicted
from experiments.homogeneous.short_steps import ShortSteps
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import state_of
from experiments.training.together import refine_together
from theory.claims import AS_THE_ABSTRACT_SAYS, Check, Curves, Study, claim, curves, varies
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import depth_and_balance as theory
from theory.homogeneous.decomposition import Examples, polar, weights

RECORDS = 65
SLOWER = 0.3  # learning rate of the first layer, of layers that have their own


@dataclass(frozen=True)
class Sizes:
    """Of the networks, their starts, and where they are compared."""

    depths: tuple[int, ...] = varies("L", (2, 3, 4), smoke=(3,), low=2, high=6)
    imbalances: tuple[float, ...] = varies(
        "kappa, by which the first layer is multiplied and the last divided, 1 the first",
        (1.0, 3.0, 9.0),
        low=1,
        high=20,
    )
    margin: float = varies("of every example, at which errors are compared", 12.0, smoke=8.0, low=4, high=40)
    examples: int = varies("n, orthonormal", 4, low=2, high=30)
    size: float = varies("of each layer at the start, before kappa", 0.5, low=0.3, high=1)
    angle: float = varies("of the start to the direction of largest margin", 0.8, low=0.2, high=1.3, unit="radians")
    width: int = varies("of hidden layers", 4, low=1, high=20)
    step: float = varies("by which layers move at most, the largest of three", 0.06, smoke=0.2, low=0.01, high=0.2)

    def __post_init__(self) -> None:
        if self.imbalances[0] != 1 or max(self.imbalances) < 1.5:
            reject("imbalances", self.imbalances, "kappa = 1 first, and one of at least 1.5 to compare with it")

    @property
    def unit_margin(self) -> float:
        return float(self.examples**-0.5)

    @property
    def grid(self) -> Array:
        """Margins at which errors are compared."""
        return self.margin * np.array([0.25, 0.5, 1.0])

    def starts(self, depth: int) -> Array:
        """r_1 ... r_L of each imbalance (runs, L)."""
        sizes = np.full((len(self.imbalances), depth), self.size)
        sizes[:, 0] *= self.imbalances
        sizes[:, -1] /= self.imbalances
        return sizes

    def law(self, normalised: bool, margins: Array, sizes: Array) -> Array:
        """Errors (T, runs) of networks whose layers start at these sizes (runs, L)."""
        first, others = sizes[:, 0], sizes[:, 1:]
        at = np.broadcast_to(margins[:, None], (len(margins), len(first)))
        if normalised:
            return theory.weight_normalised_error(at, first, np.full(len(first), self.angle), others, self.unit_margin)
        return theory.error(at, first * np.cos(self.angle), first * np.sin(self.angle), others, self.unit_margin)


@claim(
    "banburski2019.depth_and_balance",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract; the laws are ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\text{error} = \frac1\pi \arctan \frac{s}{x},\quad m = \gamma\, x \prod_{k=2}^L r_k,\quad"
    r" r_k^2 = r_k(0)^2 + x^2 - x(0)^2;\quad \text{balanced: error} \simeq \frac{s}{\pi} (\gamma / m)^{1/L};\quad"
    r" \text{weight normalisation: error} = \frac\theta\pi,\ \sin\theta = \sin\theta(0)\, e^{-(\rho^2 - \rho(0)^2)/2}",
    hypotheses=(
        "gradient flow of the exponential loss on linear networks of L layers of rank one, aligned, of sizes r_k",
        "n orthonormal examples times labels, all of margin m; gamma = n^(-1/2), of the unit vector u that has most",
        "x and s: the parts of the first layer's row along u and off the span of the examples",
        "new inputs are isotropic, labelled by u",
        "weight normalisation: |v_k| = 1, gains r_k with rho = r_1, theta the angle of the first row to u",
    ),
    theory_side="closed form",
    controls=(
        "balance does not matter to what has the same function",
        "the law of one layer more",
        "the law of one layer less",
        "layers with learning rates of their own",
        "weight normalisation forgets as gradient flow does",
        "weight normalisation at a rate 5 % lower",
        "errors reduced by a power 5 % lower",
    ),
    parameters=Sizes,
)
def depth_enters_as_a_root_and_balance_is_needed(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    for depth in sizes.depths:
        rng = study.rng("networks", depth)
        examples, W = _networks(rng, sizes, depth)
        free = _paths(_free(study, examples, W), sizes, depth, examples)
        normal = _paths(_normalised(study, examples, W), sizes, depth, examples)
        yield from _judge(sizes, depth, free, normal)
        if depth == sizes.depths[0]:
            own = _paths(_free(study, examples, W, SLOWER), sizes, depth, examples)
            other = extrapolated("log error", _at_margins(own, sizes)).control(
                "layers with learning rates of their own"
            )
            yield other.equals(np.log(sizes.law(False, sizes.grid, sizes.starts(depth))))


# Margins (T, runs) and errors (T, runs) along a training.
Path = tuple[Array, Array]


def _judge(sizes: Sizes, depth: int, free: list[Path], normal: list[Path]) -> Iterator[Check | Curves]:
    starts = sizes.starts(depth)
    for name, paths, normalised in (("gradient flow", free, False), ("weight normalisation", normal, True)):
        case, seen = f"{name}, L = {depth}", _at_margins(paths, sizes)
        yield from tends_to("log error at margins", seen, _as_a_power(sizes, normalised, starts), case=case)
        along = {"margins": paths[-1][0], "errors": paths[-1][1], "law": _law_along(sizes, normalised, starts, paths)}
        kappa = np.geomspace(1, max(sizes.imbalances), 49)
        dense = replace(sizes, imbalances=tuple(kappa))
        law = dense.law(normalised, sizes.grid[-1:], dense.starts(depth))[0]
        reached = np.exp(richardson(seen)[0][-1])
        yield curves(case, **along, kappa=kappa, law_of_kappa=law, reached=reached)
    if depth != sizes.depths[0]:
        return
    at_rest = extrapolated("log error", _at_margins(free, sizes))
    sentence = "balance does not matter to what has the same function"
    even = np.log(sizes.law(False, sizes.grid, starts[:1]))
    yield at_rest.unconditioned(sentence, condition=_condition(sizes, starts)).equals(even)
    deeper, shallower = np.insert(starts, 1, sizes.size, axis=1), np.delete(starts, 1, axis=1)
    yield at_rest.control("the law of one layer more").equals(np.log(sizes.law(False, sizes.grid, deeper)))
    yield at_rest.control("the law of one layer less").equals(np.log(sizes.law(False, sizes.grid, shallower)))
    turned = extrapolated("log error", _at_margins(normal, sizes))
    as_free = turned.control("weight normalisation forgets as gradient flow does")
    yield as_free.equals(np.log(sizes.law(False, sizes.grid, starts)))
    yield turned.control("weight normalisation at a rate 5 % lower").equals(_as_a_power(sizes, True, starts)(0.95))
    yield at_rest.control("errors reduced by a power 5 % lower").equals(_as_a_power(sizes, False, starts)(0.95))


def _condition(sizes: Sizes, starts: Array) -> str:
    errors = sizes.law(False, np.array([sizes.margin]), starts)[0]
    pairs = ", ".join(f"{error:.3f} at kappa = {kappa:g}" for kappa, error in zip(sizes.imbalances, errors))
    return f"layers are balanced at the start: error {pairs}, at margin {sizes.margin:g} and depth {starts.shape[1]}"


def _as_a_power(sizes: Sizes, normalised: bool, starts: Array) -> Predicted:
    """Log errors (T, runs), of which the constant is by what power the start's is reduced."""
    start, law = np.log(sizes.angle / np.pi), np.log(sizes.law(normalised, sizes.grid, starts))
    return lambda k: np.asarray(start + k * (law - start))


def _law_along(sizes: Sizes, normalised: bool, starts: Array, paths: list[Path]) -> Array:
    """What the law says at the margins of the finest training, run by run."""
    first = sizes.unit_margin * np.cos(sizes.angle) * starts.prod(-1)
    margins = np.maximum(paths[-1][0], first).T
    return np.stack([sizes.law(normalised, m, starts[i : i + 1])[:, 0] for i, m in enumerate(margins)], axis=-1)


def _at_margins(paths: list[Path], sizes: Sizes) -> list[Array]:
    """Log errors (T, runs) at the margins of the grid, by cubic splines in log m."""

    def read(margins: Array, errors: Array) -> Array:
        return np.stack(
            [CubicSpline(np.log(m), np.log(e))(np.log(sizes.grid)) for m, e in zip(margins.T, errors.T)], axis=-1
        )

    return [read(*path) for path in paths]


def _paths(trainee: Trainee, sizes: Sizes, depth: int, examples: Examples) -> list[Path]:
    """Margins and errors at three steps, each half the one before."""
    runs = refine_together(trainee, learning_rate=sizes.step, horizon=_horizon(sizes, depth), records=RECORDS)
    return [_margins_and_errors(run, examples) for run in runs]


def _horizon(sizes: Sizes, depth: int) -> float:
    """The longest way to the margin, of which a step takes at most its size, and as much of the loss's logarithm.

    Every layer but the first grows by x^2 - x(0)^2 in its square; a tenth more, as margins are to lie beyond.
    """
    ways = []
    for start in sizes.starts(depth):
        first, margin = start[:1] * np.cos(sizes.angle), np.array([sizes.margin])
        x = theory.first_size(margin, first, np.zeros(1), start[None, 1:], sizes.unit_margin)
        grown = np.sqrt(start[1:] ** 2 + x**2 - first**2) - start[1:]
        ways.append(float(x[0] - first[0] + grown.sum()))
    return 1.1 * (max(ways) + sizes.margin + np.pi / 2)


def _margins_and_errors(run: Trajectory, examples: Examples) -> Path:
    """The least margin, and the angle of the product of all layers to u over pi."""
    layers = weights(sizes_and_directions(run))
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    beta, u = product[..., 0, :], examples.X.sum(0) / np.sqrt(len(examples.X))
    along_u = beta @ u
    off = np.linalg.norm(beta - along_u[..., None] * u, axis=-1)
    return (beta @ examples.X.T).min(-1), np.arctan2(off, along_u) / np.pi


def _free(study: Study, examples: Examples, W: list[Array], first: float = 1.0) -> Trainee:
    widths = [W[0].shape[-1], *[layer.shape[-2] for layer in W]]
    loss = loss_of(stack_margins(examples, widths, study.device))
    return Trainee(study, loss, state_of(W), ShortSteps(loss, first))


def _normalised(study: Study, examples: Examples, W: list[Array]) -> Trainee:
    start = polar(W)
    widths = [W[0].shape[-1], *[layer.shape[-2] for layer in W]]
    vectors = {f"v{k}": V for k, V in enumerate(start.V, start=1)}
    loss = loss_of(weight_normalised_margins(examples, len(W[0]), widths, study.device))
    return Trainee(study, loss, gains("g", start.rho) | vectors, ShortSteps(loss))


def _networks(rng: np.random.Generator, sizes: Sizes, depth: int) -> tuple[Examples, list[Array]]:
    """Orthonormal examples, and aligned layers (runs, h, h') in random directions, one run an imbalance."""
    n, runs = sizes.examples, len(sizes.imbalances)
    frame = np.linalg.qr(rng.standard_normal((n + 2, n + 2)))[0]
    u, unseen = frame[:n].sum(0) / np.sqrt(n), frame[n]
    hidden = rng.standard_normal((depth - 1, runs, sizes.width))
    units = [h / np.linalg.norm(h, axis=-1, keepdims=True) for h in hidden]
    first = np.tile(np.cos(sizes.angle) * u + np.sin(sizes.angle) * unseen, (runs, 1))
    ends = [first, *units, np.ones((runs, 1))]
    starts = sizes.starts(depth)
    layers = [
        starts[:, k, None, None] * after[..., :, None] * before[..., None, :]
        for k, (before, after) in enumerate(zip(ends, ends[1:]))
    ]
    return Examples(frame[:n], np.ones(n)), layers
