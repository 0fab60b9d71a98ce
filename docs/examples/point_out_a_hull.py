"""
Point out a hull
================

A pointer network (Vinyals et al. 2015) answers by pointing at its input, one point after another.
So it can answer about any number of points. This one, from the zoo, was trained to walk round the
outermost points of a set, as a rubber band would lie.
"""

import numpy as np
import torch

from tapehead import PointerNetwork
from tapehead.tasks import make_task
from tapehead.viewing import save
from tapehead.viewing.points import answer_figure, steps_figure
from tapehead.viewing.problems import pointed_of

machine = PointerNetwork.from_pretrained("pointer-network/convex-hull")
task = make_task("convex-hull")

# %%
# Points of our own
# -----------------
# The task takes any points and adds the right answer, worked out exactly. These lie on a spiral.

turns = np.linspace(0.4, 1.9 * np.pi, 14)
spiral = 0.5 + 0.075 * turns[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
batch = task.batch_of([spiral])

# %%
# ``answers`` gives the pointers that the machine finds, the points numbered from 1, with the
# logarithm of how likely it held them.

pointers, chances = machine.answers(batch.inputs.xy, batch.inputs.counts)
print("points", [int(each) for each in pointers[0] if each], f"- {chances.exp().item():.0%} sure")

# %%
# Step by step
# ------------
# ``run`` answers and keeps the scores, and ``trace`` adds what the machine looked at. A disc is as
# large as a point was likely to be the next. Each step goes round the corner that turns least.

with torch.no_grad():
    outputs, answered = task.run(machine, batch)
    trace = machine.trace(**answered.inputs._asdict())
pointed = pointed_of(task, outputs, answered, trace)

figure = steps_figure(pointed, title="Fourteen points on a spiral")
save(figure, "point_out_a_hull.png")
figure

# %%
# Many points
# -----------
# It was trained on small sets. Here are fifty random points, with the right answer beside its own.

fifty = make_task("convex-hull", min_points=50, max_points=50)
with torch.no_grad():
    outputs, answered = fifty.run(machine, fifty.batch(torch.Generator().manual_seed(0), 1))
    trace = machine.trace(**answered.inputs._asdict())
figure = answer_figure(pointed_of(fifty, outputs, answered, trace), title="Fifty points")
save(figure, "point_out_a_hull_fifty.png")
figure
