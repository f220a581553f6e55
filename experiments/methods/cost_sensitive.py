"""Losses for labels that are not worth the same: logit adjustment, and the hybrid loss for any matrix of gains.

    loss = HybridLoss(gains)        # gains[i, j]: what predicting j earns where i is true
    loss(network(x), y).backward()  # y: labels, or a teacher's probabilities
    network(x).argmax(-1)           # the prediction: of the logits as they are

After Narasimhan & Menon 2021 (arXiv 2107.04641). At its minimum the logits are log(G^T eta), eta the probabilities of
the labels, so that their argmax earns most. Of gains that are diagonal it is the logit-adjusted loss,
cross_entropy(logits - log diag G, y). For a worst case or a constraint gains are updated between rounds of training,
from what a held-out set shows: `WorstCaseRecall`, `LeastCoverage`.
"""

import torch
from torch import Tensor, nn

from theory.core.validation import inside, positive, reject

REDUCTIONS = ("mean", "sum", "none")


class HybridLoss(nn.Module):
    """-sum_j M_yj log softmax(logits - log D)_j with M = gains / D, the mean over examples.

    Args:
        gains: (K, K), none negative; row i is the true label, column j the predicted one. Of costs, take their largest
            less the costs.
        scale: D (K,), positive; by default the diagonal of the gains. The minimiser is the same for all of them; ones
            re-weight the loss and shift nothing.
        reduction: "mean", "sum" or "none", as in torch.

    Raises:
        InvalidArgument: gains that are no such matrix, a scale that is not positive, no such reduction.
    """

    M: Tensor
    log_D: Tensor

    def __init__(self, gains: Tensor, scale: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            reject("reduction", repr(reduction), f"one of {', '.join(REDUCTIONS)}")
        self.reduction = reduction
        self.register_buffer("M", torch.empty(0))
        self.register_buffer("log_D", torch.empty(0))
        self.set_gains(gains, scale)

    def set_gains(self, gains: Tensor, scale: Tensor | None = None) -> None:
        """Go on with other gains, as where they belong to a worst case or a constraint.

        Raises:
            InvalidArgument: as for the loss itself.
        """
        if not isinstance(gains, Tensor) or not gains.is_floating_point():
            reject("gains", type(gains).__name__, "a tensor of floating-point numbers")
        if gains.dim() != 2 or gains.shape[0] != gains.shape[1]:
            reject("gains.shape", tuple(gains.shape), "(K, K)")
        if not bool(((gains >= 0) & torch.isfinite(gains)).all()):
            reject("gains", "a matrix with a negative or non-finite entry", "gains of at least 0")
        D = torch.diagonal(gains) if scale is None else scale
        if D.shape != gains.shape[:1] or not bool(((D > 0) & torch.isfinite(D)).all()):
            reject("scale", D.tolist(), f"{len(gains)} positive numbers; by default the diagonal of the gains")
        self.M, self.log_D = (gains / D).detach().clone(), D.log().detach().clone()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of logits (..., K) and labels: whole numbers (...), or probabilities (..., K).

        Raises:
            InvalidArgument: logits or labels of another shape.
        """
        if logits.shape[-1:] != self.log_D.shape:
            reject("logits.shape", tuple(logits.shape), f"(..., {len(self.log_D)}), a logit for each row of the gains")
        if labels.is_floating_point():
            if labels.shape != logits.shape:
                reject("labels.shape", tuple(labels.shape), f"{tuple(logits.shape)}, as the logits")
            targets = labels @ self.M.to(labels.dtype)
        else:
            if labels.shape != logits.shape[:-1]:
                reject("labels.shape", tuple(labels.shape), f"{tuple(logits.shape[:-1])}, as the logits' but the last")
            targets = self.M[labels].to(logits.dtype)
        adjusted = torch.log_softmax(logits - self.log_D.to(logits.dtype), -1)
        losses = -(targets * adjusted).sum(-1)
        return losses if self.reduction == "none" else getattr(losses, self.reduction)()


class WorstCaseRecall:
    """Gains diag(a_i / prior_i) that lead to the largest least recall: a <- a exp(step (1 - recall)) / sum.

    Args:
        priors: frequencies (K,) of the labels, positive.
        step: of the exponentiated gradient. Near the end it must not exceed 2 over the largest eigenvalue of
            d recall_i / d log a_j, or recalls oscillate (`theory.cost_sensitive.gaussian_classes.spectrum`).

    Attributes:
        weights: a (K,), of sum 1.

    Raises:
        InvalidArgument: priors that are not positive, or a step that is not above 0.
    """

    def __init__(self, priors: Tensor, step: float = 1.0) -> None:
        self.step, self.priors = positive("step", step), _per_label("priors", priors)
        if not bool((priors > 0).all()):
            reject("priors", priors.tolist(), "positive numbers")
        self.weights = torch.full_like(priors, 1 / len(priors))

    @property
    def gains(self) -> Tensor:
        return torch.diag(self.weights / self.priors)

    def update(self, recalls: Tensor) -> None:
        """From recalls (K,) on data that are held out.

        Raises:
            InvalidArgument: not K numbers from 0 to 1.
        """
        self.weights = torch.softmax(self.weights.log() + self.step * (1 - _shares("recalls", recalls, self.priors)), 0)


class LeastCoverage:
    """Gains delta_ij / (K prior_i) + multiplier_j: the largest mean recall with P(prediction j) >= least for all j.

    Args:
        priors: frequencies (K,) of the labels, positive.
        least: the least share of predictions of each label, below 1 / K.
        step: of multiplier <- max(multiplier - step (coverage - least), 0).

    Attributes:
        multipliers: (K,), from 0 on.

    Raises:
        InvalidArgument: priors that are not positive, `least` not in (0, 1 / K), a step that is not above 0.
    """

    def __init__(self, priors: Tensor, least: float, step: float = 0.1) -> None:
        self.step, self.priors = positive("step", step), _per_label("priors", priors)
        if not bool((priors > 0).all()):
            reject("priors", priors.tolist(), "positive numbers")
        self.least = inside("least", least, 0, 1 / len(priors), "()")
        self.multipliers = torch.zeros_like(priors)

    @property
    def gains(self) -> Tensor:
        return torch.diag(1 / (len(self.priors) * self.priors)) + self.multipliers

    def update(self, coverage: Tensor) -> None:
        """From the shares (K,) with which labels are predicted, on data that are held out.

        Raises:
            InvalidArgument: not K numbers from 0 to 1.
        """
        short = self.least - _shares("coverage", coverage, self.priors)
        self.multipliers = torch.clamp(self.multipliers + self.step * short, min=0)


def _per_label(name: str, numbers: Tensor) -> Tensor:
    if not numbers.is_floating_point():
        reject(name, numbers.tolist(), "floating-point numbers: frequencies, not counts")
    if numbers.dim() != 1 or len(numbers) < 2:
        reject(f"{name}.shape", tuple(numbers.shape), "(K,), a number for each of two labels or more")
    return numbers


def _shares(name: str, numbers: Tensor, like: Tensor) -> Tensor:
    if numbers.shape != like.shape or not bool(((numbers >= 0) & (numbers <= 1)).all()):
        reject(name, numbers.tolist(), f"{len(like)} numbers from 0 to 1")
    return numbers.to(like)
