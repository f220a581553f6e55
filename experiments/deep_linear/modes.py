"""Minnorm on whitened examples from an aligned start: every singular mode is a chain, with its threshold and fate."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from experiments.chain.networks import everything
from experiments.deep_linear.networks import Constraint, MinnormDescent, train_stack
from experiments.training.batches import layers_of
from experiments.training.legacy import refined
from experiments.training.refinement import tends_to
from theory.chain import collapse, minnorm
from theory.chain.problem import Chain
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.linear_networks import end_to_end
from theory.core.trajectory import Trajectory
from theory.deep_linear.modes import Modes, aligned, amplitudes, borrowing, borrowing_multiplier, whitened
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

STRENGTHS, INPUT, HIDDEN = (1.8, 1.2, 0.7), 1.2, 5
UNEQUAL = (3.0, 1.5, 0.3)  # strengths of which a depth 3 loses the last


@claim(
    "minnorm.deep_modes",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"X X^\top = x^2 P,\ W_l = R_l\,\mathrm{diag}(w_l) R_{l-1}^\top:\ w_{lk}' = a (-w_{lk} + x (\lambda_k +"
    r" c h_k) \textstyle\prod_{j \ne l} w_{jk}),\ \lambda_k' = b h_k;\quad \text{stable} \iff c >"
    r" \frac{L - 2}{x^2 L\, s_{\min}^{2 - 2/L}}",
    hypotheses=("whitened examples", "aligned start", "simultaneous steps"),
    controls=(
        "modes: strengths 10 % larger",
        "modes: x in place of x^2",
        "modes of examples that are not whitened",
        "threshold of the strongest mode",
        "threshold with L - 1 in place of L - 2",
        "depth 2 loses the weak mode",
        "depth 3 learns the weak mode",
        "borrowed path: opens 10 % later",
    ),
)
def every_mode_is_a_chain(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(3,), quick=(1, 2, 3, 4), paper=(1, 2, 3, 4, 5)):
        yield from _chains(study, L)
    for L in study.pick(smoke=(3,), quick=(3, 4), paper=(3, 4, 5)):
        yield from _threshold(study, L)
    yield from _weak_modes(study)
    yield from _borrowed_paths(study)


def _chains(study: Study, L: int) -> Iterator[Check]:
    """Random unbalanced starts and multipliers of every mode: the network's modes against the chains, step and flow."""
    rng, draws = study.rng("chains", L), study.pick(smoke=2, quick=4, paper=16)
    modes = _modes(rng, STRENGTHS, draws)
    frames = modes.frames(_widths(L), rng)
    w = rng.uniform(0.7, 1.2, (draws, len(STRENGTHS), L))
    multiplier = rng.uniform(0.2, 0.8, (draws, len(STRENGTHS)))
    tuning = Tuning(rng.uniform(0.5, 1.0, draws), rng.uniform(0.2, 1.5, draws), rng.uniform(0.3, 0.6, draws))
    runs = _refine(study, f"depth {L}", modes, frames, w, multiplier, tuning)
    t = runs[0].t
    values = [_state(modes, frames, run) for run in runs]
    name = f"depth {L}: modes"
    solution, coarse = (_flow(modes.chains(L), tuning, w, multiplier, t, tolerance) for tolerance in (1e-12, 1e-10))
    yield from tends_to(name, values, solution, np.abs(solution - coarse).max())
    eta = 0.02
    each = _train(study, f"depth {L}, each", modes, frames, w, multiplier, tuning, eta, 50)
    before = _state(modes, frames, each)
    # The modes are read off with products over all widths, before and after a step.
    tolerance = 4 * (sum(_widths(L)) + modes.problem.n) * EPS * max(1, np.abs(before).max()) ** (2 * L - 1)
    because = "4 (all widths + n) roundings of the largest product of weights"

    def check(name: str, chains: list[Chain]) -> Check:
        velocity = _velocities(chains, tuning, before[:-1, ..., :-1], before[:-1, ..., -1])
        return equal(name, np.diff(before, axis=0), eta * velocity, tolerance=tolerance, because=because)

    yield check(f"depth {L}: a step of every mode", modes.chains(L))
    stack = layers_of(each.arrays)
    astray = [layer - part for layer, part in zip(stack, aligned(frames, before[..., :-1]))]
    largest = np.array([np.abs(part).max((1, 2, 3)) for part in astray])
    allowed = np.arange(1, len(each.t) + 1) * tolerance
    because = f"{because}, a step: next to an attractor they do not grow"
    yield equal(f"depth {L}: no mode feels another", largest, 0, tolerance=allowed, because=because)
    if L == 3:
        larger = [Chain(1.1 * chain.s, L, chain.x) for chain in modes.chains(L)]
        yield refuted("modes: strengths 10 % larger", check("10 %", larger))
        once = [Chain(chain.s, L, np.sqrt(chain.x)) for chain in modes.chains(L)]
        yield refuted("modes: x in place of x^2", check("x", once))
        yield refuted("modes of examples that are not whitened", _uneven(study, modes, frames, w, tuning, tolerance))


