"""The study `discrete/rl-ntm`: the five tasks of the RL-NTM under either controller, and on how
many seeds each is solved."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tapehead.machines.rl_ntm import RLNTM
from tapehead.recipes.trials import Outcome, Trial, run_trials
from tapehead.tasks.tapes import KINDS, TapeTask

NAME = "discrete/rl-ntm"
PAPER = "Zaremba & Sutskever 2015 (arXiv 1505.00521), Table 4"
SEEDS = tuple(range(10))
# Whether the task was solved at all; the authors' own code solves on 30 to 50 % of seeds.
PUBLISHED = {
    "direct": dict.fromkeys(KINDS, 1.0),
    "lstm": dict.fromkeys(KINDS, 0.0) | {"copy": 1.0, "duplicated-input": 1.0},
}

FIRST_LEVELS = {"duplicated-input": 3, "reverse": 4, "forward-reverse": 4}
"""Where it is not 1. On tapes of one symbol whoever writes at once is right, and a machine that has
learned so did not find out what longer ones ask for; copying, it only learned that way."""
AVERAGED = 0.8
"""Weight of what came before in the average of wrong symbols."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the RL-NTM is trained: our optimiser, the paper's curriculum (its Table 3).

    Attributes:
        max_updates: give up after so many batches.
        learning_rate, clip_norm: of Adam, and the norm that gradients are cut at.
        entropy, last_entropy, entropy_updates: reward for a nat of entropy of each step's choices:
            at first, at last, and over how many updates it falls from one to the other.
        first_level: where the curriculum begins.
        lesson_mark: share of wrong symbols, averaged over some updates, under which the
            curriculum goes one level up; of the 65 % that are of the level, as in the authors'
            code: the 10 % of any complexity would never let it.
        patience: least updates at a level.
        check_every: updates between two looks at the hardest sequences, choices not drawn.
        check_sequences: how many.
        pass_mark: share of them that must be wholly right.
    """

    max_updates: int = 3_000
    batch_size: int = 64
    learning_rate: float = 3e-3
    clip_norm: float = 5.0
    # Much at first, so that no choice is sure before it can tell right from wrong; never nothing,
    # as a choice that is sure tries nothing else.
    entropy: float = 0.5
    last_entropy: float = 0.03
    entropy_updates: int = 1_600
    first_level: int = 1
    lesson_mark: float = 0.25
    patience: int = 20
    check_every: int = 50
    check_sequences: int = 200
    pass_mark: float = 0.95

    def entropy_at(self, updates: int) -> float:
        """The reward after so many updates."""
        left = max(0.0, 1 - updates / self.entropy_updates)
        return self.last_entropy + left * (self.entropy - self.last_entropy)


class Drawn(NamedTuple):
    """Complexities of a batch; `of_level` marks those by which the level is judged."""

    counts: Int64[Tensor, " batch"]
    of_level: Bool[Tensor, " batch"]


def complexities(level: int, most: int, batch_size: int, generator: torch.Generator) -> Drawn:
    """10 % from 1 .. most, 25 % from 1 .. level + e, 65 % level + e, e geometric(1/2), from 0."""
    e = torch.empty(batch_size).geometric_(0.5, generator=generator).long() - 1
    which, where = torch.rand(2, batch_size, generator=generator)
    anything = (where * most).long() + 1
    below = (where * (level + e)).long() + 1
    chosen = torch.where(which < 0.1, anything, torch.where(which < 0.35, below, level + e))
    return Drawn(chosen.clamp(1, most), which >= 0.35)


def train_tapes(task: TapeTask, controller: str, schedule: Schedule, seed: int) -> Outcome:
    """One run, until enough of the hardest sequences are wholly right."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    machine = RLNTM(
        task.symbols,
        controller=controller,
        memory=task.forward_only,
        forward_only=task.forward_only,
    )
    optimiser = torch.optim.Adam(machine.parameters(), lr=schedule.learning_rate)
    level = min(schedule.first_level, task.max_complexity)
    since, updates, right, average, rows = 0, 0, 0.0, 1.0, []
    begun = process_time()
    while updates < schedule.max_updates and right < schedule.pass_mark:
        drawn = complexities(level, task.max_complexity, schedule.batch_size, generator)
        batch = task.batch(generator, drawn.counts)
        optimiser.zero_grad()
        entropy = schedule.entropy_at(updates)
        loss, run = machine.training_loss(*batch, entropy=entropy, generator=generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(machine.parameters(), schedule.clip_norm)
        optimiser.step()
        updates, since = updates + 1, since + 1
        asked = batch.asked & drawn.of_level[:, None]
        wrong = ((run.written != batch.targets) & asked).sum() / asked.sum().clamp(min=1)
        average = AVERAGED * average + (1 - AVERAGED) * float(wrong)
        if average < schedule.lesson_mark and since >= schedule.patience:
            level, since, average = min(level + 1, task.max_complexity), 0, 1.0
        if updates % schedule.check_every == 0:
            right = share_right(machine, task, schedule.check_sequences, seed=2**20 + updates)
            rows.append({"updates": updates, "level": level, "right": right})
    return {
        "value": right,
        "solved": right >= schedule.pass_mark,
        "sequences": updates * schedule.batch_size,
        "seconds": round(process_time() - begun, 2),
        "rows": rows,
    }


def share_right(machine: RLNTM, task: TapeTask, sequences: int, seed: int) -> float:
    """The share of fresh hardest sequences that are wholly right, every choice the likeliest."""
    hardest = torch.full((sequences,), task.max_complexity)
    with torch.no_grad():
        fresh = task.batch(torch.Generator().manual_seed(seed), hardest)
        return float(machine(*fresh, sample=False).correct.float().mean())


def trials(schedule: Schedule | None = None) -> list[Trial]:
    """A trial for each controller and task."""
    schedule = schedule or Schedule()
    schedules = {
        kind: replace(schedule, first_level=FIRST_LEVELS.get(kind, schedule.first_level))
        for kind in KINDS
    }
    return [
        Trial(
            machine=f"rl-ntm-{controller}",
            task=kind,
            setting="fast",
            metric="right",
            unit="share of sequences of 10 symbols wholly right",
            options=asdict(schedules[kind]),
            run=partial(train_tapes, TapeTask(kind=kind), controller, schedules[kind]),
            published=solved,
            source=PAPER,
        )
        for controller, published in PUBLISHED.items()
        for kind, solved in published.items()
    ]


def reproduce(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    command: str = f"tapehead reproduce {NAME}",
    schedule: Schedule | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Run the study; write `result.json` and `figure.png` into `folder`.

    Args:
        how: machines, workers, quiet and json of `run_trials`.

    Returns:
        What `result.json` holds.
    """
    # Drawing is slow to import, and a caller of the functions above may not need it.
    from tapehead.viewing.style import save
    from tapehead.viewing.success import success_figure

    result = run_trials(NAME, PAPER, trials(schedule), seeds, folder, command, **how)
    titles = {kind: KINDS[kind].title for kind in KINDS}
    save(success_figure(result["cells"], titles), folder / "figure.png")
    return result
