"""From a run directory back to a trained machine."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tapehead.checks import shown
from tapehead.errors import TapeheadError
from tapehead.machines.fitting import misfit
from tapehead.machines.machine import Machine
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.checkpoint import Checkpoint, checkpoint_steps, load_checkpoint
from tapehead.runs.config import TrainConfig
from tapehead.runs.devices import usable_device
from tapehead.runs.randomness import capture_globals, restore_globals
from tapehead.runs.records import read_config, run_id
from tapehead.tasks import Task


def load_run(
    path: Path | str,
    *,
    step: int | str = "best",
    device: str = "cpu",
    as_tested: bool = False,
) -> tuple[TrainConfig, Machine, Task]:
    """A run's settings, its trained machine, ready to evaluate, and its task.

    Args:
        path: run directory.
        step: "best" (by validation), "latest", or the number of a step with a checkpoint.
        device: where the machine goes; auto takes a GPU if there is one.
        as_tested: with as many rows of memory as it had in its tests, `test_memory_size`.

    Raises:
        ValueError: there is no such device.
        TapeheadError: there is no run, no such checkpoint, or it is damaged, foreign or newer.
    """
    device = usable_device(device)
    path = Path(path)
    config = read_config(path)
    checkpoint = _choose(path / "checkpoint", step, run_id(path))
    try:
        task = build_task(config)
        states = capture_globals(torch.device("cpu"))
        machine = build_machine(config, task)
        restore_globals(states, torch.device("cpu"))
    except (TypeError, ValueError) as error:
        raise TapeheadError(f"{path} does not fit this tapehead: {error}") from error
    if config.precision == "64":
        machine.double()
    load_weights(machine, checkpoint)
    if as_tested and config.test_memory_size is not None:
        machine.set_rows(config.test_memory_size)
    return config, machine.to(device).eval(), task


def start_from(machine: Machine, name: str) -> None:
    """Give a machine the weights of a trained one.

    Args:
        name: run directory, whose best checkpoint is taken; folder of a saved machine; or a name of
            the zoo or the hub, see `Machine.from_pretrained`.

    Raises:
        TapeheadError: there is no such machine, it is damaged, foreign or newer, or its weights are
            another machine's; names the first tensor that does not fit.
    """
    is_run = any((Path(name) / part).exists() for part in ("checkpoint", "metrics.jsonl"))
    trained = load_run(name)[1] if is_run else Machine.from_pretrained(name)
    target = machine.state_dict()
    weights = {
        name: tensor.to(target[name].dtype) if name in target else tensor
        for name, tensor in trained.state_dict().items()
    }
    problem = misfit(target, weights)
    if problem is not None:
        raise TapeheadError(
            "start_from must name a machine whose weights fit this one, "
            f"got {shown(name)}, a {type(trained).__name__}: {problem}"
        )
    machine.load_state_dict(weights)


def load_task(path: Path | str) -> Task:
    """A run's task.

    Raises:
        TapeheadError: there is no run, or its settings do not fit this tapehead.
    """
    config = read_config(path)
    try:
        return build_task(config)
    except (TypeError, ValueError) as error:
        raise TapeheadError(f"{path} does not fit this tapehead: {error}") from error


def _choose(folder: Path, step: int | str, run: str | None) -> Checkpoint:
    steps = checkpoint_steps(folder)
    if not steps:
        raise TapeheadError(f"{folder.parent} has no checkpoint yet")
    if isinstance(step, int) and step not in steps:
        kept = ", ".join(map(str, steps))
        raise TapeheadError(f"{folder.parent} has no checkpoint of step {step}; it has {kept}")
    # No silent step back to an earlier one here: other weights would give other scores.
    latest = load_checkpoint(folder, step if isinstance(step, int) else steps[-1], run)
    if step != "best":
        return latest
    try:
        best = (latest.progress["best"] or {"step": latest.step})["step"]
    except (KeyError, TypeError):
        raise TapeheadError(
            f"{folder / str(latest.step)} is not a checkpoint of tapehead"
        ) from None
    if best not in steps:
        raise TapeheadError(
            f"{folder.parent} has no checkpoint of step {shown(best)} any more, its best "
            f"validation; it has {', '.join(map(str, steps))}"
        )
    return latest if best == latest.step else load_checkpoint(folder, best, run)


def load_weights(machine: nn.Module, checkpoint: Checkpoint) -> None:
    """Put the weights of a checkpoint into a machine.

    Raises:
        TapeheadError: they belong to another machine; names the first tensor that does not fit.
    """
    weights = checkpoint.parts.get("weights", {})
    copy_tensors(machine.state_dict(), weights, "weights", checkpoint.step)


OBJECTIVE = "objective"
"""The part of a checkpoint that holds what an objective learned."""


def copy_tensors(
    target: Mapping[str, Tensor], source: Mapping[str, Tensor], part: str, step: int
) -> None:
    """Copy tensors by name into tensors of the same names and shapes."""
    problem = misfit(target, source)
    if problem is not None:
        raise TapeheadError(
            f"the {part} of the checkpoint of step {step} belong to another machine: {problem}"
        )
    for name, tensor in target.items():
        with torch.no_grad():
            tensor.copy_(source[name])
