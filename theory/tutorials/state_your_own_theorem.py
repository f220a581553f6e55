# %% [markdown]
# # State your own theorem
#
# A theorem of yours becomes a *claim*: one function that trains, measures, and holds each number against a prediction
# with a tolerance that has a reason. In return it gets what the theorems of the package get: a verdict with a
# resolution, parameters, seeds, a picture, a page. We state one about weight decay, get it wrong twice, and see how
# each is caught.
#
# ## The theorem
#
# Gradient descent on least squares with weight decay $\mu$,
#
# $$w_{k+1} = w_k - \eta (X^\top (X w_k - y) + \mu w_k),$$
#
# converges to the ridge solution $\hat w = (X^\top X + \mu)^{-1} X^\top y$ (Hoerl & Kennard 1970), and along an
# eigenvector of $X^\top X$ with eigenvalue $\lambda$ it does so at one rate:
#
# $$v^\top (w_k - \hat w) = (1 - \eta (\lambda + \mu))^k \, v^\top (w_0 - \hat w).$$
#
# What could be measured? For each eigenvector, the distance to $\hat w$ at every step. What would refute the theorem?
# A distance that differs from the right-hand side by more than rounding.
#
# ## The claim

# %%
from dataclasses import dataclass

import numpy as np
import torch

from experiments.training import Trainee
from theory.claims import Study, claim, curves, judge, measured, rounding, varies


@dataclass(frozen=True)
class Descent:
    decay: float = varies("of the weights", 0.5, low=0, high=10, brackets="[]")
    steps: int = varies("taken", 100, smoke=50, paper=1000, low=1, high=10**5)


def problem(study):
    """Thirty examples of five inputs: X^T X = V diag(eigenvalues) V^T, and X^T y."""
    rng = study.rng("data")
    X, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    eigenvalues, V = np.linalg.eigh(X.T @ X / 30)
    return X / np.sqrt(30), y / np.sqrt(30), eigenvalues, V


def distances(study, descent, eta):
    """Of the trained weights from the ridge solution, one column an eigenvector; and the record of the start."""
    X, y, eigenvalues, V = problem(study)
    ridge = np.linalg.solve(X.T @ X + descent.decay * np.eye(5), X.T @ y)
    inputs, targets = (torch.tensor(array, device=study.device) for array in (X, y))

    def loss(state):  # of each run: the first dimension of a parameter counts runs
        w = state["w"]
        return 0.5 * (w @ inputs.T - targets).square().sum(-1) + 0.5 * descent.decay * w.square().sum(-1)

    start = study.rng("start").standard_normal((1, 5))
    run = Trainee(study, loss, {"w": start}).train(
        learning_rate=eta, steps=descent.steps, record=range(descent.steps + 1)
    )
    return (run["w"][:, 0] - ridge) @ V, eigenvalues


# %% [markdown]
# Three things stand in the way of fooling oneself, and all three are visible above. Parameters are *declared*, with a
# range and a value for each profile. Random numbers come from `study.rng`, so that a seed gives the same bits wherever
# the claim runs. And training is done by `Trainee`, which knows nothing of the prediction.
#
# Now the claim itself. It *yields* checks: `measured(...)` names a number, says what it may be off by, and `.equals`
# holds it against the prediction. Here the tolerance is rounding: about 8 operations a step and weight, at the size of
# the weights.


# %%
def stated(id, rate):
    """The claim that the distances shrink by 1 - eta rate(eigenvalue, decay) a step."""

    @claim(
        id,
        source="Hoerl & Kennard 1970",
        theory_side="closed form",
        statement=r"v^\top (w_k - \hat w) = (1 - \eta (\lambda + \mu))^k\, v^\top (w_0 - \hat w)",
        hypotheses=("gradient descent of |X w - y|^2 / 2 + mu |w|^2 / 2 with learning rate eta", "X^T X v = lambda v"),
        controls=("the rate without weight decay",),
        parameters=Descent,
    )
    def weight_decay_shifts_every_rate(study, descent):
        eta = 0.1
        found, eigenvalues = distances(study, descent, eta)
        k = np.arange(descent.steps + 1)[:, None]
        within = rounding(8 * descent.steps * 5, np.abs(found).max(), of="steps in five dimensions")
        distance = measured("distance", found, within=within, axes=("step", "eigenvector"))

        def predicted(factor):
            return (1 - factor * eta * rate(eigenvalues, descent.decay)) ** k * found[0]

        yield distance.equals(predicted)
        yield distance.control("the rate without weight decay").equals((1 - eta * eigenvalues) ** k * found[0])
        yield curves(k=k[:, 0], trained=np.abs(found), predicted=np.abs(predicted(1.0)))

    return weight_decay_shifts_every_rate


