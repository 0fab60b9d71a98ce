"""Flip bits of a run directory, cut its files short, remove them: all of it must be noticed.

    python benchmarks/damage_campaign.py                   # a bit of every 7th byte of each file
    python benchmarks/damage_campaign.py --stride 1        # one of every byte
    python benchmarks/damage_campaign.py --resumes 50      # and so many resumes from damaged runs

A resume from a damaged run must refuse in one line or, from the checkpoint before, come to the same
weights, to the bit.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.runs.records import run_id
from tapehead.training import TrainConfig, read_config, read_metrics, read_result, train

CONFIG = TrainConfig(
    task="copy",
    task_options={"max_length": 3, "num_bits": 4},
    machine="lstm",
    machine_options={"hidden_size": 4, "num_layers": 1},
    batch_size=4,
    max_sequences=160,
    report_every=40,
    validate_every=40,
    validation_sequences=8,
    checkpoint_every=0.0,
    stop_when_solved=False,
    threads=1,
    device="cpu",
)
LONGER = replace(CONFIG, max_sequences=200)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stride", type=int, default=7, help="bytes from one flip to the next")
    parser.add_argument("--resumes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        train(CONFIG, run)
        tried, missed = Counter(), Counter()
        for file in files_of(run):
            for damage in damages(file.read_bytes(), options.stride, draw):
                kind = file.name
                tried[kind] += 1
                missed[kind] += not noticed(run, file, damage)
        for kind in tried:
            print(f"{kind:<24}{tried[kind]:>8} damaged, {missed[kind]} not noticed", flush=True)
        endings = Counter(resumed(run, draw, Path(scratch)) for _ in range(options.resumes))
    print(f"{tried.total()} damaged, {missed.total()} not noticed; resumes: {dict(endings)}")
    return 1 if missed.total() or endings["other weights"] or endings["crashed"] else 0


def files_of(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file() and path.name not in (".lock",))


def damages(data: bytes, stride: int, draw: random.Random) -> Iterator[bytes]:
    """A flipped bit in every `stride`-th byte; the file cut short, doubled and emptied."""
    for place in range(draw.randrange(stride), len(data), stride):
        yield flipped(data, place, draw)
    # Not by one byte: a line end at the end is layout, which a seal leaves out.
    yield from (data[: len(data) // 2], data[:-2], data + data, b"")


def flipped(data: bytes, place: int, draw: random.Random) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def noticed(run: Path, file: Path, damage: bytes) -> bool:
    """Whether whoever reads the file says that it is damaged, in one line."""
    before = file.read_bytes()
    file.write_bytes(damage)
    try:
        if file.name == "config.json":
            read_config(run)
        elif file.name == "result.json":
            read_result(run)
        elif file.name == "metrics.jsonl":
            # A last line without an end is a row that is being written; a checkpoint knows better.
            rows = read_metrics(run)
            return not damage.endswith(b"\n") or len(rows) < before.count(b"\n")
        else:
            load_checkpoint(run / "checkpoint", int(file.parent.name), run_id(run))
    except TapeheadError as error:
        return "\n" not in str(error)
    finally:
        file.write_bytes(before)
    return False


def resumed(run: Path, draw: random.Random, scratch: Path) -> str:
    """What comes of resuming a run of which one file was damaged."""
    whole, copy = scratch / "whole", scratch / "copy"
    if not whole.exists():
        shutil.copytree(run, whole)
        train(LONGER, whole, resume=True)
    shutil.copytree(run, copy)
    file = draw.choice(files_of(copy))
    file.write_bytes(flipped(file.read_bytes(), draw.randrange(file.stat().st_size), draw))
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            train(LONGER, copy, resume=True)
            code = 0
        except TapeheadError as error:
            code = 1 if "\n" not in str(error) else 3
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    same = code == 0 and same_weights(whole, copy)
    shutil.rmtree(copy)
    if code == 1:
        return "refused in a line"
    return "crashed" if code else "the same weights" if same else "other weights"


def same_weights(one: Path, other: Path) -> bool:
    mine, yours = (
        load_checkpoint(run / "checkpoint", checkpoint_steps(run / "checkpoint")[-1]).parts
        for run in (one, other)
    )
    return all(
        torch.equal(mine["weights"][name], yours["weights"][name]) for name in mine["weights"]
    )


if __name__ == "__main__":
    sys.exit(main())
