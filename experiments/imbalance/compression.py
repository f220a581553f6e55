"""Compressed networks in torch: the training code is that of any network; only the optimiser is restricted."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments.imbalance.networks import LinearDescent, squared_loss, train_network, weights
from experiments.training.loop import recording_steps
from experiments.training.updates import Adam, GradientDescent, Momentum, Update
from theory.claims import Check, Curves, claim
from theory.claims.legacy import distributed, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import compression
from theory.imbalance.compression import Compressed
from theory.imbalance.problem import Network, fan_in_scale, gaussian, paper_regression

# Rules that commute with a rotation of the hidden layer: what they do to (U Q, V Q) is what they do to (U, V), times Q.
EQUIVARIANT: tuple[type, ...] = (LinearDescent, GradientDescent, Momentum)


def train_compressed(
    study: Study,
    name: str,
    compressed: Compressed,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    **options: Any,
) -> Trajectory:
    """Train the small network in place of the large one; see `experiments.imbalance.networks.train_network`.

    Raises:
        InvalidArgument: an update rule for which the two would differ.
    """
    rule: Update | None = options.get("update")
    if rule is not None and type(rule) not in EQUIVARIANT:
        reject(
            "update",
            type(rule).__name__,
            "a rule that commutes with rotations of the hidden layer (gradient descent, momentum): one that scales "
            "each weight by itself, as Adam does, trains the compressed network differently",
        )
    return train_network(
        study,
        name,
        compressed.problem,
        compressed.network,
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        **options,
    )


@claim(
    "imbalance.compression",
    source="ours; the hidden rotations leave Z(t) = P(t) Z(0) (Min et al. 2021, equation 16)",
    statement=r"Z(0)^\top = Q L^\top \;\Rightarrow\; Z(t) = L(t)\, Q^\top"
    r" \text{ for gradient descent, momentum and the flow}",
    hypotheses=("an update that commutes with rotations of the hidden layer",),
    controls=("Adam", "a learning rate 1 % larger", "width 100 in place of 30"),
)
def width_m_plus_r_is_enough(study: Study) -> Iterator[Check | Curves]:
    yield from _recursion_against_torch(study)
    yield from _every_equivariant_rule(study)
    yield from _drawn_in_compressed_form(study)


def _recursion_against_torch(study: Study) -> Iterator[Check]:
    """The paper's data, width 2000: an explicit torch network against the recursion of width 101, without torch."""
    D, n, h = study.pick(smoke=(60, 20, 300), quick=(400, 100, 2000), paper=(400, 100, 10000))
    steps = study.pick(smoke=1000, quick=3000, paper=10000)
    rng = study.rng("explicit")
    problem = paper_regression(rng, whitened=False, D=D, n=n)
    network = gaussian(problem, h, rng, scales=(fan_in_scale(h, 0.5),) * 2)
    eta, record = 0.01, recording_steps(steps, 5)
    explicit = train_network(
        study, "explicit", problem, network, learning_rate=eta, steps=steps, record=record, observe=_products
    )
    small = compression.compress(problem, network)
    measured = explicit["end_to_end"][:, 0]
    tolerance = steps * EPS * np.sqrt(problem.D + h)
    because = "one rounding a step of the (D + h)-term products, added up as a worst case"
    for name, rate in (("recursion of width m + r", eta), ("a learning rate 1 % larger", 1.01 * eta)):
        recursion = compression.gradient_descent(small, learning_rate=rate, steps=steps, record=record)
        predicted = Compressed(problem, small.problem, small.network, small.frozen[0]).end_to_end(
            recursion["U"], recursion["V"]
        )
        check = equal(name, measured, predicted, tolerance=tolerance, because=because)
        yield check if rate == eta else refuted(name, check)


def _every_equivariant_rule(study: Study) -> Iterator[Check]:
    """Gradient descent fused and by autograd, and momentum, agree with their compression; Adam does not."""
    rng = study.rng("rules")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.linspace(1.3, 0.8, 5))
    network = gaussian(problem, 30, rng, scales=(fan_in_scale(30, 0.5),) * 2, runs=4)
    small = compression.compress(problem, network)
    steps = 500
    tolerance = steps * EPS * (problem.D + network.h)
    because = "one rounding a step of the (D + h)-term products, added up as a worst case"
    rules = {"fused descent": LinearDescent, "autograd descent": GradientDescent, "momentum": Momentum, "Adam": Adam}
    for name, rule in rules.items():
        measured, predicted = (
            _train_with(study, f"{name} {kind}", rule, on, start, steps)
            for kind, on, start in (
                ("explicit", problem, network),
                ("compressed", small.problem, small.network),
            )
        )
        explicit = measured["U"] @ measured["V"].mT
        lifted = small.end_to_end(predicted["U"], predicted["V"])
        check = equal(name, explicit, lifted, tolerance=tolerance, because=because)
        yield refuted(name, check) if rule is Adam else check


def _train_with(study: Study, name: str, rule: type, problem: Regression, network: Network, steps: int) -> Trajectory:
    update = rule(problem, study.device) if rule is LinearDescent else rule(squared_loss(problem, study.device))
    return train_network(
        study,
        name,
        problem,
        network,
        learning_rate=0.01,
        steps=steps,
        record=[0, steps],
        observe=weights,
        update=update,
    )


def _drawn_in_compressed_form(study: Study) -> Iterator[Check]:
    """Bartlett's triangle has the law of the compression of an explicit draw: compare a statistic that sees h."""
    runs = study.pick(smoke=2000, quick=5000, paper=20000)
    rng = study.rng("bartlett")
    problem = random_regression(rng, D=6, n=4, m=1, singular_values=np.array([1.0, 0.5]))
    h = 30
    hidden_scale, output_scale = 2.0, 0.5
    drawn = compression.gaussian_compressed(problem, h, rng, scales=(hidden_scale, output_scale), runs=runs)
    frozen = drawn.frozen / hidden_scale
    rows = np.concatenate([drawn.network.V / output_scale, drawn.network.U / hidden_scale], axis=-2)
    gram = rows @ rows.mT
    # For a 3 x h standard normal Z, det(Z Z^T) is a product of chi^2 with h, h - 1, h - 2 degrees of freedom; the last
    # factor is the squared distance of the last row from the others.
    last = 1 / np.linalg.inv(gram)[:, -1, -1]
    because = "squared distance of a Gaussian row from the span of two others: chi^2 with h - 2 degrees of freedom"
    yield distributed("last row off the others", last, stats.chi2(h - 2), because=because)
    first = gram[:, -1, -1]
    because = "squared norm of a Gaussian row: chi^2 with h degrees of freedom"
    yield distributed("norm of the last row", first, stats.chi2(h), because=because)
    norm = gram[:, 0, 0]
    because = "squared norm of a Gaussian row: chi^2 with h degrees of freedom"
    yield distributed("norm of the row of V", norm, stats.chi2(h), because=because)
    overlap = (frozen[:, 0] * rows[:, -1]).sum(-1) / np.sqrt(first)
    because = "overlap of a row that is not seen with the direction of one that is: standard normal"
    yield distributed("overlap with U2", overlap, stats.norm(), because=because)
    because = "squared norm of the Gaussian U2 Q, whatever Q"
    degrees = frozen[0].size
    yield distributed("norm of U2 Q", (frozen**2).sum((-2, -1)), stats.chi2(degrees), because=because)
    yield refuted("width 100 in place of 30", distributed("norm", first, stats.chi2(100), because="another width"))


def _products(state: dict[str, Any]) -> dict[str, Any]:
    return {"end_to_end": state["U"] @ state["V"].mT}
