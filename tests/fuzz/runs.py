"""Run directories that were damaged, edited or mixed, and whoever reads them or goes on with them.

Reading gives what was there before, or one clear line; so does a resumed run, which comes to the
weights, optimiser, random states, rows and result of one that nobody touched. Where a digest was
computed anew nothing can tell what was there: then any answer will do that is no crash.
"""

import atexit
import codecs
import contextlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import damage
from commands import ended
from harness import Case, Wrong, fault_of
from same_runs import differences, same_tensors, without_clocks
from torch import Tensor

from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.training import (
    TrainConfig,
    load_run,
    read_config,
    read_metrics,
    read_result,
    train,
)

SMALL = {"memory_size": 5, "word_size": 3, "hidden_size": 4}
MACHINES: dict[str, dict[str, Any]] = {
    "lstm": {"hidden_size": 4, "num_layers": 1},
    "ntm": SMALL,
    "discrete-ntm": SMALL,
}
NOBODY = 65534


def config(machine: str, seed: int = 0) -> TrainConfig:
    """A run of a moment, with three checkpoints at its end."""
    return TrainConfig(
        task="copy",
        task_options={"max_length": 3, "num_bits": 4},
        machine=machine,
        machine_options=MACHINES[machine],
        objective_options={"estimator": "rebar"} if machine == "discrete-ntm" else {},
        learning_rate=3e-3,
        batch_size=4,
        max_sequences=80,
        report_every=20,
        validate_every=20,
        validation_sequences=8,
        test_sequences=2,
        checkpoint_every=0.0,
        stop_when_solved=False,
        seed=seed,
        threads=1,
        device="cpu",
    )


class Truth(NamedTuple):
    """A run that nobody touched, and all that it says."""

    path: Path
    config: TrainConfig
    longer: Path
    """The same run, gone on with."""
    result: dict[str, Any]
    rows: list[dict[str, Any]]
    weights: dict[int, dict[str, Tensor]]
    best: int
    scores: list[Any]
    """Of `tapehead evaluate` for each checkpoint, the best first."""
    others: list[Path]
    """Runs of another seed, another machine, and one that went on for longer."""


LONGER = 120


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="runs-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _trained(machine: str, seed: int, longer: bool) -> Path:
    path = _folder() / f"{machine}-{seed}{'-longer' if longer else ''}"
    if longer:
        shutil.copytree(_trained(machine, seed, False), path)
        train(replace(config(machine, seed), max_sequences=LONGER), path, resume=True)
    else:
        # What decides where a case cuts and flips is the same in every process.
        name = random.Random(f"{machine} {seed}").randbytes(8).hex()
        with mock.patch("secrets.token_hex", return_value=name):
            train(config(machine, seed), path)
    return path


@cache
def truth(machine: str) -> Truth:
    path = _trained(machine, 0, False)
    other = "lstm" if machine == "ntm" else "ntm"
    longer = _trained(machine, 0, True)
    folder = path / "checkpoint"
    steps = checkpoint_steps(folder)
    best = load_checkpoint(folder, steps[-1]).progress["best"]["step"]
    result = read_result(path)
    assert result is not None
    # What JSON takes random bytes for is imported when it is first asked for.
    for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        codecs.lookup(name)
    # Once before this process may no longer read what is still to be imported.
    ended(["view", str(path), "--out", str(_folder() / "figures")], ())
    return Truth(
        path=path,
        config=config(machine),
        longer=longer,
        result=result,
        rows=read_metrics(path),
        weights={step: dict(load_checkpoint(folder, step).parts["weights"]) for step in steps},
        best=best,
        scores=[_scores(path, step) for step in ("best", *steps)],
        others=[_trained(machine, 1, False), _trained(other, 0, False), longer],
    )


