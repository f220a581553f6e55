"""One rotation without whitening and without labels: the neurons are sorted against the inputs by a double bracket."""

from collections.abc import Iterator

import numpy as np

from experiments.orthogonal.linear import curvatures, refine, squared_loss, turn
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.orthogonal import double_bracket
from theory.orthogonal.procrustes import LinearOPT, random_rotation, transposed

GAIN = 1.3  # squared norm of each of the orthonormal neurons
OMEGA = np.array([1.8, 1.3, 0.9, 0.5, 0.2])


@claim(
    "liu2021.double_bracket",
    source="Liu et al. 2021 (OPT), derived: no whitening, labels 0; the flow is Brockett's 1991",
    statement=r"H = R \Omega R^\top:\ H' = -\tfrac12 [H, [H, \Sigma]],\quad \text{isospectral, sorted against }"
    r" \Sigma,\quad \text{rates } \tfrac12 |(\omega_i - \omega_j)(\sigma_i - \sigma_j)|",
    hypotheses=("gradient flow in the embedded metric", "labels 0", "distinct spectra for the limit"),
    controls=(
        "Brockett's own speed, twice as fast",
        "the greatest directions of the inputs",
        "sorted alike",
        "rates without the gaps of the inputs",
    ),
)
def without_whitening_the_neurons_are_sorted(study: Study) -> Iterator[Check | Curves]:
    d, runs = study.pick(smoke=3, quick=5, paper=5), study.pick(smoke=4, quick=16, paper=64)
    yield from _orthonormal_neurons(study, d, runs)
    yield from _any_neurons(study, _unwhitened(study.rng("any"), OMEGA[:d], runs))
    yield from _sorted(study, _unwhitened(study.rng("sorted"), OMEGA[:d], runs))


def _unwhitened(rng: np.random.Generator, omega: Array, runs: int) -> LinearOPT:
    """Labels 0, sigma from 2 to 0.4, W0 W0^T of spectrum omega; a neuron for each omega that is not 0."""
    d = len(omega)
    left, right, frame = (random_rotation(rng, d, runs) for _ in range(3))
    W0 = (right * np.sqrt(omega))[..., omega > 0]
    return LinearOPT(left * np.sqrt(np.linspace(2, 0.4, d)) @ frame, np.zeros((runs, W0.shape[-1], d)), W0)


def _trained(study: Study, name: str, problem: LinearOPT) -> tuple[Array, list[Array]]:
    """H (T, runs, d, d) from R = I, at three learning rates."""
    start = np.broadcast_to(np.eye(problem.d), problem.M.shape)
    loss = squared_loss(problem, study.device)
    runs = refine(study, name, loss, start, learning_rate=0.04, horizon=3.2)
    return runs[0].t, [run["R"] @ problem.Omega @ transposed(run["R"]) for run in runs]


def _orthonormal_neurons(study: Study, d: int, runs: int) -> Iterator[Check]:
    """Fewer of them than inputs: the closed form."""
    N = d // 2
    problem = _unwhitened(study.rng("orthonormal"), GAIN * (np.arange(d) < N), runs)
    t, values = _trained(study, "orthonormal", problem)
    exact = double_bracket.frame_solution(problem.Sigma, problem.W0, GAIN, t)
    yield from tends_to("orthonormal neurons: H(t)", values, exact)
    greatest = double_bracket.frame_solution(-problem.Sigma, problem.W0, GAIN, t)
    yield refuted("the greatest directions of the inputs", extrapolated("H(t)", values, greatest))


def _any_neurons(study: Study, problem: LinearOPT) -> Iterator[Check]:
    """The bracket integrated, against training, and the spectrum that training keeps."""
    t, values = _trained(study, "any", problem)

    def solved(speed: float, tolerance: float) -> Array:
        velocity = lambda _, state: {"H": speed * double_bracket.velocity(problem.Sigma, state["H"])}  # noqa: E731
        return flow(velocity, {"H": problem.Omega}, t, relative_tolerance=tolerance)["H"]

    fine, coarse = solved(1.0, 1e-11), solved(1.0, 1e-9)
    yield from tends_to("any neurons: H(t)", values, fine, np.abs(fine - coarse).max())
    twice = extrapolated("H(t)", values, solved(2.0, 1e-9), np.abs(fine - coarse).max())
    yield refuted("Brockett's own speed, twice as fast", twice)
    steps = 4 * round(t[-1] / 0.04)
    tolerance = 10 * problem.d * EPS * steps * OMEGA[0]
    because = "10 d roundings a step of the largest eigenvalue"
    spectrum = np.linalg.eigvalsh(values[-1])
    yield equal("spectrum of H", spectrum, spectrum[:1], tolerance=tolerance, because=because)


def _sorted(study: Study, problem: LinearOPT) -> Iterator[Check]:
    """Long training from uniform rotations, and the curvatures of torch's loss where it ends."""
    d, runs = problem.d, len(problem.M)
    loss = squared_loss(problem, study.device)
    start = random_rotation(study.rng("start"), d, runs)
    observe = lambda state: {"R": state["R"], "loss": loss(state)}  # noqa: E731
    run = turn(study, "sorted", loss, start, learning_rate=0.8, steps=1500, record=[1500], observe=observe)
    tolerance = 1e3 * d * EPS * float(problem.Sigma[0].trace() * problem.Omega[0].trace())
    because = "rounding; what is left decays faster than e^-70"
    end = run["loss"][-1]
    least = double_bracket.optimal_loss(problem.Sigma, problem.Omega)
    yield equal("loss at the end", end, least, tolerance=tolerance, because=because)
    alike = -double_bracket.optimal_loss(-problem.Sigma, problem.Omega)
    yield refuted("sorted alike", equal("loss at the end", end, alike, tolerance=tolerance, because=because))
    R = run["R"][-1]
    H, optimum = R @ problem.Omega @ transposed(R), double_bracket.optimum(problem.Sigma, problem.Omega)
    yield equal("H at the end", H, optimum, tolerance=tolerance, because=because)

    one = LinearOPT(problem.X[:1], problem.Y[:1], problem.W0[:1])
    first = squared_loss(one, study.device)
    measured = curvatures(lambda R: first({"R": R})[0], R[:1, None], study.device)[0]
    predicted = np.sort(double_bracket.rates(one.Sigma[0], one.Omega[0]))
    yield equal("curvatures at the end", measured, predicted, tolerance=tolerance, because=because)
    omega = OMEGA[:d]
    i, j = np.triu_indices(d, 1)
    without = equal("curvatures", measured, np.sort(omega[i] - omega[j]) / 2, tolerance=tolerance, because=because)
    yield refuted("rates without the gaps of the inputs", without)
