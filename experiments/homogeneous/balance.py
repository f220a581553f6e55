"""Balance: what neighbouring layers keep in common along training, exactly known step by step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous.networks import (
    LOSSES,
    LayerwiseDescent,
    call,
    tensors,
    trainer,
    with_gradients,
)
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.training import batches as stacks
from experiments.training.legacy import extrapolated, refined
from experiments.training.loop import train
from experiments.training.refinement import tends_to
from experiments.training.updates import Adam, GradientDescent, Loss, Momentum, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import halving_order
from theory.claims.legacy import equal, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous import balance, dynamics
from theory.homogeneous.balance import Law
from theory.homogeneous.decomposition import Examples, exponential_pull, polar

WIDTHS = (4, 5, 4, 1)
HORIZON = 1.0
ONES = np.ones(len(WIDTHS) - 1)
UNEQUAL = np.array([1.0, 0.4, 2.0])
DECAY = 0.3
SIZES = (1.2, 0.8, 1.0)


@claim(
    "banburski2019.balance",
    source="Banburski et al. 2019 (content: balance of the layers); Du, Hu & Lee 2018 for layers and neurons",
    statement=r"D_k = W_{k+1}^\top W_{k+1} - W_k W_k^\top,\quad \dot D_k = 0,\quad"
    r" D_k^+ = (1 - \eta\lambda)^2 D_k + \eta^2 (G_{k+1}^\top G_{k+1} - G_k G_k^\top)",
    hypotheses=(
        "gradient descent, any batches, any loss",
        "matrices: no activation; neurons: ReLU or leaky ReLU, biases counted; layers: no biases",
    ),
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
)
def layers_stay_balanced(study: Study) -> Iterator[Check | Curves]:
    yield from _step_by_step(study)
    yield from _under_biases(study)
    yield from _other_rules(study)
    yield from _along_the_flow(study)
    yield from _drift_in_the_step_size(study)


@dataclass(frozen=True)
class Case:
    """A network, its loss on batches, and its start."""

    loss: Loss
    start: dict[str, Array]


def _case(study: Study, name: str, activation: Callable[[], nn.Module], loss: str, runs: int, batch: int) -> Case:
    """A stack on ten examples, `batch` of them a step, in turn."""
    examples, rng = _examples(study, name)
    network = stacks.stack(WIDTHS, activation)
    X, y = _batches(study, examples, batch)

    def total(state: State) -> Tensor:
        inputs, labels = _of_this_step(X, y, state)
        return LOSSES[loss][0](labels * stacks.outputs(network, state, inputs)[..., 0])

    return Case(total, stacks.state_of(sized_layers(rng, WIDTHS, SIZES, runs)))


def _examples(study: Study, name: str) -> tuple[Examples, np.random.Generator]:
    rng = study.rng("examples", name)
    return unit_examples(rng, 10, WIDTHS[0]), rng


def _batches(study: Study, examples: Examples, batch: int) -> tuple[Tensor, Tensor]:
    """Inputs (batches, batch, d), labels (batches, batch)."""
    X, y = tensors(study.device, examples.X, examples.y)
    return X.reshape(-1, batch, X.shape[1]), y.reshape(-1, batch)


def _of_this_step(X: Tensor, y: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """Each run's batch, by the count of its steps; the first one where nothing is counted."""
    taken = state.get("taken", torch.zeros(len(state["W1"]), dtype=torch.long, device=X.device)) % len(X)
    return X[taken], y[taken]