def _uneven(study: Study, modes: Modes, frames: list[Array], w: Array, tuning: Tuning, tolerance: float) -> Check:
    """The same start and solution, but X X^T with other eigenvalues: some layers leave the modes."""
    X = np.linspace(1.15, 0.85, modes.problem.n) * modes.problem.X
    problem = TeacherStudent(X, modes.problem.teacher, modes.problem.noise)
    widths = [frame.shape[-2] for frame in frames]
    rule = MinnormDescent(Constraint(problem, widths, study.device), tuning)
    schedule = {"learning_rate": 0.01, "steps": 20, "record": [0, 20]}
    run = train_stack(study, "uneven", rule.constraint, aligned(frames, w), rule, **schedule, observe=everything)
    stack = layers_of(run.arrays)
    astray = [layer - part for layer, part in zip(stack, aligned(frames, amplitudes(frames, stack)))]
    largest = np.max([np.abs(part).max() for part in astray])
    return equal("no mode feels another", largest, 0, tolerance=21 * tolerance, because="rounding")


def _threshold(study: Study, L: int) -> Iterator[Check | Curves]:
    """Next to the solution, along the weakest mode: 3 % below, at and 3 % above the critical augmentation."""
    eta, b = 0.01, 0.5
    modes = _modes(study.rng("threshold", L), STRENGTHS, 1)
    critical = modes.critical_augmentation(L, Tuning(b=b), eta)
    strongest, weakest = modes.chains(L)[0], modes.chains(L)[-1]
    c = np.array([0.97, 1.0, 1.03]) * critical
    growth, error = _growth(study, f"depth {L}, threshold", modes, L, Tuning(1.0, b, c), eta)
    pair = minnorm.spectrum(weakest, Tuning(1.0, b, c))[:, -2:]
    predicted = np.log(np.abs(1 + eta * pair)).mean(-1) / eta
    because = "central differences over three displacements, last Richardson correction and rounding"
    yield equal(f"depth {L}: growth of the weakest mode", growth, predicted, tolerance=error, because=because)
    yield equal(f"depth {L}: neutral at the critical c", growth[1], 0, tolerance=error[1], because=because)
    because = "unstable 3 % below, stable 3 % above, by more than the error of the growth"
    yield at_least(f"depth {L}: the sign of the growth", growth[[0, 2]] * [1, -1], error[[0, 2]], because=because)
    if L == 3:
        wrong = {
            "threshold of the strongest mode": float(minnorm.critical_augmentation(strongest, Tuning(b=b), eta)),
            "threshold with L - 1 in place of L - 2": critical + 1 / weakest.g,
        }
        growth, error = _growth(study, "wrong", modes, L, Tuning(1.0, b, np.array(list(wrong.values()))), eta)
        for i, control in enumerate(wrong):
            yield refuted(control, equal("neutral", growth[i], 0, tolerance=error[i], because="as above"))


