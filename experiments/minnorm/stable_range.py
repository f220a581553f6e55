"""The step sizes of the method that are stable: just within them a fit contracts, just beyond them it does not."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from experiments.methods.minnorm import Equality, Minnorm, SimultaneousMinnorm, linear_chain, linear_model
from experiments.minnorm.fits import LinearModels, Rates, around, fit
from theory.claims import Check, Study, Tolerance, claim, measured, rounding
from theory.core.arrays import Array
from theory.minnorm.stability import Mode, critical_augmentation, largest_learning_rate, step_matrix

ORDERS = {"alternating": Minnorm, "simultaneous": SimultaneousMinnorm}
EARLY = 20  # steps after which a fit is compared with the powers of its matrices


@claim(
    "minnorm.stable_range",
    source="Bansal et al. 2018 (reconstruction: augmented Lagrangian, one multiplier an example); Jury's conditions",
    statement=r"\text{stable} \iff c > B - m/g \text{ and } A\,(2(m + c g) - B g) < 4,\ c \to c + B"
    r" \text{ for alternating steps}",
    hypotheses=("plain SGD", "constraints and Lagrangian with common eigenvectors"),
    theory_side="closed form",
    controls=(
        "simultaneous: learning rate 2 % beyond",
        "alternating: learning rate 2 % beyond",
        "simultaneous: augmentation 10 % short",
        "alternating: chain, augmentation 10 % short",
        "simultaneous: chain, augmentation 10 % short",
        "simultaneous: c + B in place of c",
    ),
)
def unstable_steps_are_known(study: Study) -> Iterator[Check]:
    yield from _linear_regression(study)
    yield from _chain(study)


def _linear_regression(study: Study) -> Iterator[Check]:
    """Least-norm regression moves by the 2 x 2 matrix of each mode, exactly, and the formulas give its limits."""
    rng = study.rng("regression")
    steps = study.pick(smoke=300, quick=300, paper=1000)
    X = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4] * np.linspace(1.5, 0.8, 4)[:, None]
    y = rng.normal(size=4)
    modes, B, c = linear_model(X), 0.7, 0.4
    within = rounding(50 * EARLY, np.abs(y).sum(), of="the targets: 6-term products, under a matrix that contracts")
    for case, felt in (("alternating", c + B), ("simultaneous", c)):
        limit, order = largest_learning_rate(modes, B, felt), ORDERS[case]
        first = _regression(study, order, X, y, (0.98 * limit, B, c), EARLY)
        powers = measured("powers of the mode matrices", first, within=within, case=case)
        yield powers.equals(_by_modes(X, y, (0.98 * limit, B, felt), EARLY))
        inside, beyond = (_regression(study, order, X, y, (f * limit, B, c), steps) for f in (0.98, 1.02))
        yield _contracts("2 % within", inside, case)
        yield _contracts("2 % beyond", beyond, case, control=f"{case}: learning rate 2 % beyond")
        if case == "simultaneous":
            other = _by_modes(X, y, (0.98 * limit, B, c + B), EARLY)
            yield powers.control("simultaneous: c + B in place of c").equals(other)
    critical = critical_augmentation(modes, B)
    above, short = (
        _regression(study, SimultaneousMinnorm, X, y, (0.2, B, factor * critical), 5 * steps) for factor in (1.1, 0.9)
    )
    yield _contracts("augmentation 10 % above", above, "simultaneous")
    yield _contracts("augmentation", short, control="simultaneous: augmentation 10 % short")


def _chain(study: Study) -> Iterator[Check]:
    """Three linear layers of width 1 from beside their smallest weights: both orders have their own critical c."""
    A, B, target = 0.1, 0.1, 1.7
    critical = critical_augmentation(linear_chain(3, target), B)
    for case, c in (("alternating", critical - B), ("simultaneous", critical)):
        above, short = (_chain_deviations(study, ORDERS[case], target, (A, B, factor * c)) for factor in (1.1, 0.9))
        yield _contracts("chain, augmentation 10 % above", above, case)
        yield _contracts("chain, augmentation", short, control=f"{case}: chain, augmentation 10 % short")


def _contracts(name: str, deviations: Array, case: str = "", control: str = "") -> Check:
    """The distance (2, ...) to the solution half way and at the end: it shrinks if the spectral radius is below 1."""
    half, whole = np.linalg.norm(deviations, axis=1)
    within = Tolerance(1e-12, "spectral radius below 1; slack: rounding at the solution")
    distance = measured(name, whole, within=within, case=case)
    return (distance.control(control) if control else distance).at_most(half)


def _regression(study: Study, order: type[Minnorm], X: Array, y: Array, rates: Rates, steps: int) -> Array:
    """Deviations (2, d + n) of weights and multipliers from the solution, half way and at the end, from 0."""
    network = LinearModels(1, X.shape[1])
    method = around(network, Equality(len(y), 1), rates, order)
    w = np.linalg.pinv(X) @ y
    solution = np.concatenate([w, np.linalg.lstsq(X.T, w, rcond=None)[0]])
    data = torch.tensor(X)[:, None], torch.tensor(y)[:, None], [None] * steps
    return fit(study, network, method, data) - solution


def _by_modes(X: Array, y: Array, rates: Rates, steps: int) -> Array:
    """The same by powers of the matrices of the modes, one a singular value of X."""
    U, S, V = np.linalg.svd(X, full_matrices=False)
    w = U.T @ y / S
    start = -np.stack([w, w / S], axis=-1)
    M = np.stack([step_matrix(Mode(1.0, s**2), *rates) for s in S])
    later = [np.einsum("kij,kj->ik", np.linalg.matrix_power(M, count), start) for count in (steps // 2, steps)]
    return np.stack([np.concatenate([V.T @ w, U @ l]) for w, l in later])


def _chain_deviations(study: Study, order: type[Minnorm], target: float, rates: Rates) -> Array:
    """The same of a chain, from 1e-6 beside: few enough steps for it to stay in the linear regime as it grows."""
    steps = 1000
    network = nn.Sequential(*(nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in range(3)))
    weight, multiplier = target ** (1 / 3), target ** (2 / 3 - 1)
    for layer in network:
        nn.init.constant_(layer.weight, weight + 1e-6)
    method = around(network, Equality(1, 1), rates, order)
    method.multipliers.fill_(multiplier)
    one = torch.ones(1, 1, dtype=torch.float64)
    return fit(study, network, method, (one, target * one, [None] * steps)) - np.array([weight] * 3 + [multiplier])
