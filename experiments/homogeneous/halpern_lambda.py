"""Is normalisation Halpern's iteration? Weight normalisation is, with a lambda(t) of its own; batch normalisation's is
summable."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import (
    gains,
    polar_margins,
    sizes_and_directions,
    stack_margins,
    tensors,
    weight_normalised_margins,
)
from experiments.homogeneous.predictions import Predicted, departing
from experiments.homogeneous.problems import as_examples, partly_seen, sized_layers
from experiments.homogeneous.rules import LayerwiseDescent, gradients_at
from experiments.homogeneous.short_steps import CountedSteps
from experiments.homogeneous.six_networks import Network
from experiments.training import GradientDescent, Loss, State, Trainee, extrapolated, tends_to
from experiments.training.together import refine_together
from experiments.updates import Momentum
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    order,
    varies,
)
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.halpern import schedules
from theory.homogeneous import halpern_lambda as theory
from theory.homogeneous.decomposition import Examples, Polar, log_slope, margins, polar, weights

RECORDS = 17
UNIT = Network(False, "batch")  # one unit, on all inputs
EPSILON = 1e-2  # of the variance, where the size of w is seen


@dataclass(frozen=True)
class Sizes:
    """Of the networks, and of their training."""

    inputs: int = varies("entries of an example; one direction is not seen", 5, low=4, high=30)
    widths: tuple[int, ...] = varies("of the hidden layers under weight normalisation", (4, 3), low=1, high=20)
    size: float = varies("rho_k of a layer at the start, and a fifth more from layer to layer", 0.8, low=0.3, high=2)
    way: float = varies(
        "weight normalisation: how far training goes, in moves of layers and logs of the loss",
        20.0,
        smoke=10.0,
        low=10,
        high=40,
    )
    step: float = varies(
        "weight normalisation: by which layers move at most, the largest of three", 0.1, smoke=0.15, low=0.005, high=0.3
    )
    runs: int = varies("starts", 4, smoke=2, paper=16, low=1, high=64)
    examples: int = varies("batch normalisation: of the batch", 24, low=8, high=200)
    gain: float = varies("batch normalisation: g, frozen", 2.0, low=0.5, high=6)
    learning_rate: float = varies("batch normalisation: eta, on the mean loss", 0.4, low=0.05, high=1)
    steps: int = varies("batch normalisation: of that rate", 200, smoke=60, paper=2000, low=20, high=10_000)
    decay: float = varies("batch normalisation: weight decay where there is some", 0.05, low=0.001, high=0.5)


@claim(
    "banburski2019.halpern_lambda",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract; Halpern 1967; the weights are ours",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"V_k' = -\partial_{V_k} L - 2 \lambda(t) V_k,\ \lambda = \tfrac12 \sum_n -l'(q_n)\, q_n \to 0,\quad"
    r" \int 2 \lambda\, dt = \tfrac12 (\rho_k^2 - \rho_k(0)^2) \to \infty;\qquad"
    r" u_{j+1} = (1 - \lambda_j) \big(u_j - \tfrac{\eta}{|w_j|^2} \partial_w L(u_j)\big),\ "
    r"1 - \lambda_j = \tfrac{|w_j|}{|w_{j+1}|},\quad"
    r" \prod_{j < K} (1 - \lambda_j) = \tfrac{|w_0|}{|w_K|} \simeq"
    r" \big(1 + \eta\, \tfrac{L_0 - L_K}{|w_0|^2}\big)^{-1/2}",
    hypotheses=(
        "weight normalisation: W_k = rho_k V_k, |v_k| = 1, gradient flow of rho_k and v_k on a loss sum_n l(q_n)",
        "of networks homogeneous in each layer, q_n their margins; the limits: exponential loss that tends to 0",
        "batch normalisation: descent of w at learning rate eta, u = w / |w|, no eps, no momentum; its gain is frozen",
        "the last formula to first order in eta",
    ),
    theory_side="law",
    controls=(
        "batch normalisation forgets as Halpern's iteration does",
        "a lambda 5 % larger",
        "each layer has a lambda of its own",
        "weight normalisation forgets like 1 over its size",
        "momentum: Halpern's step",
        "eps = 0.01: Halpern's step",
        "a step without its lambda",
        "batch normalisation: sum of lambda 5 % larger",
    ),
    parameters=Sizes,
)
def weight_normalisation_is_halperns_and_batch_normalisation_sums_up(
    study: Study, sizes: Sizes
) -> Iterator[Check | Curves]:
    yield from _weight_normalisation(study, sizes)
    yield from _batch_normalisation(study, sizes)


def _weight_normalisation(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("weight normalisation")
    problem = partly_seen(rng, sizes.inputs)
    examples, unseen = as_examples(problem), np.linalg.svd(problem.Z)[2][-1]
    widths = (sizes.inputs, *sizes.widths, 1)
    grown = sizes.size * 1.2 ** np.arange(len(widths) - 1)
    W = sized_layers(rng, widths, tuple(grown), sizes.runs)
    start = polar(W)
    vectors = {f"v{k}": V for k, V in enumerate(start.V, start=1)}
    loss = loss_of(weight_normalised_margins(examples, sizes.runs, widths, study.device))
    trainee = Trainee(study, loss, gains("g", start.rho) | vectors, CountedSteps(loss))
    levels = refine_together(trainee, learning_rate=sizes.step, horizon=sizes.way, records=RECORDS)
    yield from _one_lambda(study, examples, widths, levels[-1], loss)
    yield from _its_sum(levels, unseen)
    yield from _its_limit(examples, levels[-1])


def _one_lambda(
    study: Study, examples: Examples, widths: tuple[int, ...], run: Trajectory, loss: Loss
) -> Iterator[Check]:
    """The gradient by v_k at |v_k| = 1 is that by V_k and 2 lambda V_k, with one lambda."""
    state = _last(sizes_and_directions(run))
    named = {f"{letter}{k}": V for letter in "vV" for k, V in enumerate(state.V, start=1)}
    sizes = gains("g", state.rho)
    by_v = gradients_at(study, loss, sizes | {name: V for name, V in named.items() if name[0] == "v"})
    free = loss_of(polar_margins(stack_margins(examples, widths, study.device)))
    by_V = gradients_at(study, free, sizes | {name: V for name, V in named.items() if name[0] == "V"})
    lam = theory.weight(margins(examples, weights(state)), log_slope)[:, None, None]
    layers = range(1, 1 + len(state.V))
    added = np.concatenate([_flat(by_v[f"v{k}"] - by_V[f"V{k}"]) for k in layers], axis=-1)
    within = Tolerance(256 * EPS * np.abs(lam[:, 0]), "256 roundings of gradients, which are of the size of lambda")
    seen = measured("what normalisation adds to the gradient by V_k", added, within=within, axes=("run",))
    yield seen.equals(lambda k: np.concatenate([_flat(2 * k * lam * V) for V in state.V], axis=-1))
    wrong = np.concatenate([_flat(2 * lam * V / r[:, None, None] ** 2) for V, r in zip(state.V, state.rho.T)], axis=-1)
    yield seen.control("each layer has a lambda of its own").equals(wrong)


def _its_sum(levels: list[Trajectory], unseen: Array) -> Iterator[Check | Curves]:
    """The sum of 2 lambda step is the growth of each layer's square, and takes out of V_1 what no example sees."""
    states = [sizes_and_directions(run) for run in levels]
    grown = [theory.work(state.rho[:1], state.rho) for state in states]
    counted = [np.broadcast_to(run["work"][..., None], each.shape) for run, each in zip(levels, grown)]
    name = "sum of 2 lambda, against the growth of each layer"
    yield from tends_to(name, [a - b for a, b in zip(counted, grown)], departing(grown[-1]))
    larger = extrapolated("sum of 2 lambda", [1.05 * a - b for a, b in zip(counted, grown)])
    yield larger.control("a lambda 5 % larger").equals(0.0)
    parts = [np.linalg.norm(state.V[0] @ unseen, axis=-1) for state in states]
    forgotten = [np.log(part / part[0]) for part in parts]
    off = [left + run["work"] for left, run in zip(forgotten, levels)]
    yield from tends_to("log of what no example sees, against the sum of 2 lambda", off, departing(levels[-1]["work"]))
    power = [left + np.log(state.rho[..., 0] / state.rho[:1, :, 0]) for left, state in zip(forgotten, states)]
    yield extrapolated("unseen", power).control("weight normalisation forgets like 1 over its size").equals(0.0)
    left, law = parts[-1] / parts[-1][0], np.exp(-grown[-1][..., 0])
    yield curves("weight normalisation", tau=levels[-1]["tau"], left=left, law=law)


