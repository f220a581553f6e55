"""Weight normalisation, torch's own: its gradients, the growth of its vectors, and their rest under weight decay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

from experiments.homogeneous import norms
from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import host, tensors, weight_normalised_margins
from experiments.homogeneous.predictions import departing
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.homogeneous.rules import LayerwiseDescent, with_gradients
from experiments.training import GradientDescent, Loss, Trainee
from experiments.updates import Adam, Momentum
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import EPS
from theory.core.validation import reject
from theory.homogeneous import normalisation


@dataclass(frozen=True)
class Sizes:
    """Of a network of two layers, and of a vector under weight decay."""

    inputs: int = varies("entries of an example", 3, low=2, high=100)
    width: int = varies("of the hidden layer", 4, low=2, high=100)
    examples: int = varies("n, |x| = 1, in random directions", 6, low=2, high=100)
    gains: tuple[float, ...] = varies("g of the two layers at the start", (1.2, 0.8), low=0.1, high=3)
    vectors: tuple[float, ...] = varies("|v| of the two layers at the start", (1.3, 0.7), low=0.3, high=3)
    learning_rate: float = varies("of descent, eta", 0.2, low=0.01, high=0.3)
    steps: int = varies("each of which is judged", 200, smoke=20, paper=2000, low=5, high=3000)
    runs: int = varies("starts", 8, smoke=2, paper=32, low=1, high=64)
    strength: float = varies("weight decay: |v| |dL/dv|", 0.7, low=0.05, high=3)
    decay: float = varies("weight decay, lambda", 0.5, low=0.02, high=1)
    decay_learning_rate: float = varies("weight decay: of descent", 0.1, low=0.01, high=0.5)

    def __post_init__(self) -> None:
        for name, pair in (("gains", self.gains), ("vectors", self.vectors)):
            if len(pair) != 2:
                reject(name, pair, "two numbers, of the two layers")
        if self.decay * self.decay_learning_rate > 0.2:
            most = 0.2 / self.decay
            reject("decay_learning_rate", self.decay_learning_rate, f"at most {most:.3g}: above it the norm overshoots")


@claim(
    "banburski2019.weight_normalisation",
    source="Banburski et al. 2019 (content: weight normalisation is descent under a unit norm); Salimans & Kingma 2016",
    source_kind=RECONSTRUCTED,
    statement=r"W = g V,\ V = \frac{v}{|v|}:\quad \partial_g L = \langle V, \partial_W L \rangle,\ "
    r"\partial_v L = \frac{g}{|v|} (I - V V^\top)\, \partial_W L,\quad"
    r" |v|^2_+ = |v|^2 + \eta^2 |\partial_v L|^2,\quad (c v, c^2 \eta) \equiv (v, \eta)",
    hypotheses=(
        "a layer W with one gain g and one norm (dim=None)",
        "gradient descent of any loss L, any learning rate eta",
        "rest: weight decay, and |v| |dL/dv| the same at all times (ours)",
    ),
    theory_side="identity",
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
    parameters=Sizes,
)
def weight_normalisation_descends_on_spheres(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _gradients_of_weight_norm(study)
    yield from _growth_of_the_vector(study, sizes)
    yield from _rest_under_weight_decay(study, sizes)


def _gradients_of_weight_norm(study: Study) -> Iterator[Check]:
    """torch's own parametrisation of one `nn.Linear`, dim=None and dim=0, beside the gradient by its matrix."""
    rng = study.rng("gradients")
    shapes = (9, 4), (9, 3), (3, 4)
    X, weight, v = tensors(study.device, *(rng.standard_normal(shape) for shape in shapes))
    g = torch.tensor(1.7, dtype=torch.float64, device=study.device)
    V = v / v.norm()
    W = (g * V).requires_grad_()
    (dW,) = torch.autograd.grad(_nonlinear(X @ W.mT, weight), W)
    # Sums of at most 9 x 12 products, of size |dW| in both, and (g / |v|) |dW|.
    within = rounding(120, float(dW.norm()) * (1 + float(g / v.norm())), of="|dL/dW| (1 + g / |v|)")
    longer = within * float(v.norm())
    layer = weight_norm(nn.Linear(4, 3, bias=False, device="meta"), dim=None)
    dg, dv = _by_gain_and_vector(layer, g, v, X, weight)
    radial = float((V * dW).sum())
    yield measured("dL/dg = <V, dL/dW>", float(dg), within=within).equals(radial)
    by_vector = measured("dL/dv = (g / |v|) S dL/dW", host(dv), within=within)
    yield by_vector.equals(host(g / v.norm() * (dW - radial * V)))
    yield by_vector.control("gradient by v without the projection").equals(host(g / v.norm() * dW))
    rows = measured("rows", host((v * dv).sum(1)), within=longer)
    visible = float(np.abs(rows.value).max())
    yield measured("<v, dL/dv> = 0", float((v * dv).sum()), within=longer).equals(0.0, against=visible)
    yield rows.control("one norm a layer is one norm a row").equals(0.0)
    by_row = weight_norm(nn.Linear(4, 3, bias=False, device="meta"))
    row_gains = (g * v.norm(dim=1, keepdim=True) / v.norm()).detach()
    _, dv_rows = _by_gain_and_vector(by_row, row_gains, v, X, weight)
    each = measured("dim=0: <v_i, dL/dv_i> = 0, each row i", host((v * dv_rows).sum(1)), within=longer)
    yield each.equals(0.0, against=visible)
    same = measured("dim=0", host(dv_rows), within=within)
    yield same.control("dim=0 is one norm a layer").equals(host(dv))
    yield _runs_at_once(study, rng)


