"""Two-stage renormalisation in training: norms stay in their ranges, the bounds do not see the second stage, the loss
does."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.losses import cross_entropy, margins
from experiments.classifiers.tasks import Task, draw, images_of
from experiments.manifolds.classifiers import everywhere, fine_grained, train
from experiments.manifolds.networks import SPACES, tensor
from experiments.manifolds.norms import TORCH_NORMS
from experiments.methods.manifolds import FineGrainedStep, FineGrainedUpdate, RiemannianStep, Sphere
from experiments.training import State, Trainee
from experiments.training.batches import layers_of, outputs, stack, state_of
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject
from theory.manifolds import bounds, norms

COMPLEXITIES = {"Bartlett": bounds.bartlett, "Neyshabur": bounds.neyshabur, "Golowich": bounds.golowich}
RATES = {"sphere": 30.0, "oblique": 300.0, "Stiefel": 300.0}
WHOLE = Tolerance(0.4, "whole numbers")
DEPTH, F = 3, 2.0  # of the networks that attain the least loss, and the length of their outputs
STEP = 0.5  # of their training


@dataclass(frozen=True)
class Sizes:
    """Of networks on scikit-learn's digits, and of those whose loss is the least there is."""

    images: int = varies("to train on", 100, smoke=40, low=20, high=600)
    hidden: tuple[int, ...] = varies(
        "widths of the hidden layers, none larger than the one before", (64, 64), smoke=(32, 16), low=10, high=64
    )
    draws: int = varies("independent ones of the images", 4, smoke=2, low=2, high=50)
    steps: int = varies("of training, each recorded", 40, smoke=12, low=2, high=400)
    classes: int = varies("K of the networks that attain the least loss", 5, low=2, high=8)
    long: float = varies("training of those, in times that their slowest motion takes to decay", 14.0, low=10, high=40)

    def __post_init__(self) -> None:
        widths = (64, *self.hidden, 10)
        if sorted(widths, reverse=True) != list(widths):
            reject("hidden", self.hidden, "widths from 64 to 10, none larger than the one before")


