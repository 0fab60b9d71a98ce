"""
Sequences of different lengths, and in pieces
=============================================

Real sequences are not all of one length, and some are too long to run at once. A machine takes
both as they come: ``lengths`` says where each sequence of a batch ends, and the state that goes in
and comes out carries a sequence from one piece to the next. We try both with a trained copying
machine of the zoo.
"""

import torch

from tapehead import NTM
from tapehead.tasks import make_task
from tapehead.viewing import save
from tapehead.viewing.style import FAINT, INK, READ, WRITE, new_figure, place, styled

machine = NTM.from_pretrained("ntm/copy")

# %%
# One batch, three lengths
# ------------------------
# The task draws sequences of 3 to 20 vectors, so the steps of a batch differ too. Shorter ones are
# filled up, here with random numbers instead of zeros, to show that nobody looks at them.

task = make_task("copy", min_length=3, max_length=20)
batch = task.batch(torch.Generator().manual_seed(2), 3)
x, lengths = batch.inputs
beyond = torch.arange(x.shape[1]) >= lengths[:, None]
padded = x.masked_scatter(beyond[:, :, None], torch.rand(x.shape))

with torch.no_grad():
    together, state = machine(padded, lengths=lengths)
    for number, length in enumerate(lengths.tolist()):
        alone, _ = machine(x[number : number + 1, :length])
        difference = (together[number, :length] - alone[0]).abs().max()
        print(f"{length} steps: differs by {difference:.1g} from the sequence run alone")

# %%
# What goes in stands on the left, what the machine says on the right. Grey is not asked: before an
# answer is due, and beyond the end of a sequence.


@styled
def batch_figure(padded, outputs, asked, lengths):
    figure = new_figure(150, 52)
    for row, length in enumerate(lengths):
        for column, name in enumerate(("Inputs", "Outputs")):
            axes = place(figure, 12 + 70 * column, 6 + 15 * row, 66, 12.5)
            values = (padded if column == 0 else outputs)[row].clone()
            values[length:] = torch.nan
            if column:
                values[~asked[row]] = torch.nan
            axes.imshow(values.T.numpy(), cmap=INK, vmin=-1, vmax=1, aspect="auto")
            axes.axvline(length - 0.5, color=FAINT, linewidth=0.6)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(name)
            if column == 0:
                axes.set_ylabel(f"{length} steps", fontsize=6)
    return figure


figure = batch_figure(padded, together.sigmoid(), batch.mask, lengths.tolist())
save(figure, "lengths_and_pieces.png")
figure

# %%
# A long sequence in pieces
# -------------------------
# Twenty-four vectors, more than the machine ever saw in training, in pieces of ten steps. The state
# of one piece is the start of the next. Whole or in pieces, the outputs are the same up to
# rounding.

long = make_task("copy", min_length=24, max_length=24).batch(torch.Generator().manual_seed(0), 1)
x = long.inputs.x
with torch.no_grad():
    whole, _ = machine(x)
    state, pieces = None, []
    for piece in x.split(10, dim=1):
        pieces.append(machine.trace(piece, state))
        state = pieces[-1].state
outputs = torch.cat([piece.y for piece in pieces], dim=1)
wrong = int(task.scores(outputs, long)["bit_errors"][0])
print(f"differs by {(outputs - whole).abs().max():.1g} from the whole; {wrong} of 192 bits wrong")

# %%
# Each piece has its own trace. Side by side they show heads that walk on over the borders as if
# there were none.


@styled
def pieces_figure(pieces):
    figure = new_figure(150, 56)
    both = [torch.maximum(piece.write_weights, piece.read_weights) for piece in pieces]
    used = torch.cat(both, dim=1)[0, :, 0].amax(0) > 0.1  # rows
    left = 12.0
    for number, piece in enumerate(pieces):
        steps = piece.y.shape[1]
        for row, (name, colour) in enumerate((("write_weights", WRITE), ("read_weights", READ))):
            axes = place(figure, left, 7 + 25 * row, 2.6 * steps, 21)
            weights = getattr(piece, name)[0, :, 0, used]
            axes.imshow(weights.T.numpy(), cmap=INK, vmin=-1, vmax=1, aspect="auto")
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(f"piece {number + 1}")
            if number == 0:
                axes.set_ylabel("writes to" if row == 0 else "reads from", color=colour)
        left += 2.6 * steps + 1.5
    return figure


figure = pieces_figure(pieces)
save(figure, "lengths_and_pieces_long.png")
figure

# %%
# Training in pieces
# ------------------
# The same holds in training. To keep gradients within a piece (truncated backpropagation through
# time), detach the state between two pieces; to let them through, hand it on as it is.

state = None
for piece in x.split(25, dim=1):
    outputs, state = machine(piece, state)
    outputs.square().mean().backward()  # in place of a loss
    state = type(state)(*(part.detach() for part in state))
print(type(state).__name__, "with", ", ".join(state._fields))
