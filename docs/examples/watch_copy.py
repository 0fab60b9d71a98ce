"""
Watch a Neural Turing Machine learn to copy
===========================================

A Neural Turing Machine is a small network with a memory beside it. It hears a sequence of random
vectors, then a signal, and then must say the sequence again. Nobody tells it to use the memory, or
how. We train it for a few seconds, look at it four times on the way, and see a procedure appear.
"""

import torch

from tapehead import NTM
from tapehead.tasks import make_task
from tapehead.viewing import memory_figure, run_episode, save
from tapehead.viewing.style import FAINT, INK, new_figure, place, styled

# %%
# The task draws sequences of 1 to 6 vectors of 6 bits. The machine has 12 rows of memory, so there
# is a row for each vector, and 32 units, which are too few to remember all bits by themselves.

task = make_task("copy", max_length=6, num_bits=6)
torch.manual_seed(0)
machine = NTM(task.input_size, task.output_size, memory_size=12, word_size=10, hidden_size=32)
optimiser = torch.optim.Adam(machine.parameters(), lr=0.01)
draws = torch.Generator().manual_seed(0)

# %%
# Training is a loop as for any other network. ``run_episode`` shows the machine a fresh sequence,
# here one of full length, and keeps everything that happens inside: that is what we look at.

longest = make_task("copy", min_length=6, max_length=6, num_bits=6)
moments = {}
for step in range(401):
    if step in (0, 100, 200, 400):
        moments[step] = run_episode(machine, longest)
    batch = task.batch(draws, 16)
    outputs, _ = machine(batch.inputs.x)
    loss = task.loss(outputs, batch)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(machine.parameters(), 10.0)
    optimiser.step()
    if step % 100 == 0:
        wrong = task.scores(outputs.detach(), batch)["bit_errors"].mean()
        print(f"{step * 16:5,} sequences seen: {wrong:.1f} wrong bits in each")

# %%
# Four looks at the same sequence. Time runs to the right: six vectors are heard, then the signal,
# then six answers are due. Above stands what the machine says; below, on which of its twelve rows
# the write head was, and then the read head. Dark is much, white is nothing. The rows lie in a
# ring: above the first comes the last.


@styled
def film(moments):
    figure = new_figure(175, 76)
    for column, (step, (episode, trace)) in enumerate(moments.items()):
        panels = {
            "says": (episode.outputs * episode.mask[:, None], 18.0),
            "writes to": (trace.write_weights[0, :, 0].numpy(), 22.0),
            "reads from": (trace.read_weights[0, :, 0].numpy(), 22.0),
        }
        top = 6.0
        for name, (values, height) in panels.items():
            axes = place(figure, 16 + 40.5 * column, top, 36, height)
            axes.imshow(values.T, cmap=INK, vmin=-1, vmax=1, aspect="auto")
            axes.axvline(6.5, color=FAINT, linewidth=0.6, linestyle="--")
            axes.set(xticks=[], yticks=[])
            if column == 0:
                axes.set_ylabel(name)
            if name == "says":
                axes.set_title(f"{step * 16:,} sequences")
            top += height + 2.0
    return figure


figure = film(moments)
save(figure, "watch_copy.png")
figure

# %%
# At first both heads stay where they are, and the machine says nothing in particular. In the end
# each head walks one row at a time: the write head while the sequence is heard, the read head over
# the same rows while it is said. That is how a person would write the program, and it is why the
# machine can copy more vectors than it has ever seen. Ten of them, four more than in training:

longer = make_task("copy", min_length=10, max_length=10, num_bits=6)
episode, trace = run_episode(machine, longer)
figure = memory_figure(episode, trace, title="Ten vectors")
save(figure, "watch_copy_ten.png")
figure
