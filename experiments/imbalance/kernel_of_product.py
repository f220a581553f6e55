"""The kernel of networks of one imbalance is a function of their product, and how far it moves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from experiments.imbalance.networks import by_autograd, largest_curvature, trained_coordinates
from experiments.imbalance.solved import not_whitened
from experiments.training import extrapolated
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, curves, measured, order, varies
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import closed_forms, kernel_of_product
from theory.imbalance.dynamics import split
from theory.imbalance.problem import Network, coordinates, gaussian

SIZE = 3  # h = r = m, where the formulas hold in all directions
RECORDS = 6


@dataclass(frozen=True)
class Imbalances:
    """Imbalances of starts, how each is trained, and how they grow where the kernel stands still."""

    imbalances: tuple[float, ...] = varies(
        "lam, a training each", (0.8, -0.6, 2.5), smoke=(0.8, -0.6), low=-10, high=10
    )
    largest: float = varies("size of the largest imbalance of the law of the movement", 32.0, low=16, high=64)
    learning_rate: float = varies(
        "the largest of those that are extrapolated to 0, times the curvature", 0.2, low=0.05, high=0.4
    )
    levels: int = varies("how many learning rates, each half the one before", 4, smoke=3, low=3, high=5)

    def __post_init__(self) -> None:
        if len(set(self.imbalances)) < len(self.imbalances) or not any(abs(lam) >= 0.3 for lam in self.imbalances):
            reject("imbalances", self.imbalances, "different ones, one of size 0.3 at least")


@claim(
    "imbalance.kernel_of_product",
    source="ours; kernels of lambda-balanced networks: Domine et al. 2025, Anguita 2024 (reconstructed)",
    source_kind=OURS,
    statement=r"U_1^\top U_1 - V^\top V = \lambda I:\quad U_1 U_1^\top = \tfrac\lambda2 + (\tfrac{\lambda^2}4 + p"
    r" p^\top)^{1/2},\ V V^\top = -\tfrac\lambda2 + (\tfrac{\lambda^2}4 + p^\top p)^{1/2},\quad K = U_1 U_1^\top"
    r" \otimes I_m + I_r \otimes V V^\top,\quad |\lambda| (K(t) - K(0)) \to (p p^\top - p_0 p_0^\top) \otimes I_m +"
    r" I_r \otimes (p^\top p - p_0^\top p_0)",
    hypotheses=(
        "gradient flow; h = r = m; p = U1 V^T, U1 = Phi1^T U",
        "K is the kernel of the outputs in the basis W of the data, which are whitened; Gram matrices: any data",
        "the movement: |lambda| to infinity, off by O(lambda^-2) of itself",
    ),
    theory_side="closed form",
    controls=(
        "U1 U1^T: lambda 5 % larger",
        "V V^T: lambda 5 % larger",
        "starts of several imbalances",
        "one of the two terms of the kernel",
        "one of the two terms of the movement",
        "movement 5 % larger",
        "movement with lambda for its size",
        "norm without the traces",
    ),
    parameters=Imbalances,
)
def the_kernel_is_a_function_of_the_product(study: Study, sizes: Imbalances) -> Iterator[Check | Curves]:
    for lam in sizes.imbalances:
        yield from _grams(study, sizes, lam)
    strongest = max(sizes.imbalances, key=abs)
    yield from _kernel(study, sizes, strongest)
    for sign in (1, -1):
        yield from _movement(study, sizes, sign)


def _whitened(study: Study) -> Regression:
    return random_regression(study.rng("whitened"), D=SIZE + 1, n=SIZE, m=SIZE, singular_values=np.ones(SIZE))


def _refined(
    study: Study, sizes: Imbalances, problem: Regression, network: Network, time: float, levels: int
) -> list[Trajectory]:
    eta = sizes.learning_rate / largest_curvature(problem, network)
    return by_autograd(study, problem, network).refine(learning_rate=eta, horizon=time, records=RECORDS, levels=levels)


def _products(problem: Regression, run: Trajectory) -> tuple[Array, Array, Array]:
    """U1 V^T, U1 U1^T and V V^T (T, runs, ...) along a training."""
    V, U1 = split(problem, trained_coordinates(problem, run))
    return U1 @ V.mT, U1 @ U1.mT, V @ V.mT


def _grams(study: Study, sizes: Imbalances, lam: float) -> Iterator[Check]:
    """On data that are not whitened, of more directions than outputs: h = m, and the range of p has a complement."""
    problem = not_whitened(study.rng("not whitened"))
    network = closed_forms.homogeneous(problem, lam, problem.m, study.rng("start", lam))
    runs = _refined(study, sizes, problem, network, 1.0, sizes.levels)
    p, hidden, output = zip(*(_products(problem, run) for run in runs))
    end, case = richardson(p)[0], f"lambda {lam:g}"
    for name, grams, of_product in (
        ("U1 U1^T", hidden, kernel_of_product.hidden_gram),
        ("V V^T", output, kernel_of_product.output_gram),
    ):
        found = extrapolated(name, grams, _error(p), case=case)
        yield found.equals(lambda k, of_product=of_product: of_product(k * end, lam))
        if lam == max(sizes.imbalances, key=abs):
            yield found.control(f"{name}: lambda 5 % larger").equals(of_product(end, 1.05 * lam))


def _error(products: Sequence[Array]) -> float:
    """What the product itself, extrapolated, may be off by, and with it a function whose slope is at most 1."""
    return float(np.linalg.norm(richardson(products)[1], axis=(-2, -1)).max())


def _kernel(study: Study, sizes: Imbalances, lam: float) -> Iterator[Check]:
    """That of the outputs, by autograd, on whitened data; and of starts of several imbalances."""
    problem = _whitened(study)
    network = closed_forms.homogeneous(problem, lam, SIZE, study.rng("kernel"))
    p, kernels = _trained_kernels(study, sizes, problem, network, 1.0, sizes.levels)
    end = richardson(p)[0]
    hidden, output = kernel_of_product.hidden_gram(end, lam), kernel_of_product.output_gram(end, lam)
    found = extrapolated("kernel", kernels, 2 * _error(p))
    yield found.equals(lambda k: k * kernel_of_product.kernel(hidden, output))
    one = kernel_of_product.kernel(hidden, np.zeros_like(output))
    yield found.control("one of the two terms of the kernel").equals(one)
    moved = [kernel - kernel[:1] for kernel in kernels]
    change = hidden - hidden[:1], output - output[:1]
    squares = [np.square(kernel).sum((-2, -1)) for kernel in moved]
    slack = 4 * _error(p) * np.sqrt(richardson(squares)[0].max())
    norm = extrapolated("|K(t) - K(0)|^2", squares, slack)
    yield norm.equals(lambda k: k * kernel_of_product.squared_norm(*change))
    traceless = [gram - np.trace(gram, axis1=-2, axis2=-1)[..., None, None] * np.eye(SIZE) / SIZE for gram in change]
    yield norm.control("norm without the traces").equals(kernel_of_product.squared_norm(*traceless))
    several = gaussian(problem, SIZE, study.rng("several"), scales=(0.6, 0.6))
    p, kernels = _trained_kernels(study, sizes, problem, several, 1.0, sizes.levels)
    end, lam = richardson(p)[0], closed_forms.mean_imbalance(problem, coordinates(problem, several)[0])
    grams = kernel_of_product.hidden_gram(end, lam), kernel_of_product.output_gram(end, lam)
    found = extrapolated("kernel", kernels, 2 * _error(p))
    yield found.control("starts of several imbalances").equals(kernel_of_product.kernel(*grams))


def _trained_kernels(
    study: Study, sizes: Imbalances, problem: Regression, network: Network, time: float, levels: int
) -> tuple[list[Array], list[Array]]:
    """U1 V^T and the kernel (T, 1, r m, r m) in the basis W, at each learning rate, coarse to fine."""
    runs = _refined(study, sizes, problem, network, time, levels)
    return [_products(problem, run)[0] for run in runs], [_kernels(study, problem, run) for run in runs]


def _kernels(study: Study, problem: Regression, run: Trajectory) -> Array:
    """J J^T of the outputs W^T X U V^T, whose Jacobian J autograd finds row by row (T, 1, r m, r m)."""
    inputs = torch.tensor(problem.W.T @ problem.X, dtype=torch.float64, device=study.device)
    weights = [torch.tensor(run[name], device=study.device, requires_grad=True) for name in ("U", "V")]
    outputs = (inputs @ weights[0] @ weights[1].mT).flatten(2)
    rows = [torch.autograd.grad(output.sum(), weights, retain_graph=True) for output in outputs.unbind(2)]
    J = torch.stack([torch.cat([part.flatten(2) for part in row], dim=2) for row in rows], dim=2)
    return (J @ J.mT).cpu().numpy()


def _movement(study: Study, sizes: Imbalances, sign: int) -> Iterator[Check | Curves]:
    """From one product, at three imbalances each twice the one before: what the law leaves falls like lambda^-2."""
    problem, case = _whitened(study), f"lambda {'above' if sign > 0 else 'below'} 0"
    rng = study.rng("movement", sign)
    start, frame = 0.5 * rng.standard_normal((SIZE, SIZE)), np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    paths = []
    for lam in sign * sizes.largest / np.array([4, 2, 1]):
        network = _of_product(problem, start, lam, frame)
        p, kernels = _trained_kernels(study, sizes, problem, network, 1.5 / abs(lam), sizes.levels + 2)
        change = [abs(lam) * (kernel[-1, 0] - kernel[0, 0]) for kernel in kernels]
        paths.append((change, [product[-1, 0] for product in p]))

    def left(factor: float = 1.0, terms: tuple[int, int] = (1, 1)) -> tuple[list[Array], float]:
        """Of factor |lam| (K - K_0), in units of the law, and what it may be off by."""
        found = []
        for change, p in paths:
            parts = [_parts(start, end) for end in p]
            size = np.linalg.norm(sum(parts[-1]))
            rest = [
                factor * moved - sum(k * part for k, part in zip(terms, each)) for moved, each in zip(change, parts)
            ]
            found.append(richardson([each / size for each in rest]))
        return [value for value, _ in found], max(float(error.max()) for _, error in found)

    estimate = observed_order(*left())
    yield order("movement, order in 1/lambda", estimate, case=case).equals(2, excludes=(1.5, 2.5))
    yield _at_infinity(*left(), case).equals(0, against=1)
    norms = [[np.linalg.norm(rest) for rest in left(terms=terms)[0]] for terms in ((1, 1), (1, 0))]
    yield curves(case, size=sizes.largest / np.array([4, 2, 1]), left=norms[0], one_term=norms[1])
    if sign < 0:
        yield _at_infinity(*left(-1), case).control("movement with lambda for its size").equals(0)
    else:
        yield _at_infinity(*left(1.05), case).control("movement 5 % larger").equals(0)
        one = _at_infinity(*left(terms=(1, 0)), case)
        yield one.control("one of the two terms of the movement").equals(0)


def _parts(start: Array, p: Array) -> tuple[Array, Array]:
    """The two terms of the law of the movement."""
    first = kernel_of_product.kernel(p @ p.T - start @ start.T, np.zeros((SIZE, SIZE)))
    return first, kernel_of_product.movement(start, p) - first


def _at_infinity(left: Sequence[Array], off_by: float, case: str) -> Measured:
    found, error = richardson(left, order=2)
    within = Tolerance(
        error.max() + 2 * off_by, "last Richardson correction over three imbalances, and of the training"
    )
    return measured("movement, lambda to infinity", found, within=within, case=case)


def _of_product(problem: Regression, p: Array, lam: float, frame: Array) -> Network:
    """U1 V^T = p with the imbalance lam I, hidden units turned by a frame: squared lengths x and x - lam of a mode."""
    outputs, sigma, inputs = np.linalg.svd(p)
    larger = np.hypot(lam / 2, sigma) + abs(lam) / 2
    squares = (larger, sigma**2 / larger)
    hidden, output = squares if lam > 0 else squares[::-1]
    U1, V = outputs * np.sqrt(hidden) @ frame, inputs.T * np.sqrt(output) @ frame
    return Network((problem.Phi1 @ U1)[None], V[None])
