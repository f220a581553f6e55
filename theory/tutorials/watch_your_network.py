# %% [markdown]
# # Watch your network
#
# You train a network of your own, with a loop of your own. A *watch* tells you, theorem by theorem, what the theory of
# training dynamics says of that very run: which theorems apply, what they predict, what was measured, and whether it
# agrees. And where nothing agrees, it usually tells you what is wrong with the loop.
#
# ## A loop, and one line more
#
# Here is a classifier of handwritten digits: two layers, cross-entropy, plain gradient descent. A watch is given what
# the loop is made of, and is called after every step. It draws no random numbers and leaves no gradient behind, so the
# network comes out bit by bit as it would without.

# %%
import torch
from sklearn.datasets import load_digits

from experiments.watch import Watch

digits = load_digits()
inputs, targets = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
loss = torch.nn.functional.cross_entropy


def classifier():
    torch.manual_seed(0)
    first, last = torch.nn.Linear(64, 64, bias=False), torch.nn.Linear(64, 10, bias=False)
    return torch.nn.Sequential(first, torch.nn.ReLU(), last)


network = classifier()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
watch = Watch(network, loss=loss, inputs=inputs, targets=targets, optimizer=optimizer)
for _ in range(300):
    optimizer.zero_grad()
    loss(network(inputs), targets).backward()
    optimizer.step()
    watch()

print(watch.verdict())

# %% [markdown]
# Read a line from left to right: the theorem, its prediction *for this run*, what was measured, the verdict.
#
# *Balance of the layers.* A ReLU unit multiplies what comes in by one vector of weights and what goes out by another.
# Under gradient *flow*, $\lvert w_{in} \rvert^2 - \lvert w_{out} \rvert^2$ never changes (Du, Hu & Lee 2018). You do
# not train by a flow but in steps, so it does change; by how much follows exactly from the gradients, and that is what
# is predicted. "Holds, to 0.59 %" says how sharp the test was: a law that differs from this one by 0.59 % would have
# been refused.
#
# *The loss falls at $\lvert \nabla L \rvert^2$.* To first order, one step of size $\eta$ lowers the loss by $\eta
# \lvert \nabla L \rvert^2$; the second number is the curvature's correction. If this line fails, the optimiser does
# not do what you think it does.
#
# *Norm and smoothed margin grow.* The network is homogeneous of degree 2, as scaling all weights by $a$ scales its
# outputs by $a^2$, and the norm of such a network grows at a known rate (Lyu & Li 2020). What the theorem says of the
# margin begins when the sum of the losses is below $\log 2$; the run is not there yet, and the line says so.
#
# *Observations* are numbers that no theorem predicts for your run, beside what they are usually held against. Here the
# sharpness stays far below $2 / \eta = 20$, and the tangent kernel has moved to many times its size at the start: this
# is no lazy training.
#
# Below stand the theorems that do not apply, *each with the hypothesis that is violated*. A bias, an activation, a
# momentum can be the difference between a theorem and no theorem; here you see which.
#
# ## The same as a picture
#
# (A figure of matplotlib's: a notebook shows it after `%matplotlib inline`, and `.savefig("run.svg")` writes it.)

# %% alt="Panels of the watched run: for each theorem what was predicted and what was measured, step by step."
watch.figure()

# %% [markdown]
# ## Three mistakes, and what gives them away
#
# The first is the oldest of all: nobody calls `zero_grad`, and gradients pile up from step to step. The loss still
# falls, which is why it can go unnoticed for months.


# %%
def watched(optimizer, steps=300, zero_grad=True):
    network = classifier()
    optimizer = optimizer(network.parameters())
    watch = Watch(network, loss=loss, inputs=inputs, targets=targets, optimizer=optimizer)
    for _ in range(steps):
        if zero_grad:
            optimizer.zero_grad()
        loss(network(inputs), targets).backward()
        optimizer.step()
        watch()
    return watch


print(watched(lambda weights: torch.optim.SGD(weights, lr=0.01), zero_grad=False).verdict())

# %% [markdown]
# The balance moves by far more than steps of this size can move it, so it *fails*, and the last lines say why.
#
# The second is a learning rate beyond stability. Gradient descent on a quadratic of curvature $\lambda$ diverges once
# $\eta > 2 / \lambda$, and with $\eta = 3$ the limit, 0.667, lies below the sharpness of the loss early in training:

# %%
print(watched(lambda weights: torch.optim.SGD(weights, lr=3.0)).verdict().splitlines()[-1])

# %% [markdown]
# The third is no mistake, unless you thought otherwise: Adam is not gradient descent, and most of what is known of
# gradient descent is not known of Adam. A watch does not stretch a theorem to a case that it does not cover:

# %%
verdict = watched(lambda weights: torch.optim.Adam(weights, lr=1e-3)).verdict()
print("\n".join(line for line in verdict.splitlines() if "Adam" in line))

# %% [markdown]
# ## A network that more is known of
#
# Take away the ReLU and give the network fewer examples than inputs: a *linear* network, of which far more has been
# proved. The watch now knows a rate from the imbalance of the start (Min et al. 2021), and how near to the solution of
# minimum norm this run can come, all of it from the weights at step 0.

# %%
torch.manual_seed(0)
few, wanted = inputs[:30], torch.nn.functional.one_hot(targets[:30]).float()
linear = torch.nn.Sequential(torch.nn.Linear(64, 100, bias=False), torch.nn.Linear(100, 10, bias=False))
squared = torch.nn.functional.mse_loss
descent = torch.optim.SGD(linear.parameters(), lr=0.5)
watch = Watch(linear, loss=squared, inputs=few, targets=wanted, optimizer=descent)
for _ in range(1000):
    descent.zero_grad()
    squared(linear(few), wanted).backward()
    descent.step()
    watch()

print(watch.verdict())

# %% [markdown]
# Two lines are worth a second look. The distance to minimum norm *holds* to a small fraction of a per cent: 30 digits
# leave 34 of the 64 dimensions unseen, what the first layer does there never changes, and so the run stays at least
# that far from the smallest solution, however long you train. The rate from the imbalance holds as well, but *a
# thousand times above*: from a start as nearly balanced as torch's default the theorem promises next to nothing. Both
# say "holds", and only the resolution tells a theorem that explains your run from one that is merely not contradicted
# by it.
#
# ## Where to go from here
#
# - `watch.evidence()` is the verdict in the form of `python -m theory.verify --json`: keep it beside your checkpoints,
#   and compare runs by it.
# - Mini-batches, momentum and weight decay are understood where a theorem covers them; where it does not, its line
#   says so.
# - To turn one of these lines into a test that fails in your continuous integration, use the assertions of
#   `theory.testing`: `assert_rate`, `assert_conserved`, `assert_order`.
# - A statement that is not in the table is a theorem of yours: see *State your own theorem*.
