"""The Reinforcement-Learning NTM (Zaremba & Sutskever, arXiv 1505.00521): heads on tapes, moved
one place at a time by choices that REINFORCE trains."""

from typing import Annotated, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tapehead.checks import Count, Size, choice
from tapehead.machines.cells import Cell
from tapehead.machines.machine import check_range
from tapehead.machines.options import Configured, configured
from tapehead.machines.sizes import rl_ntm_numbers
from tapehead.ops import gate
from tapehead.ops.estimators import CATEGORICAL
from tapehead.ops.estimators.addresses import to_go

CONTROLLERS = ("direct", "lstm")
INPUT_ENDS = ("stop", "wrap")
MOVES = (-1, 0, 1)
STORED = 4.0
"""Weight from the symbol seen to itself in what a fresh direct-access controller stores."""
PASSED_ON = 8.0
"""What a symbol in view adds to its own logit when its gate is wide open."""


class Rollout(NamedTuple):
    """What happened on a batch of tapes, (batch, time, ...); past a sequence's end all is zero.

    `costs`: -log p of the symbol that was due, at the steps that wrote one. `log_probs`: of all
    choices of a step. `wrote`: whether a symbol was written. `written`: what the machine held
    most likely at each place of the output tape. `correct`: whether that was the whole answer.
    """

    costs: Float[Tensor, "batch time"]
    log_probs: Float[Tensor, "batch time"]
    entropies: Float[Tensor, "batch time"]
    context: Float[Tensor, "batch time context"]
    active: Bool[Tensor, "batch time"]
    wrote: Bool[Tensor, "batch time"]
    input_heads: Int64[Tensor, "batch time"]
    memory_heads: Int64[Tensor, "batch time"]
    written: Int64[Tensor, "batch answers"]
    correct: Bool[Tensor, " batch"]


def _lengths(tape: Int64[Tensor, "batch places"]) -> Int64[Tensor, " batch"]:
    """Places up to the last that is not blank: a ring is as long in any batch."""
    places = torch.arange(1, tape.shape[1] + 1, device=tape.device)
    return (places * (tape != 0)).amax(1).clamp(min=1)


