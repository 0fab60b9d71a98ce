"""What the tasks on points share."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.checks import whole
from tapehead.forms import Points
from tapehead.ops.pointing import Rule
from tapehead.tasks.draws import random_integers, random_uniform
from tapehead.tasks.metrics import BITS, POINTER_ERRORS, SOLVED, Metric
from tapehead.tasks.pointers import Pointer
from tapehead.tasks.task import CERTAIN_LOGIT, Batch, Task

Coordinates = Float64[np.ndarray, "batch points dims"]
Counts = Int64[np.ndarray, " batch"]
Answers = Int64[np.ndarray, "batch steps"]
Said = Int64[np.ndarray, "batch said"]


@dataclass(frozen=True, kw_only=True)
class PointTask(Task):
    """Points, uniform in the unit square, and an answer that points at them.

    Subclasses have the options `min_points`, `max_points` (range of the number of points, uniform,
    both ends included), `mixed_points` (a number for each problem of a batch; if false, one for
    each batch) and `order` ("drawn": points come as they were drawn; "x": in the order of their
    first coordinate).

    What is scored is `Points.answer`: what the machine answered when it ran free. Costs, and
    `pointer_errors`, are those of each right pointer after the right ones before it.

    >>> import torch
    >>> from tapehead.tasks import ConvexHull
    >>> task = ConvexHull(min_points=5, max_points=5)
    >>> batch = task.batch(torch.Generator().manual_seed(0), 2)
    >>> batch.inputs.xy.shape, task.rule
    (torch.Size([2, 5, 2]), 'distinct')
    """

    tells = Points
    dims: ClassVar[int] = 2
    least: ClassVar[int] = 3
    """Points that a problem must have."""
    rule: ClassVar[Rule]
    """What an answer may be: see `tapehead.ops.pointing.forbidden`."""
    shape: ClassVar[Literal["order", "polygon", "tour", "triangles"]]
    """What an answer draws."""
    min_points: int
    max_points: int
    mixed_points: bool
    order: Literal["drawn", "x"]

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.least)("min_points", self.min_points)
        whole(self.min_points)("max_points", self.max_points)

    @property
    def sizes(self) -> Mapping[str, Any]:
        return {"point_size": self.dims, "rule": self.rule}

    @property
    def answer(self) -> Pointer:
        return Pointer(("end", *(f"point {number}" for number in range(1, self.max_points + 1))))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (POINTER_ERRORS, SOLVED, *self.judged, BITS)

    @property
    def judged(self) -> tuple[Metric, ...]:
        """Scores of its own, those that `_judge` gives besides SOLVED."""
        return ()

    @property
    def max_difficulty(self) -> int:
        return self.max_points - self.min_points + 1

    def _at_level(self, level: int) -> "PointTask":
        return replace(self, max_points=self.min_points + level - 1)

    @property
    def max_steps(self) -> int:
        return self.max_points + 1

    @property
    def step_numbers(self) -> int:
        # Coordinates and a target, and of the outputs a channel for each point.
        return self.dims + 1 + self.max_points + 1

    @abstractmethod
    def _answers(self, xy: Coordinates, counts: Counts) -> Answers:
        """The right answers, as `Points.answer`."""

    @abstractmethod
    def _judge(
        self, xy: Coordinates, counts: Counts, right: Answers, said: Said
    ) -> dict[str, np.ndarray]:
        """For each problem: SOLVED, whether what was said is right, and each of `judged`."""

    def _check(self, number: int, points: np.ndarray) -> None:
        """Raise a ValueError, in one line, if there is no answer for points that are finite."""

    def batch_of(self, problems: Sequence[Any]) -> Batch:
        """Given problems with their answers, each an array (points, dims); the order of its points
        is kept.

        Raises:
            ValueError: a problem has too few points, one that is not finite, or none of the answers
                that the task asks for; names the problem by its number from 0.
        """
        arrays = [np.asarray(points, dtype=np.float64) for points in problems]
        if not arrays:
            raise ValueError("problems must be at least 1, got 0")
        for number, points in enumerate(arrays):
            if points.ndim != 2 or points.shape[1] != self.dims or len(points) < self.least:
                raise ValueError(
                    f"problem {number} must have shape (points, {self.dims}) with at least "
                    f"{self.least} points, got {points.shape}"
                )
            if not np.isfinite(points).all():
                bad = int(np.flatnonzero(~np.isfinite(points).all(1))[0])
                raise ValueError(
                    f"problem {number} must have finite points, got {points[bad].tolist()} as "
                    f"point {bad + 1}"
                )
            self._check(number, points)
        counts = np.array([len(points) for points in arrays])
        xy = np.zeros((len(arrays), counts.max(), self.dims))
        for row, points in zip(xy, arrays, strict=True):
            row[: len(points)] = points
        return self._batch(torch.from_numpy(xy).float(), torch.from_numpy(counts))

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        counts = random_integers(
            generator, self.min_points, self.max_points, batch_size, mixed=self.mixed_points
        )
        most = int(counts.max())
        xy = random_uniform(generator, batch_size, most, self.dims)
        there = torch.arange(most, device=xy.device) < counts[:, None]
        if self.order == "x":
            first = xy[..., 0].masked_fill(~there, 2.0).argsort(1)
            xy = xy.gather(1, first[..., None].expand(-1, -1, self.dims))
        batch = self._batch((xy * there[..., None]).cpu(), counts.cpu())
        return batch.map(lambda part: part.to(generator.device))

    def _batch(self, xy: Float[Tensor, "batch points dims"], counts: Int64[Tensor, " batch"]):
        counts = counts.contiguous()
        answers = torch.from_numpy(self._answers(xy.double().numpy(), counts.numpy()))
        return self._answered(xy, counts, answers)

    def _answered(
        self,
        xy: Float[Tensor, "batch points dims"],
        counts: Int64[Tensor, " batch"],
        answers: Int64[Tensor, "batch steps"],
    ) -> Batch:
        """A batch of problems whose answers are known."""
        steps = (answers > 0).sum(1) + 1
        answers = answers[:, : int(steps.max())].contiguous()
        mask = torch.arange(answers.shape[1], device="cpu") < steps[:, None]
        return Batch(Points(xy, counts), answers, mask)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time channels"]:
        xy, counts = batch.inputs.xy.cpu(), batch.inputs.sizes.cpu()
        right = self._batch(xy, counts).targets.to(batch.targets.device)
        return one_hot(right, xy.shape[1] + 1).to(xy.dtype) * CERTAIN_LOGIT

    def run(
        self, machine: Callable[..., tuple[Tensor, Any]], batch: Batch
    ) -> tuple[Float[Tensor, "batch time channels"], Batch]:
        """Logits at each step after the right pointers before it, and the batch with what the
        machine answers: when it runs free if nobody has answered yet; if `answer` gives the right
        pointers, as it does while training, the likeliest at each step."""
        points = batch.inputs
        if points.answer is None:
            _, said = machine(**points._asdict())
            outputs, _ = machine(**points._replace(answer=batch.targets)._asdict())
        else:
            outputs, _ = machine(**points._asdict())
            said = self.answer.said(outputs.detach(), batch)
        return outputs, batch._replace(inputs=points._replace(answer=said))

    def scores(
        self, outputs: Float[Tensor, "batch time channels"], batch: Batch
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            scores = self.answer.scores(outputs, batch)
            points = batch.inputs
            said = self.answer.said(outputs, batch) if points.answer is None else points.answer
            judged = self._judge(
                points.xy.detach().cpu().double().numpy(),
                points.sizes.cpu().contiguous().numpy(),
                batch.targets.cpu().contiguous().numpy(),
                said.cpu().contiguous().numpy(),
            )
            for name, values in judged.items():
                scores[name] = torch.from_numpy(values).to(outputs.device)
        return {metric.name: scores[metric.name] for metric in self.metrics}


def lengths_of(answers: Answers) -> Counts:
    """Pointers of each answer before its end."""
    return (answers > 0).cumprod(1).sum(1)


def same_cycles(one: Answers, other: Said) -> np.ndarray:
    """Whether answers go round the same points in the same order, wherever each begins."""
    same = np.zeros(len(one), dtype=bool)
    ends = zip(lengths_of(one), lengths_of(other), strict=True)
    for row, (length, also) in enumerate(ends):
        if length != also or length == 0:
            continue
        a, b = one[row, :length], other[row, :length]
        same[row] = (a == np.roll(b, -int(np.argmax(b == a[0])))).all()
    return same