def _weak_modes(study: Study) -> Iterator[Check | Curves]:
    """A small start, the same for all modes: depth 3 loses the weak one to w = 0, depth 2 recovers it.

    For a while: see `_borrowed_paths`, which at this tuning open at t = 23; rounding takes them until t = 38.
    """
    tuning, eta, size, steps = Tuning(1.0, 0.6, 3.0), 0.02, 0.3, 800
    for L in (2, 3):
        rng = study.rng("weak", L)
        modes = _modes(rng, UNEQUAL, 1)
        frames, w = modes.frames(_widths(L), rng), np.full((1, len(UNEQUAL), L), size)
        record = [*range(0, steps, steps // 40), steps]
        run = _train(study, f"weak {L}", modes, frames, w, np.zeros((1, 3)), tuning, eta, steps, record)
        strengths = modes.strengths(end_to_end(layers_of(run.arrays)))[:, 0]
        distances, because = np.abs(strengths[-1] / UNEQUAL - 1), "learned: within a tenth of its strength"
        learned = at_most(f"depth {L}: modes learned", distances, 0.1, because=because)
        yield curves(**{f"strengths_{L}": strengths, f"t_{L}": run.t})
        if L == 2:
            yield learned
            lost = at_most("weak mode", strengths[-1, -1], 0.01 * UNEQUAL[-1], because="lost: less than 1 % of it")
            yield refuted("depth 2 loses the weak mode", lost)
            continue
        yield refuted("depth 3 learns the weak mode", learned)
        yield at_most("depth 3: strong modes learned", distances[:2], 0.1, because=because)
        weak = modes.chains(L)[-1]
        bound = collapse.size_bound(weak, tuning, size, 0.0, run.t[1:]) ** L
        head = float(collapse.head_start(weak, tuning, size, 0.0))
        yield at_most("depth 3: head start of the weak mode", head, 1, because="what makes it collapse")
        because = "v = w^(2-L) outruns the largest force there can be"
        yield at_most("depth 3: weak mode collapses", strengths[1:, -1], bound, slack=64 * EPS, because=because)
        multipliers = modes.multipliers(run["multiplier"].mT)[:, 0, -1]
        slope = np.diff(multipliers)[-1] / np.diff(run.t)[-1]
        tolerance = tuning.b * weak.x * strengths[-2, -1] + steps * EPS * multipliers[-1]
        because = "lambda' = b x (s - u): what is left of u, and a rounding a step"
        yield equal(
            "depth 3: its multiplier grows", slope, tuning.b * weak.x * weak.s, tolerance=tolerance, because=because
        )


def _borrowed_paths(study: Study) -> Iterator[Check]:
    """One step from beside a collapsed mode, along the hidden directions of the strong ones, at several multipliers."""
    tuning, size = Tuning(1.0, 0.6, 3.0), 1e-5
    rng = study.rng("borrowed")
    modes = _modes(rng, UNEQUAL, 1)
    *others, weak = modes.chains(3)
    for j, other in enumerate(others):
        critical = borrowing_multiplier(weak, other, tuning)
        multipliers = critical * np.array([0.9, 1.0, 1.1])
        J = np.stack([_borrowed(study, modes, j, float(multiplier), tuning, size) for multiplier in multipliers])
        predicted = np.stack([borrowing(weak, other, tuning, float(multiplier)) for multiplier in multipliers])
        # The step is a polynomial of degree 5 in the weights, and central differences are of order 2 in the size.
        scale = (1 + tuning.c) * modes.x**2 * max(UNEQUAL) ** 2
        tolerance = 10 * scale * size**2 + 100 * EPS * scale / size
        because = "central differences: the square of the displacement, and rounding over it"
        name = f"through mode {j + 1}"
        yield equal(f"{name}: Jacobian beside a collapsed mode", J, predicted, tolerance=tolerance, because=because)
        neutral = [equal("neutral", feed, 0, tolerance=tolerance, because=because) for feed in J[:, 0, 0]]
        yield replace(neutral[1], name=f"{name}: opens at the critical multiplier")
        if j == 1:
            yield refuted("borrowed path: opens 10 % later", neutral[2])


def _borrowed(
    study: Study, modes: Modes, j: int, multiplier: float, tuning: Tuning, size: float
) -> Float[Array, "2 2"]:
    """Derivative of the velocity of (q, mu) of mode j's path, from one step at learning rate 1 of displaced starts."""
    chains = modes.chains(3)
    frames = modes.frames(_widths(3), study.rng("borrowed frames"))
    u, v, first, second = modes.U, modes.V, frames[1][..., j : j + 1], frames[2][..., j : j + 1]
    w = np.array([[[chain.omega] * 3 for chain in chains]])
    w[..., -1, :] = 0
    at_rest = np.array([[minnorm.solution_multiplier(chain) for chain in chains]])
    at_rest[..., -1] = multiplier
    W = aligned(frames, w)
    entries = np.zeros((3, 3))
    entries[[j, 2], [2, j]] = 1 / modes.x
    runs = np.array([1, -1, 0, 0])[:, None, None] * size, np.array([0, 0, 1, -1])[:, None, None] * size
    start = [
        W[0] + runs[0] * first @ v[..., 2:].mT,
        np.repeat(W[1], 4, axis=0),
        W[2] + runs[0] * u[..., 2:] @ second.mT,
    ]
    inside = (at_rest[0] * np.eye(3) / modes.x + runs[1] * entries) @ v.mT @ modes.problem.X
    rule = MinnormDescent(Constraint(modes.problem.each(4), _widths(3), study.device), tuning, (u @ inside).mT)
    schedule = {"learning_rate": 1.0, "steps": 1, "record": [0, 1]}
    run = train_stack(
        study, f"borrowed {j} {multiplier:g}", rule.constraint, start, rule, **schedule, observe=everything
    )
    q = (first.mT @ run["W1"] @ v[..., 2:])[..., 0, 0]
    mu = u[..., j : j + 1].mT @ run["multiplier"].mT
    mu = (mu @ modes.problem.X.mT @ v[..., 2:])[..., 0, 0] / modes.x
    velocity = np.diff(np.stack([q, mu], axis=-1), axis=0)[0]
    return (velocity[[0, 2]] - velocity[[1, 3]]).T / (2 * size)


def _widths(L: int) -> list[int]:
    return [6, *[HIDDEN] * (L - 1), len(STRENGTHS)]


def _modes(rng: np.random.Generator, strengths: tuple[float, ...], draws: int) -> Modes:
    return Modes(whitened(strengths, x=INPUT, d=6, n=4, K=len(strengths), rng=rng, draws=draws))


def _velocities(chains: list[Chain], tuning: Tuning, w: Array, multiplier: Array) -> Array:
    """(w', lambda') of every chain, (..., modes, L + 1)."""
    each = [minnorm.velocity(chain, tuning, w[..., k, :], multiplier[..., k]) for k, chain in enumerate(chains)]
    return np.stack([np.concatenate([dw, dm[..., None]], axis=-1) for dw, dm in each], axis=-2)


def _flow(chains: list[Chain], tuning: Tuning, w: Array, multiplier: Array, t: Array, tolerance: float) -> Array:
    """States (T, runs, modes, L + 1) of the chains' flows."""

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        return {"z": _velocities(chains, tuning, state["z"][..., :-1], state["z"][..., -1])}

    start = np.concatenate([w, multiplier[..., None]], axis=-1)
    return flow(velocity, {"z": start}, t, relative_tolerance=tolerance, absolute_tolerance=tolerance / 100)["z"]


def _state(modes: Modes, frames: list[Array], run: Trajectory) -> Array:
    """(w_1k, ..., w_Lk, lambda_k) of every mode, (T, runs, modes, L + 1), read off a training."""
    w = amplitudes(frames, layers_of(run.arrays))
    multiplier = modes.multipliers(run["multiplier"].mT)
    return np.concatenate([w, multiplier[..., None]], axis=-1)


def _growth(study: Study, name: str, modes: Modes, L: int, tuning: Tuning, eta: float) -> tuple[Array, Array]:
    """Growth, a unit of time, of (normal direction, multiplier) of the weakest mode at rest, and its error (runs,).

    Central differences over three displacements, extrapolated, of the state after some steps.
    """
    steps, c = 40, np.atleast_1d(tuning.c)
    chains = modes.chains(L)
    rest = np.array([[*[chain.omega] * L, minnorm.solution_multiplier(chain)] for chain in chains])
    directions = np.zeros((2, len(chains), L + 1))
    directions[0, -1, :-1], directions[1, -1, -1] = L**-0.5, 1
    sizes = 1e-3 / 2.0 ** np.arange(3)
    starts = rest + np.multiply.outer(np.outer(sizes, [1, -1]), directions)
    many = np.tile(starts.reshape(-1, *rest.shape), (len(c), 1, 1))
    each = len(many) // len(c)
    repeated = Modes(modes.problem.each(len(many)))
    frames = [np.repeat(frame, len(many), axis=0) for frame in modes.frames(_widths(L), study.rng("frames", L))]
    augmented = Tuning(tuning.a, tuning.b, np.repeat(c, each))
    run = _train(study, name, repeated, frames, many[..., :-1], many[..., -1], augmented, eta, steps, [steps])
    ends = _state(repeated, frames, run)[-1].reshape(len(c), *starts.shape)
    central = (ends[:, :, 0] - ends[:, :, 1]) / (2 * sizes[:, None, None, None])
    power, error = richardson(list(np.moveaxis(np.einsum("csikl,jkl->csij", central, directions), 1, 0)), order=2)
    rounding = 4 * steps * sum(_widths(L)) * EPS * (1 + chains[0].g) / sizes[-1]
    uncertain = (np.linalg.norm(error, axis=(-2, -1)) + rounding) * np.linalg.cond(power)
    return np.log(np.abs(np.linalg.det(power))) / (2 * steps * eta), uncertain / (steps * eta)


def _refine(
    study: Study, name: str, modes: Modes, frames: list[Array], w: Array, multiplier: Array, tuning: Tuning
) -> list[Trajectory]:
    def descend(level: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        return _train(study, level, modes, frames, w, multiplier, tuning, learning_rate, steps, record)

    return refined(descend, name, learning_rate=0.02, horizon=1.0, records=6, levels=4)


def _train(
    study: Study,
    name: str,
    modes: Modes,
    frames: list[Array],
    w: Array,
    multiplier: Array,
    tuning: Tuning,
    eta: float,
    steps: int,
    record: list[int] | None = None,
) -> Trajectory:
    """Train from modes of weights w (runs, modes, L) and multipliers (runs, modes); every step recorded by default."""
    widths = [frame.shape[-2] for frame in frames]
    constraint = Constraint(modes.problem, widths, study.device)
    # Lambda = U diag(lambda) V^T X / x, examples in rows as torch has them.
    start = ((modes.U * multiplier[..., None, :]) @ modes.V.mT @ modes.problem.X).mT
    rule = MinnormDescent(constraint, tuning, start / modes.x)
    schedule = {"learning_rate": eta, "steps": steps, "record": list(range(steps + 1)) if record is None else record}
    return train_stack(study, name, constraint, aligned(frames, w), rule, **schedule, observe=everything)