def _its_limit(examples: Examples, run: Trajectory) -> Iterator[Check | Curves]:
    """2 lambda over the loss lies between two logarithms of it: lambda vanishes with the loss."""
    q = margins(examples, weights(sizes_and_directions(run)))
    log_loss = np.log(np.exp(-(q - q.min(-1, keepdims=True))).sum(-1)) - q.min(-1)
    ratio = 2 * theory.weight(q, log_slope)
    least, most = theory.weight_bounds(log_loss, q.shape[-1])
    fitted = log_loss < -4  # else they are far apart
    within = Tolerance(256 * EPS * np.abs(q).max(), "roundings of margins")
    because = "the entropy of the examples' shares, up to log n"
    share = measured("2 lambda over the loss", ratio[fitted], within=within).supporting()
    yield share.within_factor(2.0, because=because).at_least(least[fitted])
    share = measured("2 lambda over the loss, at most", ratio[fitted], within=within).supporting()
    yield share.within_factor(2.0, because=because).at_most(most[fitted])
    yield curves("lambda", tau=run["tau"], log_lambda=np.log(np.maximum(ratio / 2, 1e-300)) + log_loss)


def _batch_normalisation(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    rng = study.rng("batch normalisation")
    d = sizes.inputs
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0]
    X = rng.standard_normal((sizes.examples, d - 1)) * np.geomspace(0.7, 1.4, d - 1) @ frame[1:] + frame[0]
    y = np.where(X @ frame[1] + rng.standard_normal(sizes.examples) > 0, 1.0, -1.0)
    w = sized_layers(rng, (d, 1), (1.0,), sizes.runs)[0][:, 0]
    loss = _loss(study, X, y, sizes.gain)
    yield from _each_step(study, sizes, X, y, loss, w)
    yield from _what_is_kept(study, sizes, loss, w, frame[0])
    yield from _its_finite_sum(study, sizes, loss, w)


