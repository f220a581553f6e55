"""One rotation without whitening and without labels: the neurons are sorted against the inputs by a double bracket."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.methods.orthogonal.descent import PreservingUpdate, two_iterations
from experiments.orthogonal.linear import curvatures, descent, require_decreasing, squared_loss
from experiments.training import Trainee, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.trajectory import Trajectory
from theory.orthogonal import double_bracket
from theory.orthogonal.procrustes import LinearOPT
from theory.orthogonal.rotations import random_rotation

HORIZON = 3.2
# Neurons so small that a few steps suffice take as many at either tolerance: the change alone would say nothing.
SOLVER = "what a hundred times the solver's tolerance changes, and that tolerance itself, at every step"


@dataclass(frozen=True)
class Sizes:
    """Of the neurons, and of the training; the inputs have a spectrum from 2 to 0.4."""

    omega: tuple[float, ...] = varies(
        "spectrum of W0 W0^T, decreasing, as many as inputs",
        (1.8, 1.3, 0.9, 0.5, 0.2),
        smoke=(1.8, 1.3, 0.9),
        low=0.05,
        high=3,
    )
    gain: float = varies("squared norm of each of the orthonormal neurons", 1.3, low=0.1, high=3)
    learning_rate: float = varies("the largest of three", 0.04, low=0.008, high=0.04)
    runs: int = varies("random problems", 16, smoke=4, paper=64, low=1, high=200)

    def __post_init__(self) -> None:
        require_decreasing("omega", self.omega, 0.1)


@claim(
    "orthogonal.double_bracket",
    source="ours, of OPT (Liu et al. 2021) on a linear layer; the flow is Brockett's 1991",
    source_kind=OURS,
    statement=r"H = R \Omega R^\top:\ H' = -\tfrac12 [H, [H, \Sigma]],\quad \text{isospectral, sorted against }"
    r" \Sigma,\quad \text{rates } \tfrac12 |(\omega_i - \omega_j)(\sigma_i - \sigma_j)|",
    hypotheses=(
        "gradient flow of the rotation R in the embedded metric",
        "Sigma = X X^T of spectrum sigma, Omega = W0 W0^T of spectrum omega, any of them; labels 0",
        "distinct spectra for the limit",
    ),
    theory_side="ODE",
    controls=(
        "Brockett's own speed, twice as fast",
        "two iterations a step keep the spectrum",
        "the greatest directions of the inputs",
        "sorted alike",
        "rates without the gaps of the inputs",
    ),
    parameters=Sizes,
)
def without_whitening_the_neurons_are_sorted(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    omega, eta, runs = np.array(sizes.omega), sizes.learning_rate, sizes.runs
    yield from _orthonormal_neurons(study, len(omega), sizes.gain, eta, runs)
    yield from _any_neurons(study, _unwhitened(study.rng("any"), omega, runs), omega[0], eta)
    yield from _sorted(study, _unwhitened(study.rng("sorted"), omega, runs), omega)


def _unwhitened(rng: np.random.Generator, omega: Array, runs: int) -> LinearOPT:
    """Labels 0, sigma from 2 to 0.4, W0 W0^T of spectrum omega; a neuron for each omega that is not 0."""
    d = len(omega)
    left, right, frame = (random_rotation(rng, d, runs) for _ in range(3))
    W0 = (right * np.sqrt(omega))[..., omega > 0]
    return LinearOPT(left * np.sqrt(np.linspace(2, 0.4, d)) @ frame, np.zeros((runs, W0.shape[-1], d)), W0)


def _trained(study: Study, problem: LinearOPT, eta: float) -> tuple[Array, list[Array]]:
    """H (T, runs, d, d) from R = I, at three learning rates."""
    start = np.broadcast_to(np.eye(problem.d), problem.M.shape)
    trainee = descent(study, squared_loss(problem, study.device), start)
    runs = trainee.refine(learning_rate=eta, horizon=HORIZON, records=17)
    return runs[0].t, [run["R"] @ problem.Omega @ run["R"].mT for run in runs]


def _published(study: Study, problem: LinearOPT, eta: float) -> Array:
    """H (2, runs, d, d) before and after descent from R = I by the published steps, which leave O(d)."""
    loss = squared_loss(problem, study.device)
    rule = PreservingUpdate(loss, momentum=0.0, step=two_iterations)
    start = np.broadcast_to(np.eye(problem.d), problem.M.shape)
    steps = round(HORIZON / eta)
    R = Trainee(study, loss, {"R": start}, rule).train(learning_rate=eta, steps=steps, record=[0, steps])["R"]
    return R @ problem.Omega @ R.mT


def _integrated(problem: LinearOPT, t: Array, *, tolerance: float, speed: float = 1.0) -> Trajectory:
    """H (T, runs, d, d) by the ODE of the double bracket, `speed` times as fast."""
    velocity = lambda _, state: {"H": speed * double_bracket.velocity(problem.Sigma, state["H"])}  # noqa: E731
    return flow(velocity, {"H": problem.Omega}, t, relative_tolerance=tolerance)


def _solved(problem: LinearOPT, t: Array) -> tuple[Array, float]:
    """H (T, runs, d, d) by the ODE, and what it may be off by: `SOLVER`."""
    fine, coarse = (_integrated(problem, t, tolerance=tolerance) for tolerance in (1e-11, 1e-9))
    allowed = fine.facts["steps"] * fine.facts["local_error"]
    return fine["H"], float(np.abs(fine["H"] - coarse["H"]).max()) + allowed


def _orthonormal_neurons(study: Study, d: int, gain: float, eta: float, runs: int) -> Iterator[Check]:
    """Fewer of them than inputs: the closed form."""
    problem = _unwhitened(study.rng("orthonormal"), gain * (np.arange(d) < d // 2), runs)
    t, values = _trained(study, problem, eta)
    exact = double_bracket.frame_solution(problem.Sigma, problem.W0, gain, t)
    fine, error = _solved(problem, t)
    within = Tolerance(error, SOLVER) + rounding(1e3, gain, of="H")
    solver = measured("against the ODE", fine, within=within, case="orthonormal neurons", axes=("t", "run"))
    yield solver.supporting().equals(exact)
    frame = lambda k: double_bracket.frame_solution(problem.Sigma, problem.W0, gain, k * t)  # noqa: E731
    yield from tends_to("H(t)", values, frame, case="orthonormal neurons")
    greatest = double_bracket.frame_solution(-problem.Sigma, problem.W0, gain, t)
    yield extrapolated("H(t)", values).control("the greatest directions of the inputs").equals(greatest)


def _any_neurons(study: Study, problem: LinearOPT, largest: float, eta: float) -> Iterator[Check | Curves]:
    """The bracket integrated, against training, and the spectrum that training keeps."""
    t, values = _trained(study, problem, eta)
    exact, error = _solved(problem, t)
    # At k times the speed, to first order in k - 1.
    later = t[:, None, None, None] * double_bracket.velocity(problem.Sigma, exact)
    yield from tends_to("H(t)", values, lambda k: exact + (k - 1) * later, error, case="any neurons")
    twice = _integrated(problem, t, tolerance=1e-9, speed=2.0)["H"]
    yield extrapolated("H(t)", values, error).control("Brockett's own speed, twice as fast").equals(twice)
    seen, law, wrong = (_against_inputs(problem, each) for each in (values[-1], exact, twice))
    yield curves("sorting", t=t, trained=seen, law=law, twice_as_fast=wrong)
    steps = 4 * round(t[-1] / eta)
    within = rounding(10 * problem.d * steps, largest, of="the largest eigenvalue, 10 d a step")
    kept, lost = (
        np.linalg.eigvalsh(each[-1]) - np.linalg.eigvalsh(each[0])
        for each in (values[-1], _published(study, problem, eta))
    )
    changed = measured("change of the spectrum of H", kept, within=within, axes=("run",))
    yield changed.equals(0, against=float(np.abs(lost).max()))
    published = measured("change of the spectrum of H", lost, within=within, axes=("run",))
    yield published.control("two iterations a step keep the spectrum").equals(0)


def _against_inputs(problem: LinearOPT, H: Array) -> Array:
    """H_ii (T, d) of the first run along the eigenvectors of its Sigma, whose eigenvalues ascend."""
    _, vectors = np.linalg.eigh(problem.Sigma[0])
    return np.einsum("ki,tkl,li->ti", vectors, H[:, 0], vectors)


def _sorted(study: Study, problem: LinearOPT, omega: Array) -> Iterator[Check]:
    """Long training from uniform rotations, and the curvatures of torch's loss where it ends."""
    d, runs = problem.d, len(problem.M)
    start = random_rotation(study.rng("start"), d, runs)
    trainee = descent(study, squared_loss(problem, study.device), start)
    rates = double_bracket.rates(problem.Sigma[0], problem.Omega[0])
    eta = min(0.8, 1.2 / float(rates.max()))
    steps = max(1500, int(np.ceil(70 / (eta * float(rates.min())))))
    run = trainee.train(learning_rate=eta, steps=steps, record=[steps])
    size = float(problem.Sigma[0].trace() * problem.Omega[0].trace())
    within = rounding(1e3 * d, size, of="tr Sigma tr Omega; what is left decays faster than e^-70")
    loss = measured("loss at the end", run["loss"][-1], within=within, axes=("run",))
    yield loss.equals(double_bracket.optimal_loss(problem.Sigma, problem.Omega))
    yield loss.control("sorted alike").equals(-double_bracket.optimal_loss(-problem.Sigma, problem.Omega))
    R = run["R"][-1]
    end = measured("H at the end", R @ problem.Omega @ R.mT, within=within, axes=("run",))
    yield end.equals(double_bracket.optimum(problem.Sigma, problem.Omega))

    one = LinearOPT(problem.X[:1], problem.Y[:1], problem.W0[:1])
    first = squared_loss(one, study.device)
    value = curvatures(lambda R: first({"R": R})[0], R[:1, None], study.device)[0]
    found = measured("curvatures at the end", value, within=within)
    yield found.equals(np.sort(double_bracket.rates(one.Sigma[0], one.Omega[0])))
    i, j = np.triu_indices(d, 1)
    yield found.control("rates without the gaps of the inputs").equals(np.sort(omega[i] - omega[j]) / 2)
