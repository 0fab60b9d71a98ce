"""
Put a DNC into your own model
=============================

A Differentiable Neural Computer is used like ``torch.nn.LSTM``: vectors go in, one for each step,
and vectors come out. So it fits between any two layers of your own. Here it is the memory of a
small model that is told who has what, and is then asked.
"""

import torch
from torch import nn

from tapehead import DNC
from tapehead.viewing import save
from tapehead.viewing.style import FAINT, INK, READ, WRITE, new_figure, place, styled

PEOPLE = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hal"]
THINGS = ["apple", "ball", "coin", "drum", "egg", "flag", "gem", "hat", "?"]
TOLD, ASKED = 6, 4

# %%
# The model
# ---------
# Two embeddings turn words into vectors, the DNC reads them, and its outputs are the scores of the
# eight things. With a feed-forward controller the network itself cannot remember anything from one
# step to the next: whatever it knows stands in the memory. ``forward`` gives the state back as
# well, so that a caller may go on from there.


class Notebook(nn.Module):
    def __init__(self, size=12):
        super().__init__()
        self.person = nn.Embedding(len(PEOPLE), size)
        self.thing = nn.Embedding(len(THINGS), size)
        self.memory = DNC(
            input_size=2 * size, output_size=len(THINGS) - 1,
            controller="feedforward", hidden_size=32, memory_size=8, word_size=12,
        )  # fmt: skip

    def vectors(self, people, things):
        return torch.cat([self.person(people), self.thing(things)], dim=-1)

    def forward(self, people, things, state=None):
        return self.memory(self.vectors(people, things), state)


# %%
# The data
# --------
# At each of six steps the model hears a person and what that person has. Then four of the six are
# named again with a question mark, and at each the answer is due.


def draw(batch_size):
    people = torch.rand(batch_size, len(PEOPLE)).argsort(dim=1)[:, :TOLD]
    things = torch.randint(len(THINGS) - 1, (batch_size, TOLD))
    which = torch.rand(batch_size, TOLD).argsort(dim=1)[:, :ASKED]
    question = torch.full((batch_size, ASKED), THINGS.index("?"))
    return (
        torch.cat([people, people.gather(1, which)], dim=1),
        torch.cat([things, question], dim=1),
        things.gather(1, which),
    )


# %%
# The loop
# --------
# Nothing in it knows that there is a memory in the model.

torch.manual_seed(0)
model = Notebook()
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(201):
    people, things, right = draw(32)
    scores, _ = model(people, things)
    answers = scores[:, -ASKED:]
    loss = nn.functional.cross_entropy(answers.flatten(0, 1), right.flatten())
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimiser.step()
    share = (answers.argmax(-1) == right).float().mean()
    if step % 40 == 0:
        print(f"batch {step}: {share:.0%} of the answers right")

# %%
# What it does inside
# -------------------
# ``trace`` runs the DNC and keeps every inner tensor of every step. Drawn is on which of the eight
# rows the head was: where it wrote while it was told something, where it read when it was asked.
# Below the steps stands what it heard, and behind a question what it answered.

people, things, right = draw(1)
with torch.no_grad():
    trace = model.memory.trace(model.vectors(people, things))
said = trace.y[0, -ASKED:].argmax(-1)
told = [f"{PEOPLE[p]}: {THINGS[t]}" for p, t in zip(people[0, :TOLD], things[0, :TOLD])]
asked = [f"{PEOPLE[p]}? {THINGS[t]}" for p, t in zip(people[0, TOLD:], said)]


@styled
def rows_figure(trace, labels):
    figure = new_figure(130, 66)
    heads = (("Writes", WRITE, trace.write_weights), ("Reads", READ, trace.read_weights))
    for number, (name, colour, weights) in enumerate(heads):
        axes = place(figure, 10 + 60 * number, 6, 56, 42)
        axes.imshow(weights[0, :, 0].T.numpy(), cmap=INK, vmin=-1, vmax=1, aspect="auto")
        axes.axvline(TOLD - 0.5, color=FAINT, linewidth=0.6, linestyle="--")
        axes.set_title(name, color=colour, weight="bold")
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(8) if number == 0 else [])
        axes.set_ylabel("memory row" if number == 0 else "")
    return figure


figure = rows_figure(trace, told + asked)
save(figure, "dnc_in_your_model.png")
figure

# %%
# Each thing that it is told goes to a row of its own: a DNC knows which rows are free. When a
# person is named again, the head finds the row by its content, wherever it is.
#
# Going on from a state
# ---------------------
# The state is a ``NamedTuple`` of tensors. Tell the model more, and ask about what came before:

with torch.no_grad():
    _, state = model(people[:, :TOLD], things[:, :TOLD])
    scores, state = model(people[:, TOLD:], things[:, TOLD:], state)
print(", ".join(THINGS[t] for t in scores.argmax(-1)[0]), "- as before")
