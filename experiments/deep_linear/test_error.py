"""The third claim of the Minnorm abstract: test error against the scale of the start, for four ways of training."""

from collections.abc import Iterator

import numpy as np
from scipy.interpolate import PchipInterpolator

from experiments.deep_linear.networks import (
    Constraint,
    ControlledDescent,
    MinnormDescent,
    layers,
    squared_loss,
    train_stack,
)
from experiments.deep_linear.race import METHODS, SCALES, Race, race
from experiments.training.batches import layers_of
from experiments.training.updates import DecayedDescent, GradientDescent, Update, constant
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.claims.legacy import equal, rate, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import gaussian_stack
from theory.deep_linear import frozen
from theory.deep_linear.problem import Ensemble, draw
from theory.minnorm.tuning import Tuning


@claim(
    "minnorm.deep_test_error",
    source="Bansal et al. 2018, abstract: initialization-independent generalization performance (reconstruction); ours",
    statement=r"E_g^{Minnorm} = E_g(Y X^+)\ \text{from every start, while}\quad"
    r" E[E_g^{GD}] = E[E_g(Y X^+)] + \tfrac{d-n}{d}\, s^2\, E\|W_L \cdots W_2(\infty)\|_F^2",
    hypotheses=(
        "deep linear students of a linear teacher, n < d",
        "outside the basin of collapse",
        "tuned weight decay",
    ),
    controls=(
        "gradient descent in place of Minnorm",
        "stopping early in place of Minnorm",
        "weight decay in place of Minnorm",
        "gradient descent without its frozen part",
        "gain of a single layer",
        "weight decay 10 % stronger",
    ),
)
def minnorm_forgets_its_start(study: Study) -> Iterator[Check | Curves]:
    yield from _one_rule_for_all(study)
    ensemble = Ensemble(*study.pick(smoke=(24, 12), quick=(60, 30), paper=(60, 30)), noise=0.5)
    yield curves(methods=np.array(METHODS), noise=ensemble.noise, size=(ensemble.d, ensemble.n))
    for L in study.pick(smoke=(1, 2), quick=(1, 2, 3), paper=(1, 2, 3)):
        result = race(study, ensemble, L)
        yield from _limits(result, L)
        yield from _spreads(result, L)
        yield from _means(ensemble, result, L)
        yield from _for_the_figure(ensemble, result, L)


def _one_rule_for_all(study: Study) -> Iterator[Check]:
    """The fused rule that trains them is gradient descent, weight decay and Minnorm on `nn.Linear`, step by step."""
    ensemble = Ensemble(9, 5, K=2, noise=0.3)
    rng = study.rng("fused")
    problem = draw(ensemble, rng, 3)
    widths = [9, 4, 3, 2]
    W = gaussian_stack(rng, widths, 0.5, runs=3)
    constraint = Constraint(problem, widths, study.device)
    loss = squared_loss(constraint)
    pairs: dict[str, tuple[Update, Update]] = {
        "gradient descent": (GradientDescent(loss), ControlledDescent(problem, 0.0, 0.0, 1.0)),
        "weight decay": (DecayedDescent(loss, constant(0.3)), ControlledDescent(problem, 0.3, 0.0, 1.0)),
        "Minnorm": (MinnormDescent(constraint, Tuning(1.0, 0.7, 0.6)), ControlledDescent(problem, 1.0, 0.7, 0.6)),
    }
    for name, rules in pairs.items():
        slow, fused = (
            train_stack(
                study,
                f"fused {name} {i}",
                constraint,
                W,
                rule,
                learning_rate=0.02,
                steps=100,
                record=[1, 10, 100],
                observe=layers,
            )
            for i, rule in enumerate(rules)
        )
        apart = [np.abs(a - b).max() for a, b in zip(layers_of(slow.arrays), layers_of(fused.arrays))]
        tolerance = 100 * 64 * EPS * np.abs(slow["W1"]).max()
        because = "64 roundings a step, of sums in another order"
        yield equal(f"fused {name} against autograd", apart, 0, tolerance=tolerance, because=because)