def _loss(study: Study, X: Array, y: Array, gain: float, eps: float = 0.0) -> Loss:
    """Mean logistic loss of g w.(x - m) / (w^T S w + eps)^(1/2), w (runs, d)."""
    x, labels = tensors(study.device, X, y)
    centred = x - x.mean(0)

    def loss(state: State) -> Tensor:
        w = state["w"]
        if eps:
            f = w @ centred.mT
            f = f / (f.square().mean(-1, keepdim=True) + eps).sqrt()
        else:
            ones = w.new_ones(len(w), 1)
            f = UNIT.outputs({"W": w[:, None], "a": ones}, x.expand(len(w), *x.shape))
        return loss_of(lambda _: gain * labels * f, "logistic")(state) / len(labels)

    return loss


def _each_step(study: Study, sizes: Sizes, X: Array, y: Array, loss: Loss, w: Array) -> Iterator[Check]:
    """Directions, step by step, by the gradient that torch finds at the direction itself."""
    visible = _loss(study, X, y, sizes.gain, EPSILON)
    moved, predicted, turn = _steps(study, sizes, GradientDescent(loss), w)
    yield moved.equals(predicted)
    yield moved.control("a step without its lambda").equals(-turn)
    for name, rule in (("momentum", Momentum(loss, 0.5)), ("eps = 0.01", GradientDescent(visible))):
        moved, predicted, _ = _steps(study, sizes, rule, w)
        yield moved.control(f"{name}: Halpern's step").equals(predicted(1.0))


def _steps(study: Study, sizes: Sizes, rule: GradientDescent, w: Array) -> tuple[Measured, Predicted, Array]:
    """What each step changes in u (steps x runs, d), what it is by the gradient, and eta / |w|^2 times that."""
    eta, steps, loss = sizes.learning_rate, sizes.steps, rule.loss
    path = Trainee(study, loss, {"w": w}, rule).train(learning_rate=eta, steps=steps, record=range(steps + 1))["w"]
    norms = np.linalg.norm(path, axis=-1)
    u = path / norms[..., None]
    start, end, norm = u[:-1].reshape(-1, u.shape[-1]), u[1:].reshape(-1, u.shape[-1]), norms[:-1].ravel()
    gradient = gradients_at(study, loss, {"w": start})["w"]
    turn = eta / norm[:, None] ** 2 * gradient
    # A step is judged in what it turns and scales: u itself, which any step shares, counts for nothing.
    within = Tolerance(64 * EPS * (1 + np.abs(turn).max()), "64 roundings of u and of a step")
    moved = measured("step of u", end - start, within=within, axes=("step", "input"))
    return moved, lambda k: theory.batch_step(start, k * gradient, norm, eta) - start, turn


