"""Pages whose content is planted."""

import numpy as np
import torch
from samples import copy_episode

from tapehead.machines.machine import Trace
from tapehead.runs import TrainConfig
from tapehead.tasks import make_task
from tapehead.viewing.page.document import document
from tapehead.viewing.page.recordings import sequence_recording

STEPS, ROWS, WORD = 11, 12, 4


def planted_trace():
    """Five words written to rows 3 to 7 at steps 1 to 5, read back at steps 7 to 11; the write of
    step 6 takes half of row 4 away, so half of what step 2 wrote is left."""
    add = np.zeros((STEPS, 1, WORD))
    write, read, erase = (np.zeros((STEPS, 1, size)) for size in (ROWS, ROWS, WORD))
    for step in range(5):
        write[step, 0, 3 + step] = 1
        add[step, 0] = np.eye(WORD)[step % WORD] * (step + 1)
        erase[step] = 1
        read[6 + step, 0, 3 + step] = 1
    write[5, 0, 4], erase[5] = 0.5, 1
    memory, memories, reads = np.zeros((ROWS, WORD)), [], []
    for step in range(STEPS):
        memory = memory * (1 - write[step, 0][:, None] * erase[step]) + np.outer(
            write[step, 0], add[step, 0]
        )
        memories.append(memory)
        reads.append(read[step] @ memory)
    parts = {
        "hidden": np.zeros((STEPS, 3)),
        "write_weights": write, "read_weights": read, "add": add, "erase": erase,
        "reads": np.array(reads), "memory": np.array(memories),
        "gate": np.linspace(0, 1, 2 * STEPS).reshape(STEPS, 2),
        "own_number": np.linspace(-1, 1, STEPS),
    }  # fmt: skip
    tensors = {name: torch.tensor(part, dtype=torch.float32)[None] for name, part in parts.items()}
    return Trace(torch.zeros(1, STEPS, 8), None, tensors)


def planted_recording(label="5", flips=()):
    return sequence_recording(
        copy_episode(5, flips), planted_trace(), label=label, start=torch.zeros(1, ROWS, WORD)
    )


def planted_document(recordings=None, title="NTM-LSTM: Copy", **more):
    rows = [
        {"kind": kind, "sequences": 100 * n, "seconds": 1.0 * n, "bit_errors": 30 / n,
         "loss": 0.7 / n, "solved": 0.0}
        for n in range(1, 9) for kind in ("train", "validation")
    ]  # fmt: skip
    return document(
        title=title,
        config=TrainConfig(task="copy", machine="ntm", seed=3),
        task=make_task("copy"),
        recordings=[planted_recording()] if recordings is None else recordings,
        rows=rows,
        facts={"commit": "0123456789abcdef", "commit_has_changes": False, "parameters": 12345},
        **more,
    )