def case(draw: random.Random) -> Case:
    """A run, one to three edits, and what is done with it then."""
    known = truth(draw.choice(("lstm", "lstm", "ntm", "discrete-ntm")))
    seed, action = draw.getrandbits(60), draw.choice(tuple(ACTIONS))
    edits: list[damage.Edit] = []
    what: list[str] = []
    values = {"run": known.path.name, "edits": what}

    def call() -> str | None:
        draw = random.Random(seed)
        with tempfile.TemporaryDirectory(dir=_folder()) as scratch:
            run = Path(scratch) / "run"
            shutil.copytree(known.path, run)
            for _ in range(draw.choice((1, 1, 1, 2, 3))):
                edits.append(damage.edit(draw, run, known.others))
                what.append(edits[-1].what)
            names = {name for each in edits for name in (run.name, *each.names) if name}
            try:
                # A power cut is nothing that is tried here.
                with _unprivileged(run), mock.patch("os.fsync"):
                    return ACTIONS[action](run, known, Edited(edits, draw, tuple(names)))
            finally:
                _open_all(Path(scratch))

    return Case(action, call, None, values, _kinds(TapeheadError))


class Edited(NamedTuple):
    """What was done to a run.

    names: what an error may be about.
    """

    edits: list[damage.Edit]
    draw: random.Random
    names: tuple[str, ...]

    @property
    def forged(self) -> bool:
        return any(edit.forged for edit in self.edits)

    def did(self, what: str) -> bool:
        return any(edit.what.startswith(what) for edit in self.edits)

    @property
    def about(self) -> tuple[str, ...] | None:
        """What an error may name; of a forged number whatever it does to training."""
        return None if self.forged else self.names


def _kinds(kind: type[Exception]) -> tuple[type[Exception], ...]:
    return (kind, *(found for below in kind.__subclasses__() for found in _kinds(below)))


@contextlib.contextmanager
def _unprivileged(run: Path) -> Iterator[None]:
    """As somebody whom file modes keep out, where this process is one whom they do not."""
    if os.geteuid() != 0:
        yield
        return
    for path in (run.parent, run, *run.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _open_all(scratch: Path) -> None:
    """So that it can be removed."""
    for folder, inside, _ in os.walk(scratch):
        for name in (".", *inside):
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)


def _one_line(call: Callable[[], Any], names: tuple[str, ...] | None) -> Any:
    """What a call gives; a refusal must be about what was edited."""
    try:
        return call()
    except TapeheadError as error:
        fault = fault_of(str(error), names)
        if fault is not None:
            raise Wrong(fault) from None
        raise


def _config(run: Path, known: Truth, edited: Edited) -> None:
    found = _one_line(lambda: read_config(run), edited.about)
    if found not in _configs(known, edited) and not edited.forged:
        raise Wrong(f"another config: {found}")


def _configs(known: Truth, edited: Edited) -> list[TrainConfig]:
    """What may be read: that of another run is whole too, and its id keeps it from the checkpoints
    that lie beside it, unless it is that of the same run at another time."""
    foreign = [read_config(other) for other in known.others if edited.did("foreign config.json")]
    return [known.config, *foreign]


def _result(run: Path, known: Truth, edited: Edited) -> None:
    found = _one_line(lambda: read_result(run), edited.about)
    if found is None and (run / "result.json").exists():
        raise Wrong("no result, though there is one")
    if found not in (None, known.result) and not edited.forged:
        raise Wrong(f"another result: {found}")


def _metrics(run: Path, known: Truth, edited: Edited) -> None:
    found = _one_line(lambda: read_metrics(run), edited.about)
    # Only a checkpoint knows whether rows are gone from the end.
    if len(found) < len(known.rows) and not any("checkpoint" in e.what for e in edited.edits):
        raise Wrong("rows are missing")
    if found != known.rows[: len(found)] and not edited.forged:
        raise Wrong("other rows")


