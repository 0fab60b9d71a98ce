"""
A machine of your own
=====================

The memory of a Neural Turing Machine is a tape. Ours is a stack: a vector can be put on top, or
taken off, and only the top is seen (Joulin & Mikolov 2015). It takes some thirty lines. Everything
else that a machine has, such as single steps, pieces, lengths and traces, comes from ``Recurrent``.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tapehead import Recurrent, Trace
from tapehead.viewing import save
from tapehead.viewing.style import FAINT, INK, READ, WRITE, new_figure, open_frame, place, styled

# %%
# The machine
# -----------
# The state is a named tuple of tensors, batch first. In each step a small recurrent layer says how
# much to push, to pop and to leave the stack as it is; the new stack is the mixture of the three,
# so gradients flow through the choice. What is pushed comes from the input, and what is answered
# from the top of the stack, so the stack alone can remember a sequence.


class StackState(NamedTuple):
    hidden: Tensor
    stack: Tensor


class StackMachine(Recurrent):
    """A recurrent network with a stack beside it.

    Args:
        depth: vectors that the stack can hold.
        word_size: numbers of each.
    """

    def __init__(self, input_size, output_size, *, hidden_size=8, depth=10, word_size=6):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.depth, self.word_size = depth, word_size
        self.cell = nn.GRUCell(input_size, hidden_size)
        self.act = nn.Linear(hidden_size, 3)
        self.word = nn.Linear(input_size, word_size)
        self.output = nn.Linear(word_size, output_size)

    def initial_state(self, batch_size):
        zeros = self.act.weight.new_zeros
        return StackState(
            zeros(batch_size, self.cell.hidden_size), zeros(batch_size, self.depth, self.word_size)
        )

    def _one_step(self, x_t, state):
        hidden, stack = state
        y_t = self.output(stack[:, 0])
        hidden = self.cell(x_t, hidden)
        action = self.act(hidden).softmax(-1)
        push, pop, keep = action[:, :, None, None].unbind(1)
        pushed = torch.cat([self.word(x_t).tanh()[:, None], stack[:, :-1]], dim=1)
        popped = torch.cat([stack[:, 1:], torch.zeros_like(stack[:, :1])], dim=1)
        stack = push * pushed + pop * popped + keep * stack
        return y_t, StackState(hidden, stack), action

    def _trace(self, x, state, lengths):
        steps = []
        for x_t in x.unbind(1):
            y_t, state, action = self._one_step(x_t, state)
            steps.append((y_t, action, state.stack))
        y, actions, stacks = (torch.stack(each, dim=1) for each in zip(*steps, strict=True))
        return Trace(y, state, {"action": actions, "stack": stacks})

    def _forward(self, x, state, lengths):
        trace = self._trace(x, state, lengths)
        return trace.y, trace.state


# %%
# Something to learn
# ------------------
# Six random letters of four, then the signal to say them backwards. Each letter is a channel; the
# fifth is the signal.

LETTERS, LENGTH = "abcd", 6


def draw(batch_size):
    letters = torch.randint(len(LETTERS), (batch_size, LENGTH))
    x = torch.zeros(batch_size, 2 * LENGTH, len(LETTERS) + 1)
    x[:, :LENGTH, :-1] = nn.functional.one_hot(letters, len(LETTERS))
    x[:, LENGTH:, -1] = 1
    return x, letters.flip(1)


torch.manual_seed(0)
machine = StackMachine(len(LETTERS) + 1, len(LETTERS))
optimiser = torch.optim.Adam(machine.parameters(), lr=0.02)
for step in range(81):
    x, right = draw(32)
    outputs, _ = machine(x)
    answers = outputs[:, LENGTH:]
    loss = nn.functional.cross_entropy(answers.flatten(0, 1), right.flatten())
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(machine.parameters(), 1.0)
    optimiser.step()
    if step % 20 == 0:
        share = (answers.argmax(-1) == right).float().mean()
        print(f"batch {step}: {share:.0%} of the letters right")

# %%
# What it does
# ------------
# ``trace`` gives what ``_trace`` has put into its table. The machine pushes while it listens and
# pops while it answers; the stack fills up and empties again.

x, right = draw(1)
with torch.no_grad():
    trace = machine.trace(x)
heard = [LETTERS[each] for each in x[0, :LENGTH, :-1].argmax(-1)]
said = [LETTERS[each] for each in trace.y[0, LENGTH:].argmax(-1)]


@styled
def stack_figure(trace, steps):
    figure = new_figure(110, 68)
    above = place(figure, 14, 6, 90, 18)
    times = range(len(steps))
    looks = (("push", WRITE, "-"), ("pop", READ, "--"), ("keep", FAINT, ":"))
    for number, (name, colour, dashes) in enumerate(looks):
        values = trace.action[0, :, number].numpy()
        above.plot(times, values, dashes, color=colour, marker="o", label=name)
    above.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.05, 1.05), xticks=[], ylabel="action")
    above.legend(loc="center right")
    open_frame(above)
    below = place(figure, 14, 28, 90, 32)
    below.imshow(trace.stack[0].norm(dim=-1).T.numpy(), cmap=INK, vmin=-3, vmax=3, aspect="auto")
    below.axvline(LENGTH - 0.5, color=FAINT, linewidth=0.6, linestyle="--")
    below.set_xticks(times, steps)
    below.set(ylabel="stack, top first", yticks=[], xlabel="heard, then said")
    return figure


figure = stack_figure(trace, heard + said)
save(figure, "your_own_machine.png")
figure

# %%
# What ``Recurrent`` adds works at once. In single steps, or in two pieces, the machine says the
# same:

with torch.no_grad():
    first, state = machine(x[:, :5])
    second, state = machine(x[:, 5:], state)
print(torch.allclose(torch.cat([first, second], dim=1), trace.y, atol=1e-5))
