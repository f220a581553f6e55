"""Compressed networks in torch: the training code is that of any network; only the optimiser is restricted."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.imbalance.networks import LinearDescent, largest_curvature, linear_network, squared_loss
from experiments.training import GradientDescent, Observe, State, Trainee, Update, recording_steps
from experiments.updates import Adam, Momentum
from theory.claims import OURS, Check, Curves, Study, claim, measured, rounding, samples, varies
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import compression, convergence
from theory.imbalance.compression import Compressed
from theory.imbalance.problem import coordinates, fan_in_scale, gaussian, paper_regression

# Rules that commute with a rotation of the hidden layer: what they do to (U Q, V Q) is what they do to (U, V), times Q.
EQUIVARIANT: tuple[type, ...] = (LinearDescent, GradientDescent, Momentum)
CONVERGED = 60.0  # slowest rate x time: later no record would tell one learning rate from another
STABLE = 1.0  # of learning rate x `largest_curvature`: from there on descent may diverge
WORK = 1e11  # inputs x width x steps: about two minutes
ROUNDING = "the (D + h)-term products, one a step, added up as a worst case"


def compressed_network(
    study: Study, compressed: Compressed, *, rule: Update | None = None, observe: Observe | None = None
) -> Trainee:
    """The small network in place of the large one, to be trained as `networks.linear_network` is.

    Raises:
        InvalidArgument: an update rule for which the two would differ.
    """
    if rule is not None and type(rule) not in EQUIVARIANT:
        reject(
            "rule",
            type(rule).__name__,
            "a rule that commutes with rotations of the hidden layer (gradient descent, momentum): one that scales "
            "each weight by itself, as Adam does, trains the compressed network differently",
        )
    return linear_network(study, compressed.problem, compressed.network, rule=rule, observe=observe)


@dataclass(frozen=True)
class Sizes:
    """Of the network that is trained explicitly, and of the draws of the compressed form."""

    width: int = varies(
        "units of the hidden layer of the explicit network", 2000, smoke=300, paper=10000, low=1, high=30_000
    )
    inputs: int = varies("columns of X, D", 400, smoke=60, low=10, high=2000)
    examples: int = varies("rows of X, n", 100, smoke=20, low=1, high=500)
    learning_rate: float = varies("of gradient descent", 0.01, low=1e-4, high=1, unit="time")
    steps: int = varies("of gradient descent", 3000, smoke=1000, paper=10000, low=100, high=30_000)
    drawn_width: int = varies("units of the networks drawn in compressed form, h", 30, low=10, high=60)
    draws: int = varies("networks drawn in compressed form", 16000, paper=32000, low=16_000, high=100_000)

    def __post_init__(self) -> None:
        if (work := self.inputs * self.width * self.steps) > WORK:
            reject("steps", self.steps, f"at most {self.steps * WORK / work:.0f} at these sizes: two minutes of them")


@claim(
    "imbalance.compression",
    source="ours; the hidden rotations leave Z(t) = P(t) Z(0) (Min et al. 2021, equation 16)",
    source_kind=OURS,
    statement=r"Z(0)^\top = Q L(0)^\top \;\Rightarrow\; Z(t) = L(t)\, Q^\top"
    r" \text{ for gradient descent, momentum and the flow}",
    hypotheses=(
        "Z = [V; U1] the weights that the data see, of m + r rows",
        "L of width m + r, trained as Z is; Q of orthonormal columns",
        "an update that commutes with rotations of the hidden layer",
    ),
    theory_side="identity",
    controls=("Adam", "a learning rate 1 % larger", "width a tenth larger"),
    parameters=Sizes,
)
def width_m_plus_r_is_enough(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _recursion_against_torch(study, sizes)
    yield from _every_equivariant_rule(study)
    yield from _drawn_in_compressed_form(study, sizes.drawn_width, sizes.draws)


def _recursion_against_torch(study: Study, sizes: Sizes) -> Iterator[Check]:
    """The paper's data: an explicit torch network against the recursion of width m + r, without torch."""
    rng, h, steps = study.rng("explicit"), sizes.width, sizes.steps
    problem = paper_regression(rng, whitened=False, D=sizes.inputs, n=sizes.examples)
    network = gaussian(problem, h, rng, scales=(fan_in_scale(h, 0.5),) * 2)
    eta = sizes.learning_rate
    largest = STABLE / largest_curvature(problem, network)
    if eta > largest:
        reject("learning_rate", eta, f"at most {largest:.3g}, up to where descent from this start is stable")
    fitted = CONVERGED / (eta * convergence.slowest_rate(problem, coordinates(problem, network)).item())
    steps = min(steps, max(round(fitted), 100))
    record = recording_steps(steps, 5)
    explicit = linear_network(study, problem, network, observe=_end_to_end)
    run = explicit.train(learning_rate=eta, steps=steps, record=record)
    small = compression.compress(problem, network)
    one = Compressed(problem, small.problem, small.network, small.frozen[0])

    def predicted(rate: float) -> Array:
        recursion = compression.gradient_descent_in_numpy(small, learning_rate=rate, steps=steps, record=record)
        return one.end_to_end(recursion["U"], recursion["V"])

    within = rounding(steps, np.sqrt(problem.D + h), of=ROUNDING)
    product = measured("recursion of width m + r", run["end_to_end"][:, 0], within=within, axes=("t",))
    yield product.equals(lambda k: predicted(k * eta))
    yield product.control("a learning rate 1 % larger").equals(predicted(1.01 * eta))