def _load(run: Path, known: Truth, edited: Edited) -> None:
    steps = tuple(known.weights)
    step = edited.draw.choice(("best", "best", "latest", *steps))
    config, machine, _ = _one_line(lambda: load_run(run, step=step), edited.about)
    if edited.forged:
        return
    if config not in _configs(known, edited):
        raise Wrong(f"another config: {config}")
    wanted = {"best": known.best, "latest": steps[-1]}.get(step, step)
    # Where checkpoints are gone, the last of those that are left is the latest.
    left = [kept for kept in steps if (run / "checkpoint" / str(kept)).exists()]
    allowed = [wanted] if list(steps) == left else left
    found = machine.state_dict()
    if not any(same_tensors(found, known.weights[step]) for step in allowed):
        raise Wrong(f"other weights than those of {step}")


def _evaluate(run: Path, known: Truth, edited: Edited) -> str | None:
    steps = tuple(known.weights)
    step = edited.draw.choice(("best", "latest", *steps))
    code, said = ended(_command(run, step), edited.about)
    if code:
        return f"refused, exit {code}"
    found = json.loads(said)["evaluation"]
    wanted = known.scores[(("best", *steps).index(step)) if step != "latest" else -1]
    left = all((run / "checkpoint" / str(kept)).exists() for kept in steps)
    if found not in ([wanted] if left else known.scores) and not edited.forged:
        raise Wrong(f"other scores: {found}, not {wanted}")
    return None


def _command(run: Path, step: int | str) -> list[str]:
    return ["evaluate", str(run), "--json", "--sequences", "2", "--step", str(step)]


def _scores(run: Path, step: int | str) -> Any:
    return json.loads(ended(_command(run, step), ())[1])["evaluation"]


def _view(run: Path, known: Truth, edited: Edited) -> str | None:
    from matplotlib.figure import Figure

    names = ("bit", "length", "memory", "heads", "summary")
    kinds = [f"problems.sequences.{name}_figure" for name in names]
    kinds += ["view.learning_curves", "view.generalisation"]
    with contextlib.ExitStack() as stack:
        for kind in kinds:  # how they look is for other tests
            name = f"tapehead.viewing.{kind}"
            stack.enter_context(mock.patch(name, return_value=Figure((0.1, 0.1))))
        # Nothing is written over what lies beside the run.
        code, _ = ended(["view", str(run)], edited.about)
    return f"refused, exit {code}" if code else None


def _resume(run: Path, known: Truth, edited: Edited) -> None:
    wanted, whole = known.config, known.path
    if edited.draw.random() < 0.6:
        wanted, whole = replace(wanted, max_sequences=LONGER), known.longer
    before = _contents(run)
    try:
        result = _one_line(lambda: train(wanted, run, resume=True), edited.about)
    except TapeheadError:
        after = _contents(run)
        # One that went on and was stopped later has checkpoints that take the place of others.
        gone_on = any(name.endswith("progress.json") for name in after.keys() - before.keys())
        lost = [name for name, data in before.items() if after.get(name) != data]
        if lost and not gone_on:
            raise Wrong(f"refused, and {', '.join(lost)} changed") from None
        raise
    if edited.forged:
        return
    # An earlier checkpoint that is not needed is not read.
    faults = differences(whole, run, all_steps=False)
    if read_config(run) != wanted:
        faults.append("config.json says something else")
    if without_clocks(result.to_dict()) != without_clocks(read_result(whole)):
        faults.append("what was returned is another result")
    if faults:
        raise Wrong(f"resumed to another run: {'; '.join(faults)}")


def _contents(run: Path) -> dict[str, bytes]:
    """The files that a refusal must leave as they are."""
    found = {}
    for path in run.rglob("*"):
        kept = path.name == "metrics.jsonl" or "checkpoint" in path.relative_to(run).parts[:-1]
        with contextlib.suppress(OSError):
            if kept and path.is_file():
                found[str(path.relative_to(run))] = path.read_bytes()
    return found


ACTIONS: dict[str, Callable[[Path, Truth, Edited], str | None]] = {
    "config": _config,
    "result": _result,
    "metrics": _metrics,
    "load": _load,
    "evaluate": _evaluate,
    "view": _view,
    "resume": _resume,
    "resume again": _resume,
}
