"""Everything that changes while a run goes on, and how it becomes a checkpoint and back."""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace

import torch
from torch import Tensor

from tapehead.checks import LARGEST_WHOLE
from tapehead.errors import TapeheadError
from tapehead.machines.machine import Machine
from tapehead.runs.build import build_machine
from tapehead.runs.checkpoint import Checkpoint
from tapehead.runs.config import TrainConfig
from tapehead.runs.loading import OBJECTIVE, copy_tensors, load_weights
from tapehead.runs.randomness import (
    Stream,
    capture_globals,
    derived_seed,
    generator_for,
    restore_globals,
    seed_globals,
)
from tapehead.tasks import Task
from tapehead.training.averaging import MOVING, WeightAverage
from tapehead.training.curriculum import CurriculumSchedule
from tapehead.training.learner import Learner
from tapehead.training.objectives import Objective, make_objective
from tapehead.training.processes import ProcessGroup
from tapehead.training.progress import Progress, progress_of
from tapehead.training.tally import Tally


class Session:
    """A machine in training: its learner, generators, tally, curriculum and progress."""

    def __init__(
        self,
        config: TrainConfig,
        task: Task,
        machine: Machine,
        objective: Objective,
        processes: ProcessGroup,
    ):
        self.config, self.task, self.processes = config, task, processes
        self.machine, self.objective = machine, objective
        self.curriculum = CurriculumSchedule(config, task)
        self._all_rows = machine.settable_rows if config.lesson_rows else None
        self.progress = Progress(level=self.curriculum.level)
        self.tally = Tally()
        # Each process draws its own sequences, always on the CPU: see `batch_to`.
        self.generator = generator_for(config.seed, Stream.TRAINING, processes.global_rank)
        seed_globals(config.seed, 1 + processes.global_rank)
        for module in (machine, objective):
            if config.precision == "64":
                module.double()
            module.to(processes.device)
            if processes.world_size > 1:
                for tensor in module.state_dict().values():
                    tensor.copy_(processes.broadcast(tensor))
        self.learner = Learner(config, machine, objective, processes)
        self._average = None
        if config.weight_average:
            self._average = WeightAverage(self.learner.flat, config.weight_average)

    def count(self) -> None:
        """Take note of a step that was made."""
        progress, batch = self.progress, self.config.batch_size
        progress.step += 1
        progress.sequences += batch
        if self._average is not None:
            self._average.add(batch, progress.sequences - progress.began)

    def judged(self) -> AbstractContextManager[None]:
        """The machine has the weights that it is judged by: the average, where there is one."""
        return nullcontext() if self._average is None else self._average.in_place()

    def begin_again(self) -> None:
        """Fresh weights, drawn from the next seed that the run's own gives, a fresh optimiser and
        the first level. Sequences and rows go on as they would have."""
        progress, device = self.progress, self.processes.device
        progress.restarts, progress.began = progress.restarts + 1, progress.sequences
        progress.level_since, progress.halvings = progress.sequences, 0
        progress.stuck = False
        states = capture_globals(device)
        seed = derived_seed(self.config.seed, Stream.RESTART, progress.restarts) % LARGEST_WHOLE
        machine = build_machine(replace(self.config, seed=seed), self.task)
        objective = make_objective(machine, self.task, **self.config.objective_options)
        restore_globals(states, device)
        for module, fresh in ((self.machine, machine), (self.objective, objective)):
            module.load_state_dict(fresh.state_dict())
        self.learner.begin_again()
        self.curriculum.begin_again()
        progress.level = self.curriculum.level

    def fit_rows(self, *, all_rows: bool = False) -> None:
        """Give memory the rows that the lesson wants, or all, where that is asked for."""
        if self._all_rows is not None:
            facts = None if all_rows else self.curriculum.lesson.facts
            wanted = self._all_rows if facts is None else facts + self._spare_rows(facts)
            self.machine.set_rows(min(self._all_rows, wanted))

    def _spare_rows(self, facts: int) -> int:
        """How many more there are in this step; what is drawn depends on seed and step alone."""
        if not self.config.spare_rows:
            return 0
        seed = derived_seed(self.config.seed, Stream.ROWS, self.progress.step)
        return random.Random(seed).randint(0, int(self.config.spare_rows * facts))

    def tested_machine(self) -> Machine:
        """The machine for validations and tests: where they have rows of their own, a copy."""
        return self.machine.with_rows(self.config.test_memory_size or self._all_rows)

    def snapshot(self) -> Checkpoint:
        """The whole session; every process must call this at the same step."""
        self.progress.level = self.curriculum.level
        states = capture_globals(self.processes.device) | {"training": self.generator.get_state()}
        parts = {
            "optimiser": self.learner.optimiser_tensors(),
            "random": self._gather(states),
            "scores": self._gather(self.tally.tensors()),
        }
        learned = {"weights": self.machine, OBJECTIVE: self.objective}
        with self.judged():
            parts |= {name: _copied(module.state_dict()) for name, module in learned.items()}
        if not parts[OBJECTIVE]:
            del parts[OBJECTIVE]
        if self._average is not None:
            parts[MOVING] = self._average.moving()
        return Checkpoint(
            step=self.progress.step,
            parts=parts,
            progress=asdict(self.progress) | {"processes": self.processes.world_size},
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where a checkpoint was taken.

        Raises:
            TapeheadError: it belongs to another machine or number of processes, or to another
                tapehead.
        """
        try:
            self._restore(checkpoint)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError,
                ValueError) as error:  # fmt: skip
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise TapeheadError(
                f"the checkpoint of step {checkpoint.step} does not fit this tapehead: {reason}"
            ) from error

    def _restore(self, checkpoint: Checkpoint) -> None:
        if "optimiser" not in checkpoint.parts:
            raise TapeheadError(
                f"the checkpoint of step {checkpoint.step} came with a packed machine, to be "
                "looked at and not trained on: train again from the start in another folder"
            )
        progress = progress_of(checkpoint)
        trained_by = checkpoint.progress["processes"]
        if trained_by != self.processes.world_size:
            raise TapeheadError(
                f"this run was trained by {trained_by} processes and can be resumed only by as "
                f"many, not by {self.processes.world_size}"
            )
        load_weights(self.machine, checkpoint)
        own = checkpoint.parts.get(OBJECTIVE, {})
        copy_tensors(self.objective.state_dict(), own, OBJECTIVE, checkpoint.step)
        self.learner.flat.gather()
        if self._average is not None:
            self._average.restore(checkpoint.parts[MOVING])
        optimiser = self.learner.optimiser_tensors()
        copy_tensors(optimiser, checkpoint.parts["optimiser"], "optimiser", checkpoint.step)
        self.learner.set_epsilon()
        self.tally.restore(self._own(checkpoint.parts["scores"]), self.learner.device)
        states = self._own(checkpoint.parts["random"])
        self.generator.set_state(states.pop("training"))
        restore_globals(states, self.processes.device)
        self.progress = progress
        self.curriculum.restore(progress.level)

    def end(self) -> None:
        """Give the machine parameters of its own again, those that it is judged by."""
        if self._average is not None:
            self._average.keep()
        self.learner.release()

    def warm_up(self) -> None:
        """One step without effect: whatever is compiled on first use is compiled now."""
        states = capture_globals(self.processes.device)
        # What machine and objective count or average over their batches.
        buffers = [*self.machine.buffers(), *self.objective.buffers()]
        buffers = [(buffer, buffer.clone()) for buffer in buffers]
        batch = self.task.batch(
            generator_for(self.config.seed, Stream.WARM_UP), self.sequences_per_process
        )
        batch, outputs, _ = self.learner.differentiate(self.task, batch)
        self.task.scores(outputs, batch)
        if self.processes.device.type == "cuda":
            torch.cuda.synchronize(self.processes.device)
        restore_globals(states, self.processes.device)
        for buffer, before in buffers:
            buffer.copy_(before)

    @property
    def sequences_per_process(self) -> int:
        return self.config.batch_size // self.processes.world_size

    def _gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of every process, under names that tell them apart."""
        return {
            f"process-{number}/{name}": part
            for name, tensor in tensors.items()
            for number, part in enumerate(self._from_each(tensor))
        }

    def _from_each(self, tensor: Tensor) -> list[Tensor]:
        if self.processes.world_size == 1:
            return [tensor]
        tensor = tensor.to(self.processes.device)
        parts = [torch.empty_like(tensor) for _ in range(self.processes.world_size)]
        torch.distributed.all_gather(parts, tensor)
        return parts

    def _own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        prefix = f"process-{self.processes.global_rank}/"
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
