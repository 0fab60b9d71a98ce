"""What machines with discrete addresses share: how they run."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from tapehead.forms import Sequence
from tapehead.machines.machine import Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.ops.estimators import addresses
from tapehead.ops.estimators.addresses import Chooser, Choosing
from tapehead.ops.gate import steps
from tapehead.ops.unrolling import unroll

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


class Unfolded(NamedTuple):
    """The sequences over which rows are chosen, of problems that may be told in another form.

    machine: what runs over them.
    x, lengths: as it takes them.
    asked: the question that each sequence answers, at its last step, by its number in a table of
        `shape` (problems, questions); None: the sequences are the problems.
    """

    machine: "DiscreteMachine"
    x: Float[Tensor, "sequences time input"]
    lengths: Int64[Tensor, " sequences"] | None
    asked: Int64[Tensor, " sequences"] | None = None
    shape: tuple[int, int] = (0, 0)

    def answers(self, y: Float[Tensor, "sequences time output"]) -> Float[Tensor, "_ _ output"]:
        """The outputs that a task has targets for; zeros of questions that no sequence answers."""
        if self.asked is None or self.lengths is None:
            return y
        last = y[torch.arange(len(y), device=y.device), self.lengths - 1]
        problems, questions = self.shape
        table = y.new_zeros(problems * questions, y.shape[2])
        return table.index_copy(0, self.asked, last).view(problems, questions, -1)

    def costs(self, of_answers: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """From outputs to the cost of each step, (sequences, time).

        Args:
            of_answers: from `answers` to the cost of each. Summed over all of a problem their mean
                over problems is the loss, and so is then that over sequences.
        """

        def costs(y: Tensor) -> Tensor:
            each = of_answers(self.answers(y))
            if self.asked is None or self.lengths is None:
                return each
            own = each.flatten()[self.asked] * (len(y) / self.shape[0])
            steps = own.new_zeros(y.shape[:2])
            return steps.scatter(1, self.lengths[:, None] - 1, own[:, None])

        return costs


def chooser_module(
    implementation: Callable[[str, Tensor, Any], ModuleType],
    reference: ModuleType,
    backend: str,
    choose: Chooser,
    x: Tensor,
    spec: Any,
) -> ModuleType:
    """The module that runs an operation of which `choose` is an argument.

    Args:
        implementation: from backend, x and spec to the module, for a known way of choosing.
        reference: the module that asks any.
    """
    if isinstance(choose, Choosing):
        return implementation(backend, x, spec)
    if backend in ("auto", "reference"):
        return reference
    raise RuntimeError(
        f"backend must be 'auto' or 'reference' with a way of choosing of the caller's own, "
        f"got {backend!r}"
    )


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
    context_size: int
    """Numbers of `Run.context`."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of each address."""

    @property
    def objective(self) -> str:
        return "supervised" if self.addressing == "soft" else self.trained_by

    @property
    def objective_sizes(self) -> Mapping[str, int]:
        if self.addressing == "soft":
            return {}
        return {name: getattr(self, name) for name in ("choices", "rows", "context_size")}

    def unfolded(self, told: Sequence) -> Unfolded:
        """The sequences over which it chooses rows, of what it is told."""
        return Unfolded(self, *told)

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

        def step(time: int, state: Any) -> tuple[Tensor, Any, dict[str, Tensor]]:
            shift = None if offset is None else offset[:, time]
            return self.one_step(x[:, time], state, choose, time, shift)

        def shown(state: Any, inner: dict[str, Tensor]) -> dict[str, Tensor]:
            # Of a long sequence every memory would be a great deal.
            if not keep:
                return {name: inner[name] for name in NEEDED}
            # Past its end a sequence shows the state that it keeps.
            kept = state._asdict()
            kept |= {"memory": kept["content"]} if "content" in kept else {}
            return inner | {name: part for name, part in kept.items() if name in inner}

        y, state, kept = unroll(step, steps(x), state, lengths, keep=shown)
        return Run(
            y=y,
            state=state,
            logits=kept["logits"],
            weights=kept["weights"],
            context=kept.pop("context"),
            inner=kept if keep else {},
        )

    def _forward(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        if self.addressing == "soft":
            return self.run_soft(x, state, lengths)
        run = self.run(x, state, addresses.hard, lengths=lengths)
        return run.y, run.state

    def _trace(self, x: Tensor, state: Any, lengths: Tensor | None) -> Trace:
        if self.addressing == "soft":
            return self.trace_soft(x, state, lengths)
        run = self.run(x, state, addresses.hard, lengths=lengths, keep=True)
        return Trace(run.y, run.state, run.inner)

    def _check_weights(self) -> None:
        super()._check_weights()
        self._check_shapes()

    def run_soft(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Outputs and state with soft addresses; for a machine that has a faster way to them."""
        run = self.run(x, state, addresses.soft, lengths=lengths)
        return run.y, run.state

    def trace_soft(self, x: Tensor, state: Any, lengths: Tensor | None) -> Trace:
        """As `run_soft`, keeping every named inner tensor: the same outputs and state."""
        run = self.run(x, state, addresses.soft, lengths=lengths, keep=True)
        return Trace(run.y, run.state, run.inner)
