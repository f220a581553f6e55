"""What the method promises: descent with weight decay, the support vector machine's duals, Euler's identity, stability.

Every run here goes through the wrapper as a user would use it, and is judged by what is written out beside it. The
networks are tiny, so they train on the CPU whatever device was asked for.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from experiments.methods.minnorm.constraints import Constraint, Equality, Margin
from experiments.methods.minnorm.method import Minnorm, SimultaneousMinnorm
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply, direction_error
from theory.minnorm.stability import critical_augmentation, largest_learning_rate, linear_chain, linear_model

SOURCE = "Bansal et al. 2018 (reconstruction: augmented Lagrangian, one multiplier an example)"

Rates = tuple[float, float, float]  # A, B, c: steps of the weights and of the multipliers, and the augmentation
Batches = Sequence[Tensor | None]


@claim(
    "minnorm.method",
    source=SOURCE,
    statement=r"\lambda \leftarrow [\lambda + B h]_+,\ \theta \leftarrow (1 - A)\theta"
    r" - A \sum_i [\lambda_i + c h_i]_+ \nabla h_i"
    r" \;\Rightarrow\; \lambda = \alpha_{SVM},\ |\theta|^2 = L \sum_i \lambda_i \text{ at convergence}",
    hypotheses=("plain SGD", "separable data", "a homogeneous network of degree L for the last identity"),
    controls=(
        "weight decay removed",
        "multipliers not projected",
        "shuffled index",
        "simultaneous with augmentation c",
        "duals without weight decay",
        "duals without projection",
        "linear layers: degree 3 in place of 2",
        "squared rectifier: degree 2 in place of 3",
        "an output bias",
    ),
)
def multipliers_are_the_duals(study: Study) -> Iterator[Check | Curves]:
    yield from _descent_with_weight_decay(study)
    yield from _alternating_is_augmentation(study)
    yield from _support_vector_machine(study)
    yield from _eulers_identity(study)


def _descent_with_weight_decay(study: Study) -> Iterator[Check]:
    """Mini-batches of a tanh network: the wrapper against SGD(weight_decay=1) on sum_i [lambda_i + c h_i]_+ h_i."""
    rng = study.rng("descent")
    n, steps, rates = 12, 24, (0.02, 0.05, 0.5)
    inputs = torch.tensor(rng.normal(size=(n, 5)))
    batches = [torch.tensor(rng.permutation(n)[:6]) for _ in range(steps)]
    networks = _copies(rng, lambda: _reaching(3.0, inputs, _network(5, 8, nn.Tanh(), scale=2.0)))
    # Half the examples start right, one of them with margin 3: only the projection keeps its multiplier from below 0.
    outputs = next(networks)(inputs).detach()
    largest = outputs.abs() >= outputs.abs().median()
    targets = torch.where(largest, outputs.sign(), torch.tensor(rng.choice([-1.0, 1.0], n)))
    problem = inputs, targets, batches
    because = "24 steps x 2.2e-16 x numbers of size 2: both ways differ by a rounding a step, which is not amplified"
    trained = _through_the_wrapper(Minnorm, next(networks), problem, rates)
    reference = _by_hand(next(networks), *problem, rates)
    yield equal("alternating: SGD with weight decay", trained, reference, tolerance=1e-14, because=because)
    simultaneous = _through_the_wrapper(SimultaneousMinnorm, next(networks), problem, rates)
    reference = _by_hand(next(networks), *problem, rates, felt=lambda before, after: before)
    yield equal("simultaneous: SGD with weight decay", simultaneous, reference, tolerance=1e-14, because=because)
    broken = {
        "weight decay removed": _by_hand(next(networks), *problem, rates, decay=0.0),
        "multipliers not projected": _by_hand(next(networks), *problem, rates, least=-np.inf),
        "shuffled index": _through_the_wrapper(_Shuffled, next(networks), problem, rates),
    }
    for name, wrong in broken.items():
        yield refuted(name, equal(name, wrong, trained, tolerance=1e-14, because=because))


def _alternating_is_augmentation(study: Study) -> Iterator[Check]:
    """[[l + B h]_+ + c h]_+ = [l + (B + c) h]_+ for l >= 0: alternating steps are simultaneous ones with c + B."""
    rng = study.rng("orders")
    n, steps, (A, B, c) = 10, 40, (0.02, 0.05, 0.5)
    inputs, targets = torch.tensor(rng.normal(size=(n, 4))), torch.tensor(rng.choice([-1.0, 1.0], n))
    networks = _copies(rng, lambda: _network(4, 8, nn.Tanh(), scale=2.0))
    problem = inputs, targets, [None] * steps
    alternating, more, same = (
        _through_the_wrapper(order, next(networks), problem, (A, B, augmentation))
        for order, augmentation in ((Minnorm, c), (SimultaneousMinnorm, c + B), (SimultaneousMinnorm, c))
    )
    because = "a few roundings in each of 40 steps, numbers of size 1"
    tolerance = 10 * steps * EPS
    yield equal("simultaneous with augmentation c + B", more, alternating, tolerance=tolerance, because=because)
    wrong = equal("augmentation c", same, alternating, tolerance=tolerance, because=because)
    yield refuted("simultaneous with augmentation c", wrong)


def _support_vector_machine(study: Study) -> Iterator[Check | Curves]:
    """A linear model: the multipliers end as the duals of the maximum margin, which least-distance programming finds.

    At any state Z w = 1 - h and w = Z^T lambda + s. On the support, off which lambda vanishes, so G (lambda - alpha)
    = -h - Z s: what is left of the constraints and of the gradient bounds the distance to the duals.
    """
    runs = study.pick(smoke=8, quick=32, paper=128)
    problem = Separable(_well_conditioned(study.rng("separable"), runs))
    n, d = problem.Z.shape[1:]
    targets = torch.tensor(study.rng("labels").choice([-1.0, 1.0], (n, runs)))
    inputs = torch.tensor(problem.Z).transpose(0, 1) * targets[..., None]
    B = 2 / np.linalg.norm(problem.Z, ord=2, axis=(1, 2)).max() ** 2  # stable whichever examples are active
    rates, steps = (0.5, B, 0.0), study.pick(smoke=1200, quick=1500, paper=3000)

    network = _LinearModels(runs, d)
    method = _method(network, Margin(n, runs), rates)
    stretch = max(steps // 50, 1)
    states = [_after(method, network, inputs, targets, [None] * stretch) for _ in range(steps // stretch)]
    w, multipliers = (part[-1] for part in _split(states, runs, d))

    g_min, g_max = problem.gram_range
    left = np.where(problem.support, 1 - apply(problem.Z, w), 0.0)
    slope = np.linalg.norm(w - apply(problem.Z.mT, multipliers), axis=-1)
    rounding = 4 * (n + d) * EPS * (1 + g_max * np.linalg.norm(problem.duals, axis=-1))
    tolerance = (np.linalg.norm(left, axis=-1) + np.sqrt(g_max) * slope + rounding) / g_min
    because = "(|h| + |Z_S| |s| + rounding) / g_min: what is left of the constraints and of the gradient"
    measured = np.linalg.norm(multipliers - problem.duals, axis=-1)
    yield equal("multipliers: duals of the maximum margin", measured, 0.0, tolerance=tolerance, because=because)
    slack = (tolerance * np.sqrt(g_max) + slope) * np.linalg.norm(problem.Z, axis=-1).max()
    yield at_most("violation", float(method.violation), 0.0, slack=slack.max(), because="the same, times |Z_S| |z_i|")
    # f - f* of primal and dual differ by w.w - sum lambda = -lambda.h where w = Z^T lambda.
    gap = (w**2).sum(-1) - multipliers.sum(-1)
    excess = np.abs(gap) - np.linalg.norm(w, axis=-1) * slope
    slack = float(rounding.sum()) + float(method.complementarity_gap)
    yield at_most("duality gap: complementarity gap", excess.sum(), 0.0, slack=slack, because="|w|^2 - sum lambda")
    for name, change in (
        ("duals without weight decay", {"decay": 0.0}),
        ("duals without projection", {"least": -np.inf}),
    ):
        state = _by_hand(_LinearModels(runs, d), inputs, targets, [None] * 400, rates, **change)
        wrong = np.linalg.norm(_split([state], runs, d)[1][0] - problem.duals, axis=-1)
        yield refuted(name, equal(name, wrong, 0.0, tolerance=tolerance, because=because))
    weights, paths = _split(states, runs, d)
    yield curves(
        dual_steps=stretch * np.arange(1, len(states) + 1),
        dual_distance=np.linalg.norm(paths - problem.duals, axis=-1),
        direction_error=direction_error(problem, weights),
        multipliers=multipliers,
        duals=problem.duals,
    )


def _split(states: Sequence[Array], runs: int, d: int) -> tuple[Array, Array]:
    """Weights (T, runs, d) and multipliers (T, runs, n) of linear models."""
    stacked = np.stack(states)
    multipliers = stacked[:, runs * d :].reshape(len(stacked), -1, runs)
    return stacked[:, : runs * d].reshape(-1, runs, d), np.swapaxes(multipliers, 1, 2)


def _eulers_identity(study: Study) -> Iterator[Check]:
    """theta . grad f = L f for a network of degree L, so |theta|^2 = L sum_i lambda_i y_i f_i = L sum_i lambda_i."""
    rng = study.rng("euler")
    steps = study.pick(smoke=1500, quick=2000, paper=6000)
    inputs = torch.tensor(np.linalg.qr(rng.normal(size=(8, 8)))[0][:6] * rng.uniform(0.8, 1.2, (6, 1)))
    targets = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
    squared = lambda: _network(8, 32, _SquaredRectifier(), scale=1.5)  # noqa: E731
    linear = lambda: _network(8, 32, nn.Identity(), scale=1.5)  # noqa: E731
    biased = lambda: _network(8, 32, nn.Identity(), scale=1.5, bias=True)  # noqa: E731
    for name, make, degree, wrong in (("linear layers", linear, 2, 3), ("squared rectifier", squared, 3, 2)):
        trained = _solution(next(_copies(rng, make)), inputs, targets, steps)
        yield _euler(f"{name}: |theta|^2 = {degree} sum lambda", *trained, degree)
        label = f"{name}: degree {wrong} in place of {degree}"
        yield refuted(label, _euler(label, *trained, wrong))
    trained = _solution(next(_copies(rng, biased)), inputs, targets, steps)
    yield refuted("an output bias", _euler("biased", *trained, 2))


def _solution(network: nn.Module, inputs: Tensor, targets: Tensor, steps: int) -> tuple[float, float, float]:
    """|theta|^2, sum_i lambda_i, and sum_i |lambda_i h_i| + |theta| |s| with s the Lagrangian's gradient."""
    method = _method(network, Margin(len(targets)), (0.04, 0.5, 1.0))
    _after(method, network, inputs, targets, [None] * steps)
    squared = sum(weight.square().sum() for weight in network.parameters())
    multipliers = method.multipliers
    h = 1 - targets * network(inputs)
    gradients = torch.autograd.grad(squared / 2 + (multipliers * h).sum(), list(network.parameters()))
    slope = sum(gradient.square().sum() for gradient in gradients).sqrt()
    left = (multipliers * h).abs().sum() + squared.sqrt() * slope
    return squared.item(), multipliers.sum().item(), left.item()


