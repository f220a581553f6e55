"""The claim of the paper: Minnorm finds the max-margin direction exponentially faster. Tested on random problems."""

from collections.abc import Callable, Iterator

import numpy as np

from experiments.shallow.classifiers import (
    AlternatingMinnorm,
    NormalisedDescent,
    SimultaneousMinnorm,
    exponential_loss,
    log_loss,
    train_classifier,
    train_minnorm,
)
from experiments.shallow.examples import random_problems
from experiments.shallow.kinks import tends_to_kinked
from experiments.training.loop import recording_steps
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_most, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.separable import Separable, apply, direction_error
from theory.core.trajectory import Trajectory
from theory.shallow import event_driven, gradient_flow, heavy_ball, minnorm_flow

A = 1.0
DEFAULT_B = 1.0
ERRORS = 10.0 ** np.array([-0.5, -1, -1.5, -2, -3, -4, -6, -8])  # of the direction
SMALL, LARGE = 4, 0  # 1e-3 and 10^-0.5 among them
METHODS = ("gradient descent", "loss-normalised", "Minnorm, default", "Minnorm, best b")
REFINED = (1, 2, 4)
HORIZONS = (0.5, 3.0, 3.0, 3.0)  # until when training is refined; gradient descent starts steeply


@claim(
    "minnorm.shallow_hitting_times",
    source="Bansal et al. 2018, abstract (reconstruction: the setting, the parameters and the constants are ours)",
    statement=r"T_{\text{Minnorm}}(\varepsilon) \sim \tfrac{2}{a} \log \tfrac{C}{\varepsilon} \;<\;"
    r" T_{\text{normalised}}(\varepsilon) \sim \tfrac{K |\hat w|^2}{\varepsilon} \;<\;"
    r" T_{\text{GD}}(\varepsilon) \sim e^{K / \varepsilon}, \quad K = \tfrac{|P \tilde w|}{|\hat w|}",
    hypotheses=("separable", "small errors", "b of the order of a / (4 g_min)"),
    controls=(
        "Minnorm is the fastest at large errors too",
        "dual rate a thousand times smaller",
        "steps of Minnorm at a thousandth of the best dual rate",
    ),
)
def minnorm_is_exponentially_faster(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    problem = random_problems(rng, study.pick(smoke=8, quick=24, paper=200))
    w0 = 0.3 * rng.standard_normal(problem.w.shape)
    best = minnorm_flow.critical_dual_rate(problem.gram_range[0], A)
    flow = _gradient_flows(problem, w0)
    offset = flow["w"][-1] - problem.w * flow["tau"][-1][:, None]
    log_descent, log_normalised = _logarithmic_times(problem, flow, offset)
    log_minnorm = {
        name: np.log(_minnorm_times(problem, w0, b, 40 / minnorm_flow.rate(problem.gram_range[0], A, b)))
        for name, b in (("default", np.full_like(best, DEFAULT_B)), ("best", best))
    }
    # Followed long enough to see it lose.
    slow = np.log(_minnorm_times(problem, w0, best[:2] / 1000, 10 * np.exp(log_normalised[:2, SMALL])))
    because = "every one of the random problems"

    def faster(name: str, quick: Array, slow: Array, error: int) -> Check:
        # A ratio below e^-50 is as good as e^-50.
        return at_most(name, np.exp(np.maximum(quick - slow, -50))[:, error], 1.0, because=because)

    yield faster("time ratio, Minnorm over loss-normalised, error 1e-3", log_minnorm["best"], log_normalised, SMALL)
    yield faster("time ratio, default Minnorm over loss-normalised, error 1e-3", log_minnorm["default"],
                 log_normalised, SMALL)  # fmt: skip
    yield faster("time ratio, loss-normalised over gradient flow, error 1e-3", log_normalised, log_descent, SMALL)
    claimed = faster("time ratio", log_minnorm["best"], np.minimum(log_normalised, log_descent), LARGE)
    yield refuted("Minnorm is the fastest at large errors too", claimed)
    claimed = faster("time ratio", slow, log_normalised[:2], SMALL)
    yield refuted("dual rate a thousand times smaller", claimed)
    yield from _steps_of_training(study, problem, w0, offset)
    yield from _training_tends_to_the_flows(study, problem, w0, best)
    yield from _first_problem(study, problem, w0, best, flow)
    yield curves(
        errors=ERRORS,
        log_times=np.stack([log_descent, log_normalised, log_minnorm["default"], log_minnorm["best"]]),
        constant=gradient_flow.direction_constant(problem, offset),
        squared_norm=1 / problem.margin**2,
        best_b=best,
    )


def _gradient_flows(problem: Separable, w0: Array) -> Trajectory:
    """Both flows in one: w along the orbit, s the time of the loss-normalised one, tau = log(1 + t) of the other."""
    s = np.concatenate([[0.0], np.geomspace(1e-3, 600, 400)])
    return gradient_flow.normalised_flow(problem.Z, w0, s, relative_tolerance=1e-9)


def _logarithmic_times(problem: Separable, flow: Trajectory, offset: Array) -> tuple[Array, Array]:
    """log of the last time with a direction error above each of ERRORS, (runs, errors): gradient flow, normalised.

    Past the end of the integration w = w_hat tau + w~ up to e^(-slack tau), and s - |w_hat|^2 tau is constant.
    """
    error = direction_error(problem, flow["w"])
    tau_end, descent, normalised = flow["tau"][-1], [], []
    for target in ERRORS:
        tau = gradient_flow.log_hitting_time(problem, offset, target)
        late = error[-1] > target
        s = flow.t[-1] + (tau - tau_end) / problem.margin**2
        index = _last_above(error, target)
        runs = np.arange(len(late))
        descent.append(np.where(late, tau, _log_time(np.maximum(flow["tau"][index, runs], 1e-9))))
        normalised.append(np.log(np.where(late, s, np.maximum(flow.t[index], 1e-9))))
    return np.stack(descent, -1), np.stack(normalised, -1)


def _last_above(error: Array, target: float) -> Array:
    """Index of the first recorded time from which on the error (T, runs) stays below target."""
    above = error > target
    return np.where(above.any(0), np.minimum(len(error) - np.argmax(above[::-1], axis=0), len(error) - 1), 0)


def _minnorm_times(problem: Separable, w0: Array, b: Array, ends: Array) -> Array:
    """Last time, up to the end, with a direction error above each of ERRORS, (runs, errors): the exact solution."""
    times = []
    for i, (rate, end) in enumerate(zip(b, ends)):
        one, zero = problem.run(i), np.zeros(problem.duals.shape[-1])
        solution = event_driven.solve_to_convergence(one, w0[i], zero, a=A, b=float(rate), until=float(end))
        t = np.linspace(0, end, 4001)[1:]
        error = direction_error(one, solution(t)[0])[:, None]
        times.append([t[_last_above(error, target)[0]] for target in ERRORS])
    return np.array(times)


def _steps_of_training(study: Study, problem: Separable, w0: Array, offset: Array) -> Iterator[Check | Curves]:
    """Steps to each error, in training. The loss-normalised descent is counted as long as the budget lasts, and after
    that its count is K |w_hat|^2 / (learning rate x error): its constant is exact at every stable step size."""
    budget = study.pick(smoke=200, quick=1500, paper=20000)
    # The largest eigenvalue of all examples, not only the support's: any of them may be active on the way.
    g_min, g_max = problem.gram_range[0], np.linalg.norm(problem.Z, ord=2, axis=(-2, -1)) ** 2
    steps = heavy_ball.best_alternating(g_min, g_max)
    zero = np.zeros_like(problem.duals)
    record = list(range(budget + 1))
    counts = []
    curvature = _curvature(problem, w0)
    loss = exponential_loss(problem.Z, study.device)
    plain = train_classifier(study, "gd", loss, w0, learning_rate=1 / curvature, steps=budget, record=record)
    normalised = _train_normalised(study, "normalised", problem, w0, 1 / (problem.Z**2).sum(-1).max(-1), budget, record)
    rules = {
        "default": (SimultaneousMinnorm(problem.Z, A, DEFAULT_B, study.device), 0.5 / np.maximum(g_max, 1)),
        "best": (AlternatingMinnorm(problem.Z, steps.A, steps.B, study.device), 1.0),
        "slow": (AlternatingMinnorm(problem.Z, steps.A, steps.B / 1000, study.device), 1.0),
    }
    runs = {
        name: train_minnorm(study, name, rule, w0, zero, learning_rate=rate, steps=budget, record=record)
        for name, (rule, rate) in rules.items()
    }
    for run in (plain, normalised, runs["default"], runs["best"]):
        counts.append(_counts(problem, run, budget))
    constant = gradient_flow.normalised_constant(problem, offset)
    predicted = constant * (problem.Z**2).sum(-1).max(-1) / ERRORS[SMALL]
    reached = np.where(np.isfinite(counts[1][:, SMALL]), counts[1][:, SMALL], predicted)
    because = "every one of the random problems; loss-normalised descent at a stable step size near the largest"
    name = "step ratio, best Minnorm over loss-normalised, error 1e-3"
    yield at_most(name, counts[3][:, SMALL] / reached, 1.0, because=because)
    slow = np.minimum(_counts(problem, runs["slow"], budget)[:, SMALL], 10 * reached)
    claimed = at_most("step ratio", slow / reached, 1.0, because=because)
    yield refuted("steps of Minnorm at a thousandth of the best dual rate", claimed)
    yield curves(steps=np.stack(counts), normalised_steps_predicted=predicted, budget=budget)


def _counts(problem: Separable, run: Trajectory, budget: int) -> Array:
    """Steps after which the direction error stays below each of ERRORS, (runs, errors); infinite past the budget."""
    error = direction_error(problem, run["w"])
    error = np.where(np.isfinite(error), error, np.inf)
    return np.stack([np.where(error[-1] > e, np.inf, _last_above(error, e)) for e in ERRORS], axis=-1)


def _curvature(problem: Separable, w0: Array) -> Array:
    """Largest eigenvalue of the Hessian sum e^(-z.w) z z^T at the start, where it is largest."""
    weighted = np.exp(-apply(problem.Z, w0) / 2)[..., None] * problem.Z
    return np.linalg.norm(weighted, ord=2, axis=(-2, -1)) ** 2


def _train_normalised(
    study: Study, name: str, problem: Separable, w0: Array, rate: float | Array, steps: int, record: list[int]
) -> Trajectory:
    loss = log_loss(problem.Z, study.device)
    rule = NormalisedDescent(loss)
    return train_classifier(study, name, loss, w0, learning_rate=rate, steps=steps, record=record, update=rule)


def _training_tends_to_the_flows(study: Study, problem: Separable, w0: Array, best: Array) -> Iterator[Check]:
    """Weights of the four methods, trained at three step sizes, against their exact flows."""
    zero = np.zeros_like(problem.duals)
    base = study.pick(smoke=100, quick=300, paper=4000)
    fractions = np.array(recording_steps(base, 25)) / base
    t_descent, t = (horizon * fractions for horizon in HORIZONS[:2])

    def minnorm(b: Array) -> Callable[[int, list[int]], Trajectory]:
        rule = SimultaneousMinnorm(problem.Z, A, b, study.device)
        name, rate = f"Minnorm {b[0]:g}", HORIZONS[2] / base
        return lambda k, record: train_minnorm(
            study, f"{name} over {k}", rule, w0, zero, learning_rate=rate / k, steps=k * base, record=record
        )

    def descent(k: int, record: list[int]) -> Trajectory:
        loss = exponential_loss(problem.Z, study.device)
        rate = HORIZONS[0] / base / k
        return train_classifier(study, f"gd over {k}", loss, w0, learning_rate=rate, steps=k * base, record=record)

    def normalised(k: int, record: list[int]) -> Trajectory:
        return _train_normalised(study, f"normalised over {k}", problem, w0, HORIZONS[1] / base / k, k * base, record)

    default = np.full_like(best, DEFAULT_B)
    tau = np.log1p(t_descent)
    exact = (
        gradient_flow.flow_in_log_time(problem, w0, tau)["rho"] + problem.w * tau[:, None, None],
        gradient_flow.normalised_flow(problem.Z, w0, t)["w"],
        _minnorm_weights(problem, w0, default, t),
        _minnorm_weights(problem, w0, best, t),
    )
    trained = (descent, normalised, minnorm(default), minnorm(best))
    for name, train, weights in zip(METHODS, trained, exact):
        runs = [train(k, [k * step for step in recording_steps(base, 25)])["w"] for k in REFINED]
        yield from tends_to_kinked(name, runs, weights)


def _first_problem(study: Study, problem: Separable, w0: Array, best: Array, flow: Trajectory) -> Iterator[Curves]:
    """The picture: direction error of the first problem under the exact flows, and trained far beyond the start."""
    first, w0, zero = problem.run(0), w0[:1], np.zeros_like(problem.duals[:1])
    yield curves(
        flow_s=flow.t[1:],
        flow_log_t=_log_time(flow["tau"][1:, 0]),
        flow_error=direction_error(problem, flow["w"])[1:, 0],
    )
    # Steps learning_rate / loss take gradient descent to log t = 50 and later: its time is the sum of its steps.
    rate = float(0.5 / (first.Z**2).sum(-1).max())
    steps = int(study.pick(smoke=30, quick=300, paper=600) / rate)
    record = sorted({int(step) for step in np.geomspace(2, steps, 14)})
    run = _train_normalised(study, "late", Separable(first.Z[None]), w0, rate, steps, record)
    yield curves(
        late_s=run.t,
        late_log_t=_log_time(run["tau"][:, 0]),
        late_error=direction_error(first, run["w"][:, 0]),
        late_exact=direction_error(first, gradient_flow.normalised_flow(first.Z, w0[0], run.t)["w"]),
    )
    eta, end = 0.01, study.pick(smoke=5, quick=44, paper=60)
    record = sorted({int(t / eta) for t in np.geomspace(0.1, end, 22)})
    fine = np.geomspace(0.05, end, 600)
    for name, b in (("default", np.array([DEFAULT_B])), ("best", best[:1])):
        rule = AlternatingMinnorm(first.Z, A, b, study.device)
        run = train_minnorm(study, f"late {name}", rule, w0, zero, learning_rate=eta, steps=record[-1], record=record)
        exact, line = (_minnorm_weights(problem, w0, b, t)[:, 0] for t in (run.t, fine))
        yield curves(
            **{
                f"{name}_t": run.t,
                f"{name}_error": direction_error(first, run["w"][:, 0]),
                f"{name}_exact": direction_error(first, exact),
                f"{name}_line_t": fine,
                f"{name}_line": direction_error(first, line),
            }
        )


def _log_time(tau: Array) -> Array:
    """log t of tau = log(1 + t)."""
    return tau + np.log(-np.expm1(-tau))


def _minnorm_weights(problem: Separable, w0: Array, b: Array, t: Array) -> Array:
    """w (T, runs, d) of the exact solution from multipliers 0."""
    zero = np.zeros(problem.duals.shape[-1])
    solutions = [
        event_driven.solve(Z, w, zero, a=A, b=float(rate), until=float(t[-1])) for Z, w, rate in zip(problem.Z, w0, b)
    ]
    return np.stack([solution(t)[0] for solution in solutions], axis=1)
