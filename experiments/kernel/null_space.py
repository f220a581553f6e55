"""Which inputs break lambda_0 > 0: equal ones, and antipodal pairs once their directions depend on each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import gaussian_start, trainee
from experiments.kernel.problems import signed_numbers
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.kernel.inputs import Inputs, null_vectors, unit_rows, unreachable

REST = 1e-6  # of |y - u|^2


@dataclass(frozen=True)
class Runs:
    """Of the inputs, and of what is trained on them."""

    inputs: int = varies("of the network, d", 3, low=3, high=8)
    pairs: tuple[int, ...] = varies("antipodal pairs x, -x", (1, 3, 4, 5), smoke=(3, 4), low=1, high=12)
    width: int = varies("m", 512, smoke=256, low=64, high=10_000)
    runs: int = varies("of each kind", 8, smoke=3, low=1, high=100)

    def __post_init__(self) -> None:
        if max(self.pairs) <= self.inputs:
            reject("pairs", self.pairs, f"also more than the inputs {self.inputs}, where the first null vector is")


@claim(
    "kernel.null_space",
    source="ours; sharpens the hypothesis of Du, Zhai, Póczos & Singh 2019, Theorem 3.1",
    source_kind=OURS,
    statement=r"\lambda_{\min}(H^\infty) > 0 \iff \text{no } x_i = x_j,\ i \ne j,\text{ and the lines that hold some }"
    r" x\text{ and } -x\text{ are linearly independent};\quad \dim \ker H^\infty = (n - n_0) + (k - \operatorname{rank}"
    r"(x_1, \dots, x_k));\quad \min_{m, W} \|u - y\|^2 = \|P y\|^2,\quad P (y - u(W)) = P y",
    hypotheses=(
        "|x_i| = 1; n_0 different inputs, k of the lines hold an antipodal pair +-x_l; P projects onto the null space",
        "the last two: networks without biases, of every width m",
    ),
    theory_side="closed form",
    controls=("max(0, k - d) null vectors", "one null vector a pair", "a quarter of (y_1 - y_2)^2"),
    parameters=Runs,
)
def which_inputs_cannot_be_fitted(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    d = sizes.inputs
    for k in sizes.pairs:
        inputs = _well_conditioned(study, lambda rng, k=k: _with_pairs(rng.standard_normal((k, d)), rng), k)
        yield _nullity(inputs, f"{k} pairs").equals(max(0, k - d))
        yield from _trained(study, inputs, sizes, f"{k} pairs")
    yield _nullity(inputs).control("one null vector a pair").equals(k)
    flat = np.append(np.ones(d - 1), 0.0)
    dependent = _well_conditioned(study, lambda rng: _with_pairs(rng.standard_normal((d, d)) * flat, rng), "flat")
    yield _nullity(dependent, "d pairs in a hyperplane").equals(1)
    yield _nullity(dependent).control("max(0, k - d) null vectors").equals(0)
    yield from _trained(study, dependent, sizes, "d pairs in a hyperplane")
    equal = _well_conditioned(study, lambda rng: _with_a_copy(rng.standard_normal((d + 1, d))), "equal")
    yield _nullity(equal, "two equal inputs").equals(1)
    yield from _trained(study, equal, sizes, "two equal inputs")
    y = signed_numbers(study, equal.n)
    y[0], y[-1] = 1.0, -1.0
    yield _left(study, equal, y, sizes).control("a quarter of (y_1 - y_2)^2").equals((y[0] - y[-1]) ** 2 / 4)


def _well_conditioned(study: Study, draw: Callable[[np.random.Generator], Inputs], *cell: object) -> Inputs:
    """Of 30 draws that with the largest positive lambda of H: of the others some take very long to train."""
    rng = study.rng("inputs", *cell)
    return max((draw(rng) for _ in range(30)), key=_least_positive)


def _least_positive(inputs: Inputs) -> float:
    # Counted, not told by size: pairs that are nearly dependent have an eigenvalue as small as rounding.
    return float(inputs.eigenvalues[null_vectors(inputs).shape[1]])


def _with_pairs(x: Array, rng: np.random.Generator) -> Inputs:
    """Each x and -x, and another input."""
    return unit_rows(np.vstack([x, -x, rng.standard_normal((1, x.shape[1]))]))


def _with_a_copy(x: Array) -> Inputs:
    return unit_rows(np.vstack([x, x[:1]]))


def _nullity(inputs: Inputs, case: str = "") -> Measured:
    """Eigenvalues of H that are 0: below what n roundings make of it."""
    values = np.linalg.eigvalsh(inputs.H)
    zeros = int((values < 10 * inputs.n * EPS * values[-1]).sum())
    return measured("null vectors of H", zeros, within=Tolerance(1e-9, "counted"), case=case)


def _trained(study: Study, inputs: Inputs, sizes: Runs, case: str) -> Iterator[Check]:
    # Of eight sets of labels those of which most is out of reach: a floor near 0 would be told by no small error.
    labels = (signed_numbers(study, inputs.n, case, str(i)) for i in range(8))
    y = max(labels, key=lambda y: float(unreachable(inputs, y)))
    floor, left = float(unreachable(inputs, y)), _left(study, inputs, y, sizes, case)
    yield left.equals(floor) if null_vectors(inputs).size else left.at_most(0.0, against=float(y @ y))


def _left(study: Study, inputs: Inputs, y: Array, sizes: Runs, case: str = "") -> Measured:
    """|y - u|^2 at the end (runs,): runs are held once less than REST is left to be fitted."""
    start = gaussian_start(inputs, sizes.width, sizes.runs, study.rng("networks", case))
    floor = float(unreachable(inputs, y))
    eta = 1 / inputs.largest
    steps = int(np.ceil(60 / (eta * _least_positive(inputs))))
    training = trainee(study, start, y)
    run = training.train(learning_rate=eta, steps=steps, record=[steps], stop_below=floor / 2 + REST / 4)
    within = Tolerance(REST, "so much is left to be fitted where a run ends")
    within += rounding(10 * sizes.width, y @ y, of="m-term sums, ten of them from the start to the end")
    return measured("|y - u|^2 at the end", np.square(run["residual"][-1]).sum(-1), within=within, case=case,
                    axes=("run",))  # fmt: skip
