"""How sure convergence is: chains that start at the minimum and have noise of variance 1, and some from a saddle."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.manifolds.networks import quotient, tensor
from experiments.methods.manifolds import FineGrainedStep, FineGrainedUpdate, RiemannianStep, Sphere
from experiments.training import Loss, State, Trainee
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    frequency,
    measured,
    rounding,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import escape
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

WHOLE = Tolerance(0.4, "whole numbers")
RADIUS = 1 - 1e-9  # a jump has length 1, to rounding
LONGER = 6  # times their start, chains go on
BRIEF, NEAR_EQUALITY = 16, Schedule(3.0, 60.0)  # where the bound is nearest to what it bounds: 1.6 % above
SETTLED, SADDLE = 0.05, Schedule(12.0, 120.0)
FASTEST, STEP = 3.0, {"plain": RiemannianStep(Sphere()), "fine-grained": FineGrainedStep(Sphere())}
NEARLY = (
    "a share of 0.03 is known to 3 % of itself from 800 000 chains, and 1.6 % is the bound's own: more of them would"
    " know it better, fewer would leave it nearer"
)
STAYS = "steps of order t^(-1/2) hold what converged"
GAUSSIAN = "Gaussian noise leaves as often as jumps"


@dataclass(frozen=True)
class Sizes:
    """Of the chains. That a tenth of the noise's variance is missing is seen from 6000 on, of one start."""

    dimensions: int = varies("k of the sphere", 2, low=2, high=8)
    harmonic: float = varies("c of the schedule c / t", 3.0, low=1, high=4)
    slow: float = varies("c of the schedule c / t^(1/2)", 0.8, low=0.3, high=2)
    starts: tuple[int, ...] = varies(
        "m: times at which chains are at the minimum", (8, 64), smoke=(8, 16), low=4, high=500
    )
    chains: int = varies("from the first start; fewer, as they go on for longer, from the others", 300_000,
                         smoke=24_000, low=20_000, high=10**6)  # fmt: skip
    brief: int = varies("chains that go on for 16 steps only", 800_000, smoke=60_000, low=50_000, high=3 * 10**6)
    saddles: int = varies("chains from a saddle, and as many without noise", 2000, smoke=400, low=400, high=20_000)
    steps: int = varies("of those", 500, low=500, high=10_000)

    def __post_init__(self) -> None:
        if sorted(set(self.starts)) != list(self.starts) or len(self.starts) < 2:
            reject("starts", self.starts, "two at least, growing")
        if self.starts[0] < self.harmonic or self.starts[0] < self.slow**2:
            reject("starts", self.starts, "so late that c / t and c / t^(1/2) are at most 1")
        last = self.starts[-1]
        harmonic, slow = (float(escape.stays(each, LONGER * last)) for each in self.schedules(last).values())
        if harmonic < slow + 0.1:
            reject("starts", self.starts, f"a last one at which c / t holds a tenth more than c / t^(1/2), {slow:.3g}")

    def chains_from(self, start: int) -> int:
        """So many that later starts take half of the work."""
        later = self.chains * self.starts[0] // (2 * start)
        return self.chains if start == self.starts[0] else max(later, 2000)

    def schedules(self, start: int) -> dict[str, Schedule]:
        """From time m on."""
        return {"c / t": Schedule(self.harmonic, start, 1), "c / t^(1/2)": Schedule(self.slow, start, 0.5)}


class Noisy(FineGrainedUpdate):
    """FG-SGD with noise added to the gradient, `noise(t, g)` (chains, k + 1, 1); it keeps how far
    the chains got."""

    def __init__(self, loss: Loss, step: RiemannianStep, schedule: Schedule, noise: "Jumps | Gaussian") -> None:
        super().__init__(loss, {"x": step}, a=schedule.a, q=schedule.q)
        self.schedule, self.noise = schedule, noise

    def begin(self, state: State) -> None:
        super().begin(state)
        state["farthest"] = torch.zeros_like(state["count"])

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, (gradient,) = super().evaluate(state)
        t = int(state["count"][0])
        return losses, (gradient + self.noise(t, float(self.schedule(float(t)))),)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        torch.maximum(state["farthest"], _distance(state["x"]), out=state["farthest"])


