"""A discrete choice, the continuous variable behind it, and that variable given the choice.

Both families write a choice as b = H(z), where z is a reparameterised continuous variable: a
logit plus noise. Given b, the same z can be drawn again, as z~ ~ p(z | b), by a formula that is
differentiable in the logits. REBAR and RELAX need all three.

Source: Tucker et al., "REBAR", arXiv 1703.07370, section 3 and appendix C; Grathwohl et al.,
"Backpropagation through the Void", arXiv 1711.00123, appendix B.

| name | symbol | Bernoulli | categorical |
|---|---|---|---|
| logits | theta | ..., variables | ..., variables, categories |
| choice | b | 0 or 1, as logits | one-hot, as logits |
| relaxed | z | as logits | as logits |
| conditional | z~ | as logits | as logits |

A logit of minus infinity is a value that never comes, and neither its probability nor its gradient
is NaN. Categories that are all impossible have no distribution: all that is asked of them is NaN.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot, softplus

TINY = 1e-20
"""The least uniform number used: its double logarithm is finite in float32."""
HALVES = (torch.float16, torch.bfloat16)
"""Too coarse for noise, which is drawn in float32 and rounded."""


class Draw(NamedTuple):
    """One sample of a batch of discrete variables. All tensors have the shape of `logits`.

    `leaf` is a detached copy of the logits, of which `relaxed` and `conditional` are functions:
    whatever is differentiated through these two stops there and never reaches the model.
    """

    family: "Family"
    logits: Float[Tensor, "..."]
    leaf: Float[Tensor, "..."]
    choice: Float[Tensor, "..."]
    relaxed: Float[Tensor, "..."]
    conditional: Float[Tensor, "..."]


class Family(ABC):
    """A kind of discrete variable.

    >>> import torch
    >>> from tapehead.ops.estimators import BERNOULLI, rebar
    >>> def cost(choice):
    ...     return ((choice - 0.4) ** 2).sum(dim=-1)
    >>> draw = BERNOULLI.draw(torch.zeros(10_000, 1), torch.Generator().manual_seed(0))
    >>> estimate = rebar(draw, cost, temperature=0.5, scale=1.0)
    >>> round(estimate.gradient.mean().item(), 2)  # exactly: (0.6 ** 2 - 0.4 ** 2) / 4
    0.05
    """

    def uniform(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The uniform numbers that all noise is made of."""
        return uniform(like, generator)

    event_dims: int
    """Axes of the logits that belong to one entry of the batch."""

    @abstractmethod
    def noise(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The noise of z = logits + noise."""

    @abstractmethod
    def harden(self, z: Tensor) -> Tensor:
        """b = H(z)."""

    @abstractmethod
    def conditional(
        self, logits: Tensor, choice: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """z~ ~ p(z | b), differentiable in the logits."""

    @abstractmethod
    def relax(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        """sigma(z / temperature): near b as the temperature goes to 0."""

    @abstractmethod
    def mean(self, logits: Tensor) -> Tensor:
        """E[b], of the shape of the logits."""

    @abstractmethod
    def log_prob(self, logits: Tensor, choice: Tensor) -> Tensor:
        """log p(b) of each variable."""

    @abstractmethod
    def entropy(self, logits: Tensor) -> Tensor:
        """Of each variable, in nats."""

    def score(self, logits: Tensor, choice: Tensor) -> Tensor:
        """The gradient of log p(b) with respect to the logits: b - E[b] in both families."""
        return choice - self.mean(logits)

    def draw(self, logits: Tensor, generator: torch.Generator | None = None) -> Draw:
        """Sample; the noise of z and that of z~ are independent given the choice.

        Raises:
            TypeError, ValueError: the logits are no tensor of floating numbers, or have too few
                dimensions.
        """
        _check_logits(logits, self.event_dims - 1)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            z = leaf + self.noise(leaf, generator)
            choice = self.harden(z.detach())
            return Draw(self, logits, leaf, choice, z, self.conditional(leaf, choice, generator))


class Bernoulli(Family):
    """Independent 0/1 variables: P(b = 1) = sigmoid(logit).

    >>> import torch
    >>> from tapehead.ops.estimators import BERNOULLI
    >>> BERNOULLI.mean(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([0.1192, 0.5000, 0.8808])
    >>> BERNOULLI.draw(torch.tensor([-20.0, 20.0])).choice
    tensor([0., 1.])
    """

    event_dims = 1

    def noise(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.uniform(like, generator).logit().to(like.dtype)

    def harden(self, z: Tensor) -> Tensor:
        return (z > 0).to(z.dtype)

    def conditional(
        self, logits: Tensor, choice: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        # log(v / ((1 - v)(1 - theta)) + 1) for b = 1, and its mirror image for b = 0, kept in
        # log space: neither a saturated theta nor an extreme v overflows.
        noise = self.uniform(logits, generator).logit()
        above = softplus(noise + softplus(logits))
        below = -softplus(noise + softplus(-logits))
        return torch.where(choice > 0.5, above, below).to(logits.dtype)

    def relax(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        return (z / temperature).sigmoid()

    def mean(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def log_prob(self, logits: Tensor, choice: Tensor) -> Tensor:
        return torch.where(choice > 0.5, logsigmoid(logits), logsigmoid(-logits))

    def entropy(self, logits: Tensor) -> Tensor:
        return surprise(logsigmoid(logits)) + surprise(logsigmoid(-logits))


class Categorical(Family):
    """Independent one-of-K variables, one-hot over the last axis: P(b = k) = softmax(logits)_k.

    >>> import torch
    >>> from tapehead.ops.estimators import CATEGORICAL
    >>> logits = torch.tensor([[0.0, 20.0, 0.0], [0.0, 0.0, 20.0]])
    >>> CATEGORICAL.draw(logits).choice
    tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """

    event_dims = 2

    def noise(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.uniform(like, generator).log().neg().log().neg().to(like.dtype)

    def harden(self, z: Tensor) -> Tensor:
        return one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype)

    def conditional(
        self, logits: Tensor, choice: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        # What cannot be chosen is minus infinity at the end; until then it must not meet another.
        impossible = logits == -torch.inf
        log_probs = logits.log_softmax(-1).masked_fill(impossible, 0.0)
        # E_k = -log v_k are exponential; the least of E_k / p_k wins, and it is exponential of
        # rate 1 whichever it is. The others are what is left of theirs beyond the winner's.
        log_exponential = self.uniform(logits, generator).log().neg().log()
        winner = (log_exponential * choice).sum(-1, keepdim=True)
        others = torch.logaddexp(log_exponential - log_probs, winner)
        conditional = -torch.where(choice > 0.5, winner, others)
        # z = logits + noise, not log p + noise: add the normaliser that log_softmax took away.
        conditional = conditional + logits.logsumexp(-1, keepdim=True)
        return conditional.masked_fill(impossible, -torch.inf).to(logits.dtype)

    def relax(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        return (z / temperature).softmax(-1)

    def mean(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)

    def log_prob(self, logits: Tensor, choice: Tensor) -> Tensor:
        log_probs = logits.log_softmax(-1)
        # What was not chosen, and could not be, would be zero times minus infinity.
        no_part = (choice == 0) & (log_probs == -torch.inf)
        return (log_probs.masked_fill(no_part, 0.0) * choice).sum(-1)

    def entropy(self, logits: Tensor) -> Tensor:
        return surprise(logits.log_softmax(-1)).sum(-1)


BERNOULLI, CATEGORICAL = Bernoulli(), Categorical()


def _check_logits(logits: Any, least: int) -> None:
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        got = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"logits must be a tensor of floating numbers, got {got}")
    if logits.dim() < least:
        raise ValueError(
            f"logits must have at least {least} dimension, got shape {tuple(logits.shape)}"
        )


def uniform(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise strictly inside (0, 1), of the shape and device of `like`, and of its type but
    for the halves: there float32."""
    dtype = torch.float32 if like.dtype in HALVES else like.dtype
    noise = torch.rand(like.shape, dtype=dtype, device=like.device, generator=generator)
    return noise.clamp(TINY, 1 - torch.finfo(dtype).eps)


def gumbel(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise, of the shape, type and device of `like`."""
    return uniform(like, generator).log().neg().log().neg().to(like.dtype)


def surprise(log_probs: Tensor) -> Tensor:
    """-p log p of each value: 0 for one that never comes, with a slope of 0."""
    return -(log_probs.exp() * log_probs.masked_fill(log_probs == -torch.inf, 0.0))
