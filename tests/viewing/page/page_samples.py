"""Pages whose content is planted."""

import numpy as np
import torch
from samples import copy_episode

from tapehead.forms import Sequence
from tapehead.machines.machine import Trace
from tapehead.runs import TrainConfig
from tapehead.tasks import Batch, make_task
from tapehead.tasks.graphs.coding import encode, tell
from tapehead.viewing.maps import graph_map
from tapehead.viewing.page.document import document
from tapehead.viewing.page.panels import Panel, Recording
from tapehead.viewing.page.recordings import (
    map_panel,
    point_recording,
    sequence_recording,
    story_recording,
    tape_recording,
)
from tapehead.viewing.points import Pointed
from tapehead.viewing.stories import Reading
from tapehead.viewing.tapes import Walk

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


def story_sample():
    """Two questions about four sentences; the second answer is wrong."""
    long = "a sentence that is far too long for the screen of any telephone there is"
    sentences = ["mary went to the garden", "john went to the hall", "mary took the milk", long]

    def reading(known, looked, **more):
        return Reading(
            sentences=sentences[:known], columns=["hop 1", "hop 2"], looked=np.array(looked),
            of_question=None, **more,
        )  # fmt: skip

    first = reading(
        2, [[0.9, 0.25], [0.1, 0.75]], supporting=[0], question="where is mary?", said="garden",
        chance=0.98, asked="garden",
    )  # fmt: skip
    second = reading(
        4, [[0.0, 0.5], [0.0, 0.5], [1.0, 0.0], [0.0, 0.0]], supporting=[2, 0],
        question="where is the milk?", said="hall", chance=0.6, asked="garden",
    )  # fmt: skip
    return story_recording([first, second], label="story 1")


def bold_story_sample():
    """One question about four sentences of one length; the answer rests on all."""
    reading = Reading(
        sentences=[f"sandra went back to the kitchen {n}" for n in range(4)],
        columns=[f"hop {n}" for n in range(1, 4)], looked=np.zeros((4, 3)), of_question=None,
        supporting=[0, 1, 2, 3], question="where is sandra?", said="kitchen", chance=1.0,
        asked="kitchen",
    )  # fmt: skip
    return story_recording([reading], label="story 1")


def digits_sample():
    """Three numbers of three digits, which are ten rows each, as of a graph's edges."""
    names = [f"{part} {digit}s: 0–9" for part in ("source", "edge", "destination")
             for digit in (100, 10, 1)]  # fmt: skip
    data = {
        "values": np.zeros((20, 1, 90)), "low": 0.0, "high": 1.0, "axis": "channel", "bands": [],
        "names": None, "rows": None, "heads": "", "quiet": None, "wrong": None,
        "groups": [(10 * n, 10 * n + 9, name) for n, name in enumerate(names)],
    }  # fmt: skip
    panel = Panel(kind="heat", name="inputs", group="answer", title="Inputs", data=data)
    return Recording(label="digits", steps=20, panels=[panel])


def tape_sample():
    """Reverses three symbols, the last one wrongly, with a memory tape."""
    walk = Walk(
        tape=["a", "b", "c", "end"], asked=["c", "b", "a"], said=["c", "b", "b"],
        input_head=np.array([0, 1, 2, 3, 2, 1, 0]), memory_head=np.array([0, 1, 2, 3, 2, 1, 0]),
        wrote=np.array([False] * 4 + [True] * 3),
    )  # fmt: skip
    return tape_recording(walk, label="3")


def graph_sample():
    """Three edges told one after the other, then a walk of two: the second step is said wrongly."""
    edges = [(7, 50, 8), (8, 51, 9), (8, 52, 7)]
    answer = [(7, 50, 8), (8, 51, 9)]
    triples = torch.tensor([*edges, (7, 50, -1), (-1, -1, -1), (-1, -1, -1)])[None]
    flags = torch.zeros(2, 1, 6, dtype=torch.bool)
    flags[0, 0, 3:5], flags[1, 0, 4:] = True, True
    mask = flags[1]
    blank = torch.full((1, 6, 3), -1)
    wanted, said = blank.clone(), blank.clone()
    wanted[0, 4:], said[0, 4:] = torch.tensor(answer), torch.tensor([answer[0], edges[2]])
    batch = Batch(Sequence(tell(triples, *flags), torch.tensor([6])), encode(wanted), mask)
    return graph_map(batch, encode(said))


def map_sample():
    panel = map_panel(graph_sample())
    return Recording(label="graph", steps=6, panels=[panel], asked=[4, 5])


def points_sample():
    """Three points, two arrows; the second is wrong."""
    data = {
        "xy": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        "arrows": [{"step": 0, "from": 0, "to": 1, "right": True},
                   {"step": 2, "from": 1, "to": 2, "right": False}],
        "attention": np.eye(3),
    }  # fmt: skip
    panel = Panel(kind="points", name="points", group="answer", title="Points", data=data)
    return Recording(label="points", steps=3, panels=[panel])


def hull_sample():
    """Twelve points, eight of them on a hull, some close to each other; half of the way is gone."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    inside = [[0.1, 0.0], [0.12, 0.02], [-0.2, 0.3], [0.92, 0.05]]
    xy = np.concatenate([np.stack([np.cos(angles), np.sin(angles)], 1), inside])
    right = np.arange(1, 9)
    pointed = Pointed(
        xy=xy, right=right, said=right, attention=np.eye(9, 13, 1), shape="polygon", solved=True
    )
    return point_recording(pointed, label="12")


def long_tape_sample():
    """Copies thirty symbols."""
    words = [f"s{n}" for n in range(10, 40)]
    walk = Walk(
        tape=words, asked=words, said=words, input_head=np.arange(30),
        memory_head=None, wrote=np.full(30, True),
    )  # fmt: skip
    return tape_recording(walk, label="30")


def words_sample():
    """Forty answers of one word."""
    answers = [[f"w{n}"] for n in range(10, 50)]
    data = {"rows": ["word"], "at": list(range(40)), "asked": answers, "said": answers}
    panel = Panel(kind="words", name="words", group="answer", title="Asked and said", data=data)
    return Recording(label="words", steps=40, panels=[panel])
