"""Networks whose sampled weights are averaged: their loss rises far less, by SGD, with momentum and by Adam."""

from collections.abc import Iterator

import numpy as np

from experiments.weight_sampling.networks import METHODS, MOMENTUM, Regression, losses, paired, random_task, rises
from experiments.weight_sampling.noiseless import full_batch_losses
from experiments.weight_sampling.ratios import around_ratio
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
)
from theory.core.arrays import Array


@claim(
    "tripathi2019.less_volatile",
    source="Tripathi et al. 2019 (arXiv 1905.05774), abstract",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"L_e\ \text{the training loss where epoch}\ e\ \text{ends},\quad"
    r" \uparrow(L) = \textstyle\sum_e \max(L_{e+1} - L_e, 0):\quad"
    r" \uparrow(\bar L) < \uparrow(L),\ \uparrow(\bar L') < \uparrow(L),\quad"
    r" \bar L\ \text{of the average of the epoch's samples},\ \bar L'\ \text{with restart from it}",
    hypotheses=(
        "a network of one hidden layer, noisy targets, batches without replacement",
        "SGD, SGD with momentum, or Adam, at a constant learning rate",
        "averages of K samples of the weights within each epoch; with restart the next epoch starts from their average",
    ),
    theory_side="law",
    controls=(
        "rises shrink like standard deviations of K samples",
        "restart quiets the iterates as it does the averages",
        "without noise iterates rise as much",
        "no epoch ends higher than the one before",
    ),
    parameters=Regression,
)
def averages_rise_less(study: Study, sizes: Regression) -> Iterator[Check | Curves]:
    task = random_task(study, sizes)
    for method in METHODS:
        loss = losses(study, sizes, task, method)
        yield from _saved(method, loss)
        yield curves(method, **{name.replace(" ", "_"): each for name, each in loss.items()})
        if method == MOMENTUM:
            yield from _what_is_not_so(sizes, loss)
            noisy = rises(loss["iterates"]).mean()
    quiet = rises(full_batch_losses(study, sizes, task)["iterates"])
    still = measured("rises without noise, over those with it", quiet / noisy, within=exactly("on all examples"))
    yield still.control("without noise iterates rise as much").at_least(1)


def _saved(method: str, loss: dict[str, Array]) -> Iterator[Check]:
    for name in ("averages", "restarted"):
        saved = _share_saved(method, loss, name)
        yield saved.at_least(0, against=float(saved.value))


def _what_is_not_so(sizes: Regression, loss: dict[str, Array]) -> Iterator[Check]:
    saved = _share_saved("not so", loss, "averages")
    yield saved.control("rises shrink like standard deviations of K samples").at_most(1 - sizes.samples**-0.5)
    iterates = _share_saved("not so", loss, "restarted iterates")
    least = float(saved.value - saved.within.value)
    yield iterates.control("restart quiets the iterates as it does the averages").at_least(least)
    # One that is found is enough: losses are sums of n squares.
    highest = float(np.diff(loss["averages"], axis=0).max())
    within = rounding(4 * sizes.examples, float(loss["averages"].max()), of="a mean of squares over the examples")
    rise = measured("largest rise of the averages' loss", highest, within=within)
    condition = "approximately: rises are small, but not rare; at stationarity their chance is one half"
    yield rise.unconditioned("no epoch ends higher than the one before", condition=condition).at_most(0)


def _share_saved(method: str, loss: dict[str, Array], name: str) -> Measured:
    """1 - the rises of these losses over those of the iterates."""
    share, within = paired(
        1 - around_ratio(rises(loss[name]), rises(loss["iterates"])), "rises, of all those of iterates"
    )
    return measured(f"share of the rises that is saved, {name}", share, within=within, case=method)