def _euler(name: str, squared: float, multipliers: float, left: float, degree: int) -> Check:
    because = "| |theta|^2 - L sum lambda | <= L sum |lambda h| + |theta| |gradient of the Lagrangian|, and rounding"
    tolerance = degree * left + 1000 * EPS * squared
    return equal(name, squared, degree * multipliers, tolerance=tolerance, because=because)


@claim(
    "minnorm.stable_range",
    source=SOURCE + "; Jury's conditions",
    statement=r"\text{stable} \iff c > B - m/g \text{ and } A\,(2(m + c g) - B g) < 4,\ c \to c + B"
    r" \text{ for alternating steps}",
    hypotheses=("plain SGD", "constraints and Lagrangian with common eigenvectors"),
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
    yield from _chain()


def _linear_regression(study: Study) -> Iterator[Check]:
    """Least-norm regression moves by the 2 x 2 matrix of each mode, exactly, and the formulas give its limits."""
    rng = study.rng("regression")
    steps = study.pick(smoke=300, quick=300, paper=1000)
    X = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4] * np.linspace(1.5, 0.8, 4)[:, None]
    y = rng.normal(size=4)
    modes = linear_model(X)
    B, c = 0.7, 0.4
    because = "a few roundings of 6-term products a step, under a matrix that contracts"
    early = 20
    tolerance = 50 * early * EPS * np.abs(y).sum()
    for name, order, felt in (("alternating", Minnorm, c + B), ("simultaneous", SimultaneousMinnorm, c)):
        limit = largest_learning_rate(modes, B, felt)
        within, beyond = (_regression(order, X, y, (factor * limit, B, c), steps) for factor in (0.98, 1.02))
        first = _regression(order, X, y, (0.98 * limit, B, c), early)
        predicted = _by_modes(X, y, (0.98 * limit, B, felt), early)
        yield equal(f"{name}: powers of the mode matrices", first, predicted, tolerance=tolerance, because=because)
        yield _contracts(f"{name}: 2 % within", within)
        yield refuted(f"{name}: learning rate 2 % beyond", _contracts("beyond", beyond))
        if name == "simultaneous":
            other = _by_modes(X, y, (0.98 * limit, B, c + B), early)
            wrong = equal("c + B", first, other, tolerance=tolerance, because=because)
            yield refuted("simultaneous: c + B in place of c", wrong)
    critical = critical_augmentation(modes, B)
    above, short = (_regression(SimultaneousMinnorm, X, y, (0.2, B, f * critical), 5 * steps) for f in (1.1, 0.9))
    yield _contracts("simultaneous: augmentation 10 % above", above)
    yield refuted("simultaneous: augmentation 10 % short", _contracts("short", short))


