"""Networks whose layers stay balanced: their sizes, how they are trained, and by which law."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from experiments.homogeneous.losses import LOSSES
from experiments.homogeneous.networks import tensors
from experiments.homogeneous.problems import sized_layers, unit_examples
from experiments.training import Loss, State
from experiments.training.batches import outputs, stack, state_of
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.homogeneous import balance
from theory.homogeneous.balance import Law

EXAMPLES = 10
ONES = np.ones(3)
UNEQUAL = np.array([1.0, 0.4, 2.0])
ENTRIES = 10_000_000  # of one training


@dataclass(frozen=True)
class Sizes:
    """Of networks of three layers on ten examples, and of their training."""

    inputs: int = varies("entries of an example", 4, low=2, high=100)
    widths: tuple[int, ...] = varies("of the two hidden layers", (5, 4), low=2, high=64)
    scales: tuple[float, ...] = varies("norms of the layers at the start", (1.2, 0.8, 1.0), low=0.3, high=1.3)
    learning_rate: float = varies("where each step is judged", 0.02, low=1e-4, high=0.05)
    decay: float = varies("weight decay, lambda", 0.3, low=0.02, high=1)
    steps: int = varies("each of which is judged", 60, smoke=12, paper=600, low=2, high=2000)
    runs: int = varies("starts where each step is judged", 8, smoke=2, paper=32, low=1, high=100)
    refined_runs: int = varies("starts where the learning rate tends to 0", 4, smoke=2, paper=16, low=1, high=50)
    refined_steps: int = varies(
        "to time 1 at the largest of the learning rates that tend to 0", 128, smoke=64, paper=1024, low=48, high=2048
    )
    drift_steps: int = varies(
        "to time 1 at the largest where the drift is drawn", 96, smoke=48, paper=512, low=48, high=2048
    )

    def __post_init__(self) -> None:
        if len(self.widths) != 2:
            reject("widths", self.widths, "two numbers, of the two hidden layers")
        if len(self.scales) != 3:
            reject("scales", self.scales, "three numbers, of the three layers")
        if (
            work := self.runs * self.steps * sum(a * b for a, b in zip(self.all_widths, self.all_widths[1:]))
        ) > ENTRIES:
            reject("runs x steps x weights", work, f"at most {ENTRIES}, which are kept at every step")

    @property
    def all_widths(self) -> tuple[int, ...]:
        return (self.inputs, *self.widths, 1)


@dataclass(frozen=True)
class Case:
    """A network, how it is trained, and the law that is to hold of it; ten examples, `batch` of them a step in turn."""

    name: str
    activation: Callable[[], nn.Module] = nn.Identity
    loss: str = "exponential"
    law: Law = balance.matrices
    speeds: Array = field(default_factory=lambda: ONES)
    decays: bool = False
    batch: int = EXAMPLES


CASES = (
    Case("linear"),
    Case("linear, batches", loss="logistic", batch=2),
    Case("linear, own learning rates", loss="squared", speeds=UNEQUAL),
    Case("linear, everything", speeds=UNEQUAL, decays=True, batch=5),
    Case("ReLU", nn.ReLU, law=balance.neurons),
    Case("ReLU, everything", nn.ReLU, "logistic", balance.neurons, UNEQUAL, True, 5),
    Case("leaky ReLU", lambda: nn.LeakyReLU(0.2), "squared", balance.neurons, decays=True, batch=2),
    Case("ReLU, layers", nn.ReLU, "squared", balance.layers, UNEQUAL, True, 2),
)


def problem(study: Study, sizes: Sizes, case: Case, runs: int) -> tuple[Loss, dict[str, Array]]:
    """Loss of a stack on its batches, and a start of layers of fixed sizes."""
    rng, widths = study.rng("examples", case.name), sizes.all_widths
    examples, network = unit_examples(rng, EXAMPLES, widths[0]), stack(widths, case.activation)
    X, y = tensors(study.device, examples.X, examples.y)
    X, y = X.reshape(-1, case.batch, X.shape[1]), y.reshape(-1, case.batch)

    def loss(state: State) -> Tensor:
        # Each run's batch by the count of its steps; the first one where nothing is counted.
        taken = state.get("taken", torch.zeros(len(state["W1"]), dtype=torch.long, device=X.device)) % len(X)
        return LOSSES[case.loss][0](y[taken] * outputs(network, state, X[taken])[..., 0])

    return loss, state_of(sized_layers(rng, widths, sizes.scales, runs))
