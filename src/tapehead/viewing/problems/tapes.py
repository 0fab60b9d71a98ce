"""One tape, and what the heads of a machine do on it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tapehead.machines.machine import Trace
from tapehead.tasks import Batch, Task
from tapehead.viewing.page.recordings import tape_recording
from tapehead.viewing.problems.running import Drawn, run_one
from tapehead.viewing.tapes import Walk, tape_figure


def tape_figures(
    machine: Any, settings: Mapping[str, Task], size: str, *, seed: int, subject: str, title: str
) -> Drawn:
    """What the heads do on one tape."""
    runs = {
        label: run_one(machine, task, seed=seed, label=label) for label, task in settings.items()
    }
    walks = {label: walk_of(settings[label], *run) for label, run in runs.items()}
    recordings = [tape_recording(walk, label=label) for label, walk in walks.items()]
    return Drawn({"tape": tape_figure(walks[size], title=title)}, None, recordings)


def walk_of(task: Task, outputs: Tensor, batch: Batch, trace: Trace) -> Walk:
    """What a machine did on the first tape of a batch."""
    answer, asked = task.answer, batch.mask[0]
    active = trace.active[0] > 0
    heads = {name: trace.tensors[name][0][active].int() for name in ("input_head", "memory_head")}
    tape = batch.inputs.symbols[0]
    used = int((tape != 0).nonzero().max()) + 1
    names = [answer.names[symbol] for symbol in tape[:used].tolist()]
    memory = heads["memory_head"].cpu().numpy()
    return Walk(
        tape=names,
        asked=[" ".join(words) for words in answer.spelled(batch.targets[0][asked])],
        said=[" ".join(words) for words in answer.spelled(answer.said(outputs, batch)[0][asked])],
        input_head=heads["input_head"].cpu().numpy(),
        memory_head=memory if memory.any() else None,
        wrote=(trace.wrote[0][active] > 0).cpu().numpy(),
    )