def _chain() -> Iterator[Check]:
    """Three linear layers of width 1 from beside their smallest weights: both orders have their own critical c."""
    A, B, steps = 0.1, 0.1, 1000  # few enough for a deviation of 1e-6 to stay in the linear regime as it grows
    modes = linear_chain(3, target := 1.7)
    critical = critical_augmentation(modes, B)
    for name, order, c in (("alternating", Minnorm, critical - B), ("simultaneous", SimultaneousMinnorm, critical)):
        above, short = (_chain_deviations(order, target, (A, B, factor * c), steps) for factor in (1.1, 0.9))
        yield _contracts(f"{name}: chain, augmentation 10 % above", above)
        yield refuted(f"{name}: chain, augmentation 10 % short", _contracts("short", short))


def _contracts(name: str, deviations: Array) -> Check:
    """The distance (2, ...) to the solution half way and at the end: it shrinks if the spectral radius is below 1."""
    half, whole = np.linalg.norm(deviations, axis=1)
    return at_most(name, whole, half, slack=1e-12, because="spectral radius below 1; slack: rounding at the solution")


def _regression(order: type[Minnorm], X: Array, y: Array, rates: Rates, steps: int) -> Array:
    """Deviations (2, d + n) of weights and multipliers from the solution, half way and at the end, from 0."""
    network, target = _LinearModels(1, X.shape[1]), torch.tensor(y)[:, None]
    inputs = torch.tensor(X)[:, None]
    method = _method(network, Equality(len(y), 1), rates, order)
    w = np.linalg.pinv(X) @ y
    solution = np.concatenate([w, np.linalg.lstsq(X.T, w, rcond=None)[0]])
    stretches = [[None] * (steps // 2)] * 2
    return np.stack([_after(method, network, inputs, target, stretch) - solution for stretch in stretches])


def _by_modes(X: Array, y: Array, rates: Rates, steps: int) -> Array:
    """The same by powers of [[1 - A (1 + c s^2), A s], [-B s, 1]], one a singular value s of X."""
    A, B, c = rates
    U, S, V = np.linalg.svd(X, full_matrices=False)
    w = U.T @ y / S
    start = -np.stack([w, w / S], axis=-1)
    M = np.stack([[[1 - A * (1 + c * s**2), A * s], [-B * s, 1.0]] for s in S])
    later = [np.einsum("kij,kj->ik", np.linalg.matrix_power(M, count), start) for count in (steps // 2, steps)]
    return np.stack([np.concatenate([V.T @ w, U @ l]) for w, l in later])


def _chain_deviations(order: type[Minnorm], target: float, rates: Rates, steps: int) -> Array:
    network = nn.Sequential(*(nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in range(3)))
    weight, multiplier = target ** (1 / 3), target ** (2 / 3 - 1)
    for layer in network:
        nn.init.constant_(layer.weight, weight + 1e-6)
    method = _method(network, Equality(1, 1), rates, order)
    method.multipliers.fill_(multiplier)
    inputs, targets = torch.ones(1, 1, dtype=torch.float64), torch.full((1, 1), target, dtype=torch.float64)
    solution = np.array([weight] * 3 + [multiplier])
    stretches = [[None] * (steps // 2)] * 2
    return np.stack([_after(method, network, inputs, targets, stretch) - solution for stretch in stretches])


class _Shuffled(Minnorm):
    """Every example moves the multiplier of another."""

    def forward(self, outputs: Tensor, targets: Tensor, index: Tensor) -> Tensor:
        return super().forward(outputs, targets, (index + 1) % len(self.multipliers))


class _LinearModels(nn.Module):
    """One linear model a run, from weights 0: inputs (n, runs, d) -> outputs (n, runs)."""

    def __init__(self, runs: int, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(runs, d, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs * self.weight).sum(-1)


class _SquaredRectifier(nn.Module):
    """max(0, u)^2: homogeneous of degree 2, with a continuous derivative."""

    def forward(self, u: Tensor) -> Tensor:
        return u.relu().square()


def _network(d: int, width: int, activation: nn.Module, scale: float, bias: bool = False) -> nn.Module:
    """Two layers with one output, no hidden bias, torch's own initial weights times `scale`."""
    hidden, last = nn.Linear(d, width, bias=False), nn.Linear(width, 1, bias=bias)
    network = nn.Sequential(hidden, activation, last, nn.Flatten(0)).double()
    for weight in network.parameters():
        weight.data *= scale
    return network


def _reaching(size: float, inputs: Tensor, network: nn.Module) -> nn.Module:
    """`network` with its last layer scaled so that its largest output is `size`."""
    with torch.no_grad():
        network[2].weight *= size / network(inputs).abs().max()
    return network


def _copies(rng: np.random.Generator, make: Callable[[], nn.Module]) -> Iterator[nn.Module]:
    """One network again and again, as drawn from `rng`."""
    seed = int(rng.integers(2**31))
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield make()


def _well_conditioned(rng: np.random.Generator, runs: int) -> Array:
    """Signed inputs (runs, n, d): four support vectors and eight others.

    The support's Gram matrix has eigenvalues in [0.8, 1.25]. |G^{-1} - 1| then has row sums of at most
    1/4 x 4^(1/2), so alpha = G^{-1} 1 is at least 1/2; the others have margins of at least 1.5: all conditions of
    optimality are met with room.
    """
    k, others, d = 4, 8, 8
    Q, P = (np.linalg.qr(rng.normal(size=(runs, size, size)))[0] for size in (k, d))
    support = Q @ (np.sqrt(rng.uniform(0.8, 1.25, (runs, k, 1))) * P[:, :k])
    w = np.linalg.pinv(support).sum(-1)
    rest = rng.normal(size=(runs, others, d)) / np.sqrt(d)
    margins = 1.5 + np.abs(rng.normal(size=(runs, others)))
    rest += ((margins - apply(rest, w)) / (w**2).sum(-1, keepdims=True))[..., None] * w[:, None]
    return np.concatenate([support, rest], axis=1)


def _method(network: nn.Module, constraint: Constraint, rates: Rates, order: type[Minnorm] = Minnorm) -> Minnorm:
    A, B, c = rates
    return order(SGD(network.parameters(), lr=A), constraint, dual_learning_rate=B, augmentation=c)


def _through_the_wrapper(
    order: type[Minnorm], network: nn.Module, problem: tuple[Tensor, Tensor, Batches], rates: Rates
) -> Array:
    inputs, targets, batches = problem
    return _after(_method(network, Margin(len(targets)), rates, order), network, inputs, targets, batches)


def _after(method: Minnorm, network: nn.Module, inputs: Tensor, targets: Tensor, batches: Batches) -> Array:
    """Weights and multipliers after a step on each of `batches`; None is all examples."""
    for batch in batches:
        rows = slice(None) if batch is None else batch
        method(network(inputs[rows]), targets[rows], batch).backward()
        method.step()
    return _state(method.multipliers, network)


def _by_hand(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    batches: Batches,
    rates: Rates,
    felt: Callable[[Tensor, Tensor], Tensor] = lambda before, after: after,
    decay: float = 1.0,
    least: float = 0.0,
) -> Array:
    """The same for margins without the wrapper: weight decay by SGD, multipliers of at least `least`."""
    A, B, c = rates
    optimizer = SGD(network.parameters(), lr=A, weight_decay=decay)
    multipliers = torch.zeros_like(targets)
    for batch in batches:
        rows = slice(None) if batch is None else batch
        share = len(targets) / len(targets[rows])
        h = 1 - targets[rows] * network(inputs[rows])
        after = (multipliers[rows] + share * B * h.detach()).clamp(min=least)
        force = (felt(multipliers[rows], after) + c * h.detach()).clamp(min=least)
        optimizer.zero_grad()
        (share * (force * h).sum()).backward()
        optimizer.step()
        multipliers[rows] = after
    return _state(multipliers, network)


def _state(multipliers: Tensor, network: nn.Module) -> Array:
    parts = [*network.parameters(), multipliers]
    return torch.cat([part.detach().flatten() for part in parts]).numpy()
