"""The step sizes of the method that are stable: where fits stop to contract is where the formulas say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from experiments.methods.minnorm import Constraint, Equality, Minnorm, SimultaneousMinnorm, linear_chain, linear_model
from experiments.minnorm.fits import Data, LinearModels, Rates, around, fit
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, measured, rate, rounding, varies
from theory.claims.estimates import Estimate
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument, reject
from theory.minnorm.stability import Mode, critical_augmentation, largest_learning_rate, step_matrix

ORDERS = {"alternating": Minnorm, "simultaneous": SimultaneousMinnorm}
EARLY = 20  # steps after which a fit is compared with the powers of its matrices


@dataclass(frozen=True)
class Sizes:
    """Of regression, and of a chain of three weights; where fits stop to contract is looked for within fixed bounds."""

    integration: float = varies("B of regression", 0.7, low=0.6, high=0.9)
    augmentation: float = varies("c of regression", 0.4, low=0.3, high=2)
    target: float = varies("of the chain", 1.7, low=1.2, high=2.5)
    steps: int = varies("of a fit; twice as many where c is looked for", 200, smoke=100, low=100, high=1000)
    chain_steps: int = varies("of the chain, few enough to stay near its solution", 400, smoke=200, low=150, high=600)


@claim(
    "minnorm.stable_range",
    source="Bansal et al. 2018 (reconstruction: augmented Lagrangian, one multiplier an example); Jury's conditions",
    source_kind=RECONSTRUCTED,
    statement=r"\text{steps } A \text{ in } \theta,\ B \text{ in } \lambda,\ \text{augmentation } c,\ "
    r"h(\theta) = 0,\ M = 1 + \textstyle\sum_i \lambda_i \nabla^2 h_i,\ J = \nabla h:\quad "
    r"\text{stable} \iff c > B - m/g \text{ and } A\,(2(m + c g) - B g) < 4"
    r" \text{ for all eigenvalues } m \text{ of } M,\ g \text{ of } J^\top J,\quad c \to c + B"
    r" \text{ for alternating steps}",
    hypotheses=("plain SGD", "a solution where M and J^T J have common eigenvectors"),
    theory_side="closed form",
    controls=(
        "modes of simultaneous steps, c + B in place of c",
        "alternating: c in place of c + B",
        "alternating: largest learning rate 5 % larger",
        "simultaneous: c + B in place of c",
        "simultaneous: largest learning rate 5 % larger",
        "simultaneous: critical augmentation 5 % larger",
        "alternating: chain, critical augmentation 5 % larger",
        "simultaneous: chain, critical augmentation 5 % larger",
    ),
    parameters=Sizes,
)
def unstable_steps_are_known(study: Study, sizes: Sizes) -> Iterator[Check]:
    yield from _linear_regression(study, sizes)
    yield from _chain(study, sizes)


def _linear_regression(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Least-norm regression moves by the 2 x 2 matrix of each mode, exactly, and the formulas give its limits."""
    rng = study.rng("regression")
    X = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4] * np.linspace(1.5, 0.8, 4)[:, None]
    y = rng.choice([-1.0, 1.0], 4) * rng.uniform(0.5, 1.5, 4)  # a mode that is hardly excited would hide its growth
    modes, B, c, steps = linear_model(X), sizes.integration, sizes.augmentation, sizes.steps
    _require_within(modes, B, c)
    data = torch.tensor(X)[:, None], torch.tensor(y)[:, None]
    w = np.linalg.pinv(X) @ y
    solution = np.concatenate([w, np.linalg.lstsq(X.T, w, rcond=None)[0]])

    def deviations(order: type[Minnorm], rates: Rates, steps: int) -> Array:
        network = LinearModels(1, X.shape[1])
        return fit(study, network, around(network, Equality(4, 1), rates, order), (*data, [None] * steps)) - solution

    def refused(order: type[Minnorm], rates: Rates) -> bool:
        return _refused(LinearModels(1, X.shape[1]), Equality(4, 1), rates, order, modes)

    within = rounding(50 * EARLY, np.abs(y).sum(), of="the targets: 6-term products, under a matrix that contracts")
    for case, felt, other, exchanged in (
        ("alternating", c + B, c, "c in place of c + B"),
        ("simultaneous", c, c + B, "c + B in place of c"),
    ):
        limit, order = largest_learning_rate(modes, B, felt), ORDERS[case]
        first = deviations(order, (0.98 * limit, B, c), EARLY)[[EARLY // 2 - 1, -1]]
        powers = measured("powers of the mode matrices", first, within=within, case=case)
        yield powers.equals(lambda k, felt=felt, A=0.98 * limit: _by_modes(X, y, (A, B, k * felt), EARLY))
        if case == "simultaneous":
            control = powers.control("modes of simultaneous steps, c + B in place of c")
            yield control.equals(_by_modes(X, y, (0.98 * limit, B, other), EARLY))
        wrong = {
            f"{case}: {exchanged}": largest_learning_rate(modes, B, other),
            f"{case}: largest learning rate 5 % larger": 1.05 * limit,
        }
        yield from _edge(
            "largest learning rate",
            lambda A, order=order: deviations(order, (A, B, c), steps),
            lambda A, order=order: refused(order, (A, B, c)),
            limit,
            stable=0.1,
            unstable=1.95,
            halvings=7,
            case=case,
            wrong=wrong,
        )
    critical = critical_augmentation(modes, B)
    yield from _edge(
        "critical augmentation",
        lambda c: deviations(SimultaneousMinnorm, (0.5, B, c), 2 * steps),
        lambda c: refused(SimultaneousMinnorm, (0.5, B, c)),
        critical,
        stable=1.0,
        unstable=0.0,
        halvings=7,
        case="simultaneous",
        wrong={"simultaneous: critical augmentation 5 % larger": 1.05 * critical},
    )


def _require_within(modes: Sequence[Mode], B: float, c: float) -> None:
    """Refuse an augmentation with which the largest learning rates are not where `_edge` looks for them."""
    least = critical_augmentation(modes, B) + 0.05
    if c < least:
        reject("augmentation", c, f"{least:.3g} or more: below {least - 0.05:.3g} no simultaneous steps are stable")
    limits = [largest_learning_rate(modes, B, felt) for felt in (c, c + B)]
    if not (min(limits) > 0.2 and max(limits) < 1.85):
        reject(
            "augmentation", c, f"largest learning rates between 0.2 and 1.85, not {limits[0]:.3g} and {limits[1]:.3g}"
        )


def _chain(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Three linear layers of width 1 from beside their smallest weights: both orders have their own critical c."""
    A, B, target, steps = 0.1, 0.1, sizes.target, sizes.chain_steps
    modes = linear_chain(3, target)
    critical = critical_augmentation(modes, B)
    for case, c in (("alternating", critical - B), ("simultaneous", critical)):
        order = ORDERS[case]
        yield from _edge(
            "chain, critical augmentation",
            lambda c, order=order: _chain_deviations(study, order, target, (A, B, c), steps),
            lambda c, order=order: _refused(_chain_of(3), Equality(1, 1), (A, B, c), order, modes),
            c,
            stable=0.5,
            unstable=0.05,
            halvings=6,
            case=case,
            wrong={f"{case}: chain, critical augmentation 5 % larger": 1.05 * c},
        )


def _edge(
    name: str,
    deviations: Callable[[float], Array],
    refused: Callable[[float], bool],
    predicted: float,
    *,
    stable: float,
    unstable: float,
    halvings: int,
    case: str,
    wrong: Mapping[str, float],
) -> Iterator[Check]:
    """Between a step size that contracts and one that does not, by halving, with no eye on the prediction."""
    for _ in range(halvings):
        middle = (stable + unstable) / 2
        if _contracts(deviations(middle)):
            stable = middle
        else:
            unstable = middle
    low, high = sorted((stable, unstable))
    reason = f"a fit contracts at {stable:.4g}, and does not at {unstable:.4g}"
    found = rate(name, Estimate((low + high) / 2, low, high, reason), case=case)
    yield found.equals(predicted)
    for control, number in wrong.items():
        yield found.control(control).equals(number)
    answers = np.array([refused(stable), refused(unstable)])
    asked = measured(f"{name}: refused within and beyond", answers, within=Tolerance(0.25, "no or yes"), case=case)
    yield asked.equals(np.array([0, 1]))


def _contracts(deviations: Array) -> bool:
    """Whether the distance to the solution shrinks from the third quarter of the steps to the last, where it can."""
    *_, third, last = np.array_split(np.linalg.norm(deviations, axis=1), 4)
    return bool(last.max() <= max(third.max(), 1e-12))


def _refused(
    network: nn.Module, constraint: Constraint, rates: Rates, order: type[Minnorm], modes: Sequence[Mode]
) -> bool:
    try:
        around(network, constraint, rates, order, modes)
    except InvalidArgument:
        return True
    return False


def _by_modes(X: Array, y: Array, rates: Rates, steps: int) -> Array:
    """Deviations half way and at the end by powers of the matrices of the modes, one a singular value of X."""
    U, S, V = np.linalg.svd(X, full_matrices=False)
    w = U.T @ y / S
    start = -np.stack([w, w / S], axis=-1)
    M = np.stack([step_matrix(Mode(1.0, s**2), *rates) for s in S])
    later = [np.einsum("kij,kj->ik", np.linalg.matrix_power(M, count), start) for count in (steps // 2, steps)]
    return np.stack([np.concatenate([V.T @ w, U @ l]) for w, l in later])


def _chain_of(depth: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in range(depth)))


def _chain_deviations(study: Study, order: type[Minnorm], target: float, rates: Rates, steps: int) -> Array:
    """Of a chain, from 1e-8 beside: few enough steps for it to stay in the linear regime as it grows."""
    network, weight, multiplier = _chain_of(3), target ** (1 / 3), target ** (2 / 3 - 1)
    for layer in network:
        nn.init.constant_(layer.weight, weight + 1e-8)
    method = around(network, Equality(1, 1), rates, order)
    method.multipliers.fill_(multiplier)
    one = torch.ones(1, 1, dtype=torch.float64)
    data: Data = (one, target * one, [None] * steps)
    return fit(study, network, method, data) - np.array([weight] * 3 + [multiplier])
