"""Infinite width: exact for orthogonal rows at any width, approached like h^(-1/2) by Gaussian starts; the distance."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.imbalance.closed_forms import extrapolated, refine, tends_to
from experiments.imbalance.compression import train_compressed
from experiments.imbalance.networks import LinearDescent, squared_loss, weights
from experiments.training import recording_steps
from experiments.updates import GradientDescent
from theory.claims import Check, Curves, claim, curves, equal, rate, refuted, slope
from theory.imbalance import closed_forms, dynamics, wide_limit
from theory.imbalance.compression import Compressed, gaussian_compressed
from theory.imbalance.problem import Network, Regression, coordinates, fan_in_scale, random_regression
from theory.rates import Estimate, loglog_slope, mean, richardson
from theory.study import Study
from theory.trajectory import Trajectory
from theory.validation import Array

K = 0.8  # squared length of the orthogonal rows: not 1, so that k and k^2 differ
HORIZON = 3.0
GROUPS = 16  # of independent runs; each gives one slope


@claim(
    "imbalance.wide_limit",
    source="ours; the limit of the starts of Min et al. 2021, Lemma 1 and Theorem 2",
    statement=r"\dot p = S E (k^2 I + p^\top p)^{1/2} + (k^2 I + p p^\top)^{1/2} S E,\quad V V^\top = (k^2 I + p^\top"
    r" p)^{1/2},\quad \|U V^\top - \hat\Theta\|_F^2 \sim (D - r) h^{-2a} \operatorname{tr}"
    r"(k^2 I + \hat\Theta^\top \hat\Theta)^{1/2},\quad k = h^{1 - 2a}",
    hypotheses=("gradient flow", "Z Z^T = k I at the start, or Gaussian weights N(0, h^{-2a}) and large h"),
    controls=(
        "rows of U1 longer by 1.2",
        "rows of U1 longer by 1.2: the Gram matrices",
        "k 10 % larger",
        "k 10 % larger: width brings training no closer",
        "rows of U1 longer by 1.2: width brings training no closer",
        "the distance with k 30 % larger",
        "the distance at h^(-2a) with k = 1, a = 0.4",
    ),
)
def wide_networks_follow_a_closed_equation(study: Study) -> Iterator[Check | Curves]:
    problem = random_regression(
        study.rng("problem"), D=study.pick(smoke=43, quick=43, paper=203), n=3, m=2, singular_values=np.array([1.3, 1.0, 0.8])
    )
    yield from _orthogonal_rows(study, problem)
    yield from _modes_of_whitened_data(study)
    yield from _growing_width(study, problem)
    for exponent in (0.5, 0.4):
        yield from _distance(study, problem, exponent)