def _what_is_kept(study: Study, sizes: Sizes, loss: Loss, w: Array, unseen: Array) -> Iterator[Check | Curves]:
    """Of the part of w that centred inputs do not see: all, but for weight decay; of u, the product of 1 - lambda."""
    steps, eta = sizes.steps, sizes.learning_rate
    for name, decay in (("descent", 0.0), ("weight decay", sizes.decay)):
        rule = LayerwiseDescent(loss, (1.0,), decay)
        path = Trainee(study, loss, {"w": w}, rule).train(learning_rate=eta, steps=steps, record=range(steps + 1))["w"]
        norms, k = np.linalg.norm(path, axis=-1), np.arange(steps + 1)[:, None]
        part = path @ unseen
        left = part / part[0] * (norms[0] / norms)
        within = Tolerance(16 * EPS * (1 + k) / np.abs(part[0]), "16 roundings a step, over the part")
        kept = measured("what u keeps of the unseen", left, within=within, case=name, axes=("step", "run"))
        product = np.exp(np.cumsum(np.log1p(-theory.batch_weights(norms)), axis=0))
        product = np.concatenate([np.ones((1, product.shape[1])), product])
        shrunk = schedules.constant(eta * decay, k.astype(float))
        yield kept.equals(lambda e, shrunk=shrunk, product=product: shrunk**e * product**e)
        if name == "descent":
            sentence = "batch normalisation forgets as Halpern's iteration does"
            total = float(-np.log(product[-1]).max())
            condition = (
                f"weight normalisation: batch normalisation's lambda sum to {total:.2g} in {steps} steps, finite"
            )
            yield kept.unconditioned(sentence, condition=condition).equals(schedules.harmonic(k.astype(float)))
            yield curves(
                "batch normalisation", left=left, law=product, halpern=schedules.harmonic(k.astype(float))[:, 0]
            )


def _its_finite_sum(study: Study, sizes: Sizes, loss: Loss, w: Array) -> Iterator[Check]:
    """log |w_K| / |w_0| over its law by the fall of the loss, which is finite: 1 at learning rate 0."""

    def observe(state: State) -> dict[str, Any]:
        return {"norm": state["w"].norm(dim=-1), "loss": loss(state)}

    trainee = Trainee(study, loss, {"w": w}, observe=observe)
    # The curvature along the sphere grows like the square of the gain.
    rate = sizes.learning_rate / 16 * min(1, (2 / sizes.gain) ** 2)
    # Of three learning rates the last correction is too small where its two leading terms cancel.
    runs = refine_together(trainee, learning_rate=rate, horizon=2 * rate * min(sizes.steps, 200), records=5, levels=4)
    ratios = []
    for level, run in enumerate(runs):
        fall, start = run["loss"][:1] - run["loss"][1:], run["norm"][:1]
        ratios.append(np.log(run["norm"][1:] / start) / theory.batch_work(fall, start, rate / 2**level))
    name = "log |w_K| / |w_0| over its law"
    estimate = observed_order([ratio - 1 for ratio in ratios], 64 * EPS)
    yield order(f"{name}, order in the learning rate", estimate).equals(1, excludes=(0.75, 1.25))
    (limit, error), (_, before) = richardson(ratios), richardson(ratios[:-1])
    because = "corrections of the last two extrapolations, either of which may vanish by chance; largest of a run"
    within = Tolerance((error + before).max(0, keepdims=True) + 1e3 * EPS, because)
    summed = measured(f"{name}, learning rate 0", limit, within=within, axes=("t", "run"))
    yield summed.equals(lambda k: k * np.ones_like(limit))
    yield summed.control("batch normalisation: sum of lambda 5 % larger").equals(1.05)


def _flat(layers: Array) -> Array:
    return layers.reshape(len(layers), -1)


def _last(state: Polar) -> Polar:
    return Polar(state.rho[-1], [V[-1] for V in state.V])