def _limits(result: Race, L: int) -> Iterator[Check]:
    """Every student of Minnorm has the error of W^ of its draw, every one of weight decay that of its ridge."""
    left = result.uncertainty
    because = "what Minnorm has not forgotten, (1 - eta)^steps of the start, and what it has not fitted"
    fitted = result.fitted[:, None]
    same = equal(f"depth {L}: Minnorm", result.of("Minnorm"), fitted, tolerance=left["Minnorm"], because=because)
    yield same
    why = "twice what is left of a geometric series of changes"
    decayed = result.of("weight decay")
    end = result.decayed[:, None] if L < 3 else result.nearer_limit()
    yield equal(f"depth {L}: weight decay", decayed, end, tolerance=left["weight decay"], because=why)
    if L == 2:
        for method, control in (
            ("gradient descent", "gradient descent in place of Minnorm"),
            ("stopped early", "stopping early in place of Minnorm"),
            ("weight decay", "weight decay in place of Minnorm"),
        ):
            wrong = equal(method, result.of(method), fitted, tolerance=left["Minnorm"], because=because)
            yield refuted(control, wrong)
        more = result.overdecayed[:, None]
        wrong = equal("stronger", decayed, more, tolerance=left["weight decay"], because=why)
        yield refuted("weight decay 10 % stronger", wrong)


def _spreads(result: Race, L: int) -> Iterator[Check | Curves]:
    """The claim as a number: what the start changes in the test error, paired over draws."""
    spreads = {method: result.of(method).max(-1) - result.of(method).min(-1) for method in METHODS}
    # From depth 3 on weight decay has two stable ends, and the start decides between them.
    for method in METHODS[3:] if L >= 3 else METHODS[2:]:
        because = "twice what each student may still be from its limit"
        tolerance = 2 * result.uncertainty[method].max(-1)
        yield equal(f"depth {L}: spread of {method}", spreads[method], 0, tolerance=tolerance, because=because)
    for method in METHODS[:2]:
        seen, expected = result.steadier(method), result.expected_of(method)
        rise = mean(seen[:, -1] - seen[:, 0])
        predicted = float((expected[:, -1] - expected[:, 0]).mean())
        yield rate(
            f"depth {L}: rise of {method} from the smallest start to the largest", rise, predicted, excludes=(0,)
        )
    yield curves(**{f"spread_{L}": [spreads[method].mean() for method in METHODS]})


def _means(ensemble: Ensemble, result: Race, L: int) -> Iterator[Check]:
    """Gradient descent, at the end and stopped early: theory passes through the means over draws."""
    significance = SIGNIFICANCE / (2 * len(SCALES[L]))
    because = "Student interval over draws, all scales together, and what a step twice as long changes"
    for method in METHODS[:2]:
        difference = result.steadier(method) - result.expected_of(method)
        steps = result.bias[result.best, np.arange(len(result.best))] if method == "stopped early" else result.bias[-1]
        tolerance = np.array([mean(column, significance).half_width for column in difference.T]) + steps
        name = f"depth {L}: mean of {method}"
        yield equal(name, difference.mean(0), 0, tolerance=tolerance, because=because)
        if L == 2 and method == "gradient descent":
            without = result.steadier(method) - result.fitted[:, None]
            wrong = equal("without the frozen part", without.mean(0), 0, tolerance=tolerance, because=because)
            yield refuted("gradient descent without its frozen part", wrong)
            single = without - frozen.excess_error(ensemble, 1.0, np.array(SCALES[L]))
            wrong = equal("gain 1", single.mean(0), 0, tolerance=tolerance, because=because)
            yield refuted("gain of a single layer", wrong)


def _for_the_figure(ensemble: Ensemble, result: Race, L: int) -> Iterator[Curves]:
    """Means with bands paired over draws, theory at the same scales, and where stopping early crosses Minnorm."""
    scales = np.array(SCALES[L])
    seen = np.array([result.of(method) for method in METHODS])
    # Students of one draw share its luck, which is the minimum-norm solution's too: intervals of the difference.
    paired = seen - result.fitted[:, None]
    band = np.array([[mean(column, 0.05).half_width for column in errors.T] for errors in paired])
    expected = np.array([result.expected_of(method).mean(0) for method in METHODS])
    yield curves(**{f"scales_{L}": scales, f"trained_{L}": seen.mean(1), f"band_{L}": band, f"theory_{L}": expected})
    fine = np.geomspace(scales[0], scales[-1], 61)
    yield curves(**{f"fine_{L}": fine, f"line_{L}": PchipInterpolator(np.log(scales), expected, axis=1)(np.log(fine))})
    early = result.expected_of("stopped early").mean(0) - result.fitted.mean()
    trained = (result.of("stopped early") - result.of("Minnorm")).mean(0)
    yield curves(**{f"crossover_{L}": _crossing(scales, early), f"crossover_trained_{L}": _crossing(scales, trained)})


def _crossing(scales: Array, difference: Array) -> float:
    """Where an increasing difference is 0, in the square of the scale; NaN if it is not."""
    inside = difference[0] < 0 < difference[-1]
    return float(np.sqrt(np.interp(0, difference, scales**2))) if inside else np.nan
