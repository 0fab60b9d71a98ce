"""
A task of your own
==================

A task is a class that draws batches and says what an answer is. The loss, the scores and the
pictures follow from that. Ours asks for a sequence backwards.
"""

from dataclasses import dataclass, replace

import torch

from tapehead import NTM
from tapehead.forms import Sequence
from tapehead.tasks import Batch, SequenceTask
from tapehead.tasks.answers import Bits
from tapehead.tasks.draws import random_bits
from tapehead.tasks.metrics import BIT_ERRORS, PassMark
from tapehead.viewing import memory_figure, run_episode, save

# %%
# The task
# --------
# Inputs are ``length`` vectors of four bits, then a step with the signal "now", then silence for
# as many steps. ``Batch`` takes the inputs, the right answers, and the steps at which they are due.
# The fields of the class are the options of the task.

BITS = 4


@dataclass(frozen=True, kw_only=True)
class Backwards(SequenceTask):
    """Say a sequence backwards.

    length: vectors of a sequence.
    """

    name, title, source = "backwards", "Backwards", "an example"
    channel_names = (*(f"bit {n + 1}" for n in range(BITS)), "now")
    answer = Bits([f"bit {n + 1}" for n in range(BITS)])
    pass_mark = PassMark(BIT_ERRORS, 0.1)
    length: int = 6

    def _sample(self, generator, batch_size):
        steps = 2 * self.length + 1
        said = random_bits(generator, batch_size, self.length, BITS)
        x = torch.zeros(batch_size, steps, BITS + 1)
        x[:, : self.length, :BITS] = said
        x[:, self.length, BITS] = 1
        targets = torch.zeros(batch_size, steps, BITS)
        targets[:, self.length + 1 :] = said.flip(1)
        due = torch.arange(steps) > self.length
        return Batch(Sequence(x), targets, due.repeat(batch_size, 1))


# %%
# A machine that learns it
# ------------------------
# ``input_size`` and ``output_size`` are known from the names of the channels. A feed-forward
# controller remembers nothing by itself, so it must use the memory. The learning rate falls along a
# cosine, and we stop at the pass mark, which is judged on fresh sequences. About half of all
# starting weights get there in 250 batches; others stay stuck, and then we try the next ones.

task = Backwards()


def attempt(seed):
    """Train a machine from the weights of a seed; returns it and its wrong bits per sequence."""
    torch.manual_seed(seed)
    machine = NTM(
        task.input_size, task.output_size,
        controller="feedforward", hidden_size=64, memory_size=12, word_size=10,
    )  # fmt: skip
    optimiser = torch.optim.Adam(machine.parameters(), lr=0.01)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 250)
    draws = torch.Generator().manual_seed(seed)
    for step in range(1, 251):
        batch = task.batch(draws, 16)
        outputs, _ = machine(batch.inputs.x)
        loss = task.loss(outputs, batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(machine.parameters(), 1.0)
        optimiser.step()
        slower.step()
        if step % 50 == 0:
            fresh = task.batch(draws, 200)
            wrong = task.scores(machine(fresh.inputs.x)[0], fresh)["bit_errors"].mean()
            print(f"seed {seed}, {step} batches: {wrong:.2f} wrong bits of {BITS * task.length}")
            if task.pass_mark.met(wrong):
                break
    return machine, wrong


for seed in range(12):
    machine, wrong = attempt(seed)
    if task.pass_mark.met(wrong):
        break

# %%
# How it does it
# --------------
# The picture needs nothing more from us. To copy, a machine lets its read head jump back to the
# first row. To say a sequence backwards it need not jump: the read head can stand where the last
# vector was written, turn round, and walk back. A machine that does so can say longer ones too.

figure = memory_figure(*run_episode(machine, task), title="Backwards")
save(figure, "your_own_task.png")
figure

# %%
# ``replace`` makes another size of the same task. Two vectors more than in training:

longer = replace(task, length=8)
fresh = longer.batch(torch.Generator().manual_seed(1), 200)
wrong = longer.scores(machine(fresh.inputs.x)[0], fresh)["bit_errors"].mean()
print(f"{wrong:.2f} wrong bits of {BITS * longer.length}")

# %%
# In a file ``backwards.py``, the class can be trained from the command line too, with a run
# directory, resuming and figures: ``tapehead train backwards:Backwards --length 8``.