class Jumps:
    """+-u / g with probability g^2, u a random unit tangent vector at the minimum of each chain; 0 else."""

    def __init__(self, study: Study, schedule: Schedule, chains: int, dimensions: int, steps: int, case: str) -> None:
        rng = study.rng("jumps", case)
        coins = np.empty((steps, chains), dtype=np.int8)
        for t, g in enumerate(schedule(np.arange(steps, dtype=float))):
            u = rng.random(chains)
            coins[t] = (u < g**2 / 2).astype(np.int8) - (u > 1 - g**2 / 2)
        u = rng.standard_normal((chains, dimensions))
        u = np.concatenate([np.zeros((chains, 1)), u / np.linalg.norm(u, axis=1, keepdims=True)], axis=1)
        self.coins, self.counts = torch.tensor(coins, device=study.device), np.abs(coins).sum(0, dtype=int)
        self.first, self.u = np.abs(coins).argmax(0), tensor(study, u)

    def __call__(self, t: int, g: float) -> Tensor:
        return (self.coins[t].double() / g)[:, None, None] * self.u[..., None]


class Gaussian:
    """A standard deviation (chains,) in every tangent direction at the minimum."""

    def __init__(self, study: Study, deviation: Array, dimensions: int, case: str) -> None:
        seed = int(study.rng("Gaussian", case).integers(2**62))
        self.generator = torch.Generator(study.device).manual_seed(seed)
        self.deviation, self.shape = tensor(study, deviation[:, None, None]), (len(deviation), dimensions + 1, 1)

    def __call__(self, t: int, g: float) -> Tensor:
        options = {"dtype": torch.float64, "device": self.deviation.device, "generator": self.generator}
        return self.deviation * torch.randn(self.shape, **options)


