"""Least squares: every step of norm-minimising descent, and the law by which it comes to the solution of least norm."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.halpern import own_data
from experiments.halpern.networks import (
    LeastSquares,
    anchored,
    carried_rounding,
    regression,
    require_forgetting,
    squared_loss,
)
from experiments.methods.halpern import Halpern
from experiments.training import Trainee
from experiments.updates import DecayedDescent
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    on_data,
    varies,
)
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.halpern import least_squares

DATA = "on the data"


@dataclass(frozen=True)
class Sizes(LeastSquares):
    """Of descent on least squares from random starts, towards random anchors."""

    steps: int = varies("k at most", 2000, smoke=250, paper=20_000, low=50, high=50_000)
    step: float = varies("learning rate, of the longest 2 / h_max", 0.45, low=0, high=1, brackets="()")
    runs: int = varies("starts with anchors", 8, smoke=3, paper=32, low=2, high=200)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_forgetting(self, self.step, self.steps)


@claim(
    "banburski2019.nmgd_least_squares",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, reconstructed; formulas ours",
    source_kind=RECONSTRUCTED,
    statement=r"w_{k+1} = \lambda_k v + (1 - \lambda_k)(w_k - \eta \nabla L),\ A = I - \eta H:\quad"
    r" (k+1)(w_k - w^*) = A^k (w_0 - w^*) + \sum_{j<k} A^j (v - w^*),\ w^* = X^+ Y + P_n v;\quad"
    r" (k+1)(w_k - w^*) \to (\eta H)^+ (v - w^*) + P_n (w_0 - v)",
    hypotheses=(
        "least squares, H = X^T X, P_n the projector on what X does not see",
        "gradient step, then anchoring to v",
        "lambda_k = 1/(k+2)",
        "eta at most 2/h_max, h_max the largest eigenvalue of H",
    ),
    theory_side="closed form",
    controls=(
        "no anchoring",
        "anchoring before the gradient step",
        "weights 1/(k + 3)",
        "start kept as by gradient descent",
        "constant 10 % larger",
        "ridge parameter 10 % larger",
    ),
    accepts_data="regression",
    parameters=Sizes,
)
def norm_minimising_descent_is_solved_at_every_step(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"), sizes)
    yield from _on_our_problem(study, problem, sizes)
    if study.data is not None:
        yield from _on_the_data(study, sizes)


def _on_our_problem(study: Study, problem: Regression, sizes: Sizes) -> Iterator[Check | Curves]:
    w, v = starts(study.rng("starts"), problem, sizes.runs)
    steps, eta = sizes.steps, sizes.step * least_squares.largest_step(problem)
    record, loss = _looks(steps), squared_loss(problem, study.device)
    run = anchored(study, loss, w, anchor=v).train(learning_rate=eta, steps=steps, record=record)
    predicted = lambda k: least_squares.solution(problem, k * eta, w, v, run.facts["recorded"])  # noqa: E731
    yield _every_step(problem, run, v).equals(predicted)
    unseen, left = _unseen(problem, run, w, v)
    yield unseen.equals(left)
    yield unseen.control("start kept as by gradient descent").equals(least_squares.null_part(problem, w))
    plain = anchored(study, loss, w, lambda k: 0 * k).train(learning_rate=eta, steps=steps, record=record)
    each = _every_step(problem, plain, v, case="gradient descent")
    yield each.equals(lambda k: least_squares.descent_solution(problem, k * eta, w, plain.facts["recorded"]))
    yield each.control("no anchoring").equals(predicted)
    late = anchored(study, loss, w, lambda k: 1 / (k + 3), v).train(learning_rate=eta, steps=steps, record=record)
    yield _every_step(problem, late, v).control("weights 1/(k + 3)").equals(predicted)
    # (1 - lambda_k) w - eta grad(w), as weight decay is usually written, is lambda_k eta grad off.
    decay = Trainee(study, loss, {"w": w}, DecayedDescent(loss, lambda t: 1 / (t + 2 * eta)))
    decoupled = decay.train(learning_rate=eta, steps=40, record=range(41))
    halpern = least_squares.solution(problem, eta, w, 0 * w, decoupled.facts["recorded"])
    yield _every_step(problem, decoupled).control("anchoring before the gradient step").equals(halpern)
    scaled, limit = _limit(problem, run, w, v, eta)
    yield scaled.equals(limit)
    yield scaled.control("constant 10 % larger").equals(1.1 * limit)
    goal = least_squares.nearest_solution(problem, v)
    k = np.array(record)
    yield curves("trained", k=k, error=_scaled(k, run["w"] - goal), off=_scaled(k, run["w"] - predicted(1.0)))
    yield curves("without anchor", k=k, error=_scaled(k, plain["w"] - goal))
    yield curves("law", k=k, error=_scaled(k, predicted(1.0) - goal), limit=np.linalg.norm(limit, axis=(-2, -1)))
    zero = anchored(study, loss, np.zeros((1, problem.D, problem.m)))
    from_zero = zero.train(learning_rate=eta, steps=steps, record=record)
    yield from _ridge(problem, from_zero, eta)
    larger, bound = _distance_to_ridge(problem, from_zero, eta, strength=1.1)
    yield larger.control("ridge parameter 10 % larger").at_most(bound)
    yield _user_code(study, problem, w[0], v[0], eta)


@on_data
def _on_the_data(study: Study, sizes: Sizes) -> Iterator[Check]:
    """The same in the singular basis of the data; and on the data as they are, the code of a user."""
    plan = own_data.plan(study, step=sizes.step, runs=sizes.runs, steps=sizes.steps)
    problem, data, steps = plan.problem, plan.data, plan.steps
    w, v = starts(study.rng("starts on the data"), problem, sizes.runs, size=own_data.size(problem))
    eta, record = sizes.step * least_squares.largest_step(problem), _looks(steps)
    loss = squared_loss(problem, study.device)
    run = anchored(study, loss, w, anchor=v).train(learning_rate=eta, steps=steps, record=record)
    each = _every_step(problem, run, v, case=DATA)
    yield each.equals(lambda k: least_squares.solution(problem, k * eta, w, v, run.facts["recorded"]))
    if problem.D > problem.r:
        unseen, left = _unseen(problem, run, w, v, case=DATA)
        yield unseen.equals(left)
    if plan.arrives:
        scaled, limit = _limit(problem, run, w, v, eta, case=DATA)
        yield scaled.equals(limit)
    zero = anchored(study, loss, np.zeros((1, problem.D, problem.m)))
    from_zero = zero.train(learning_rate=eta, steps=steps, record=record)
    distance, bound = _distance_to_ridge(problem, from_zero, eta, case=DATA)
    yield distance.at_most(bound)
    if own_data.affords_user_code(study, data):
        w, v = starts(study.rng("starts of a layer"), data, 2, size=own_data.size(data))
        yield _user_code(study, data, w[0], v[1], eta, case=DATA)


def _looks(steps: int) -> list[int]:
    """Steps that are recorded: as many early as late, since descent alone has arrived after a hundred."""
    return sorted({round(k) - 1 for k in np.geomspace(1, steps + 1, 60)})


def starts(rng: np.random.Generator, problem: Regression, runs: int, size: float = 1.0) -> tuple[Array, Array]:
    """Starts and anchors (runs, D, m)."""
    w, v = size * rng.standard_normal((2, runs, problem.D, problem.m))
    v[0] = 0  # norm-minimising descent proper
    return w, v


def _every_step(problem: Regression, run: Trajectory, *sizes: Array, case: str = "") -> Measured:
    within = carried_rounding(problem, run.facts["recorded"], run["w"], *sizes)
    return measured("every step", run["w"], within=within, case=case, axes=("record", "run"))


def _unseen(
    problem: Regression, run: Trajectory, w: Array, v: Array, case: str = ""
) -> tuple[Measured, Callable[[float], Array]]:
    k = run.facts["recorded"]
    left, within = least_squares.null_part(problem, run["w"]), carried_rounding(problem, k, run["w"], v)
    unseen = measured("what the data do not see", left, within=within, case=case, axes=("record", "run"))
    share = least_squares.after_steps(1 / (k + 1), w)
    kept, leaving = least_squares.null_part(problem, v), least_squares.null_part(problem, w - v)
    return unseen, lambda power: kept + share**power * leaving


def _limit(
    problem: Regression, run: Trajectory, w: Array, v: Array, eta: float, case: str = ""
) -> tuple[Measured, Array]:
    last, solution = run.facts["recorded"][-1:], least_squares.nearest_solution(problem, v)
    k, limit = int(last[0]), least_squares.scaled_error_limit(problem, eta, w, v)
    fading = np.abs(least_squares.factors(problem, eta)).max() ** k
    within = Tolerance(fading * np.abs(w - solution - limit).sum(), "what A^k leaves of the start")
    within += carried_rounding(problem, last, run["w"], v) * (k + 1)
    scaled = (k + 1) * (run["w"][-1:] - solution)
    return measured("(k + 1) x error", scaled, within=within, case=case, axes=("record", "run")), limit


def _scaled(k: Array, error: Array) -> Array:
    """(k + 1) |w_k - w*| (T, runs)."""
    return (k + 1)[:, None] * np.linalg.norm(error, axis=(-2, -1))


def _ridge(problem: Regression, run: Trajectory, eta: float) -> Iterator[Check]:
    """From the anchor 0 the iterate follows ridge regression with mu = 1/(eta (k + 1)), off by 1/k^2 only."""
    distance, bound = _distance_to_ridge(problem, run, eta)
    yield distance.at_most(bound)
    # 1/(x (x + 1)) is 1/x^2 up to 1/x, x at least eta S_r^2 (k + 1); a^(k + 1) <= e^-x is less by far.
    x = eta * problem.S[-1] ** 2 * (run.facts["recorded"][-1] + 1)
    within = Tolerance(distance.within.value[-1], "1/x^2 - 1/(x (x + 1)) < 1/x^3, and a^(k + 1)/x <= e^-x/x")
    late = measured("distance to ridge regression, late", distance.value[-1], within=within)
    yield late.at_least(bound[-1] * (1 - 1 / x - x * np.exp(-x)))


def _distance_to_ridge(
    problem: Regression, run: Trajectory, eta: float, strength: float = 1.0, case: str = ""
) -> tuple[Measured, Array]:
    """|w_k - ridge regression with mu = strength / (eta (k + 1))| of the only run (T,), and its bound."""
    k = run.facts["recorded"]
    slack = carried_rounding(problem, k, run["w"]).value[:, 0, 0, 0] * np.sqrt(problem.D * problem.m)
    within = Tolerance(slack, "1/x - 1/(x + 1) < 1/x^2, and a^(k + 1) only brings them nearer; rounding")
    ridge = [least_squares.ridge(problem, strength / eta / (count + 1)) for count in k]
    distance = np.linalg.norm(run["w"][:, 0] - ridge, axis=(-2, -1))
    subject = measured("distance to ridge regression", distance, within=within, case=case, axes=("record",))
    return subject, least_squares.distance_to_ridge(problem, eta, k)


def _user_code(study: Study, problem: Regression, w: Array, v: Array, eta: float, case: str = "") -> Check:
    """A layer of torch's, its SGD and `Halpern` around it, as a user has them."""
    X, Y = (torch.tensor(array, device=study.device) for array in (problem.X, problem.Y))
    layer = torch.nn.Linear(problem.D, problem.m, bias=False, dtype=torch.float64, device=study.device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(w.T))
    optimizer = torch.optim.SGD(layer.parameters(), lr=eta)
    Halpern(optimizer, anchor=[torch.tensor(v.T.copy(), device=study.device)])
    study.record(Training("Halpern around SGD", {"weight": tuple(layer.weight.shape)}, (eta, eta), 100))
    seen = [w]
    for _ in range(100):
        optimizer.zero_grad()
        (0.5 * (layer(X) - Y).square().sum()).backward()
        optimizer.step()
        seen.append(layer.weight.detach().cpu().numpy().T.copy())
    k = np.arange(101)
    within = carried_rounding(problem, k, w, v)
    values, name = np.stack(seen)[:, None], "Halpern around torch.optim.SGD"
    trained = measured(name, values, within=within, case=case, axes=("step",))
    return trained.equals(lambda factor: least_squares.solution(problem, factor * eta, w[None], v[None], k))
