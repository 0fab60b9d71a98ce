"""What machines with discrete addresses share: how they run."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.machines.machine import Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.ops.estimators import addresses
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.gate import steps

ADDRESSINGS = ("soft", "discrete")
NEEDED = ("logits", "weights", "context")
"""What `Run` takes from the inner tensors of every step, even where they are not kept."""


class Run(NamedTuple):
    """One pass over a batch of sequences.

    `logits` and `weights` hold every address in the order in which they were chosen. `context` is
    what the machine knew at each step before its first choice of that step.
    """

    y: Float[Tensor, "batch time output"]
    state: Any
    logits: Float[Tensor, "batch time choices rows"]
    weights: Float[Tensor, "batch time choices rows"]
    context: Float[Tensor, "batch time context"]
    inner: Mapping[str, Tensor]


class DiscreteMachine(Recurrent):
    """A machine that can address its memory one row at a time.

    By itself a discrete machine takes the likeliest row of each address, in training too; to be
    trained, its rows are drawn by an objective (`tapehead.training.objectives.RowChoices`).

    Attributes:
        addressing: "soft" (all rows at once, as a plain differentiable machine) or "discrete".
    """

    changeable = ("addressing",)
    trained_by = "rows"
    addressing: str
    choices: int
    """Addresses in a step."""
    rows: int
    """Rows of each address."""
    context_size: int
    """Numbers of `Run.context`."""

    @property
    def objective(self) -> str:
        return "supervised" if self.addressing == "soft" else self.trained_by

    @property
    def objective_sizes(self) -> Mapping[str, int]:
        if self.addressing == "soft":
            return {}
        return {name: getattr(self, name) for name in ("choices", "rows", "context_size")}

    @abstractmethod
    def run(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        offset: Float[Tensor, "batch time choices rows"] | None = None,
        keep: bool = False,
    ) -> Run:
        """One pass with the given way of choosing rows.

        Args:
            offset: added to the logits of every address; to differentiate by.
            keep: keep every named inner tensor.
        """

    def one_step(
        self,
        x_t: Float[Tensor, "batch input"],
        state: Any,
        choose: Chooser,
        time: int,
        offset: Float[Tensor, "batch choices rows"] | None,
    ) -> tuple[Float[Tensor, "batch output"], Any, dict[str, Tensor]]:
        """One step of a machine that is run by `unroll`: output logits, the new state, and inner
        tensors by name, `logits`, `weights` and `context` of `Run` among them."""
        raise NotImplementedError

    def unroll(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None,
        offset: Float[Tensor, "batch time choices rows"] | None,
        keep: bool,
    ) -> Run:
        """`run`, for a machine that has `one_step`."""
        outputs, history = [], []
        for time in steps(x):
            shift = None if offset is None else offset[:, time]
            y, after, inner = self.one_step(x[:, time], state, choose, time, shift)
            if lengths is not None:
                active = time < lengths
                after = type(after)(
                    *(_where(active, new, old) for new, old in zip(after, state, strict=True))
                )
            state = after
            outputs.append(y)
            # Of a long sequence every memory would be a great deal.
            history.append({name: inner[name] for name in (inner if keep else NEEDED)})
        stacked = {name: torch.stack([step[name] for step in history], 1) for name in history[0]}
        return Run(
            y=torch.stack(outputs, 1),
            state=state,
            logits=stacked["logits"],
            weights=stacked["weights"],
            context=stacked.pop("context"),
            inner=stacked if keep else {},
        )

    def _forward(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        if self.addressing == "soft":
            return self.run_soft(x, state, lengths)
        run = self.run(x, state, addresses.hard, lengths=lengths)
        return run.y, run.state

    def _trace(self, x: Tensor, state: Any, lengths: Tensor | None) -> Trace:
        choose = addresses.soft if self.addressing == "soft" else addresses.hard
        run = self.run(x, state, choose, lengths=lengths, keep=True)
        return Trace(run.y, run.state, run.inner)

    def run_soft(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Outputs and state with soft addresses; for a machine that has a faster way to them."""
        run = self.run(x, state, addresses.soft, lengths=lengths)
        return run.y, run.state


def _where(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)
