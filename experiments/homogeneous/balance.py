"""Balance: what neighbouring layers keep in common along training, exactly known step by step."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from experiments.homogeneous import own_balance
from experiments.homogeneous.balance_cases import CASES, EXAMPLES, ONES, UNEQUAL, Case, Sizes, problem
from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import call, side_by_side, tensors
from experiments.homogeneous.predictions import Predicted, departing, scaled
from experiments.homogeneous.problems import unit_examples
from experiments.homogeneous.rules import LayerwiseDescent, with_gradients
from experiments.training import GradientDescent, Trainee, extrapolated, tends_to
from experiments.training.batches import layers_of
from experiments.training.together import refine_together
from experiments.updates import Adam, Momentum
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    on_data,
    order,
)
from theory.claims.estimates import observed_order
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous import balance, dynamics
from theory.homogeneous.balance import Law
from theory.homogeneous.decomposition import exponential_slope, polar

HORIZON = 1.0
SOLVER = 1e-8  # of a flow integrated to 1e-11 over a time of order 1


@claim(
    "banburski2019.balance",
    source="Banburski et al. 2019 (content: balance of the layers); Du, Hu & Lee 2018 for layers and neurons",
    source_kind=RECONSTRUCTED,
    statement=r"W_k^+ = (1 - \eta\lambda) W_k - \eta G_k,\quad D_k = W_{k+1}^\top W_{k+1} - W_k W_k^\top:\quad"
    r" D_k^+ = (1 - \eta\lambda)^2 D_k + \eta^2 (G_{k+1}^\top G_{k+1} - G_k G_k^\top),\quad"
    r" \dot D_k = -2 \lambda D_k \text{ as } \eta \to 0",
    hypotheses=(
        "W_k the layers, G_k the gradient by them, learning rate eta, weight decay lambda >= 0",
        "gradient descent, any batches, any loss",
        "matrices: no activation; neurons: ReLU or leaky ReLU, biases counted; layers: no biases",
    ),
    theory_side="identity",
    controls=(
        "Adam: one step",
        "momentum: one step",
        "Adam forgets no balance",
        "tanh: neurons",
        "ReLU: whole matrices",
        "biases left out of the neurons",
        "biases: whole layers",
        "own learning rates: plain balance",
        "weight decay once, not squared",
        "the step's own term 10 % larger",
        "decay of the balance at rate lambda",
    ),
    accepts_data="labelled",
    parameters=Sizes,
)
def layers_stay_balanced(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from on_data(own_balance.layers_stay_balanced)(study)
    yield from _step_by_step(study, sizes)
    yield from _under_biases(study, sizes)
    yield from _other_rules(study, sizes)
    yield from _along_the_flow(study, sizes)
    yield from _drift_in_the_step_size(study, sizes)


def _step_by_step(study: Study, sizes: Sizes) -> Iterator[Check]:
    """One step of descent: the law with its exact term, for every combination of what it allows."""
    eta = sizes.learning_rate
    runs = {case.name: _every_step(study, sizes, case) for case in CASES}
    for case in CASES:
        rates, shrinkage = eta * case.speeds, eta * sizes.decay * case.decays
        yield _in_a_step(runs[case.name], case.law, rates, case.name).equals(
            _predicted(runs[case.name], case.law, rates, shrinkage)
        )
    tanh = _every_step(study, sizes, Case("tanh", nn.Tanh))
    for control, run, law in (
        ("tanh: neurons", tanh, balance.neurons),
        ("ReLU: whole matrices", runs["ReLU"], balance.matrices),
        ("own learning rates: plain balance", runs["linear, own learning rates"], balance.matrices),
    ):
        plain = _in_a_step(run, law, eta * ONES).control(control)
        yield plain.equals(_predicted(run, law, eta * ONES))
    run, law, rates, shrinkage = runs["linear, everything"], balance.matrices, eta * UNEQUAL, eta * sizes.decay
    step, once = _in_a_step(run, law, rates), 1 - np.sqrt(1 - shrinkage)
    yield step.control("weight decay once, not squared").equals(_predicted(run, law, rates, once))
    larger = _predicted(run, law, rates, shrinkage, gradient=np.sqrt(1.1))
    yield step.control("the step's own term 10 % larger").equals(larger)


def _every_step(study: Study, sizes: Sizes, case: Case) -> Trajectory:
    loss, start = problem(study, sizes, case, sizes.runs)
    rule = LayerwiseDescent(loss, case.speeds, sizes.decay * case.decays)
    return _recorded(with_gradients(study, rule, start), sizes.learning_rate, sizes.steps)


def _recorded(trainee: Trainee, learning_rate: float, steps: int) -> Trajectory:
    """At every step."""
    return trainee.train(learning_rate=learning_rate, steps=steps, record=range(steps + 1))


def _in_a_step(run: Trajectory, law: Law, rates: Array, case: str = "") -> Measured:
    """The change (T - 1, runs, all) of the law's imbalance in each step."""
    W = layers_of(run.arrays)
    # A step rounds an entry of W three times; an entry of an imbalance is a sum of at most 2 h^2 such products.
    size = sum(np.square(layer).sum((-2, -1)).max() / rate for layer, rate in zip(W, rates))
    width = max(layer.shape[-1] for layer in W)
    within = Tolerance(4 * width * EPS * size, "4 h roundings of the squared layers")
    change = np.diff(side_by_side(balance.imbalance(law, W, rates)), axis=0)
    return measured("change of the imbalance in a step", change, within=within, case=case, axes=("t", "run"))


