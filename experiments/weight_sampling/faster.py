"""Networks end at a lower loss where their weights are averaged, once noise is what is left; restart may end higher."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.utils.flop_counter import FlopCounterMode

from experiments.weight_sampling.networks import (
    METHODS,
    Networks,
    Regression,
    Task,
    losses,
    paired,
    random_start,
    random_task,
)
from experiments.weight_sampling.noiseless import averages_of_strangers, full_batch_losses
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    claim,
    curves,
    exactly,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array

SLOW = "slow Adam"
COARSE = "losses at the end vary from network to network: an effect is told from none, at significance 1e-6"


@dataclass(frozen=True)
class Ends(Regression):
    """The same, and Adam at a learning rate at which the start is most of what is left."""

    runs: int = varies("independent networks", 64, smoke=96, low=64, high=500)
    slow: float = varies("learning rate of slow Adam", 0.005, smoke=0.01, low=0.003, high=0.01)

    def optimiser(self, method: str) -> Callable[[Iterable[Tensor]], Optimizer]:
        return partial(Adam, lr=self.slow) if method == SLOW else super().optimiser(method)


@claim(
    "tripathi2019.faster",
    source="Tripathi et al. 2019 (arXiv 1905.05774), abstract",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"L, \bar L, \bar L'\ \text{training losses in the last quarter of the epochs: of the iterates,}"
    r"\ \text{of averages of the epoch's samples, and with restart from them:}\quad"
    r" \mathbb E \log \bar L < \mathbb E \log L,\quad \mathbb E \log \bar L < \mathbb E \log \bar L';"
    r"\quad \text{operations of averaging over those of training:}\ \frac{3 N_w}{P\,C},"
    r"\ N_w\ \text{weights},\ C\ \text{operations of a step},\ P\ \text{steps from a sample to the next}",
    hypotheses=(
        "a network of one hidden layer, noisy targets, batches without replacement, a constant learning rate",
        "SGD, SGD with momentum, or Adam, at a learning rate at which noise is what is left of the loss",
    ),
    theory_side="law",
    controls=(
        "without noise averages end ahead",
        "without noise restart ends ahead of averages",
        "averages of networks from independent starts end ahead",
        "restart ends ahead by any method",
        "a sample every step costs as much",
    ),
    parameters=Ends,
)
def averages_end_lower(study: Study, sizes: Ends) -> Iterator[Check | Curves]:
    task = random_task(study, sizes)
    ends = {}
    for method in (*METHODS, SLOW):
        loss = losses(study, sizes, task, method)
        yield curves(method, **{name.replace(" ", "_"): each for name, each in loss.items()})
        ends[method] = {name: np.log(each[-max(len(each) // 4, 1) :]).mean(0) for name, each in loss.items()}
    yield from _ahead(ends)
    yield from _without_noise(study, sizes, task)
    yield from _cost(sizes, task)


def _ahead(ends: dict[str, dict[str, Array]]) -> Iterator[Check]:
    """Differences of log losses at the end."""
    for method in METHODS:
        gain = _gain(f"averages, by {method}", ends[method]["iterates"] - ends[method]["averages"])
        yield gain.at_least(0, against=float(gain.value))
    lost = np.mean([ends[method]["restarted"] - ends[method]["averages"] for method in METHODS], axis=0)
    gain = _gain("averages over restart, mean over methods", lost)
    yield gain.at_least(0, against=float(gain.value))
    condition = "where noise is what is left of the loss, and not the start"
    slow = _gain("restart, by slow Adam", ends[SLOW]["iterates"] - ends[SLOW]["restarted"])
    yield slow.unconditioned("restart ends ahead by any method", condition=condition).at_least(0)


def _gain(name: str, differences: Array) -> Measured:
    value, within = paired(differences, "logarithms of losses at the end")
    return measured(f"gain of {name}", value, within=within).resolving(0.9, because=COARSE)


def _without_noise(study: Study, sizes: Ends, task: Task) -> Iterator[Check]:
    """Descent on all examples: the loss falls all the time, so averages are late, and restart later."""
    last = {name: np.log(each[-1]) for name, each in full_batch_losses(study, sizes, task).items()}
    nothing = exactly("descent on all examples, each of the runs")
    for name, behind, ahead in (
        ("averages end ahead", "averages", "iterates"),
        ("restart ends ahead of averages", "restarted", "averages"),
    ):
        late = measured(
            f"{ahead} over {behind} without noise", last[behind] - last[ahead], within=nothing, axes=("run",)
        )
        yield late.supporting().at_least(0, against=float((last[behind] - last[ahead]).max()))
        yield late.control(f"without noise {name}").at_most(0)
    each, together = averages_of_strangers(study, sizes, task)
    strangers = measured("loss of an average of strangers over theirs", together / each, within=nothing, axes=("run",))
    yield strangers.control("averages of networks from independent starts end ahead").at_most(1)


def _cost(sizes: Ends, task: Task) -> Iterator[Check]:
    """An average of k samples moves by 1/k of the difference: a subtraction, a product and a sum a weight."""
    network = Networks(
        random_start(np.random.default_rng(0), sizes.runs, sizes.inputs, sizes.width), str(task.x.device)
    )
    weights = sum(weight.numel() for weight in network.parameters())
    with FlopCounterMode(display=False) as counter:
        (network(task.x[:, : sizes.batch]) - task.y[:, : sizes.batch]).square().mean(1).sum().backward()
    share = 3 * weights / (sizes.period * counter.get_total_flops())
    d, width = sizes.inputs, sizes.width
    predicted = 3 * (d * width + 2 * width + 1) / (sizes.period * sizes.batch * (4 * d * width + 6 * width))
    within = rounding(8, predicted, of="a ratio of whole numbers")
    cost = measured("operations of averaging, over those of products of matrices", share, within=within)
    yield cost.equals(predicted)
    yield cost.control("a sample every step costs as much").equals(sizes.period * predicted)