class RLNTM(Configured):
    """A controller with an input tape, a memory tape and an output tape.

    In each step it sees the symbols around its input head, the cells around its memory head and its
    last choices; it rewrites the cell under its memory head, says how likely each symbol is to come
    next, and chooses: where the input head goes, where the memory head goes, and whether to write,
    which means that the next symbol of the answer is compared with what it said. When the steps
    left are only just enough for the symbols left, it must write.

    It runs on tapes and not on sequences of vectors, so it is not a `Machine`.

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
        baseline_size: hidden units of the network that predicts the cost still to come.
    """

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
        baseline_size: Size = 50,
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
        # It also hears how many steps and symbols are left.
        self.baseline = nn.Sequential(
            nn.Linear(hidden_size + 2, baseline_size), nn.Tanh(), nn.Linear(baseline_size, 1)
        )

    def _store_what_is_seen(self, store: nn.Linear) -> None:
        """A machine that first has to learn how to remember a symbol cannot tell where to keep it
        before it has."""
        here = self.reach * self.symbols
        with torch.no_grad():
            under_head = store.weight[:, here : here + self.symbols]
            under_head += STORED * torch.eye(self.cell_size, self.symbols)

    def forward(
        self,
        tape: Int64[Tensor, "batch places"],
        targets: Int64[Tensor, "batch answers"],
        asked: Bool[Tensor, "batch answers"],
        limits: Int64[Tensor, " batch"],
        *,
        sample: bool = True,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """Run on a batch of tapes.

        Args:
            tape: input symbols; outside is symbol 0.
            targets: the answer; `asked` marks the places that it has.
            limits: steps that each sequence has, at least as many as places asked.
            sample: draw each choice; if false take the likeliest.

        Inside `torch.autocast` it computes in the type of its weights.

        Raises:
            TypeError, ValueError: an argument is none that the machine can take; one line names it.
        """
        if gate.autocasting(tape):
            with torch.autocast(tape.device.type, enabled=False):
                return self.forward(
                    tape, targets, asked, limits, sample=sample, generator=generator
                )
        self._check_tapes(tape, targets, asked, limits)
        batch, places = tape.shape
        around = _lengths(tape) if self.input_ends == "wrap" else None
        rows = torch.arange(batch, device=tape.device)
        answers = asked.sum(1)
        if (limits < answers).any():
            raise ValueError("limits must leave a step for every symbol asked")
        steps = int(limits.max())
        weight = next(self.parameters())
        new = weight.new_zeros
        kinds = max(self.symbols, *self.choice_sizes)
        one_hot = torch.eye(kinds, dtype=weight.dtype, device=weight.device)
        in_view = one_hot[self._in_view(tape, around), : self.symbols].flatten(2)
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
            seen = in_view[rows, head + 1]
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
            moved = head + move
            moved = moved.clamp(-1, places) if around is None else moved % around
            head = torch.where(active, moved, head)
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
        places_due = due.clamp(max=targets.shape[1] - 1)
        costs = cross_entropy(said.transpose(1, 2), targets.gather(1, places_due), reduction="none")
        log_probs, entropies = self._judge(logits, picked, active, forced)
        written = torch.full_like(targets, -1)
        which, when = wrote.nonzero(as_tuple=True)
        written[which, due[which, when]] = said.argmax(-1)[which, when]
        return Rollout(
            costs=torch.where(wrote, costs, 0.0),
            log_probs=log_probs,
            entropies=entropies,
            context=torch.cat([hidden, left.to(hidden.dtype) / 10], -1),
            active=active,
            wrote=wrote,
            input_heads=heads,
            memory_heads=memory_heads,
            written=written,
            correct=((written == targets) | ~asked).all(1),
        )

    def _check_tapes(self, tape: Any, targets: Any, asked: Any, limits: Any) -> None:
        """Raise unless a batch of tapes is one."""
        device = self.say.weight.device
        gate.check_rank("tape", tape, "batch", "places")
        gate.check_rank("targets", targets, tape.shape[0], "answers")
        gate.check_rank("asked", asked, *targets.shape)
        gate.check_rank("limits", limits, tape.shape[0])
        whole, switch = torch.int64, torch.bool
        for name, given, dtype in (
            ("tape", tape, whole),
            ("targets", targets, whole),
            ("asked", asked, switch),
            ("limits", limits, whole),
        ):
            gate.check_type(name, given, dtype, device, "where the machine is")
        for name, given in (("tape", tape), ("targets", targets)):
            check_range(name, given, 0, self.symbols - 1)

    def training_loss(
        self,
        tape: Int64[Tensor, "batch places"],
        targets: Int64[Tensor, "batch answers"],
        asked: Bool[Tensor, "batch answers"],
        limits: Int64[Tensor, " batch"],
        *,
        entropy: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, ""], Rollout]:
        """A loss to call `backward` on, and the run it comes from.

        Its gradient is the ordinary one through what was said and stored, REINFORCE with the cost
        still to come less the baseline for the choices, and the squared error of the
        baseline, which reaches nothing else.

        Args:
            entropy: reward for a nat of entropy of each step's choices.
        """
        run = self(tape, targets, asked, limits, generator=generator)
        ahead = to_go(run.costs.detach())
        expected = torch.where(run.active, self.baseline(run.context.detach())[..., 0], 0.0)
        advantage = ahead - expected.detach()
        pull = run.costs + advantage * run.log_probs - entropy * run.entropies
        error = (expected - ahead).square().sum() / run.active.sum()
        # In units of its own size: where a joint gradient is clipped, how much is cut from the
        # machine's part must not hang on how well the baseline predicts.
        return pull.sum(1).mean() + error / error.detach().clamp(min=1.0), run

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

    def _in_view(
        self, tape: Int64[Tensor, "batch places"], around: Int64[Tensor, " batch"] | None
    ) -> Int64[Tensor, "batch places_and_two window"]:
        """The symbols in view from each place, and from the one before and after the tape: there a
        head that left it stands, and sees blanks outside. On a ring of `around` places it sees
        those at the other end."""
        margin = self.reach + 1
        if around is not None:
            places = torch.arange(-margin, tape.shape[1] + margin, device=tape.device)
            return tape.gather(1, places % around[:, None]).unfold(1, self.window, 1)
        return nn.functional.pad(tape, (margin, margin)).unfold(1, self.window, 1)

    def _pick(self, logits: Float[Tensor, "batch choices"]) -> Int64[Tensor, "batch 3"]:
        """The moves of the input head and of the memory head, and whether to write."""
        return torch.stack([part.argmax(-1) for part in logits.split(self.choice_sizes, -1)], -1)
