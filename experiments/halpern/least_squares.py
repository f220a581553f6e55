"""Least squares: every step of norm-minimising descent, and the law by which it comes to the solution of least norm."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.halpern.descent import ROUNDING, rounding, squared_loss, train_regression, weights
from experiments.methods.halpern import Halpern
from experiments.training.loop import recording_steps, train
from experiments.training.updates import DecayedDescent
from theory.claims import Check, Curves, claim
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.halpern import least_squares


@claim(
    "banburski2019.nmgd_least_squares",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, reconstructed; formulas ours",
    statement=r"(k+1)(w_k - w^*) = A^k (w_0 - w^*) + \sum_{j<k} A^j (v - w^*),\ w^* = X^+ Y + P_n v;\quad"
    r" (k+1)(w_k - w^*) \to (\eta H)^+ (v - w^*) + P_n (w_0 - v)",
    hypotheses=("least squares", "gradient step, then the pull to v", "lambda_k = 1/(k+2)", "eta at most 2/lambda_max"),
    controls=(
        "no pull",
        "pull before the gradient step",
        "weights 1/(k + 3)",
        "start kept as by gradient descent",
        "constant 10 % larger",
        "ridge parameter 10 % larger",
    ),
)
def norm_minimising_descent_is_solved_at_every_step(study: Study) -> Iterator[Check | Curves]:
    problem = regression(study.rng("problem"))
    rng = study.rng("starts")
    runs, shape = study.pick(smoke=3, quick=8, paper=32), (problem.D, problem.m)
    w, v = rng.standard_normal((2, runs, *shape))
    v[0] = 0  # norm-minimising descent proper
    steps = study.pick(smoke=250, quick=2000, paper=20_000)
    eta = 0.45 * least_squares.largest_step(problem)
    plan = {"learning_rate": eta, "steps": steps, "record": recording_steps(steps, 26)}
    run = train_regression(study, "anchored", problem, w, anchor=v, **plan)
    yield from _each_step(study, problem, run, w, v, eta)
    yield from _decoupled(study, problem, w, eta)
    yield from _limit(problem, run, w, v, eta)
    yield from _ridge(study, problem, eta, plan)
    yield _user_code(study, problem, w[0], v[0], eta)


def regression(rng: np.random.Generator) -> Regression:
    """Fewer examples than inputs, and these of deficient rank: some of Y cannot be fitted, some of w is never seen."""
    return random_regression(rng, D=12, n=6, m=2, singular_values=np.linspace(1.3, 0.6, 5))


def _each_step(study: Study, problem: Regression, run: Trajectory, w: Array, v: Array, eta: float) -> Iterator[Check]:
    k = run.facts["recorded"]
    tolerance = rounding(problem, k, run["w"], v)
    predicted = least_squares.halpern(problem, eta, w, v, k)
    agrees = lambda name, value: equal(name, run["w"], value, tolerance=tolerance, because=ROUNDING)  # noqa: E731
    yield agrees("every step", predicted)
    left = least_squares.null_part(problem, run["w"])
    share = np.reshape(1 / (k + 1), (-1, 1, 1, 1))
    unseen = least_squares.null_part(problem, v) + share * least_squares.null_part(problem, w - v)
    yield equal("what the data do not see", left, unseen, tolerance=tolerance, because=ROUNDING)
    wrong = least_squares.null_part(problem, w)
    check = equal("kept", left, wrong, tolerance=tolerance, because=ROUNDING)
    yield refuted("start kept as by gradient descent", check)
    plan = {"learning_rate": eta, "steps": int(k[-1]), "record": k.tolist()}
    plain = train_regression(study, "plain", problem, w, schedule=lambda k: 0 * k, **plan)
    descent = least_squares.descent(problem, eta, w, k)
    yield equal("gradient descent, every step", plain["w"], descent, tolerance=tolerance, because=ROUNDING)
    check = equal("formula", plain["w"], predicted, tolerance=tolerance, because=ROUNDING)
    yield refuted("no pull", check)
    late = train_regression(study, "late", problem, w, anchor=v, schedule=lambda k: 1 / (k + 3), **plan)
    check = equal("formula", late["w"], predicted, tolerance=tolerance, because=ROUNDING)
    yield refuted("weights 1/(k + 3)", check)


def _decoupled(study: Study, problem: Regression, w: Array, eta: float) -> Iterator[Check]:
    """(1 - lambda_k) w - eta grad(w), as weight decay is usually written, is lambda_k eta grad off."""
    loss = squared_loss(problem, study.device)
    run = train(
        loss,
        {"w": w},
        learning_rate=eta,
        steps=40,
        record=list(range(41)),
        observe=weights,
        update=DecayedDescent(loss, lambda t: 1 / (t + 2 * eta)),
        **study.training("decoupled"),
    )
    k = run.facts["recorded"]
    predicted = least_squares.halpern(problem, eta, w, 0 * w, k)
    check = equal("formula", run["w"], predicted, tolerance=rounding(problem, k, run["w"]), because=ROUNDING)
    yield refuted("pull before the gradient step", check)


def _limit(problem: Regression, run: Trajectory, w: Array, v: Array, eta: float) -> Iterator[Check]:
    k = run.facts["recorded"][-1:]
    scaled = (k[0] + 1) * (run["w"][-1] - least_squares.nearest_solution(problem, v))
    limit = least_squares.scaled_error_limit(problem, eta, w, v)
    fading = np.abs(least_squares.factors(problem, eta)).max() ** k[0]
    left = fading * np.abs(w - least_squares.nearest_solution(problem, v) - limit).sum()
    tolerance = left + (k[0] + 1) * rounding(problem, k, run["w"], v)[0]
    because = "what A^k leaves of the start, and k + 1 times the rounding"
    yield equal("(k + 1) x error", scaled, limit, tolerance=tolerance, because=because)
    check = equal("(k + 1) x error", scaled, 1.1 * limit, tolerance=tolerance, because=because)
    yield refuted("constant 10 % larger", check)


def _ridge(study: Study, problem: Regression, eta: float, plan: dict) -> Iterator[Check]:
    """From the anchor 0 the iterate follows ridge regression with mu = 1/(eta (k + 1)), off by 1/k^2 only."""
    run = train_regression(study, "from zero", problem, np.zeros((1, problem.D, problem.m)), **plan)
    k = run.facts["recorded"]
    distance = lambda factor: np.array(  # noqa: E731
        [
            np.linalg.norm(w[0] - least_squares.ridge(problem, factor / (eta * (step + 1))))
            for step, w in zip(k, run["w"])
        ]
    )
    bound = least_squares.distance_to_ridge(problem, eta, k)
    slack = np.sqrt(problem.D * problem.m) * rounding(problem, k, run["w"])[:, 0, 0, 0]
    because = "1/x - 1/(x + 1) < 1/x^2, and a^(k + 1) only brings them nearer; rounding"
    yield at_most("distance to ridge regression", distance(1.0), bound, slack=slack, because=because)
    # 1/(x (x + 1)) is 1/x^2 up to 1/x, x at least eta S_r^2 (k + 1); a^(k + 1) <= e^-x is less by far.
    x = eta * problem.S[-1] ** 2 * (k[-1] + 1)
    because = "1/x^2 - 1/(x (x + 1)) < 1/x^3, and a^(k + 1)/x <= e^-x/x"
    least = bound[-1] * (1 - 1 / x - x * np.exp(-x))
    yield at_least("distance to ridge regression, late", distance(1.0)[-1], least, slack=slack[-1], because=because)
    check = at_most("distance to ridge regression", distance(1.1), bound, slack=slack, because=because)
    yield refuted("ridge parameter 10 % larger", check)


def _user_code(study: Study, problem: Regression, w: Array, v: Array, eta: float) -> Check:
    """A layer of torch's, its SGD and `Halpern` around it, as a user has them."""
    X, Y = (torch.tensor(array, device=study.device) for array in (problem.X, problem.Y))
    layer = torch.nn.Linear(problem.D, problem.m, bias=False, dtype=torch.float64, device=study.device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(w.T))
    optimizer = torch.optim.SGD(layer.parameters(), lr=eta)
    Halpern(optimizer, anchor=[torch.tensor(v.T.copy(), device=study.device)])
    seen = [w]
    for _ in range(100):
        optimizer.zero_grad()
        (0.5 * (layer(X) - Y).square().sum()).backward()
        optimizer.step()
        seen.append(layer.weight.detach().cpu().numpy().T.copy())
    k = np.arange(101)
    predicted = least_squares.halpern(problem, eta, w, v, k)
    tolerance = rounding(problem, k, w, v)[..., 0]
    return equal("Halpern around torch.optim.SGD", np.stack(seen), predicted, tolerance=tolerance, because=ROUNDING)
