"""Weight normalisation, torch's own: its gradients, the growth of its vectors, and their rest under weight decay."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

from experiments.homogeneous.networks import (
    LOSSES,
    LayerwiseDescent,
    Margins,
    tensors,
    weight_normalised_margins,
)
from experiments.homogeneous.norms import every_step, growth, host, same_directions, squares
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.training.loop import train
from experiments.training.updates import Adam, GradientDescent, Loss, Momentum
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.homogeneous import normalisation

ETA = 0.2


@claim(
    "banburski2019.weight_normalisation",
    source="Banburski et al. 2019 (content: weight normalisation is descent under a unit norm); Salimans & Kingma 2016",
    statement=r"\partial_g L = \langle V, \partial_W L \rangle,\ "
    r"\partial_v L = \frac{g}{|v|} (I - V V^\top)\, \partial_W L,\quad"
    r" |v|^2_+ = |v|^2 + \eta^2 |\partial_v L|^2,\quad (c v, c^2 \eta) \equiv (v, \eta)",
    hypotheses=("one norm a layer (dim=None)", "gradient descent, any loss, any step size"),
    controls=(
        "dim=0 is one norm a layer",
        "one norm a layer is one norm a row",
        "three times the vector at the same learning rate",
        "the norm stays in descent",
        "momentum: growth of the norm",
        "Adam: growth of the norm",
        "gradient by v without the projection",
        "weight decay: half the norm at rest to the fourth",
    ),
)
def weight_normalisation_descends_on_spheres(study: Study) -> Iterator[Check | Curves]:
    yield from _gradients_of_weight_norm(study)
    yield from _growth_of_the_vector(study)
    yield from _rest_under_weight_decay(study)


def _gradients_of_weight_norm(study: Study) -> Iterator[Check]:
    """torch's own parametrisation of one `nn.Linear`, dim=None and dim=0, beside the gradient by its matrix."""
    rng = study.rng("gradients")
    X, weight, v = tensors(
        study.device, rng.standard_normal((9, 4)), rng.standard_normal((9, 3)), rng.standard_normal((3, 4))
    )
    g = torch.tensor(1.7, dtype=torch.float64, device=study.device)
    layer = weight_norm(nn.Linear(4, 3, bias=False, device="meta"), dim=None)
    V = v / v.norm()
    dg, dv = _by_gain_and_vector(layer, g, v, X, weight)
    W = (g * V).requires_grad_()
    (dW,) = torch.autograd.grad(_nonlinear(X @ W.mT, weight), W)
    # Sums of at most 9 x 12 products, of size |dW| in both, and (g / |v|) |dW|.
    tolerance = 120 * EPS * float(dW.norm()) * (1 + float(g / v.norm()))
    because = "120 roundings of |dL/dW| (1 + g / |v|)"
    radial = float((V * dW).sum())
    yield equal("dL/dg = <V, dL/dW>", float(dg), radial, tolerance=tolerance, because=because)
    projected = g / v.norm() * (dW - radial * V).detach()
    yield equal("dL/dv = (g / |v|) S dL/dW", host(dv), host(projected), tolerance=tolerance, because=because)
    whole = equal("dL/dv", host(dv), host(g / v.norm() * dW.detach()), tolerance=tolerance, because=because)
    yield refuted("gradient by v without the projection", whole)
    scale = tolerance * float(v.norm())
    yield equal("<v, dL/dv> = 0", float((v * dv).sum()), 0.0, tolerance=scale, because=f"{because}, times |v|")
    rows = equal("rows", host((v * dv).sum(1)), 0.0, tolerance=scale, because=f"{because}, times |v|")
    yield refuted("one norm a layer is one norm a row", rows)
    by_row = weight_norm(nn.Linear(4, 3, bias=False, device="meta"))
    row_gains = (g * v.norm(dim=1, keepdim=True) / v.norm()).detach()
    _, dv_rows = _by_gain_and_vector(by_row, row_gains, v, X, weight)
    rows = equal(
        "dim=0: <v_i, dL/dv_i> = 0, each row i",
        host((v * dv_rows).sum(1)),
        0.0,
        tolerance=scale,
        because=f"{because}, times |v|",
    )
    yield rows
    same = equal("dim=0", host(dv_rows), host(dv), tolerance=tolerance, because=because)
    yield refuted("dim=0 is one norm a layer", same)
    # The layers of all runs at once, which the other claims train, against one `nn.Linear` with dim=None.
    examples = unit_examples(rng, 6, 4)
    W = sized_layers(rng, (4, 1), (1.0,), 3)
    gains = np.array([0.5, 1.5, 2.5])
    margins = weight_normalised_margins(examples, 3, (4, 1), study.device)
    (tg, tv, inputs, labels) = tensors(study.device, gains, W[0] * 1.4, examples.X, examples.y)
    together = host(margins({"g1": tg, "v1": tv}))
    single = weight_norm(nn.Linear(4, 1, bias=False, device="meta"), dim=None)
    alone = [host(labels * functional_call(single, _named(tg[i], tv[i]), (inputs,))[:, 0]) for i in range(3)]
    because = "sums of 4 products, and the norm"
    yield equal("runs at once and one by one", together, alone, tolerance=32 * EPS * gains[:, None], because=because)


