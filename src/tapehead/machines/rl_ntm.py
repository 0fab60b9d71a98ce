"""The Reinforcement-Learning NTM (Zaremba & Sutskever, arXiv 1505.00521): heads on tapes, moved
one place at a time by choices that REINFORCE trains."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from tapehead.checks import Count, Size, choice
from tapehead.forms import Tape
from tapehead.machines.cells import Cell
from tapehead.machines.machine import Machine, Trace, check_range
from tapehead.machines.options import configured
from tapehead.machines.sizes import rl_ntm_numbers
from tapehead.ops import gate
from tapehead.ops.estimators import CATEGORICAL
from tapehead.ops.tapes import in_view, moved, ring_lengths

CONTROLLERS = ("direct", "lstm")
INPUT_ENDS = ("stop", "wrap")
MOVES = (-1, 0, 1)
STORED = 4.0
"""Weight from the symbol seen to itself in what a fresh direct-access controller stores."""
PASSED_ON = 8.0
"""What a symbol in view adds to its own logit when its gate is wide open."""


class Rollout(NamedTuple):
    """What happened on a batch of tapes, (batch, time, ...); past a sequence's end all is zero.

    `log_probs`, `entropies`: of all choices of a step. `context`: what the machine knew as it
    chose, with the steps and symbols left. `wrote`: whether a symbol was written; `due`: which one
    of the answer it then was. `input_heads`, `memory_heads`: places, from the start.
    """

    log_probs: Float[Tensor, "batch time"]
    entropies: Float[Tensor, "batch time"]
    context: Float[Tensor, "batch time context"]
    active: Bool[Tensor, "batch time"]
    wrote: Bool[Tensor, "batch time"]
    due: Int64[Tensor, "batch time"]
    input_heads: Int64[Tensor, "batch time"]
    memory_heads: Int64[Tensor, "batch time"]


class RLNTM(Machine):
    """A controller with an input tape, a memory tape and an output tape; it reads a `Tape`.

    In each step it sees the symbols around its input head, the cells around its memory head and its
    last choices; it rewrites the cell under its memory head, says how likely each symbol is to come
    next, and chooses: where the input head goes, where the memory head goes, and whether to write,
    which means that what it said is the next symbol of the answer. When the steps left are only
    just enough for the symbols left, it must write.

    By default its choices are greedy; in training an objective samples them
    (`tapehead.training.objectives.MoveChoices`).

    Trace names, all (batch, time): `input_head` and `memory_head`, the places of the heads;
    `wrote`, 1 where a symbol was written; `due`, which one of the answer it then was; `active`, 1
    until the answer is written.

    Args:
        symbols: symbols there are.
        controller: "lstm": what is said and stored comes from the hidden state. "direct": the
            hidden state chooses, and what is said and stored comes straight from the symbols and
            cells in view (the paper's direct-access controller): gates decide which of them are
            passed on to what is said, and the symbol under the head is stored, at first as it is.
        hidden_size: units of the LSTM.
        cell_size: numbers in a memory cell.
        memory: have a memory tape; without, only the input tape serves.
        forward_only: the input head never moves back.
        input_ends: what the input head does at the ends of its tape: "stop" on the blank place just
            outside, or "wrap": the tape up to its last symbol is a ring, as in the authors' code.
        reach: places to either side that a head sees. With 0 a machine must be right about where
            its heads go before anything that it stored is of use.

    >>> import torch
    >>> from tapehead import RLNTM
    >>> from tapehead.tasks import ReverseTape
    >>> task = ReverseTape(num_symbols=5, max_complexity=4)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=3)
    >>> machine = RLNTM(**task.sizes)
    >>> y, _ = machine(**batch.inputs._asdict())
    >>> y.shape == batch.targets.shape
    True
    """

    reads = Tape
    trained_by = "moves"

    @configured(rl_ntm_numbers)
    def __init__(
        self,
        symbols: Size,
        *,
        controller: Annotated[str, choice(CONTROLLERS)] = "direct",
        hidden_size: Size = 50,
        cell_size: Size = 35,
        memory: bool = False,
        forward_only: bool = False,
        input_ends: Annotated[str, choice(INPUT_ENDS)] = "stop",
        reach: Count = 2,
    ):
        super().__init__()
        self.input_ends = input_ends
        self.symbols, self.controller = symbols, controller
        self.memory, self.cell_size = memory, cell_size
        self.reach, self.window = reach, 2 * reach + 1
        self.input_moves = MOVES[1:] if forward_only else MOVES
        self.choice_sizes = [len(self.input_moves), len(MOVES) if memory else 1, 2]
        seen = self.window * (symbols + (cell_size if memory else 0))
        self.cell = Cell("lstm", seen + sum(self.choice_sizes), hidden_size)
        self.choose = nn.Linear(hidden_size, sum(self.choice_sizes))
        source = seen if controller == "direct" else hidden_size
        self.say = nn.Linear(source, symbols)
        # Drawn even where there is no memory, so that a seed gives the same weights to all else;
        # but not kept: what no gradient reaches, a data-parallel wrapper would wait for in vain.
        store, keep = nn.Linear(source, cell_size), nn.Linear(hidden_size, 1)
        self.store, self.keep = (store, keep) if memory else (None, None)
        if controller == "direct":
            # One for each symbol and cell in view.
            self.pass_on = nn.Linear(hidden_size, self.window * (2 if memory else 1))
            if memory:
                self._store_what_is_seen(store)

    def _store_what_is_seen(self, store: nn.Linear) -> None:
        """A machine that first has to learn how to remember a symbol cannot tell where to keep it
        before it has."""
        here = self.reach * self.symbols
        with torch.no_grad():
            under_head = store.weight[:, here : here + self.symbols]
            under_head += STORED * torch.eye(self.cell_size, self.symbols)

    @property
    def objective_sizes(self) -> Mapping[str, int]:
        # It also hears how many steps and symbols are left.
        return {"context_size": self.cell.hidden_size + 2}

    @property
    def state_numbers(self) -> int:
        return 2 * self.cell.hidden_size + sum(self.choice_sizes)

    def forward(
        self,
        symbols: Int64[Tensor, "batch places"],
        limits: Int64[Tensor, " batch"],
        answers: Int64[Tensor, " batch"],
        *,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch written symbols"], Rollout]:
        """Run on a batch of tapes.

        Args:
            symbols, limits, answers: a `Tape`.
            sample: draw each choice; if false take the likeliest.
            generator: of the draws; None: the global one.

        Inside `torch.autocast` it computes in the type of its weights.

        Returns:
            Logits of each symbol of the output tape, and what happened on the way.

        Raises:
            TypeError, ValueError: an argument is none that the machine can take; one line names it.
        """
        if gate.autocasting(symbols):
            with torch.autocast(symbols.device.type, enabled=False):
                return self.forward(symbols, limits, answers, sample=sample, generator=generator)
        self._check_tapes(symbols, limits, answers)
        tape = symbols
        batch, places = tape.shape
        around = ring_lengths(tape) if self.input_ends == "wrap" else None
        rows = torch.arange(batch, device=tape.device)
        steps = int(limits.max())
        weight = next(self.parameters())
        new = weight.new_zeros
        kinds = max(self.symbols, *self.choice_sizes)
        one_hot = torch.eye(kinds, dtype=weight.dtype, device=weight.device)
        views = one_hot[in_view(tape, self.reach, around), : self.symbols].flatten(2)
        head = torch.zeros(batch, dtype=torch.int64, device=tape.device)
        middle = steps + self.reach
        memory_head, done = torch.full_like(head, middle), torch.zeros_like(head)
        memory = new(batch, 2 * middle + 1, self.cell_size) if self.memory else None
        near = torch.arange(-self.reach, self.reach + 1, device=tape.device)
        hidden, cell = new(batch, self.cell.hidden_size), new(batch, self.cell.hidden_size)
        last = new(batch, sum(self.choice_sizes))
        noise = new(steps, *last.shape)
        if sample:
            noise = CATEGORICAL.noise(noise, generator)
        history: list[tuple[Tensor, ...]] = []
        for time in range(steps):
            steps_left, symbols_left = limits - time, answers - done
            active = (steps_left > 0) & (symbols_left > 0)
            if not active.any():
                break
            seen = views[rows, head + 1]
            cells = None if memory is None else memory[rows[:, None], memory_head[:, None] + near]
            if cells is not None:
                seen = torch.cat([seen, cells.flatten(1)], -1)
            hidden, cell = self.cell(torch.cat([seen, last], -1), hidden, cell)
            source = seen if self.controller == "direct" else hidden
            store, keep = self.store, self.keep
            if memory is not None and cells is not None and store and keep:
                kept = keep(hidden).sigmoid()
                stored = kept * cells[:, self.reach] + (1 - kept) * store(source).tanh()
                memory = memory.index_put((rows, memory_head), stored)
            logits = self.choose(hidden)
            picked = self._pick(logits.detach() + noise[time])
            # With no step to spare it must write, and that is then no choice of its own.
            forced = active & (steps_left <= symbols_left)
            wrote = active & (picked[:, 2] == 1) | forced
            taken = torch.cat([picked[:, :2], wrote[:, None]], 1)
            left = torch.stack([steps_left, symbols_left], -1)
            step = (source, hidden, logits, picked, left, active, forced, wrote, done, head)
            history.append((*step, memory_head - middle))
            done = done + wrote
            move = picked[:, 0] + self.input_moves[0]
            head = torch.where(active, moved(head, move, places, around), head)
            if memory is not None:
                memory_head = memory_head + torch.where(active, picked[:, 1] - 1, 0)
            last = torch.cat(
                [one_hot[taken[:, part], :size] for part, size in enumerate(self.choice_sizes)],
                1,
            )
        # What no later step depends on is worked out for all of them at once.
        (source, hidden, logits, picked, left, active, forced, wrote, due, heads, memory_heads) = (
            torch.stack(part, 1) for part in zip(*history, strict=True)
        )
        said = self.say(source)
        if self.controller == "direct":
            said = said + self._passed_on(source, hidden)
        log_probs, entropies = self._judge(logits, picked, active, forced)
        which, when = wrote.nonzero(as_tuple=True)
        outputs = said.new_zeros(batch, int(answers.max()), self.symbols)
        outputs = outputs.index_put((which, due[which, when]), said[which, when])
        return outputs, Rollout(
            log_probs=log_probs,
            entropies=entropies,
            context=torch.cat([hidden, left.to(hidden.dtype) / 10], -1),
            active=active,
            wrote=wrote,
            due=due,
            input_heads=heads,
            memory_heads=memory_heads,
        )

    def trace(
        self,
        symbols: Int64[Tensor, "batch places"],
        limits: Int64[Tensor, " batch"],
        answers: Int64[Tensor, " batch"],
    ) -> Trace:
        outputs, run = self(symbols, limits, answers)
        tensors = {"input_head": run.input_heads, "memory_head": run.memory_heads}
        tensors |= {name: getattr(run, name) for name in ("wrote", "due", "active")}
        return Trace(outputs, (), {name: part.to(outputs.dtype) for name, part in tensors.items()})

    def _check_tapes(self, symbols: Any, limits: Any, answers: Any) -> None:
        """Raise unless a batch of tapes is one."""
        device = self.say.weight.device
        gate.check_rank("symbols", symbols, "batch", "places")
        given = {"symbols": symbols, "limits": limits, "answers": answers}
        for name in ("limits", "answers"):
            gate.check_rank(name, given[name], symbols.shape[0])
        for name, each in given.items():
            gate.check_type(name, each, torch.int64, device, "where the machine is")
        check_range("symbols", symbols, 0, self.symbols - 1)
        if (answers < 1).any():
            raise ValueError(f"answers must be at least 1, got {int(answers.min())}")
        if (limits < answers).any():
            raise ValueError("limits must leave a step for every symbol of the answer")

    def _judge(
        self, logits: Tensor, picked: Tensor, active: Tensor, forced: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of the choices of each step, of those that were free."""
        log_probs = entropies = torch.zeros_like(logits[..., 0])
        for part, each in enumerate(logits.split(self.choice_sizes, -1)):
            free = active & ~forced if part == 2 else active
            log_p = each.log_softmax(-1)
            chosen = log_p.gather(-1, picked[..., part, None])[..., 0]
            log_probs = log_probs + torch.where(free, chosen, 0.0)
            entropies = entropies + torch.where(free, CATEGORICAL.entropy(each), 0.0)
        return log_probs, entropies

    def _passed_on(self, seen: Tensor, hidden: Tensor) -> Tensor:
        """What the symbols and cells in view add to the logits of what is said."""
        tape, memory = seen.tensor_split([self.window * self.symbols], -1)
        shown = tape.unflatten(-1, (self.window, self.symbols))
        if self.memory:
            cells = memory.unflatten(-1, (self.window, self.cell_size))
            cells = nn.functional.pad(cells, (0, self.symbols - self.cell_size))
            shown = torch.cat([shown, cells], -2)
        gates = PASSED_ON * self.pass_on(hidden).sigmoid()
        return (gates[..., None] * shown).sum(-2)

    def _pick(self, logits: Float[Tensor, "batch choices"]) -> Int64[Tensor, "batch 3"]:
        """The moves of the input head and of the memory head, and whether to write."""
        return torch.stack([part.argmax(-1) for part in logits.split(self.choice_sizes, -1)], -1)
