"""Linear networks that fit all examples: their error stays where their loss on new examples grows without bound."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.paired import drawn, paired
from experiments.homogeneous.networks import tensors
from experiments.training import State, Trainee
from theory.claims import (
    OURS,
    Check,
    Curves,
    Estimated,
    Measured,
    Study,
    Tolerance,
    by_chance,
    claim,
    curves,
    measured,
    rate,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.separable import apply
from theory.core.validation import reject
from theory.generalisation import log_loss as theory
from theory.generalisation.interpolants import gaussian_test_error

WORSE = 0.025  # a tenth of the error: one that grows by less counts as one that stays
TIMES = 3.0  # by how much the loss grows at least
LOOKS = 3
LATE = 36.0  # a margin m from where log log (1 + e^-m) = -m in all digits; a sum of losses would underflow
AT_ONCE = 2000  # new examples of a run
RECORDS = 25
FREE_RUNS, NEWTON = 64, 24  # runs and steps where the size alone is trained


@dataclass(frozen=True)
class Training:
    """Of linear networks on examples that a teacher without noise labels, and of their sizes alone."""

    inputs: int = varies("entries of an example, d", 32, low=8, high=40)
    examples: int = varies("n", 32, low=10, high=60)
    runs: int = varies("teachers and sets of examples", 192, smoke=128, low=64, high=400)
    steps: int = varies("of descent on the logarithm of the loss", 1500, smoke=500, low=500, high=50000)
    new: int = varies("new examples a run", 40000, smoke=6000, paper=200000, low=1000, high=1000000)
    angles: tuple[float, ...] = varies(
        "to the teacher, where the size alone is trained", (0.1, 0.8), low=0.05, high=1.2, unit="rad"
    )

    def __post_init__(self) -> None:
        if 2 * self.examples > 3 * self.inputs:
            expected = f"at most 1.5 an input, {3 * self.inputs // 2}: of more the loss hardly grows"
            reject("examples", self.examples, expected)
        if len(set(self.angles)) < max(len(self.angles), 2) or max(self.angles) < 0.6:
            expected = "two different ones or more, one of them at least 0.6: there small angles' formula fails"
            reject("angles", self.angles, expected)


@claim(
    "generalisation.log_loss",
    source="ours; that the error does not get worse while the loss does, Banburski et al. 2019 (content)",
    source_kind=OURS,
    statement=r"E \log(1 + e^{-\rho\, y\, v \cdot x}) = \rho\, \frac{1 - \cos\theta}{\sqrt{2\pi}} + 2 \int_0^\infty"
    r" \varphi(t) \log(1 + e^{-\rho t})\, dt,\quad P(y\, v \cdot x < 0) = \frac\theta\pi;\quad"
    r" \rho^* = \frac{\pi}{\sqrt{6 (1 - \cos\theta)}} (1 + O(\theta^2))",
    hypotheses=(
        "x ~ N(0, I), y the sign of a linear teacher without noise; a linear classifier of size rho and direction v, "
        "|v| = 1, at the angle theta to the teacher; phi the normal density; rho* the size at which the loss is least",
        "training: descent on the logarithm of the logistic loss, all examples fitted, rho without bound",
        f"the error stays: it grows by less than {WORSE:g} from where the mean loss is least; the loss grows {TIMES:g} "
        "times at least",
    ),
    theory_side="closed form",
    controls=(
        "1 + cos theta in place of 1 - cos theta",
        "the part of the angle 10 % larger",
        "the best size of small angles, at a wide one",
        "a best size 10 % larger",
        "the loss stays as the error does",
    ),
    parameters=Training,
)
def the_error_stays_where_the_loss_grows(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    teacher, w, steps = _trained(study, sizes)
    rho, angle = np.linalg.norm(w, axis=-1), np.pi * gaussian_test_error(w, teacher)
    yield from _on_new_examples(study, sizes, teacher, w, rho, angle)
    yield from _the_sentence(rho, angle)
    yield from _best_sizes(study, sizes)
    yield curves(steps=steps, size=rho, error=angle / np.pi, loss=theory.log_loss(rho, angle))


def _trained(study: Study, sizes: Training) -> tuple[Array, Array, Array]:
    """Teachers (runs, d), and weights (T, runs, d) at some steps."""
    rng = study.rng("examples")
    teacher = rng.standard_normal((sizes.runs, sizes.inputs))
    x = rng.standard_normal((sizes.runs, sizes.examples, sizes.inputs))
    Z = np.sign(apply(x, teacher))[..., None] * x
    (z,) = tensors(study.device, Z)

    def loss(state: State) -> Tensor:
        margins = (z @ state["w"][..., None])[..., 0]
        early = nn.functional.softplus(-margins.clamp(max=LATE)).log()  # later an example's loss is e^-margin
        return torch.where(margins < LATE, early, -margins).logsumexp(1)

    record = sorted({round(step) for step in np.geomspace(1, sizes.steps, RECORDS)})
    rate = 4 / np.linalg.norm(Z, axis=-1).max(1) ** 2
    start = {"w": np.zeros((sizes.runs, sizes.inputs))}
    run = Trainee(study, loss, start).train(learning_rate=rate, steps=sizes.steps, record=record)
    return teacher, run["w"], np.array(record)


def _on_new_examples(
    study: Study, sizes: Training, teacher: Array, w: Array, rho: Array, angle: Array
) -> Iterator[Check]:
    """Loss and error of the trained networks, counted at three times, against their law."""
    rng, seen = study.rng("new"), [len(w) // 3, 2 * len(w) // 3, -1]
    counted = np.mean([_tested(study, rng, teacher, w[seen]) for _ in range(0, sizes.new, AT_ONCE)], axis=0)
    for k, (loss, error) in zip(seen, counted):
        case = f"record {k % len(w) + 1} of {len(w)}"

        def ratio(name: str, found: Array, law: Array, case: str = case) -> Estimated:
            return rate(name, mean(1 + (found - law) / law.mean()), case=case)

        yield ratio("loss over its law", loss, theory.log_loss(rho[k], angle[k])).equals(1)
        yield ratio("error over angle / pi", error, angle[k] / np.pi).equals(1)
    wrong = theory.log_loss(rho[-1], np.pi - angle[-1])
    yield ratio("loss", loss, wrong, "").control("1 + cos theta in place of 1 - cos theta").equals(1)
    right = theory.log_loss(rho[-1], angle[-1])
    wrong = right + 0.1 * rho[-1] * theory.slope_of_angle(angle[-1])
    yield ratio("loss", loss, wrong, "").control("the part of the angle 10 % larger").equals(1)


def _tested(study: Study, rng: np.random.Generator, teacher: Array, w: Array) -> Array:
    """Loss and error (T, 2, runs) of networks of one layer on new examples, by torch.

    Of an example its part in the span of teacher and networks is drawn, which is normal in any orthonormal basis.
    """
    teacher, *w = np.linalg.qr(np.stack([teacher, *w], -1), mode="r").transpose(2, 0, 1)
    x = rng.standard_normal((len(teacher), AT_ONCE, teacher.shape[-1]))
    inputs, labels, weights = tensors(study.device, x, np.sign(apply(x, teacher)), np.stack(w))
    margins = labels * (inputs @ weights[..., None])[..., 0]
    loss, error = nn.functional.softplus(-margins).mean(-1), (margins <= 0).double().mean(-1)
    return torch.stack([loss, error], 1).cpu().numpy()


def _the_sentence(rho: Array, angle: Array) -> Iterator[Check | Curves]:
    """From the record at which the mean loss is least to the end."""
    loss, error = theory.log_loss(rho, angle), angle / np.pi
    least = int(loss.mean(1).argmin())
    change, growth = error[-1] - error[least], np.log(loss[-1] / loss[least])
    yield paired("growth of the error past the least loss", change, looks=LOOKS).below(WORSE)
    grown = paired("log of the growth of the loss", growth, looks=LOOKS)
    yield grown.above(np.log(TIMES))
    yield grown.control("the loss stays as the error does").below(np.log(1 + WORSE / error[least].mean()))
    yield drawn("change of the error", change, WORSE, looks=LOOKS)
    yield drawn("growth of the loss", growth, float(np.log(TIMES)), looks=LOOKS)


def _best_sizes(study: Study, sizes: Training) -> Iterator[Check | Curves]:
    """The size alone, trained on new examples, of classifiers at given angles from the teacher."""
    runs = FREE_RUNS
    angles = np.repeat(sizes.angles, runs)
    along, across = study.rng("sizes").standard_normal((2, len(angles), max(4 * sizes.new // 5, AT_ONCE)))
    # In the plane of the two: margins of v . x, on labels that the teacher sees at the angle.
    y = np.sign(np.cos(angles)[:, None] * along + np.sin(angles)[:, None] * across)
    # What is trained on M examples is off by c / M on average, c about 13 at 0.1: twice that less what is trained on
    # halves of them is off by O(1 / M^2).
    best = np.array([theory.best_size(angle) for angle in sizes.angles])
    whole, moved = _trained_sizes(study, y * along, angles, np.repeat(best, runs))
    halves, half_moved = (
        each.reshape(-1, 2).mean(1)
        for each in _trained_sizes(study, _halves(y * along), np.repeat(angles, 2), np.repeat(best, 2 * runs))
    )
    log_rho = (2 * whole - halves).reshape(-1, runs)
    left = Tolerance(float((2 * moved + half_moved).max()), "what the second half of the steps moved")

    def ratio(i: int, predicted: float, case: str) -> Measured:
        estimate = mean(log_rho[i] - np.log(predicted))
        within = by_chance(estimate, "sizes trained on as many sets of examples") + left
        return measured("best size over its law", float(np.exp(estimate.value)), within=within, case=case)

    for i, angle in enumerate(sizes.angles):
        yield ratio(i, best[i], f"angle {angle:g}").equals(1.0)
    wide = int(np.argmax(sizes.angles))
    small = ratio(wide, theory.large_best_size(sizes.angles[wide]), "")
    yield small.control("the best size of small angles, at a wide one").equals(1.0)
    yield ratio(wide, 1.1 * best[wide], "").control("a best size 10 % larger").equals(1.0)
    yield curves("sizes", angle=sizes.angles, trained=np.exp(log_rho.mean(1)), law=best)


def _halves(margins: Array) -> Array:
    """Of each run, (runs, M) -> (2 runs, M // 2)."""
    return margins[:, : margins.shape[1] // 2 * 2].reshape(2 * len(margins), -1)


def _trained_sizes(study: Study, margins: Array, angles: Array, best: Array) -> tuple[Array, Array]:
    """Logarithms (runs,) of the sizes at which losses of margins (runs, M) are least, and what half the steps moved."""
    (seen,) = tensors(study.device, margins)

    def loss(state: State) -> Tensor:
        return nn.functional.softplus(-state["log_rho"].exp()[:, None] * seen).mean(1)

    # At the best size log rho has a curvature of up to twice its slope, which is that of the angle's part.
    rate = 0.7 / (best * theory.slope_of_angle(angles))
    trainee = Trainee(study, loss, {"log_rho": np.log(1 / angles)})
    middle, last = trainee.train(learning_rate=rate, steps=NEWTON, record=[NEWTON // 2, NEWTON])["log_rho"]
    return last, np.abs(last - middle)
