"""Which training examples are difficult: for networks that never saw them."""

import numpy as np
from torch import Tensor

from experiments.classifiers.descent import single_precision
from experiments.classifiers.examples import Examples
from experiments.classifiers.losses import cross_entropy, margins
from experiments.images.descent import Penalised
from experiments.images.methods import Trainer
from experiments.training.updates import State
from theory.core.arrays import Array
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import reject

FOLDS = 5


def held_out_margins(trainer: Trainer, name: str) -> Array:
    """Margin (seeds, n) of every training example under a network that learned the other four fifths.

    Cross-entropy, a quarter of the steps; random folds and starts of its own for each
    `name`. Below 0 the example is misclassified.

    Raises:
        InvalidArgument: examples that do not make five equal folds.
    """
    task, study, steps = trainer.task, trainer.study, trainer.budget.steps // 4
    if task.train.size % FOLDS:
        reject("train", task.train.size, f"a multiple of {FOLDS}, one part a fold")
    rng = study.rng(name)
    order = np.stack([rng.permutation(task.train.size) for _ in range(task.seeds)]).reshape(task.seeds, FOLDS, -1)
    held_out = order.reshape(task.seeds * FOLDS, -1)
    others = np.stack([np.delete(order, fold, 1) for fold in range(FOLDS)], 1).reshape(len(held_out), -1)
    seeds = np.repeat(np.arange(task.seeds), FOLDS)
    batch = trainer.budget.batch * (FOLDS - 1) // FOLDS
    learning = Examples(task.train.examples(seeds, others), 1, batch, rng, study.device)
    asking = Examples(task.train.examples(seeds, held_out), 1, held_out.shape[1], rng, study.device)
    penalty = np.full(len(seeds), np.inf)
    rule = Penalised(trainer.network, learning, steps, trainer.budget.window, cross_entropy, penalty)
    start = gaussian_stack(rng, trainer.widths, trainer.scales, runs=len(seeds))

    def observe(state: State) -> dict[str, Tensor]:
        return {"margin": margins(asking.outputs(trainer.network, state), asking.labels)}

    trainee = single_precision(study, rule.first_loss, start, rule, observe)
    run = trainee.train(learning_rate=trainer.budget.rate, steps=steps, record=[steps])
    found = np.empty(task.train.y.shape)
    found[seeds[:, None], held_out] = run["margin"][-1]
    return found