def _step_by_step(study: Study) -> Iterator[Check]:
    """One step of descent: the law with its exact term, for every combination of what it allows."""
    runs, steps = study.pick(smoke=(2, 12), quick=(8, 60), paper=(32, 600))
    eta = 0.02
    cases: tuple[tuple[str, Callable[[], nn.Module], str, Array, float, int, Law], ...] = (
        ("linear", nn.Identity, "exponential", ONES, 0.0, 10, balance.matrices),
        ("linear, batches", nn.Identity, "logistic", ONES, 0.0, 2, balance.matrices),
        ("linear, own learning rates", nn.Identity, "squared", UNEQUAL, 0.0, 10, balance.matrices),
        ("linear, everything", nn.Identity, "exponential", UNEQUAL, DECAY, 5, balance.matrices),
        ("ReLU", nn.ReLU, "exponential", ONES, 0.0, 10, balance.neurons),
        ("ReLU, everything", nn.ReLU, "logistic", UNEQUAL, DECAY, 5, balance.neurons),
        ("leaky ReLU", lambda: nn.LeakyReLU(0.2), "squared", ONES, DECAY, 2, balance.neurons),
        ("ReLU, layers", nn.ReLU, "squared", UNEQUAL, DECAY, 2, balance.layers),
        ("tanh", nn.Tanh, "exponential", ONES, 0.0, 10, balance.neurons),
    )
    for name, activation, loss, speeds, decay, batch, law in cases:
        case = _case(study, name, activation, loss, runs, batch)
        rule = LayerwiseDescent(case.loss, speeds, eta * decay)
        run = _every_step(study, name, case, rule, eta, steps)
        check = _one_step(name, law, run, eta * speeds, eta * decay)
        if name == "tanh":
            yield refuted("tanh: neurons", check)
            continue
        yield check
        if name == "ReLU":
            wrong = _one_step(name, balance.matrices, run, eta * speeds)
            yield refuted("ReLU: whole matrices", wrong)
        if name == "linear, own learning rates":
            yield refuted("own learning rates: plain balance", _one_step(name, law, run, eta * ONES))
        if name == "linear, everything":
            once = 1 - np.sqrt(1 - eta * decay)
            yield refuted("weight decay once, not squared", _one_step(name, law, run, eta * speeds, once))
            larger = _one_step(name, law, run, eta * speeds, eta * decay, gradient=np.sqrt(1.1))
            yield refuted("the step's own term 10 % larger", larger)


def _one_step(
    name: str, law: Law, run: Trajectory, rates: Array, shrinkage: float = 0.0, gradient: float = 1.0
) -> Check:
    """The law's imbalance after each step, against what it makes of the layers and gradients before the step."""
    W, G = stacks.layers_of(run.arrays), [gradient * run[f"dW{k}"] for k in range(1, len(WIDTHS))]
    after = balance.imbalance(law, [layer[1:] for layer in W], rates)
    predicted = balance.after_step(law, [layer[:-1] for layer in W], [g[:-1] for g in G], rates, shrinkage)
    # A step rounds an entry of W three times; an entry of an imbalance is a sum of at most 2 h^2 such products.
    size = sum(np.square(layer).sum((-2, -1)).max() / rate for layer, rate in zip(W, rates))
    tolerance = 4 * max(WIDTHS) * EPS * size
    because = "4 h roundings of the squared layers"
    return equal(
        f"one step: {name}", _side_by_side(after), _side_by_side(predicted), tolerance=tolerance, because=because
    )


def _side_by_side(imbalances: list[Array]) -> Array:
    """(T, runs, ...) of each pair of layers, as (T, runs, all)."""
    return np.concatenate([D.reshape(*D.shape[:2], -1) for D in imbalances], axis=-1)


def _every_step(study: Study, name: str, case: Case, rule: GradientDescent, eta: float, steps: int) -> Trajectory:
    record, observe = list(range(steps + 1)), with_gradients(rule)
    return train(
        case.loss,
        case.start,
        learning_rate=eta,
        steps=steps,
        record=record,
        observe=observe,
        update=rule,
        **study.training(name),
    )


def _under_biases(study: Study) -> Iterator[Check]:
    """ReLU with biases in both hidden layers: the neurons' law counts them; the layers' law does not hold."""
    runs, steps = study.pick(smoke=(2, 12), quick=(8, 60), paper=(32, 600))
    eta = 0.02
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1, bias=False))
    examples, rng = _examples(study, "biases")
    X, y = tensors(study.device, examples.X, examples.y)
    start = {name: 0.6 * rng.standard_normal((runs, *p.shape)) for name, p in module.named_parameters()}
    case = Case(lambda state: LOSSES["logistic"][0](y * call(module, state, X)), start)
    run = _every_step(study, "biases", case, GradientDescent(case.loss), eta, steps)
    augmented = _augmented(run)
    check = _one_step("ReLU with biases", balance.neurons, augmented, eta * ONES)
    yield check
    bare = Trajectory(run.t, {f"{d}W{k}": run[f"{d}{2 * k - 2}.weight"] for d in ("", "d") for k in (1, 2, 3)})
    left_out = _one_step("biases", balance.neurons, bare, eta * ONES)
    yield refuted("biases left out of the neurons", left_out)
    yield refuted("biases: whole layers", _one_step("biases", balance.layers, augmented, eta * ONES))


def _augmented(run: Trajectory) -> Trajectory:
    """Layers and gradients with a last column for the biases."""
    arrays = {}
    for d in ("", "d"):
        for k, name in enumerate(("0", "2"), start=1):
            bias = run[f"{d}{name}.bias"][..., None]
            arrays[f"{d}W{k}"] = np.concatenate([run[f"{d}{name}.weight"], bias], axis=-1)
        arrays[f"{d}W3"] = run[f"{d}4.weight"]
    return Trajectory(run.t, arrays)