@claim(
    "ozay2019.convergence_to_minima",
    source="Ozay 2019, abstract (convergence to minima is assured); the probabilities and their condition derived",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"w_m = w^*,\ E|\xi_t|^2 = 1:\quad P(\exists t > m: d(w_t, w^*) \ge r) \le r^{-2}"
    r" \textstyle\sum_{t \ge m} g_t^2;"
    r"\quad \text{for } \xi_t = \pm u / g_t \text{ with probability } g_t^2,\ 0 \text{ else}:\quad"
    r" P(\exists t > m: d \ge 1) = 1 - \textstyle\prod_{t \ge m} (1 - g_t^2),"
    r"\ \text{which tends to } 0 \text{ iff } \sum_t g_t^2 < \infty",
    hypotheses=(
        "w_{t+1} = Exp(-g_t (grad L + xi_t)) on a sphere, xi_t independent, of mean 0; |u| = 1 a tangent vector",
        "L a Rayleigh quotient, w* its minimiser; d the distance on the sphere",
        "g_t h at most 2: steps without noise do not lead away",
        "from a saddle: a frequency, and no proof",
    ),
    theory_side="law",
    controls=(
        STAYS,
        GAUSSIAN,
        "noise of a tenth more variance",
        "a sum for the product",
        "a constant step holds what converged",
        "the bound for noise in one direction alone",
        "the normaliser lets jumps through",
        "from a saddle the minimum is reached without noise",
    ),
    parameters=Sizes,
)
def what_converged_stays_where_squares_of_steps_sum_up(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _laws(study, sizes)
    yield from _bound(study, sizes)
    yield from _constant(study, sizes)
    yield from _normalised(study, sizes)
    yield from _gaussian(study, sizes)
    yield from _saddle(study, sizes)


def _laws(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    names, starts = tuple(sizes.schedules(sizes.starts[0])), sizes.starts
    stayed, laws, sums = {}, {}, {}
    looks = len(names) * len(starts)
    wrong = 0
    for m in starts:
        chains, steps = sizes.chains_from(m), LONGER * m
        for name, schedule in sizes.schedules(m).items():
            jumps = Jumps(study, schedule, chains, sizes.dimensions, steps, f"{name}, {m}")
            farthest = _farthest(study, sizes, schedule, jumps, chains, steps)
            wrong += int(((farthest >= RADIUS) != (jumps.counts > 0)).sum())
            stayed[name, m] = mean(farthest < RADIUS, SIGNIFICANCE / looks)
            laws[name, m] = lambda k, schedule=schedule, steps=steps: escape.stays(schedule, steps, k)
            sums[name, m] = escape.sum_of_squares(schedule, steps)
    yield measured("chains that left without a jump, or did not with one", wrong, within=WHOLE).equals(0)
    table = lambda each: np.array([[each[name, m] for m in starts] for name in names])  # noqa: E731
    half = table({key: estimate.half_width for key, estimate in stayed.items()})
    shares = table({key: estimate.value for key, estimate in stayed.items()})
    within = Tolerance(half, stayed[names[0], starts[0]].reason, SIGNIFICANCE)
    law = lambda k: table({key: float(each(k)) for key, each in laws.items()})  # noqa: E731
    share = measured("share that never left", shares, within=within, axes=("schedule", "start"))
    yield share.equals(law)
    yield share.control("noise of a tenth more variance").equals(law(1.1))
    yield share.control("a sum for the product").equals(1 - table(sums))
    slow = measured(
        "share that never left, of the last start", shares[1, -1], within=Tolerance(half[1, -1], "as above")
    )
    condition = "where sum g_t^2 is finite; Gaussian noise, or FG-SGD's normaliser, would do with less"
    yield slow.unconditioned(STAYS, condition=condition).at_least(law(1.0)[0, -1])
    yield curves("laws", starts=np.array(starts), shares=shares, law=law(1.0), half=half, names=names)


def _farthest(study: Study, sizes: Sizes, schedule: Schedule, noise: Jumps | Gaussian, chains: int, steps: int,
              step: str = "plain") -> Array:  # fmt: skip
    """The largest distance (chains,) from the minimum where chains started."""
    loss = _loss(study, sizes.dimensions)
    start = np.zeros((chains, sizes.dimensions + 1, 1))
    start[:, 0] = 1
    rule = Noisy(loss, STEP[step], schedule, noise)
    trainee = Trainee(study, loss, {"x": start}, rule, lambda state: {"farthest": state["farthest"]})
    return trainee.train(learning_rate=schedule.c, steps=steps, record=[steps])["farthest"][-1]


def _loss(study: Study, dimensions: int) -> Loss:
    """Rates from half of the fastest to it at the minimum, the first axis."""
    return quotient(study, Rayleigh(np.diag([0.0, *np.linspace(-FASTEST / 2, -FASTEST, dimensions)])))


def _distance(x: Tensor) -> Tensor:
    """From the first axis."""
    return torch.atan2(torch.linalg.vector_norm(x[:, 1:, 0], dim=-1), x[:, 0, 0])


def _bound(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Jumps that are rare come near to the bound: their probabilities add up."""
    k = sizes.dimensions
    jumps = Jumps(study, NEAR_EQUALITY, sizes.brief, k, BRIEF, "brief")
    left = mean(_farthest(study, sizes, NEAR_EQUALITY, jumps, sizes.brief, BRIEF) >= RADIUS)
    squares = escape.sum_of_squares(NEAR_EQUALITY, BRIEF)
    share = measured("share that left", left.value, within=Tolerance(left.half_width, left.reason, left.significance))
    nearly = share.within_factor(1.1, because=NEARLY)
    yield nearly.at_most(lambda each: each * escape.leaving_bound(squares, k, k**-0.5, RADIUS))
    one = share.control("the bound for noise in one direction alone")
    yield one.at_most(escape.leaving_bound(squares, 1, k**-0.5, RADIUS))


def _constant(study: Study, sizes: Sizes) -> Iterator[Check]:
    constant, steps, chains = Schedule(0.5, 1.0, 0), 64, 2000
    jumps = Jumps(study, constant, chains, sizes.dimensions, steps, "constant")
    stayed = int((_farthest(study, sizes, constant, jumps, chains, steps) < RADIUS).sum())
    held = frequency("chains that never left, constant steps", stayed, chains, because=f"{steps} steps of {constant.c}")
    first = sizes.schedules(sizes.starts[0])["c / t"]
    yield held.control("a constant step holds what converged").at_least(float(escape.stays(first, np.inf)))


def _normalised(study: Study, sizes: Sizes) -> Iterator[Check]:
    """FG-SGD's own step makes g^2 of a jump of 1, and less."""
    m, chains = sizes.starts[0], sizes.chains // 20
    schedule, steps = sizes.schedules(m)["c / t^(1/2)"], LONGER * m
    jumps = Jumps(study, schedule, chains, sizes.dimensions, steps, "normalised")
    farthest = _farthest(study, sizes, schedule, jumps, chains, steps, "fine-grained")
    once = jumps.counts == 1
    g = schedule(jumps.first[once].astype(float))
    within = rounding(100 * steps, of="a distance, a hundred a step")
    reached = measured("distance after one jump, normalised", farthest[once], within=within, axes=("chain",))
    yield reached.equals(lambda k: k * escape.normalised_jump(g, np.pi, 1.0))
    yield reached.control("the normaliser lets jumps through").at_least(RADIUS)
    yield measured("farthest of all, normalised", farthest, within=within).supporting().at_most(RADIUS)


def _gaussian(study: Study, sizes: Sizes) -> Iterator[Check]:
    m, k, chains = sizes.starts[-1], sizes.dimensions, 2000
    steps, because = LONGER * m, "the same variance, and no jumps"
    for name, schedule in sizes.schedules(m).items():
        noise = Gaussian(study, np.full(chains, k**-0.5), k, name)
        left = int((_farthest(study, sizes, schedule, noise, chains, steps) >= RADIUS).sum())
        if name == "c / t":
            bound = escape.leaving_bound(escape.sum_of_squares(schedule, steps), k, k**-0.5, RADIUS)
            stay = frequency("chains that never left, Gaussian", chains - left, chains, because=because)
            yield stay.supporting().at_least(1 - bound)
        else:
            leave = frequency("chains that left, Gaussian", left, chains, because=because)
            yield leave.control(GAUSSIAN).at_least(1 - float(escape.stays(schedule, steps)))


def _saddle(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """From the second axis, a saddle, by FG-SGD's own step; half of the chains have no noise."""
    chains, k = sizes.saddles, sizes.dimensions
    loss, start = _loss(study, k), np.zeros((2 * chains, k + 1, 1))
    start[:, 1] = 1
    rule = Noisy(loss, STEP["fine-grained"], SADDLE, Gaussian(study, np.repeat([0.1, 0.0], chains), k, "saddle"))
    trainee = Trainee(study, loss, {"x": start}, rule, lambda state: {"x": state["x"]})
    end = trainee.train(learning_rate=SADDLE.c, steps=sizes.steps, record=[sizes.steps])["x"][-1]
    settled, still = (np.linalg.norm(end[:, 1:, 0], axis=-1) < SETTLED).reshape(2, chains).sum(1)
    name, because = "chains from a saddle that settle", f"within {SETTLED} of a minimiser"
    yield frequency(name, int(settled), chains, because=because).supporting().at_least(0.98)
    stuck = frequency(name, int(still), chains, because=because)
    yield stuck.control("from a saddle the minimum is reached without noise").at_least(0.98)
    yield curves("saddle", settled=settled, chains=chains)
