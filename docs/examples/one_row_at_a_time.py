"""
One row at a time, with RELAX
=============================

The heads of a Neural Turing Machine are on all rows at once, a little here and a little there, so
that gradients can flow. A discretised machine takes one row in each step. No gradient passes
through such a choice: it has to be estimated from what the drawn rows cost. RELAX (Grathwohl et
al. 2018) estimates it without bias, and with less noise than the simplest estimator, REINFORCE.
"""

import numpy as np
import torch

from tapehead import NTM, DiscreteNTM
from tapehead.ops.estimators import CATEGORICAL, reinforce, relax, train_control
from tapehead.tasks import make_task
from tapehead.training.objectives import make_objective
from tapehead.viewing import run_episode, save
from tapehead.viewing.style import FAINT, INK, READ, new_figure, open_frame, place, styled

# %%
# A single head
# -------------
# A memory has eight rows, and a head must learn which row holds the wanted number. To see how good
# an estimator is, we train 256 such heads side by side, each with logits of its own. All they get
# to know is the cost of the row that they drew: one for looking, and more the further it is off.

rows = torch.linspace(0, 1, 8)
WANTED = rows[5]


def cost(choice):
    """Of a row, or of a soft mixture of rows: (heads, 8) -> (heads,)."""
    return 1 + (choice @ rows - WANTED).square()


# %%
# RELAX needs a control variate: a function that guesses the cost from the noisy logits. It is
# a small network, and it is trained along the way to make the estimate less noisy.


def learn(estimator, steps=250):
    torch.manual_seed(0)
    logits = torch.zeros(256, 8, requires_grad=True)
    guess = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    heads = torch.optim.Adam([logits], lr=0.05)
    control = torch.optim.Adam(guess.parameters(), lr=0.01)
    expected = []
    for _ in range(steps):
        expected.append(logits.detach().softmax(-1) @ cost(torch.eye(8)))
        drawn = CATEGORICAL.draw(logits[:, None])

        def of_row(choice):
            return cost(choice[:, 0])

        heads.zero_grad()
        control.zero_grad()
        if estimator == "relax":
            estimate = relax(drawn, of_row, lambda z: guess(z.softmax(-1)[:, 0])[:, 0])
            train_control(estimate, guess.parameters())
        else:
            estimate = reinforce(drawn, of_row)
        estimate.surrogate.sum().backward()
        heads.step()
        control.step()
    return torch.stack(expected)


curves = {name: learn(name) for name in ("reinforce", "relax")}
for name, costs in curves.items():
    print(f"{name}: expected cost {costs[-1].mean():.4f} in the mean of the heads")

# %%
# The lines are medians over the heads; nine heads in ten lie within the bands.


@styled
def curves_figure(curves):
    figure = new_figure(100, 56)
    axes = place(figure, 14, 5, 80, 41)
    looks = {"reinforce": ("REINFORCE", FAINT, "--"), "relax": ("RELAX", READ, "-")}
    for name, (label, colour, dashes) in looks.items():
        low, middle, high = np.quantile(curves[name].numpy(), [0.05, 0.5, 0.95], axis=1)
        axes.fill_between(range(len(low)), low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(middle, dashes, color=colour, label=label)
    axes.set(xlabel="steps", ylabel="expected cost", xlim=(0, len(low) - 1), ylim=(1, None))
    axes.legend()
    open_frame(axes)
    return figure


figure = curves_figure(curves)
save(figure, "one_row_at_a_time.png")
figure

# %%
# A whole machine
# ---------------
# In a machine the choices of one step change all later ones. An objective of the library takes
# care of that. Here is one step of training for a machine of the zoo that copies already; from
# scratch it takes minutes: ``tapehead train copy --machine discrete-ntm --estimator relax``.

task = make_task("copy", max_length=2)
machine = DiscreteNTM.from_pretrained("discrete-ntm/copy")
objective = make_objective(machine, task, estimator="relax")
weights = [*machine.parameters(), *objective.parameters()]
optimiser = torch.optim.Adam(weights, lr=1e-4)
loss, outputs, batch = objective(machine, task, task.batch(torch.Generator().manual_seed(0), 4))
loss.backward()
optimiser.step()

# %%
# And this is how it works, beside a machine whose addresses are soft: every step of the discretised
# one has one row, wholly.

eight = make_task("copy", min_length=8, max_length=8)
_, discrete = run_episode(DiscreteNTM.from_pretrained("discrete-ntm/copy"), eight)
_, soft = run_episode(NTM.from_pretrained("ntm/copy"), eight)


@styled
def rows_figure(traces):
    figure = new_figure(150, 62)
    for column, (title, trace) in enumerate(traces.items()):
        for line, name in enumerate(("write_weights", "read_weights")):
            axes = place(figure, 14 + 68 * column, 6 + 26 * line, 64, 23)
            weights = getattr(trace, name)[0, :, 0]
            used = weights.amax(0) > 0.02
            axes.imshow(weights[:, used].T.numpy(), cmap=INK, vmin=-1, vmax=1, aspect="auto")
            axes.axvline(8.5, color=FAINT, linewidth=0.6, linestyle="--")
            axes.set(xticks=[], yticks=[])
            if line == 0:
                axes.set_title(title)
            if column == 0:
                axes.set_ylabel("writes to" if line == 0 else "reads from")
    return figure


figure = rows_figure({"One row at a time": discrete, "All rows at once": soft})
save(figure, "one_row_at_a_time_heads.png")
figure