# %% [markdown]
# Two details carry the weight. The prediction is a function of a *factor* by which the theorem's constant, here the
# rate, is multiplied: the package turns it until the check would fail, and so finds out what the check can tell. And
# there is a *negative control*: a rate that forgets the decay has to fail. A claim without a control is refused, as a
# check that nothing can fail proves nothing.
#
# ## Wrong, and caught
#
# Suppose we had taken the decay for half as strong, since $\frac{\mu}{2} \lvert w \rvert^2$ has a half in it:

# %%
wrong = stated("ridge.halved", lambda eigenvalues, decay: eigenvalues + decay / 2)
evidence = judge(wrong, Study("ridge.halved"))
print(evidence.in_words)
for check in evidence.checks:
    print(f"{check.label}: predicted {check.predicted:.6g}, measured {check.measured:.6g} at {check.where}")

# %% [markdown]
# The worst place is named, with both numbers. Subtler is the rate of the *flow*, $e^{-(\lambda + \mu) \eta}$ a step in
# place of $1 - \eta (\lambda + \mu)$. The two agree to first order, curves of them can hardly be told apart, and it is
# what one would write down in a hurry:

# %%
flow = stated("ridge.flow", lambda eigenvalues, decay: (1 - np.exp(-0.1 * (eigenvalues + decay))) / 0.1)
print(judge(flow, Study("ridge.flow")).in_words)

# %% [markdown]
# Caught as well, as the tolerance is rounding and not what looks close enough. (If the flow is what your theorem is
# about, train at three learning rates, and let `experiments.training.tends_to` extrapolate to none.)
#
# ## Right

# %%
right = stated("ridge.modes", lambda eigenvalues, decay: eigenvalues + decay)
evidence = judge(right, Study("ridge.modes"))
evidence

# %% [markdown]
# *Holds, to x %* is the smallest change of the rate that would have been refused. Curves that a claim yields can be
# drawn:

# %% alt="Distances from the ridge solution along five eigenvectors against steps: training on the predicted lines."
from matplotlib import pyplot

k, trained, predicted = (evidence.curves[name] for name in ("k", "trained", "predicted"))
figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
axes.semilogy(k, predicted, lw=1)
axes.set_prop_cycle(None)
axes.semilogy(k[::5], trained[::5], "o", ms=4)
_ = axes.set(xlabel="step", ylabel="distance", title="One rate an eigenvector, shifted by weight decay")
# %% [markdown]
# ## Where does it stop holding?
#
# Parameters can be turned. With so much decay that $\eta (\lambda + \mu)$ is above 1, every step overshoots the
# solution, and the theorem still says by how much. Without any, the control *is* the theorem and cannot fail: the
# verdict says so.

# %%
for decay in (0.0, 0.05, 0.5, 10.0):
    print(f"decay {decay:5}: {judge(right, Study('ridge.modes', given={'decay': decay})).in_words}")

# %% [markdown]
# ## As a file
#
# A file with such a function is all that the commands need; it can lie anywhere:
#
# ```
# python -m theory.verify my_theorem.py                      # the verdict, every check, a cache that notices edits
# python -m theory.verify my_theorem.py --sweep decay=0.05,0.5,5
# python -m theory.verify my_theorem.py --seeds 0:20         # on twenty seeds: what failed, and what came near it
# python -m theory.verify my_theorem.py --report pages       # a page that shows it, to send to a reviewer
# pytest --theory my_theorem.py                              # the claim as a test
# ```
#
# There the claim is an ordinary function at the top of the file, under `@claim(...)`, with its prediction written out.
