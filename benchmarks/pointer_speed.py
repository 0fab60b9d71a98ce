"""How many problems a second a pointer network learns from: all steps of the decoder in one call,
beside a plain loop that takes one step after the other, side by side in one process.

    python benchmarks/pointer_speed.py [--points 10 50] [--batch 64] [--seconds 5]

Both compute the same loss and the same gradients, which is looked at before anything is timed.
"""

import argparse

import torch
from torch import Tensor

from tapehead.benchmark import Step, interleaved
from tapehead.machines import PointerNetwork
from tapehead.tasks import ConvexHull
from tapehead.tasks.task import Batch

MACHINES = {
    "lstm, additive": {"encoder": "lstm", "attention": "additive", "hears": "point"},
    "lstm, dot": {"encoder": "lstm", "hears": "point"},
    "set, dot": {"encoder": "set", "widening": 2},
}


def whole(machine: PointerNetwork, task: ConvexHull, batch: Batch) -> Tensor:
    """The loss, all steps in one call."""
    told = batch.inputs._replace(answer=batch.targets)
    return task.loss(machine(**told._asdict())[0], batch)


def loop(machine: PointerNetwork, task: ConvexHull, batch: Batch) -> Tensor:
    """The same, one step of the decoder after the other."""
    points, targets = batch.inputs, batch.targets
    context, state = machine._encode(points)
    pointed = torch.zeros(len(targets), points.xy.shape[1] + 1, dtype=torch.bool)
    numbers = torch.arange(pointed.shape[1])
    logits = []
    for step in range(targets.shape[1]):
        made = machine._decode(context, state, targets[:, step - 1 : step or None], start=not step)
        state = made.state
        ended = pointed[:, :1]
        out = torch.where(ended, numbers > 0, pointed | ((numbers == 0) & (step < 3)))
        logits.append(made.logits[:, 0].masked_fill(out, -torch.inf))
        pointed = pointed.scatter(1, targets[:, step : step + 1], True)
    return task.loss(torch.stack(logits, 1), batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"problems a second, forward and backward, batch {chosen.batch}, one thread")
    print(f"{'':<16}{'points':>8}{'one call':>10}{'loop':>8}{'times':>7}")
    for points in chosen.points:
        task = ConvexHull(min_points=points, max_points=points)
        batch = task.batch(torch.Generator().manual_seed(0), chosen.batch)
        batch = batch._replace(inputs=batch.inputs._replace(counts=None))
        for name, options in MACHINES.items():
            torch.manual_seed(0)
            machine = PointerNetwork(**task.sizes, hidden_size=chosen.hidden, **options)
            ways = {"one call": whole, "loop": loop}
            gradients = []
            for way in ways.values():
                machine.zero_grad()
                way(machine, task, batch).backward()
                gradients.append([weight.grad.clone() for weight in machine.parameters()])
            for one, other in zip(*gradients, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)

            def step_of(way, machine=machine, task=task, batch=batch) -> Step:
                return lambda: way(machine, task, batch).backward()

            times = interleaved(
                {name: step_of(way) for name, way in ways.items()}, seconds=chosen.seconds
            )
            rates = {way: 1e3 * chosen.batch / each["median"] for way, each in times.items()}
            print(
                f"{name:<16}{points:>8}{rates['one call']:>10,.0f}{rates['loop']:>8,.0f}"
                f"{rates['one call'] / rates['loop']:>7.2f}"
            )


if __name__ == "__main__":
    main()
