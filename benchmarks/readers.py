"""Seconds an epoch of the machines that read stories, beside plain PyTorch versions of them.

    TAPEHEAD_BABI=PATH python benchmarks/readers.py results/speed/readers

Writes result.json and figure.png there. The plain versions are what one writes down first: padded
tensors, each story's sentences encoded as they are told, a loop or `torch.nn.GRU` over time. They
take the weights of ours and must give the same answers before anything is timed. An epoch is
forward and backward passes over as many stories as the task has for training, without the
optimiser. Times are processor time of one thread, which waiting does not enter.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from bars import paired_bars
from dnc_speed import surroundings
from tapehead.forms import Story
from tapehead.machines import MACHINES, Reader
from tapehead.ops.sentences import position_weights, softmax_over
from tapehead.recipes import recipe
from tapehead.recipes.babi import stories_of
from tapehead.tasks import make_task
from tapehead.viewing.style import save

TASKS = (1, 2, 16)
TITLES = {
    "memory-network": "MemN2N",
    "entity-network": "EntNet",
    "dynamic-memory-network": "DMN+",
}


def each_question(story: Story) -> tuple[Tensor, Tensor, Tensor]:
    """Words of the sentences told before each question, padded, which there are, and the words of
    the question."""
    sentences, told, questions, known = story
    rows = told.repeat_interleave(known.shape[1], 0)
    there = torch.arange(told.shape[1]) < known.flatten()[:, None]
    return sentences[rows], there, sentences[questions.flatten()]


def plain_memory_network(machine: Reader, story: Story) -> Tensor:
    """MemN2N with adjacent tying, without noise."""
    words, there, asked = each_question(story)
    size, table = machine.embedding_size, machine.words
    known = there.sum(1)
    back = (known[:, None] - 1 - torch.arange(there.shape[1])).clamp(0, machine.memory_size - 1)
    there = there & (known[:, None] - 1 - torch.arange(there.shape[1]) < machine.memory_size)
    weights = position_weights(words.flatten(0, 1), size, machine.lengths, table.dtype)
    weights = weights.view(*words.shape, size)
    u = (table[asked, 0] * position_weights(asked, size, machine.lengths, table.dtype)).sum(1)
    for hop in range(machine.hops):
        memory, read = (
            (table[words, each] * weights).sum(2) + machine.times[back, each]
            for each in (hop, hop + 1)
        )
        p = softmax_over((memory @ u[..., None]).squeeze(-1), there)
        u = u + (p[:, None] @ read).squeeze(1)
    return u @ table[1 : machine.num_answers + 1, machine.hops].mT


def plain_entity_network(machine: Reader, story: Story) -> Tensor:
    """EntNet with free keys, a pass for each question."""
    words, there, asked = each_question(story)
    facts, q = (
        (machine.words[each] * (each != 0)[..., None] * masks).sum(-2)
        for each, masks in zip((words, asked), machine.masks, strict=True)
    )
    keys = machine.free_keys
    h = keys.expand(len(words), -1, -1)
    for s, real in zip(facts.unbind(1), there.unbind(1), strict=True):
        gate = (h * s[:, None] + keys * s[:, None]).sum(-1).sigmoid()
        x = h @ machine.hidden_weight.mT + keys @ machine.key_weight.mT
        x = F.prelu(x + (s @ machine.sentence_weight.mT)[:, None], machine.below_zero)
        after = F.normalize(h + gate[..., None] * x, dim=-1)
        h = torch.where(real[:, None, None], after, h)
    p = (h * q[:, None]).sum(-1).softmax(-1)
    u = (p[..., None] * h).sum(1)
    return machine.output(F.prelu(q + u @ machine.found_weight.mT, machine.below_zero))


def plain_gru(weights: nn.Module, x: Tensor) -> Tensor:
    gru = nn.GRU(x.shape[-1], weights.weight_hh_l0.shape[1], batch_first=True)
    named = dict(weights.named_parameters())
    return torch.func.functional_call(gru, named, (x,))[0]


def turned(x: Tensor, counts: Tensor) -> Tensor:
    step = torch.arange(x.shape[1])
    places = torch.where(step < counts[:, None], counts[:, None] - 1 - step, step)
    return x.gather(1, places[..., None].expand_as(x))


def plain_dynamic_memory_network(machine: Reader, story: Story) -> Tensor:
    """DMN+ with an attention GRU, a pass for each question."""
    words, there, asked = each_question(story)
    size, counts = machine.hidden_size, there.sum(1)
    weights = position_weights(words.flatten(0, 1), size, machine.lengths, torch.float32)
    x = (machine.words[words] * weights.view(*words.shape, size)).sum(2)
    after = turned(plain_gru(machine.backwards, turned(x, counts)), counts)
    facts = plain_gru(machine.forwards, x) + after
    states = plain_gru(machine.asking, machine.words[asked])
    last = ((asked != 0).sum(1) - 1).clamp(min=0)
    q = memory = states[torch.arange(len(asked)), last]
    for update in machine.updates:
        m, each = memory[:, None], q[:, None]
        z = torch.cat([facts * each, facts * m, (facts - each).abs(), (facts - m).abs()], -1)
        g = softmax_over(machine.score(machine.look(z).tanh()).squeeze(-1), there)
        of_reset, of_candidate = machine.fact(facts).chunk(2, -1)
        h = torch.zeros_like(memory)
        for t in range(facts.shape[1]):
            hidden_reset, hidden = machine.hidden(h).chunk(2, -1)
            reset = (of_reset[:, t] + hidden_reset).sigmoid()
            h = h + g[:, t, None] * ((of_candidate[:, t] + reset * hidden).tanh() - h)
        memory = update(torch.cat([memory, h, q], -1)).relu()
    return machine.output(torch.cat([memory, q], -1))


PLAIN = {
    "memory-network": plain_memory_network,
    "entity-network": plain_entity_network,
    "dynamic-memory-network": plain_dynamic_memory_network,
}


def steps_of(name: str, number: int):
    """A step of ours and of the plain version, in training but without noise and dropout, and how
    many of them make an epoch."""
    config = recipe(f"babi-{number}", name)
    task = make_task("babi", task=str(number))
    options = {"time_noise": 0.0} if name == "memory-network" else {"dropout": 0.0}
    torch.manual_seed(0)
    machine = MACHINES[name](**task.sizes, **options)
    generator = torch.Generator().manual_seed(0)
    batches = [task.batch(generator, config.batch_size) for _ in range(8)]
    for batch in batches[:2]:
        ours = machine(*batch.inputs)[0][batch.mask]
        plain = PLAIN[name](machine, batch.inputs).view(*batch.mask.shape, -1)[batch.mask]
        torch.testing.assert_close(plain, ours, rtol=1e-3, atol=1e-4)

    def step(outputs):
        def run(count):
            batch = batches[count % len(batches)]
            machine.zero_grad()
            logits = outputs(batch).view(*batch.mask.shape, -1)
            task.loss(logits, batch).backward()

        return run

    per_epoch = stories_of(number) / config.batch_size
    return per_epoch, {
        "tapehead": step(lambda batch: machine(*batch.inputs)[0]),
        "plain": step(lambda batch: PLAIN[name](machine, batch.inputs)),
    }


def measure(rounds: int) -> list[dict]:
    torch.set_num_threads(1)
    rows = []
    for name in PLAIN:
        for number in TASKS:
            per_epoch, steps = steps_of(name, number)
            taken = {kind: [] for kind in steps}
            for count in range(-2, rounds):
                for kind, step in steps.items():
                    start = time.process_time()
                    step(count)
                    if count >= 0:
                        taken[kind].append(time.process_time() - start)
            row = {"machine": name, "task": number, "steps_per_epoch": round(per_epoch, 1)}
            for kind, seconds in taken.items():
                row[f"{kind}_seconds_per_epoch"] = per_epoch * statistics.median(seconds)
            plain, ours = row["plain_seconds_per_epoch"], row["tapehead_seconds_per_epoch"]
            row["times_faster"] = plain / ours
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def speed_figure(rows: list[dict]) -> Figure:
    """Bars for each machine and task: ours, and the plain version."""
    return paired_bars(
        {
            f"{TITLES[row['machine']]}, task {row['task']}": [
                row[f"{kind}_seconds_per_epoch"] for kind in ("tapehead", "plain")
            ]
            for row in rows
        },
        ("tapehead", "plain PyTorch"),
        "processor time of an epoch (s)",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=24, help="steps of each measurement")
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    options = parser.parse_args()
    if options.redraw:
        result = json.loads((options.out / "result.json").read_text())
        save(speed_figure(result["speed"]), options.out / "figure.png")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    rows = measure(options.rounds)
    result = surroundings("speed/readers") | {
        "unit": "seconds of processor time an epoch, forward and backward",
        "cells": [],
        "speed": rows,
    }
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    save(speed_figure(rows), options.out / "figure.png")


if __name__ == "__main__":
    main()