def _every_equivariant_rule(study: Study) -> Iterator[Check]:
    """Gradient descent fused and by autograd, and momentum, agree with their compression; Adam does not."""
    rng = study.rng("rules")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.linspace(1.3, 0.8, 5))
    network = gaussian(problem, 30, rng, scales=(fan_in_scale(30, 0.5),) * 2, runs=4)
    small = compression.compress(problem, network)
    steps = 500
    within = rounding(steps, problem.D + network.h, of=ROUNDING)
    rules = {"fused descent": LinearDescent, "autograd descent": GradientDescent, "momentum": Momentum, "Adam": Adam}
    for name, rule in rules.items():
        explicit, compressed = (
            linear_network(study, on, start, rule=_on(rule, study, on)).train(
                learning_rate=0.01, steps=steps, record=[steps]
            )
            for on, start in ((problem, network), (small.problem, small.network))
        )
        product = measured(name, explicit["U"] @ explicit["V"].mT, within=within, axes=("t", "run"))
        predicted = small.end_to_end(compressed["U"], compressed["V"])
        yield (product.control(name) if rule is Adam else product).equals(predicted)


def _on(rule: type, study: Study, problem: Regression) -> Update:
    return rule(problem, study.device) if rule is LinearDescent else rule(squared_loss(problem, study.device))


def _drawn_in_compressed_form(study: Study, h: int, runs: int) -> Iterator[Check]:
    """Bartlett's triangle has the law of the compression of an explicit draw: compare a statistic that sees h."""
    # A change of a standard normal's scale by 4.6 / runs^(1/2) is refused half the time: 3.7 % of it.
    rng = study.rng("bartlett")
    problem = random_regression(rng, D=6, n=4, m=1, singular_values=np.array([1.0, 0.5]))
    hidden_scale, output_scale = 2.0, 0.5
    drawn = compression.gaussian_compressed(problem, h, rng, scales=(hidden_scale, output_scale), runs=runs)
    frozen = drawn.frozen / hidden_scale
    rows = np.concatenate([drawn.network.V / output_scale, drawn.network.U / hidden_scale], axis=-2)
    gram = rows @ rows.mT
    # For a 3 x h standard normal Z, det(Z Z^T) is a product of chi^2 with h, h - 1, h - 2 degrees of freedom; the last
    # factor is the squared distance of the last row from the others.
    off = 1 / np.linalg.inv(gram)[:, -1, -1]
    because = "squared distance of a Gaussian row from the span of two others: chi^2 with h - 2 degrees of freedom"
    yield samples("last row off the others", off, because=because).follow(stats.chi2(h - 2))
    because = "squared norm of a Gaussian row: chi^2 with h degrees of freedom"
    last = samples("norm of the last row", gram[:, -1, -1], because=because)
    yield last.follow(stats.chi2(h))
    yield samples("norm of the row of V", gram[:, 0, 0], because=because).follow(stats.chi2(h))
    overlap = (frozen[:, 0] * rows[:, -1]).sum(-1) / np.sqrt(gram[:, -1, -1])
    because = "overlap of a row that is not seen with the direction of one that is: standard normal"
    yield samples("overlap with U2", overlap, because=because).follow(stats.norm())
    because = "squared norm of the Gaussian U2 Q, whatever Q"
    norms = samples("norm of U2 Q", (frozen**2).sum((-2, -1)), because=because)
    yield norms.follow(stats.chi2(frozen[0].size))
    yield last.control("width a tenth larger").follow(stats.chi2(1.1 * h))


def _end_to_end(state: State) -> State:
    return {"end_to_end": state["U"] @ state["V"].mT}
