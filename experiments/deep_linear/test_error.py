"""The third claim of the Minnorm abstract: test error against the scale of the start, for four ways of training."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from experiments.deep_linear.held_out import errors_on_own_data
from experiments.deep_linear.networks import (
    Constraint,
    ControlledDescent,
    by_descent,
    by_minnorm,
    by_weight_decay,
    students,
)
from experiments.deep_linear.sweep import METHODS, SOLVER, WIDTH, Sweep, sweep
from experiments.training.batches import layers_of
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject
from theory.deep_linear import frozen
from theory.deep_linear.problem import Ensemble, draw
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Students:
    """Linear teachers with noisy labels, and their students of several depths."""

    inputs: int = varies("d, of entries N(0, 1/d)", 60, smoke=24, low=12, high=200)
    examples: int = varies("n", 30, smoke=8, low=4, high=150)
    noise: float = varies("standard deviation of the noise on a label", 0.5, low=0.3, high=1)
    depths: tuple[int, ...] = varies("numbers of layers; 2 beside them", (1, 2, 3), smoke=(1, 2), low=1, high=3)
    draws: int = varies("teachers", 24, smoke=8, paper=80, low=3, high=400)
    longer: float = varies("times as long as each depth takes", 1.0, smoke=1 / 1.5, low=0.5, high=4)
    finer: float = varies("times as small a learning rate as each depth takes", 1.0, low=1, high=4)

    def __post_init__(self) -> None:
        if 4 * self.examples > 3 * self.inputs:
            reject(
                "examples",
                self.examples,
                f"at most three quarters of the inputs, {self.inputs}: else rates nearly vanish",
            )
        if self.inputs - self.examples <= WIDTH:
            reject(
                "examples",
                self.examples,
                f"{WIDTH + 1} less than the inputs, {self.inputs}: a row of W_1 and the teacher beside them",
            )
        if len(set(self.depths)) < len(self.depths):
            reject("depths", self.depths, "depths that all differ")

    @property
    def ensemble(self) -> Ensemble:
        return Ensemble(self.inputs, self.examples, noise=self.noise)


@claim(
    "minnorm.deep_test_error",
    source="Bansal et al. 2018, abstract: initialization-independent generalization performance (reconstruction); ours",
    source_kind=RECONSTRUCTED,
    statement=r"E_g(W) = \tfrac1d \|\bar W - W\|_F^2 + \sigma_\epsilon^2:\quad E_g(W_{Minnorm}) = E_g(Y X^+)\ "
    r"\text{from every start},\quad E[E_g(W_{GD})] = E_g(Y X^+) + \tfrac{d-n}{d}\, s^2\,"
    r" \|W_L \cdots W_2(\infty)\|_F^2",
    hypotheses=(
        "deep linear students W = W_L ... W_1 of a linear teacher with noise on its labels, one output, n < d",
        "the mean is over the part of W_1(0) that no example shows, of entries N(0, s^2)",
        "outside the basin of collapse",
        "tuned weight decay",
    ),
    theory_side="law",
    controls=(
        "gradient descent in place of Minnorm",
        "stopping early in place of Minnorm",
        "weight decay in place of Minnorm",
        "gradient descent without its frozen part",
        "gain of a single layer",
        "weight decay 10 % stronger",
    ),
    accepts_data="regression",
    parameters=Students,
)
def minnorm_forgets_its_start(study: Study, size: Students) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from errors_on_own_data(study)
    yield from _one_rule_for_all(study)
    ensemble, depths, spreads = size.ensemble, sorted({2, *size.depths}), []
    for L in depths:
        result = sweep(study, ensemble, L, draws=size.draws, longer=size.longer, finer=size.finer)
        yield from _limits(result, L)
        yield from _spreads(result, L)
        yield from _cost_of_the_start(ensemble, result, L)
        yield _curves(result, L)
        spreads.append([_spread(result, method).mean() for method in METHODS])
    yield curves(noise=ensemble.noise, size=(ensemble.d, ensemble.n), methods=METHODS, depths=depths, spreads=spreads)


def _one_rule_for_all(study: Study) -> Iterator[Check]:
    """The fused rule that trains them is gradient descent, weight decay and Minnorm on `nn.Linear`, step by step."""
    rng = study.rng("fused")
    problem = draw(Ensemble(9, 5, K=2, noise=0.3), rng, 3)
    W = gaussian_stack(rng, [9, 4, 3, 2], 0.5, runs=3)
    pairs = {
        "gradient descent": (by_descent(study, problem, W), ControlledDescent(problem)),
        "weight decay": (by_weight_decay(study, problem, W, 0.3), ControlledDescent(problem, gamma=0.3)),
        "Minnorm": (
            by_minnorm(study, problem, W, Tuning(1.0, 0.7, 0.6)),
            ControlledDescent(problem, gamma=1.0, b=0.7, c=0.6),
        ),
    }
    for word, (trainee, rule) in pairs.items():
        fused = students(study, Constraint(problem, W, study.device), W, rule)
        slow, fast = (
            layers_of(each.train(learning_rate=0.02, steps=100, record=[1, 10, 100]).arrays)
            for each in (trainee, fused)
        )
        apart = [np.abs(a - b).max() for a, b in zip(slow, fast)]
        within = rounding(100 * 64, np.abs(slow[0]).max(), of="the largest weight, 64 a step, of sums in another order")
        same = measured(f"fused {word} against autograd", apart, within=within, axes=("layer",))
        yield same.supporting().equals(0)


def _limits(result: Sweep, L: int) -> Iterator[Check]:
    """Every student of Minnorm has the error of W^ of its draw, every one of weight decay that of its ridge."""
    because = "what Minnorm has not forgotten, (1 - eta)^steps of the start, and what it has not fitted"
    within, case, axes = Tolerance(result.uncertainty["Minnorm"], because), f"depth {L}", ("draw", "scale")
    fitted = result.fitted[:, None]
    yield measured("Minnorm", result.of("Minnorm"), within=within, case=case, axes=axes).equals(fitted)
    because = "twice what is left of a geometric series of changes"
    left = Tolerance(result.uncertainty["weight decay"], because)
    decayed = measured("weight decay", result.of("weight decay"), within=left, case=case, axes=axes)
    yield decayed.equals(result.decayed[:, None] if L < 3 else result.nearer_limit())
    if L == 2:
        for method, word in zip(METHODS[:3], ("gradient descent", "stopping early", "weight decay")):
            wrong = measured(method, result.of(method), within=within, case=case, axes=axes)
            yield wrong.control(f"{word} in place of Minnorm").equals(fitted)
        yield decayed.control("weight decay 10 % stronger").equals(result.overdecayed[:, None])


def _spread(result: Sweep, method: str) -> Array:
    """What the start changes in the test error of each draw (draws,)."""
    return np.ptp(result.of(method), axis=-1)


def _spreads(result: Sweep, L: int) -> Iterator[Check]:
    """The claim as a number: what the start changes, next to what it changes for gradient descent."""
    # From depth 3 on weight decay has two stable ends, and the start decides between them.
    for method in METHODS[3:] if L >= 3 else METHODS[2:]:
        within = Tolerance(
            2 * result.uncertainty[method].max(-1), "twice what each student may still be from its limit"
        )
        name, case = f"spread of {method}", f"depth {L}"
        spread = measured(
            name, _spread(result, method).mean(), within=Tolerance(within.value.mean(), within.reason), case=case
        )
        yield spread.equals(0, against=float(_spread(result, "gradient descent").mean()))


def _cost_of_the_start(ensemble: Ensemble, result: Sweep, L: int) -> Iterator[Check]:
    """Gradient descent, at the end and stopped early, and where it ends by the gain it ends with: what W_1 Q costs."""
    case, axes, seen, fitted = f"depth {L}", ("draw", "scale"), result.of("gradient descent"), result.fitted[:, None]
    for method in METHODS[:2]:
        expected, excess = (result.when(method, array) for array in (result.expected, result.excess))
        within = Tolerance(result.when(method, result.correction).max(), "largest last Richardson correction")
        within += Tolerance(100 * SOLVER * expected.max(), "a hundred times the tolerance of the flow's solver")
        along = measured(
            f"{method}, learning rate 0", result.when(method, result.flow), within=within, case=case, axes=axes
        )
        yield along.equals(lambda k, expected=expected, excess=excess: expected + (k - 1) * excess)
        rise = np.diff(along.value[:, [0, -1]])
        risen = measured(f"rise of {method} from the smallest start to the largest", rise, within=within * 2, case=case)
        yield risen.equals(np.diff(expected[:, [0, -1]]))
    within = Tolerance(result.uncertainty["gradient descent"], "what is not fitted yet")
    cost = measured("gradient descent above the fit", seen - fitted, within=within, case=case, axes=axes)
    yield cost.equals(frozen.excess_error(ensemble, result.gain, result.scales))
    if L == 2:
        yield cost.control("gradient descent without its frozen part").equals(0)
        yield cost.control("gain of a single layer").equals(frozen.excess_error(ensemble, 1.0, result.scales))


def _curves(result: Sweep, L: int) -> Curves:
    """Means with bands paired over draws, theory at the same scales, and where stopping early crosses Minnorm."""
    scales, seen = result.scales, np.array([result.of(method) for method in METHODS])
    trained = seen.mean(1)
    # Students of one draw share its luck, which is the minimum-norm solution's too: intervals of the difference.
    paired = seen - result.fitted[:, None]
    band = np.array([[mean(column, 0.05).half_width for column in errors.T] for errors in paired])
    expected = np.array([result.expected_of(method).mean(0) for method in METHODS])
    fine = np.geomspace(scales[0], scales[-1], 61)
    line = PchipInterpolator(np.log(scales), expected, axis=1)(np.log(fine))
    early = METHODS.index("stopped early"), METHODS.index("Minnorm")
    crossover, crossover_trained = (_crossing(scales, E[early[0]] - E[early[1]]) for E in (expected, trained))
    return curves(
        f"depth {L}",
        scales=scales,
        trained=trained,
        band=band,
        theory=expected,
        residual=trained - expected,
        fine=fine,
        line=line,
        crossover=crossover,
        crossover_trained=crossover_trained,
        crossover_error=result.fitted.mean(),
    )


def _crossing(scales: Array, difference: Array) -> float:
    """Where an increasing difference is 0, in the square of the scale; NaN if it is not."""
    inside = difference[0] < 0 < difference[-1]
    return float(np.sqrt(np.interp(0, difference, scales**2))) if inside else np.nan
