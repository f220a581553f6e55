"""Variances of iterates, of averages of samples, of moving averages and of heavy ball: exact, whatever the noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from experiments.weight_sampling.noisy import Quadratic, descend, kicks, rounded, spread, steps_to_forget
from theory.claims import OURS, Check, Curves, Study, claim, curves, measured, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.weight_sampling import averages
from theory.weight_sampling.descent import Descent, heavy_ball_variance, kept, variance

MOST = 4000  # steps of a training, as many as runs that are kicked once


@dataclass(frozen=True)
class Sampling:
    """Descent on a quadratic with noise, sampled every so many steps."""

    learning_rate: float = varies("eta", 0.13, low=1e-3, high=10)
    curvatures: tuple[float, ...] = varies("h, one a direction", (0.6, 2.3, 9.1), low=1e-3, high=100)
    noise: float = varies("standard deviation s of the gradient's", 0.7, low=1e-3, high=1e3)
    periods: tuple[int, ...] = varies("P, steps between", (1, 4, 12), smoke=(1, 4), low=1, high=200, unit="steps")
    samples: tuple[int, ...] = varies("K, averaged", (1, 2, 4, 8, 16, 32), smoke=(1, 3, 8), low=1, high=400)
    moving: float = varies("mu of the moving average W <- mu W + (1 - mu) w", 0.8, low=0.05, high=0.98)
    momentum: tuple[float, ...] = varies("beta of heavy ball", (0.5, 0.9), low=0.1, high=0.98)
    runs: int = varies("of random noise", 90_000, smoke=8_000, low=5000, high=10**6)

    def __post_init__(self) -> None:
        for name in ("curvatures", "periods", "samples", "momentum"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                reject(name, getattr(self, name), "different ones")
        if not self.learning_rate * max(self.curvatures) < 2:
            reject("learning_rate", self.learning_rate, f"below 2 / {max(self.curvatures):g}, the largest curvature")
        if max(self.samples) < 2:
            reject("samples", self.samples, "2 or more among them, of which there is an average")
        if self.steps > MOST:
            expected = f"{MOST} steps at most, after {self.burn} that forget the start at the smallest curvature"
            reject("samples x periods", self.steps - self.burn, expected)

    @property
    def descents(self) -> list[Descent]:
        return [Descent(h, self.learning_rate, self.noise) for h in self.curvatures]

    @property
    def burn(self) -> int:
        """Steps until the start is forgotten, by iterates and by the moving average."""
        return max(max(map(steps_to_forget, self.descents)), int(np.ceil(-18.1 / np.log(self.moving))))

    @property
    def steps(self) -> int:
        return self.burn + max(self.periods) * max(self.samples)


@claim(
    "weight_sampling.variances",
    source="ours: averages of samples of descent with noise",
    source_kind=OURS,
    statement=r"w \leftarrow w - \eta (h w + \xi),\ \mathrm{Var}\,\xi = s^2:\quad"
    r" V = \mathrm{Var}\,w = \frac{\eta s^2}{h (2 - \eta h)},\quad"
    r" \mathrm{Var}\,\tfrac1K \textstyle\sum_{j=1}^K w_{Pj} = \frac{V}{K}"
    r"\Big(\frac{1+q}{1-q} - \frac{2q(1-q^K)}{K(1-q)^2}\Big),\ q = (1 - \eta h)^P;\quad"
    r" W \leftarrow \mu W + (1-\mu) w:\ \mathrm{Var}\,W = V\,\frac{1-\mu}{1+\mu}\,\frac{1+\mu q}{1-\mu q};\quad"
    r" v \leftarrow \beta v + h w + \xi,\ w \leftarrow w - \eta v:\ \mathrm{Var}\,w ="
    r" \frac{\eta s^2 (1+\beta)}{h (1-\beta)(2 (1+\beta) - \eta h)}",
    hypotheses=(
        "one direction of curvature h, 0 < eta h < 2",
        "noise xi independent from step to step, of mean 0, variance s^2 and any law",
        "stationary: the start is forgotten; a sample every P steps",
    ),
    theory_side="closed form",
    controls=(
        "variance of the flow, eta s^2 / (2 h)",
        "samples without correlations, V / K",
        "the end of the sum left out",
        "one sample more",
        "a moving average of samples without correlations",
        "heavy ball as descent at eta / (1 - beta)",
        "noise 10 % stronger",
    ),
    parameters=Sampling,
)
def variances_of_averages_are_known(study: Study, sizes: Sampling) -> Iterator[Check | Curves]:
    V = np.array([variance(each) for each in sizes.descents])
    yield from _averages(study, sizes, V)
    yield from _moving_average(study, sizes, V)
    yield from _heavy_ball(study, sizes)
    yield from _random(study, sizes)


def _averages(study: Study, sizes: Sampling, V: Array) -> Iterator[Check | Curves]:
    """What becomes of the noise of each step: in w, and in the average of the first K samples for every K and P."""
    module = _at_the_minimum(study, sizes, sizes.steps)
    sampled = {P: AveragedModel(module) for P in sizes.periods}
    found = {}

    def look(step: int) -> None:
        for P, average in sampled.items():
            K, rest = divmod(step - sizes.burn, P)
            if rest == 0 and 0 < K <= max(sizes.samples):
                average.update_parameters(module)
                found[K, P] = spread(average.module.w) if K in sizes.samples else None

    descend(study, module, kicks(sizes.steps, sizes.noise), partial(SGD, lr=sizes.learning_rate), look)
    K, P = np.array([pair for pair, value in found.items() if value is not None]).T
    values = np.stack([value for value in found.values() if value is not None])
    within = rounded(sizes.steps, V)
    iterate = measured("variance of w", spread(module.w), within=within, axes=("direction",))
    yield iterate.equals(V)
    flow = sizes.learning_rate * sizes.noise**2 / (2 * np.array(sizes.curvatures))
    yield iterate.control("variance of the flow, eta s^2 / (2 h)").equals(flow)
    average = measured("variance of an average", values, within=within, axes=("K and P", "direction"))
    yield average.equals(_predicted(sizes, K, P))
    yield average.control("samples without correlations, V / K").equals(V / K[:, None])
    q = np.stack([kept(each, P) for each in sizes.descents], axis=-1)
    yield average.control("the end of the sum left out").equals(V / K[:, None] * (1 + q) / (1 - q))
    yield average.control("one sample more").equals(_predicted(sizes, K + 1, P))
    yield curves(samples=K, periods=P, found=values, variance=V, curvatures=sizes.curvatures)
    fine = np.unique(np.geomspace(1, 4 * max(sizes.samples), 80).astype(int))
    for period in sizes.periods:
        yield curves(f"P = {period}", samples=fine, predicted=_predicted(sizes, fine, np.array(period)))


def _predicted(sizes: Sampling, K: Array, P: Array) -> Array:
    return np.stack([averages.averaged_variance(each, K, P) for each in sizes.descents], axis=-1)


def _moving_average(study: Study, sizes: Sampling, V: Array) -> Iterator[Check]:
    """Updated at every P-th step, P the shortest period, until what it was before is forgotten."""
    P, mu = min(sizes.periods), sizes.moving
    steps = P * sizes.burn
    module = _at_the_minimum(study, sizes, steps)
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(mu))

    def look(step: int) -> None:
        if step % P == 0:
            average.update_parameters(module)

    descend(study, module, kicks(steps, sizes.noise), partial(SGD, lr=sizes.learning_rate), look)
    found = spread(average.module.w)
    moving = measured("variance of a moving average", found, within=rounded(steps, V), axes=("direction",))
    yield moving.equals(np.array([averages.moving_average_variance(each, mu, P) for each in sizes.descents]))
    independent = V * (1 - mu) / (1 + mu)
    yield moving.control("a moving average of samples without correlations").equals(independent)


def _heavy_ball(study: Study, sizes: Sampling) -> Iterator[Check]:
    for beta in sizes.momentum:
        steps = max(steps_to_forget(each, beta) for each in sizes.descents)
        module = _at_the_minimum(study, sizes, steps)
        make = partial(SGD, lr=sizes.learning_rate, momentum=beta)
        descend(study, module, kicks(steps, sizes.noise), make, lambda step: None)
        predicted = np.array([heavy_ball_variance(each, beta) for each in sizes.descents])
        within = rounded(steps, predicted / (1 - beta))
        case = f"beta = {beta:g}"
        ball = measured("variance of heavy ball", spread(module.w), within=within, case=case, axes=("direction",))
        yield ball.equals(predicted)
        if beta == max(sizes.momentum):
            h, eta = np.array(sizes.curvatures), sizes.learning_rate / (1 - beta)
            wrong = ball.control("heavy ball as descent at eta / (1 - beta)")
            yield wrong.equals(eta * sizes.noise**2 / (h * (2 - eta * h)))


def _random(study: Study, sizes: Sampling) -> Iterator[Check]:
    """Noise that is drawn, and not Gaussian: the average of all samples of the longest period, at most 100 steps."""
    rng, shape = study.rng("noise"), (sizes.runs, len(sizes.curvatures))
    P = max(sizes.periods)
    K = max(min(max(sizes.samples), 100 // P), 1)
    module = _at_the_minimum(study, sizes, sizes.runs)
    average = AveragedModel(module)

    def look(step: int) -> None:
        after = step - sizes.burn
        if after > 0 and after % P == 0:
            average.update_parameters(module)

    most = 3**0.5 * sizes.noise
    noise = (rng.uniform(-most, most, shape) for _ in range(sizes.burn + K * P))
    descend(study, module, noise, partial(SGD, lr=sizes.learning_rate), look)
    squares = average.module.w.detach().square().cpu().numpy()
    # Squares of a Gaussian vary by 2^(1/2) of their mean, so the interval of 90000 is 2.3 % to either side;
    # five standard errors more are within 5 %.
    for i, h in enumerate(sizes.curvatures):
        predicted = averages.averaged_variance(sizes.descents[i], K, P)
        found = rate("random noise, variance over prediction", mean(squares[:, i] / predicted), case=f"h = {h:g}")
        yield found.equals(1)
        if i == 0:
            yield found.control("noise 10 % stronger").equals(1.1**2)


def _at_the_minimum(study: Study, sizes: Sampling, runs: int) -> Quadratic:
    return Quadratic(np.zeros((runs, len(sizes.curvatures))), np.array(sizes.curvatures), study.device)