@claim(
    "ozay2019.renormalisation",
    source="Ozay 2019, abstract (two-stage renormalisation: normalised, then reparameterised by a constant); derived;"
    " the bounds as recalled",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\text{after every step } \gamma_l |w_l| \le 1 \text{ in Frobenius, spectral, (2,1) and nuclear norm};"
    r"\quad \mathcal{C}(\gamma_1 w_1, \dots, \gamma_L w_L) / m = \mathcal{C}(w_1, \dots, w_L) / m;\quad"
    r" w_l^\top w_l = I:\ \mathcal{C} = (\textstyle\sum_l h_l^{2/3})^{3/2},\ L (h_0 \sum_l h_l)^{1/2},\ (L \prod_l"
    r" h_l)^{1/2};\quad \textstyle\mathcal{L} \ge \operatorname{mean} \log(1 + (K - 1) e^{-F \sqrt{K / (K - 1)}}),"
    r"\ F = |x| \prod_l |W_l|_2",
    hypotheses=(
        "w_l (A, B), A >= B, on sphere, oblique or Stiefel manifold, moved by FG-SGD; gamma_l = B^(-1/2), 1/B, 1/B",
        "C: complexities of Bartlett, Neyshabur and Golowich, leading terms as recalled; m: a quantile of margins",
        "cross-entropy L of K classes, networks without biases and with relu or linear units, no free scale of outputs",
    ),
    theory_side="bound",
    controls=(
        "the scale of another manifold",
        "the sum of norms is as invariant",
        "one layer's scale counted twice",
        "Golowich's by spectral norms",
        "outputs half as large",
        "classes at right angles",
        "a free scale of the outputs costs as much",
    ),
    parameters=Sizes,
)
def renormalised_weights_keep_norms_and_bounds_and_pay_in_loss(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    task = draw(images_of(study), study.rng("task"), train=sizes.images, validation=1, seeds=sizes.draws, flipped=0.0)
    for manifold in norms.MANIFOLDS:
        digits = Digits(study, task, sizes, manifold)
        yield _moved(digits)
        yield from _norms(digits)
        yield from _vacuous(digits)
        yield from _price(digits)
        if manifold == "Stiefel":
            yield from _constant(digits)
        if manifold == "sphere":
            yield from _free(study, task, sizes, digits.floor)
    yield from _attained(study, sizes)


@dataclass
class Digits:
    """Networks on digits with weights of one manifold: x -> W_L relu(... W_1 x), W_l = gamma_l w_l^T, and no more."""

    study: Study
    task: Task
    sizes: Sizes
    manifold: norms.Manifold
    states: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        self.widths = (self.task.pixels, *self.sizes.hidden, self.task.classes)
        self.network, self.space = stack(self.widths, nn.ReLU), SPACES[self.manifold]
        self.x = tensor(self.study, self.task.train.x)
        self.y = torch.tensor(self.task.train.y, device=self.study.device)
        start = self._start()
        rule = FineGrainedUpdate(self.loss, {name: FineGrainedStep(self.space, "retraction") for name in start})
        trainee = Trainee(self.study, self.loss, start, rule, lambda state: {name: state[name] for name in start})
        steps = self.sizes.steps
        run = trainee.train(learning_rate=RATES[self.manifold], steps=steps, record=range(steps + 1))
        self.states = [run[name] for name in start]

    def _start(self) -> dict[str, Tensor]:
        """Projected normal weights w_l; the first draw's columns are orthogonal, which the largest norms need."""
        normal = gaussian_stack(self.study.rng("start", self.manifold), self.widths, 1.0, runs=self.task.seeds)
        points = {name: self.space.project(tensor(self.study, W).mT) for name, W in state_of(normal).items()}
        for w in points.values():
            w[0] = self.space.project(SPACES["Stiefel"].project(w[0]))
        return points

    @property
    def scales(self) -> list[float]:
        """gamma_l."""
        return [norms.scale(self.manifold, A, B) for A, B in zip(self.widths, self.widths[1:])]

    def outputs(self, points: State, scales: list[float]) -> Tensor:
        """f (draws, n, K) of W_l = scale_l w_l^T."""
        layers = {name: scale * w.mT for scale, (name, w) in zip(scales, points.items())}
        return outputs(self.network, layers, self.x)

    def loss(self, points: State) -> Tensor:
        only = {f"W{l}": w for l, w in enumerate(layers_of(points), 1)}
        return cross_entropy(self.outputs(only, self.scales), self.y).mean(-1)

    @property
    def end(self) -> State:
        return {f"W{l}": tensor(self.study, w[-1]) for l, w in enumerate(self.states, 1)}

    @property
    def floor(self) -> Array:
        """The least loss (draws,) at the end, by the largest that weights of the manifold can make of the inputs."""
        layers = [scale * np.swapaxes(w[-1], -1, -2) for scale, w in zip(self.scales, self.states)]
        return least_loss(layers, self.task.train.x)


def least_loss(layers: list[Array], x: Array) -> Array:
    """The least mean cross-entropy (runs,) on inputs x (runs, n, d) that the norms of the layers allow."""
    size = np.linalg.norm(np.asarray(x, dtype=float), axis=-1)
    F = bounds.spectral_norms(layers).prod(0)[:, None] * size
    return bounds.least_cross_entropy(F, layers[-1].shape[-2]).mean(-1)


def _moved(digits: Digits) -> Check:
    """What follows holds of weights that stand still, too; these move, every layer in every step."""
    steps = [np.diff(w, axis=0).any((-2, -1)).all(-1).sum() for w in digits.states]
    moved = measured(
        "steps that move a layer in every draw", steps, within=WHOLE, case=digits.manifold, axes=("layer",)
    )
    return moved.supporting().equals(digits.sizes.steps)


def _norms(digits: Digits) -> Iterator[Check]:
    """Of every layer after every step."""
    for l, (w, scale) in enumerate(zip(digits.states, digits.scales), 1):
        A, B = w.shape[-2:]
        within = rounding(100 * A * B, of="a norm of at most 1, a hundred an entry")
        where = {"within": within, "case": f"{digits.manifold}, layer {l}", "axes": ("t", "draw")}
        found = {name: scale * TORCH_NORMS[name](torch.tensor(w)).numpy() for name in norms.MATRIX_NORMS}
        largest = np.max(list(found.values()), axis=0)
        yield measured("largest norm after every step", largest, **where).at_most(lambda k: k)
        for name, (low, high) in norms.ranges(digits.manifold, A, B).items():
            if name in norms.MATRIX_NORMS and low == high:
                always = measured(f"{name} norm, after every step", found[name], **where)
                yield always.equals(lambda k, high=high, scale=scale: k * scale * high)
    if digits.manifold == "oblique":
        other = norms.scale("sphere", A, B) / scale
        wrong = measured("largest norm", other * largest, within=within)
        yield wrong.control("the scale of another manifold").at_most(1)


def _vacuous(digits: Digits) -> Iterator[Check]:
    """Bounds before and after the second stage, margins and norms both measured; and what is classified."""
    points, one = digits.end, [1.0] * len(digits.scales)
    before, after = digits.outputs(points, one), digits.outputs(points, digits.scales)
    moved = int((before.argmax(-1) != after.argmax(-1)).sum())
    yield measured("images classified otherwise", moved, within=WHOLE, case=digits.manifold).equals(0)
    quantile = lambda f: np.quantile(margins(f, digits.y).cpu().numpy(), 0.9, axis=-1)  # noqa: E731
    first, second = (
        [c * w[-1].swapaxes(-1, -2) for c, w in zip(scales, digits.states)] for scales in (one, digits.scales)
    )
    # The largest of the outputs cancels to a margin, which rounding knows so much less of.
    lost = float((before.abs().amax((-2, -1)).cpu().numpy() / np.abs(quantile(before))).max())
    within = rounding(1e3 * max(digits.widths), lost, of="a margin, whose outputs cancel")
    for name, complexity in COMPLEXITIES.items():
        ratio = complexity(second) / quantile(after) * quantile(before) / complexity(first)
        same = measured(f"{name}'s bound after over before", ratio, within=within, case=digits.manifold, axes=("draw",))
        yield same.equals(1.0)
    if digits.manifold == "sphere":
        sums = [bounds.frobenius_norms(layers).sum(0) for layers in (first, second)]
        wrong = measured("ratio", sums[1] / quantile(after) * quantile(before) / sums[0], within=within)
        yield wrong.control("the sum of norms is as invariant").equals(1.0)
        yield same.control("one layer's scale counted twice").equals(digits.scales[-1])


def _constant(digits: Digits) -> Iterator[Check]:
    """On Stiefel the complexities are constants of the widths, whatever is learned."""
    layers = [w.swapaxes(-1, -2) for w in digits.states]
    for name, value in bounds.on_stiefel(digits.widths).items():
        within = rounding(1e3 * digits.widths[0], value, of="a product of norms")
        found = measured(
            f"{name}'s complexity after every step", COMPLEXITIES[name](layers), within=within, axes=("t", "draw")
        )
        yield found.equals(lambda k, value=value: k * value)
    yield found.control("Golowich's by spectral norms").equals(len(layers) ** 0.5)


def _price(digits: Digits) -> Iterator[Check | Curves]:
    loss = digits.loss(digits.end).cpu().numpy()
    floor, within = digits.floor, rounding(1e3, of="a loss")
    found = measured("loss of digits", loss, within=within, case=digits.manifold, axes=("draw",))
    yield found.supporting().at_least(floor)
    yield curves(f"price, {digits.manifold}", loss=loss, floor=floor, of_nothing=np.log(digits.task.classes))


def _free(study: Study, task: Task, sizes: Sizes, floor: Array) -> Iterator[Check]:
    """The same networks with e^s f for outputs."""
    steps, batch = 4 * sizes.steps, sizes.images // 2
    sphere = everywhere(fine_grained(Sphere(), 2.0), len(sizes.hidden) + 1)
    trained = train(study, task, sizes.hidden, batch, steps, sphere)
    f = torch.tensor(np.exp(trained.scale)[:, None, None] * trained.outputs)
    loss = cross_entropy(f, torch.tensor(task.train.y)).mean(-1).numpy()
    free = measured("loss of digits, outputs free", loss, within=rounding(1e4, of="a loss"))
    yield free.control("a free scale of the outputs costs as much").at_least(floor)


def _attained(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """Inputs at the corners of a simplex, linear layers: the least loss is reached, and at no time undercut."""
    for manifold, K in (("Stiefel", sizes.classes), ("sphere", 2)):
        loss, records = _simplex_loss(study, sizes, manifold, K)
        least = lambda k, K=K: float(bounds.least_cross_entropy(k * F, K))  # noqa: E731
        kept = (1 - STEP * slowest(manifold, K)) ** 2  # of the excess, by a step
        left = Tolerance(
            10 * (loss[0] - least(1.0)) * kept ** _steps(sizes, manifold, K),
            "ten times what the slowest motion leaves of the start's excess",
        )
        within = left + rounding(1e4, of="a loss")
        reached = measured("least loss", loss[-1], within=within, case=f"{manifold}, K = {K}", axes=("run",))
        yield reached.equals(least)
        course = measured(
            "loss at every step", loss, within=rounding(1e4, of="a loss"), case=manifold, axes=("t", "run")
        )
        yield course.at_least(least)
        yield _decay(loss - least(1.0), records, manifold, K)
        yield curves(f"least, {manifold}", steps=records, loss=loss, least=least(1.0))
        if manifold == "Stiefel":
            yield reached.control("outputs half as large").equals(least(0.5))
            yield reached.control("classes at right angles").equals(float(np.log1p((K - 1) * np.exp(-F))))


def slowest(manifold: norms.Manifold, K: int) -> float:
    """The least curvature of the loss at its least, but for motions that leave the network as it is.

    With s = (K / (K - 1))^(1/2) and q = 1 / (e^{F s} + K - 1), what an image gives each wrong class: of orthogonal
    layers exp(S_l) the slowest motion turns the vector of ones to the simplex, S = v 1^T - 1 v^T of S = sum_l S_l, and
    costs F s q |S|^2 / 4, with L equal S_l at |S|^2 = L sum_l |S_l|^2. Of layers of rank one it is an angle a between
    the images and what the first layer sees, or between the last one's outputs and the classes: F s q a^2 / 2.
    """
    s = (K / (K - 1)) ** 0.5
    q = 1 / (np.exp(F * s) + K - 1)
    return float(F * s * q * (DEPTH / 2 if manifold == "Stiefel" else 1))


def _steps(sizes: Sizes, manifold: norms.Manifold, K: int) -> int:
    return round(sizes.long / (STEP * slowest(manifold, K)))


def _decay(excess: Array, records: Array, manifold: norms.Manifold, K: int) -> Check:
    """Between a third and six tenths of the steps the slowest motion is left alone, and above rounding."""
    first, last = (np.searchsorted(records, share * records[-1]) for share in (0.35, 0.6))
    kept = (excess[last] / excess[first]) ** (0.5 / (records[last] - records[first]))
    curvature = (1 - kept) / STEP
    others = Tolerance(0.005 * slowest(manifold, K), "half a per cent of it, for what is left of faster motions")
    found = measured("curvature along the slowest motion", curvature, within=others, case=manifold, axes=("run",))
    return found.equals(lambda k: k * slowest(manifold, K))


def _simplex_loss(study: Study, sizes: Sizes, manifold: norms.Manifold, K: int) -> tuple[Array, Array]:
    """Loss (records, runs) of networks that start half a radian from the best."""
    space, gamma, runs = SPACES[manifold], norms.scale(manifold, K, K), 4
    corners = tensor(study, np.eye(K) - 1 / K) * (K / (K - 1)) ** 0.5
    best = torch.eye(K, dtype=corners.dtype, device=corners.device).expand(runs, K, K)
    if manifold == "sphere":  # of norm 1 and rank 1
        best = (corners[:1].mT @ corners[:1]).expand(runs, K, K)
    x, y = corners * (F / gamma**DEPTH), torch.arange(K, device=corners.device).expand(runs, K)
    state = {}
    for l in range(1, DEPTH + 1):
        away = space.tangent(best, tensor(study, study.rng(manifold, l).standard_normal((runs, K, K))))
        state[f"W{l}"] = space.exponential(best, 0.5 * away / torch.linalg.matrix_norm(away, keepdim=True))
    network = stack((K,) * (DEPTH + 1))

    def loss(points: State) -> Tensor:
        layers = {f"W{l}": gamma * w.mT for l, w in enumerate(layers_of(points), 1)}
        return cross_entropy(outputs(network, layers, x), y).mean(-1)

    moves = {name: RiemannianStep(space, "retraction") for name in state}
    steps = _steps(sizes, manifold, K)
    records = np.unique(np.linspace(0, steps, 31).round().astype(int))
    trainee = Trainee(study, loss, state, FineGrainedUpdate(loss, moves), lambda each: {"loss": loss(each)})
    return trainee.train(learning_rate=STEP, steps=steps, record=records.tolist())["loss"], records