def _other_rules(study: Study) -> Iterator[Check]:
    """Adam and momentum do not obey the law of one step."""
    eta, steps = 0.02, 12
    case = _case(study, "other rules", nn.Identity, "exponential", 2, 10)
    for name, rule in (("Adam", Adam(case.loss)), ("momentum", Momentum(case.loss))):
        run = _every_step(study, name, case, rule, eta, steps)
        yield refuted(f"{name}: one step", _one_step(name, balance.matrices, run, eta * ONES))


def _along_the_flow(study: Study) -> Iterator[Check]:
    """Learning rate to 0: balance is conserved, with learning rates of its layers' own, and decays with the weights."""
    runs = study.pick(smoke=2, quick=4, paper=16)
    case = _case(study, "flow", nn.Identity, "exponential", runs, 10)
    for name, speeds, decay in (("own learning rates", UNEQUAL, 0.0), ("weight decay", ONES, DECAY)):
        trained = []
        for level in range(3):
            rate = HORIZON / study.pick(smoke=64, quick=128, paper=1024) / 2**level
            rule = LayerwiseDescent(case.loss, speeds, rate * decay)
            schedule = {"learning_rate": rate, "steps": round(HORIZON / rate)}
            record = [round(HORIZON / rate * k / 8) for k in range(9)]
            trained.append(
                trainer(study, case.loss, case.start, rule)(f"{name}, level {level}", record=record, **schedule)
            )
        seen = [
            _side_by_side(balance.imbalance(balance.matrices, stacks.layers_of(run.arrays), speeds)) for run in trained
        ]
        t = trained[0].t[:, None, None]
        yield from tends_to(f"flow, {name}: balance", seen, balance.forgotten(decay, t) * seen[0][:1])
        if decay:
            wrong = extrapolated("balance", seen, balance.forgotten(decay / 2, t) * seen[0][:1])
            yield refuted("decay of the balance at rate lambda", wrong)


def _drift_in_the_step_size(study: Study) -> Iterator[Check | Curves]:
    """What is left of it at a fixed time halves with the step size; with momentum too; Adam's stays."""
    runs = study.pick(smoke=2, quick=4, paper=16)
    base = study.pick(smoke=48, quick=96, paper=512)
    drifts: dict[str, list[Array]] = {}
    paths: dict[str, list[Trajectory]] = {}
    case = _case(study, "drift", nn.Identity, "exponential", runs, 10)
    rules = {"descent": GradientDescent(case.loss), "momentum": Momentum(case.loss, 0.5), "Adam": Adam(case.loss)}
    for name, rule in rules.items():
        paths[name] = refined(
            trainer(study, case.loss, case.start, rule),
            f"drift, {name}",
            learning_rate=HORIZON / base,
            horizon=HORIZON,
            records=17,
            levels=4,
        )
        found = [_side_by_side(balance.matrices(stacks.layers_of(run.arrays))) for run in paths[name]]
        drifts[name] = [D - D[:1] for D in found]
    zero = np.zeros_like(drifts["descent"][0])
    yield from tends_to("drift of descent", drifts["descent"], zero)
    because = halving_order(drifts["momentum"][-2][-1], drifts["momentum"][-1][-1])
    yield order("drift of momentum 0.5, order in the learning rate", because, 1, excludes=(0, 2))
    yield refuted("Adam forgets no balance", extrapolated("drift of Adam", drifts["Adam"], zero))
    fine = paths["descent"][-1]
    yield curves(
        t=fine.t,
        flow_growth=_common_growth(study, case, fine.t),
        squared_sizes=np.stack([np.square(layer[:, 0]).sum((-2, -1)) for layer in stacks.layers_of(fine.arrays)], -1),
        step_sizes=HORIZON / base / 2.0 ** np.arange(4),
        **{f"drift_{name}": [np.linalg.norm(D[-1, 0]) for D in found] for name, found in drifts.items()},
    )


def _common_growth(study: Study, case: Case, t: Array) -> Array:
    """rho_k^2 - rho_k(0)^2 along the flow of the first run, from its first layer: the same for every layer."""
    examples, _ = _examples(study, "drift")
    W = [layer[:1] for layer in stacks.layers_of(case.start)]
    sizes = dynamics.flow(dynamics.gradient_flow, examples, polar(W), t, exponential_pull)["rho"][:, 0, 0]
    return sizes**2 - sizes[0] ** 2