def _predicted(run: Trajectory, law: Law, rates: Array, shrinkage: float = 0.0, gradient: float = 1.0) -> Predicted:
    """What the law makes of the layers and gradients before the step; `gradient` scales the latter."""
    W = layers_of(run.arrays)
    G = [gradient * run[f"dW{k}"] for k in range(1, len(W) + 1)]
    W = [layer[:-1] for layer in W]
    after = balance.after_step(law, W, [g[:-1] for g in G], rates, shrinkage)
    return scaled(side_by_side(after) - side_by_side(balance.imbalance(law, W, rates)))


def _under_biases(study: Study, sizes: Sizes) -> Iterator[Check]:
    """ReLU with biases in both hidden layers: the neurons' law counts them; the layers' law does not hold."""
    d, h, last, _ = sizes.all_widths
    with torch.device("meta"):
        module = nn.Sequential(
            nn.Linear(d, h), nn.ReLU(), nn.Linear(h, last), nn.ReLU(), nn.Linear(last, 1, bias=False)
        )
    rng = study.rng("examples", "biases")
    examples = unit_examples(rng, EXAMPLES, d)
    X, y = tensors(study.device, examples.X, examples.y)
    start = {name: 0.6 * rng.standard_normal((sizes.runs, *p.shape)) for name, p in module.named_parameters()}
    rule = GradientDescent(loss_of(lambda state: y * call(module, state, X), "logistic"))
    run = _recorded(with_gradients(study, rule, start), sizes.learning_rate, sizes.steps)
    augmented, rates = _augmented(run), sizes.learning_rate * ONES
    bare = Trajectory(run.t, {f"{d}W{k}": run[f"{d}{2 * k - 2}.weight"] for d in ("", "d") for k in (1, 2, 3)})
    neurons = _in_a_step(augmented, balance.neurons, rates, "ReLU with biases")
    yield neurons.equals(_predicted(augmented, balance.neurons, rates))
    left_out = _in_a_step(bare, balance.neurons, rates).control("biases left out of the neurons")
    yield left_out.equals(_predicted(bare, balance.neurons, rates))
    whole = _in_a_step(augmented, balance.layers, rates).control("biases: whole layers")
    yield whole.equals(_predicted(augmented, balance.layers, rates))


def _augmented(run: Trajectory) -> Trajectory:
    """Layers and gradients with a last column for the biases."""
    arrays = {}
    for d in ("", "d"):
        for k, name in enumerate(("0", "2"), start=1):
            bias = run[f"{d}{name}.bias"][..., None]
            arrays[f"{d}W{k}"] = np.concatenate([run[f"{d}{name}.weight"], bias], axis=-1)
        arrays[f"{d}W3"] = run[f"{d}4.weight"]
    return Trajectory(run.t, arrays)