def _named(g: Tensor, v: Tensor) -> dict[str, Tensor]:
    return {"parametrizations.weight.original0": g, "parametrizations.weight.original1": v}


def _by_gain_and_vector(layer: nn.Module, g: Tensor, v: Tensor, X: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    g, v = g.clone().requires_grad_(), v.clone().requires_grad_()
    return torch.autograd.grad(_nonlinear(functional_call(layer, _named(g, v), (X,)), weight), (g, v))


def _nonlinear(outputs: Tensor, weight: Tensor) -> Tensor:
    """Some loss of a layer's outputs."""
    return (weight * torch.sin(outputs)).sum()


def _growth_of_the_vector(study: Study) -> Iterator[Check]:
    """|v|^2 step by step in two layers, and the same path of directions from three times the vector."""
    runs, steps = study.pick(smoke=(2, 20), quick=(8, 200), paper=(32, 2000))
    rng, widths = study.rng("vectors"), (3, 4, 1)
    examples = unit_examples(rng, 6, 3)
    W = sized_layers(rng, widths, (1.3, 0.7), runs)
    loss = _margin_loss(weight_normalised_margins(examples, runs, widths, study.device))
    start = {"g1": np.full(runs, 1.2), "g2": np.full(runs, 0.8), "v1": W[0], "v2": W[1]}
    rules = {"descent": GradientDescent(loss), "momentum": Momentum(loss), "Adam": Adam(loss)}
    for name, rule in rules.items():
        run = every_step(study, f"vectors, {name}", loss, start, rule, ETA, steps)
        for layer in ("v1", "v2"):
            check = growth(f"{layer}: growth of the norm", run[layer], run[f"d{layer}"], ETA)
            if name == "descent":
                yield check
            elif layer == "v1":
                yield refuted(f"{name}: growth of the norm", check)
        if name == "descent":
            squared = squares(run["v1"])
            stays = equal("norm", squared, squared[:1], tolerance=40 * EPS * squared.max(), because="40 roundings")
            yield refuted("the norm stays in descent", stays)
            first = run
    # Gains step at the same rate as before: they are divided by 3, which is what (c v, c^2 eta) asks of the rest.
    scaled = {**start, "v1": 3 * W[0], "v2": 3 * W[1]}
    for speeds, control in (((1, 1, 9, 9), None), ((1, 1, 1, 1), "three times the vector at the same learning rate")):
        rule = LayerwiseDescent(loss, speeds)
        path = every_step(study, f"scaled {speeds[-1]}", loss, scaled, rule, ETA, steps)
        check = same_directions("(3 v, 9 eta) and (v, eta): directions", path["v1"], first["v1"], steps)
        yield check if control is None else refuted(control, check)


def _rest_under_weight_decay(study: Study) -> Iterator[Check | Curves]:
    """A loss of the angle alone, whose gradient's size is exactly 0.7 / |w|: the norm comes to rest, and how fast."""
    strength, decay, eta = 0.7, 0.5, 0.1
    starts = np.array([[0.2, 0.1], [1.0, -0.5], [3.0, 2.0]])
    loss: Loss = lambda state: strength * torch.atan2(state["w"][:, 1], state["w"][:, 0])  # noqa: E731
    rest = normalisation.equilibrium_norm(strength, eta, decay)
    factor = normalisation.relaxation_factor(eta, decay)
    steps = int(np.ceil(np.log(EPS) / np.log(factor))) + 80
    rule = LayerwiseDescent(loss, (1.0,), eta * decay)
    run = train(
        loss,
        {"w": starts},
        learning_rate=eta,
        steps=steps,
        record=list(range(steps + 1)),
        observe=lambda state: {"w": state["w"]},
        update=rule,
        **study.training("weight decay"),
    )
    squared = np.square(run["w"]).sum(-1)
    # Each step rounds |w|^2 a few times and forgets the share 1 - factor of what it was off.
    tolerance = 16 * EPS * rest**2 / (1 - factor)
    because = "16 roundings a step, of which the share 1 - factor is forgotten each step"
    yield equal("weight decay: |w|^2 at rest", squared[-1], rest**2, tolerance=tolerance, because=because)
    halved = equal("rest", squared[-1], rest**2 / np.sqrt(2), tolerance=tolerance, because=because)
    yield refuted("weight decay: half the norm at rest to the fourth", halved)
    # Near rest the departure shrinks by the factor a step; its square, relative to rest, is what is left out.
    departure = squared / rest**2 - 1
    near = np.argmax(np.abs(departure) < 1e-5, axis=0)
    each = np.arange(len(starts))
    ratio = departure[near + 1, each] / departure[near, each]
    tolerance = 4e-5 + 64 * EPS / np.abs(departure[near, each]).min()
    because = "second order of the departure, 1e-5, times 4; rounding over the departure"
    yield equal("weight decay: what a step leaves of a departure", ratio, factor, tolerance=tolerance, because=because)
    yield curves(rest_squared_norms=squared, rest=rest**2)


def _margin_loss(margins: Margins) -> Loss:
    return lambda state: LOSSES["logistic"][0](margins(state))