def _runs_at_once(study: Study, rng: np.random.Generator) -> Check:
    """The layers of all runs at once, which the other claims train, against one `nn.Linear` with dim=None."""
    examples, W, gains = unit_examples(rng, 6, 4), sized_layers(rng, (4, 1), (1.0,), 3), np.array([0.5, 1.5, 2.5])
    margins = weight_normalised_margins(examples, 3, (4, 1), study.device)
    g, v, inputs, labels = tensors(study.device, gains, W[0] * 1.4, examples.X, examples.y)
    single = weight_norm(nn.Linear(4, 1, bias=False, device="meta"), dim=None)
    alone = [host(labels * functional_call(single, _named(g[i], v[i]), (inputs,))[:, 0]) for i in range(3)]
    within = Tolerance(32 * EPS * gains[:, None], "sums of 4 products, and the norm")
    together = measured("runs at once and one by one", host(margins({"g1": g, "v1": v})), within=within)
    return together.supporting().equals(alone)


def _named(g: Tensor, v: Tensor) -> dict[str, Tensor]:
    return {"parametrizations.weight.original0": g, "parametrizations.weight.original1": v}


def _by_gain_and_vector(layer: nn.Module, g: Tensor, v: Tensor, X: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    g, v = g.clone().requires_grad_(), v.clone().requires_grad_()
    return torch.autograd.grad(_nonlinear(functional_call(layer, _named(g, v), (X,)), weight), (g, v))


def _nonlinear(outputs: Tensor, weight: Tensor) -> Tensor:
    """Some loss of a layer's outputs."""
    return (weight * torch.sin(outputs)).sum()


def _growth_of_the_vector(study: Study, sizes: Sizes) -> Iterator[Check]:
    """|v|^2 step by step in two layers, and the same path of directions from three times the vector."""
    runs, steps, eta = sizes.runs, sizes.steps, sizes.learning_rate
    rng, widths = study.rng("vectors"), (sizes.inputs, sizes.width, 1)
    examples = unit_examples(rng, sizes.examples, sizes.inputs)
    W = sized_layers(rng, widths, sizes.vectors, runs)
    loss = loss_of(weight_normalised_margins(examples, runs, widths, study.device), "logistic")
    start = {"g1": np.full(runs, sizes.gains[0]), "g2": np.full(runs, sizes.gains[1]), "v1": W[0], "v2": W[1]}
    schedule = {"learning_rate": eta, "steps": steps, "record": range(steps + 1)}
    descent, momentum, adam = (
        with_gradients(study, rule, start).train(**schedule)
        for rule in (GradientDescent(loss), Momentum(loss), Adam(loss))
    )
    for vector in ("v1", "v2"):
        yield norms.growth(descent, vector, eta, vector).equals(norms.grown(descent, vector, eta))
    for name, run in {"momentum": momentum, "Adam": adam}.items():
        judged = norms.growth(run, "v1", eta, "v1").control(f"{name}: growth of the norm")
        yield judged.equals(norms.grown(run, "v1", eta))
    squared = norms.squares(descent["v1"])
    stays = measured("norm", squared, within=Tolerance(40 * EPS * squared.max(), "40 roundings"), axes=("t", "run"))
    yield stays.control("the norm stays in descent").equals(squared[:1])
    # Gains step at the same rate as before: only the vectors' is multiplied by c^2, which is what (c v, c^2 eta) says.
    scaled = {**start, "v1": 3 * W[0], "v2": 3 * W[1]}
    faster, same = (
        Trainee(study, loss, scaled, LayerwiseDescent(loss, (1, 1, speed, speed))).train(**schedule)["v1"]
        for speed in (9, 1)
    )
    jolted = Trainee(study, loss, start, norms.Jolted(loss)).train(**schedule)["v1"]
    name = "(3 v, 9 eta) and (v, eta): directions"
    alike, unchanged = (norms.turned(name, path, descent["v1"], jolted, sizes.examples) for path in (faster, same))
    yield alike.equals(departing(unchanged.value))
    yield unchanged.control("three times the vector at the same learning rate").equals(0.0)


def _rest_under_weight_decay(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """A loss of the angle alone, whose gradient has exactly the size strength / |w|: the norm comes to rest."""
    strength, decay, eta = sizes.strength, sizes.decay, sizes.decay_learning_rate
    starts = np.array([[0.2, 0.1], [1.0, -0.5], [3.0, 2.0]])
    loss: Loss = lambda state: strength * torch.atan2(state["w"][:, 1], state["w"][:, 0])  # noqa: E731
    rest = normalisation.equilibrium_norm(strength, eta, decay)
    factor = normalisation.relaxation_factor(eta, decay)
    # A norm far above rest first falls at its own rate, of weight decay alone.
    fall = np.log(np.square(starts).sum(-1).max() / rest**2) / (2 * eta * decay)
    steps = int(np.ceil(np.log(EPS) / np.log(factor))) + max(80, int(1.5 * fall))
    trainee = Trainee(study, loss, {"w": starts}, LayerwiseDescent(loss, (1.0,), decay))
    run = trainee.train(learning_rate=eta, steps=steps, record=range(steps + 1))
    squared = np.square(run["w"]).sum(-1)
    # Each step rounds |w|^2 a few times and forgets the share 1 - factor of what it was off.
    because = "16 roundings a step, of which the share 1 - factor is forgotten each step"
    within = Tolerance(16 * EPS * rest**2 / (1 - factor), because)
    at_rest = measured("|w|^2 at rest", squared[-1], within=within, case="weight decay")
    yield at_rest.equals(rest**2)
    yield at_rest.control("weight decay: half the norm at rest to the fourth").equals(rest**2 / np.sqrt(2))
    # Near rest the departure shrinks by the factor a step; its square, relative to rest, is what is left out.
    departure = squared / rest**2 - 1
    near, each = np.argmax(np.abs(departure) < 1e-5, axis=0), np.arange(len(starts))
    ratio = departure[near + 1, each] / departure[near, each]
    because = "second order of the departure, 1e-5, times 4; rounding over the departure"
    within = Tolerance(4e-5 + 64 * EPS / np.abs(departure[near, each]).min(), because)
    yield measured("what a step leaves of a departure", ratio, within=within, case="weight decay").equals(factor)
    yield curves(rest_squared_norms=squared, rest=rest**2)