def _other_rules(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Adam and momentum do not obey the law of one step."""
    loss, start = problem(study, sizes, Case("other rules"), 2)
    rates = sizes.learning_rate * ONES
    for name, rule in (("Adam", Adam(loss)), ("momentum", Momentum(loss))):
        run = _recorded(with_gradients(study, rule, start), sizes.learning_rate, 12)
        step = _in_a_step(run, balance.matrices, rates).control(f"{name}: one step")
        yield step.equals(_predicted(run, balance.matrices, rates))


def _along_the_flow(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Learning rate to 0: balance is conserved, with learning rates of its layers' own, and decays with the weights."""
    loss, start = problem(study, sizes, Case("flow"), sizes.refined_runs)
    rate = HORIZON / sizes.refined_steps
    own, decaying = (
        refine_together(Trainee(study, loss, start, rule), learning_rate=rate, horizon=HORIZON, records=9)
        for rule in (LayerwiseDescent(loss, UNEQUAL), LayerwiseDescent(loss, ONES, sizes.decay))
    )
    drifts, plain = [_drift(run, UNEQUAL) for run in own], _drift(own[-1])
    yield from tends_to("drift of the balance", drifts, departing(plain), case="flow, own learning rates")
    seen, t = [_imbalance(run) for run in decaying], decaying[0].t[:, None, None]
    decayed: Predicted = lambda k: balance.solution(k * sizes.decay, t) * seen[0][:1]  # noqa: E731
    yield from tends_to("balance", seen, decayed, case="flow, weight decay")
    yield extrapolated("balance", seen).control("decay of the balance at rate lambda").equals(decayed(0.5))


def _imbalance(run: Trajectory, speeds: Array = ONES) -> Array:
    return side_by_side(balance.imbalance(balance.matrices, layers_of(run.arrays), speeds))


def _drift(run: Trajectory, speeds: Array = ONES) -> Array:
    D = _imbalance(run, speeds)
    return D - D[:1]


def _drift_in_the_step_size(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """What is left of it at a fixed time halves with the step size; with momentum too; Adam's stays."""
    base = sizes.drift_steps
    loss, start = problem(study, sizes, Case("drift"), sizes.refined_runs)
    rules = {"gradient descent": GradientDescent(loss), "momentum 0.5": Momentum(loss, 0.5), "Adam": Adam(loss)}
    paths, drifts = {}, {}
    for name, rule in rules.items():
        trainee = Trainee(study, loss, start, rule)
        paths[name] = refine_together(trainee, learning_rate=HORIZON / base, horizon=HORIZON, records=17, levels=4)
        drifts[name] = [_drift(run) for run in paths[name]]
        size = np.array([np.linalg.norm(D[-1, 0]) for D in drifts[name]])
        yield curves(name, drift=size, halved=size[-1] * 2.0 ** np.arange(len(size))[::-1])
    yield from tends_to("drift of descent", drifts["gradient descent"], departing(drifts["Adam"][-1]))
    name, ends = "drift of momentum 0.5, order in the learning rate", [D[-1] for D in drifts["momentum 0.5"]]
    yield order(name, observed_order(ends)).equals(1, excludes=(0.75, 1.25))
    yield extrapolated("drift of Adam", drifts["Adam"]).control("Adam forgets no balance").equals(0.0)
    yield from _sizes(study, paths["gradient descent"][-1], start)
    yield curves(step_sizes=HORIZON / base / 2.0 ** np.arange(4))


def _sizes(study: Study, run: Trajectory, start: dict[str, Array]) -> Iterator[Check | Curves]:
    """rho_k^2 of the first run, trained and along the flow, where every layer's grows like the first's."""
    examples = unit_examples(study.rng("examples", "drift"), EXAMPLES, start["W1"].shape[-1])
    first = polar([layer[:1] for layer in layers_of(start)])
    flow = dynamics.flow(dynamics.gradient_flow, examples, first, run.t, exponential_slope)["rho"][:, 0]
    growth = flow**2 - flow[0] ** 2
    within = Tolerance(SOLVER, "the flow integrated to 1e-11")
    alike = measured("rho_k^2 of every layer grows alike along the flow", growth, within=within, axes=("t", "layer"))
    yield alike.supporting().equals(growth[:, :1])
    trained = np.stack([np.square(layer[:, 0]).sum((-2, -1)) for layer in layers_of(run.arrays)], axis=-1)
    squared = trained[0] + growth[:, :1]
    yield curves(t=run.t, squared_sizes=trained, flow=squared, off_the_flow=trained - squared)
