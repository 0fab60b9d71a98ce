"""The toy that gradient estimators are measured on: one coin, one target.

It has no sequences, so it is not a `Task` of batches: its answer is a number, known exactly.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.checks import check_fields, number


@dataclass(frozen=True, kw_only=True)
class BernoulliToy:
    """Minimise E[(b - target)^2] over the logit of b ~ Bernoulli(sigmoid(logit)).

    Source: Tucker et al. 2017 (arXiv 1703.07370, target 0.45), section 5.1; Grathwohl et al. 2018
    (arXiv 1711.00123, target 0.499), section 4. The closer the target to 1/2, the smaller the true
    gradient against the noise of its estimates.
    """

    target: Annotated[float, number(0.0, most=1.0)] = 0.499

    def __post_init__(self) -> None:
        check_fields(self)

    def cost(self, choice: Float[Tensor, "*batch variables"]) -> Float[Tensor, "*batch"]:
        """(b - t)^2, averaged over the variables; `choice` may be relaxed."""
        return (choice - self.target).square().mean(-1)

    def expected_cost(self, logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """E[(b - t)^2], exactly."""
        p = logits.sigmoid()
        return p * (1 - self.target) ** 2 + (1 - p) * self.target**2

    def gradient(self, logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """d/dlogit of `expected_cost`, exactly."""
        p = logits.sigmoid()
        return p * (1 - p) * (1 - 2 * self.target)

    @property
    def optimum(self) -> float:
        """The least expected cost: always choose the nearer of 0 and 1."""
        return min((1 - self.target) ** 2, self.target**2)

    @property
    def start(self) -> float:
        """The expected cost of a fair coin, where every run begins."""
        return float(self.expected_cost(torch.zeros(1, dtype=torch.float64, device="cpu")))
