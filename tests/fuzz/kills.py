"""Kill training at random moments, resume it, and compare it with training that was left alone.

    python tests/fuzz/kills.py --kills 300

Each round trains one machine twice with the same seed: once undisturbed, once killed (kill -9 two
times out of three, else SIGTERM, SIGINT or SIGHUP) and resumed until it gets to its end. Compared
are weights, optimiser, random states, scores and progress of every checkpoint they both kept, all
rows of metrics and the result, to the bit, but for what a clock says. A round of `reproduce` has
two workers, of which none may outlive a parent that is killed.

Linux or macOS: a child is a fork, which is there at once where a fresh process imports for seconds.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from same_runs import differences

from tapehead.recipes.experiment import Experiment
from tapehead.recipes.jobs import plan, run_plan
from tapehead.signals import Stopped
from tapehead.training import TrainConfig, train
from tapehead.training.fleet import Processes

SIGNALS = [signal.SIGKILL] * 6 + [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
SMALL = {"memory_size": 8, "word_size": 5, "hidden_size": 8}
MACHINES: dict[str, dict[str, Any]] = {
    "ntm": SMALL,
    "ntm feedforward": SMALL | {"controller": "feedforward"},
    "dnc": SMALL | {"num_reads": 2},
    "lstm": {"hidden_size": 8},
    "dynamic-ntm": SMALL | {"address_size": 4},
    "dynamic-ntm annealed": SMALL | {"address_size": 4, "addressing": "discrete"},
    "sparse-ntm": SMALL | {"num_heads": 2},
    "tardis": SMALL | {"address_size": 4, "attention_size": 6},
    "discrete-ntm": SMALL,
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "dynamic-ntm annealed": {"soft_batches": 40, "annealing": 40},
    "discrete-ntm": {"estimator": "rebar"},
}
REPRODUCE = "reproduce"


def settings(name: str, seed: int) -> TrainConfig:
    """A run of some seconds with a checkpoint after each step, row and validation."""
    draw = random.Random(f"{name} {seed}")
    return TrainConfig(
        task="copy",
        task_options={"max_length": 4, "num_bits": 4},
        machine=name.split()[0],
        machine_options=MACHINES[name],
        objective_options=OBJECTIVES.get(name, {}),
        optimiser=draw.choice(["rmsprop", "graves-rmsprop", "adam"]),
        schedule=draw.choice(["constant", "cosine"]),
        curriculum=draw.choice(["none", "look-back"]),
        learning_rate=3e-3,
        batch_size=4,
        max_sequences=draw.choice([480, 600, 720]),
        report_every=draw.choice([20, 52, 120]),
        validate_every=draw.choice([60, 100, 200]),
        validation_sequences=16,
        test_sequences=4,
        checkpoint_every=draw.choice([0.0, 0.05]),
        stop_when_solved=False,
        seed=seed,
        threads=1,
        device="cpu",
    )


def reproduce(folder: Path, seed: int) -> None:
    """What `tapehead reproduce` does between its plan and its figure, on a budget of seconds."""
    experiment = Experiment(
        name="kill/campaign",
        source="",
        tasks=("copy",),
        contestants=("ntm", "lstm"),
        recipe=_recipe,
    )
    jobs = plan(experiment, "fast", [seed], folder)
    run_plan(jobs, Processes(2))


def _recipe(task: str, contestant: str, setting: str) -> TrainConfig:
    return replace(settings(contestant, 0), task=task)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="decides runs and moments")
    names = [*MACHINES, REPRODUCE]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--reproduce-into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reproduce_into:
        reproduce(options.reproduce_into, options.seed)
        return 0
    kills, runs, wrong = Counter(), Counter(), []
    number = options.seed
    while kills.total() < options.kills:
        name = options.only[number % len(options.only)]
        with tempfile.TemporaryDirectory() as scratch:
            killed, faults = one_round(name, number, Path(scratch))
        kills[name] += killed
        runs[name] += 1
        wrong += [f"{name}, seed {number}: {fault}" for fault in faults]
        print(
            f"{name}, seed {number}: {killed} kills, {'; '.join(faults) or 'identical'}", flush=True
        )
        number += 1
    print(f"\n{'':<22}{'runs':>6}{'kills':>7}")
    for name in runs:
        print(f"{name:<22}{runs[name]:>6}{kills[name]:>7}")
    print(f"{'all':<22}{runs.total():>6}{kills.total():>7}")
    print(*wrong, f"{len(wrong)} differences", sep="\n")
    return 1 if wrong else 0


def one_round(name: str, seed: int, scratch: Path) -> tuple[int, list[str]]:
    """How often a run was killed, and how it differs from one that was not."""
    draw = random.Random(seed)
    if name == REPRODUCE:
        start, kill = _process(seed), _kill_with_workers
    else:
        config = settings(name, seed)
        start, kill = (lambda folder: _fork(config, folder)), _kill
    began = time.monotonic()
    code = _ended(start(scratch / "whole"))
    if code:
        return 0, [f"the undisturbed run ended with {code}"]
    length, killed, faults = time.monotonic() - began, 0, []
    while True:
        child = start(scratch / "killed")
        time.sleep(draw.uniform(0, length * (0.5 if killed < 8 else 2)))
        faults += kill(child, draw.choice(SIGNALS))
        code = _ended(child)
        if code == 0:
            break
        if code not in (-signal.SIGKILL, 129, 130, 143):
            return killed, [*faults, f"a resumed run ended with {code}"]
        killed += 1
    whole, other = scratch / "whole", scratch / "killed"
    for config in sorted(whole.rglob("config.json")):
        faults += differences(config.parent, other / config.parent.relative_to(whole))
    return killed, faults


def _fork(config: TrainConfig, folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        train(config, folder, resume=True)
        code = 0
    except Stopped as error:
        code = error.exit_code
    except BaseException as error:  # nothing may get back into the campaign
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


_CHILDREN: dict[int, subprocess.Popen] = {}


def _process(seed: int) -> Callable[[Path], int]:
    def start(folder: Path) -> int:
        command = [sys.executable, __file__, f"--reproduce-into={folder}", f"--seed={seed}"]
        child = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        # One that is let go is waited for by the next that begins, and then not by us.
        _CHILDREN[child.pid] = child
        return child.pid

    return start


def _kill(pid: int, number: int) -> list[str]:
    os.kill(pid, number)  # of a zombie too, until it is waited for
    return []


def _kill_with_workers(pid: int, number: int) -> list[str]:
    """Kill -9 alone, as the others are answered with a traceback; look whether workers live on."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while orphans := _session(pid):
        if time.monotonic() > deadline:
            for orphan in orphans:
                os.kill(orphan, signal.SIGKILL)
            return [f"{len(orphans)} workers outlived their parent"]
        time.sleep(0.05)
    return []


def _session(leader: int) -> list[int]:
    """The living processes of a session, but for its leader."""
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,sess=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in table.splitlines()]
    return [
        int(pid)
        for pid, session, state in rows
        if int(session) == leader != int(pid) and not state.startswith("Z")
    ]


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
