"""One of several data-parallel processes: every machine takes two steps.

python parallel.py FILE RANK PROCESSES
"""

import sys
import warnings

import torch
from test_machines_pytorch import MACHINES
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tapehead import RLNTM, DiscreteNTM
from tapehead.tasks import Copy, CopyTape
from tapehead.training.objectives import make_objective


class Loss(nn.Module):
    """What has a loss of its own is wrapped with it: DDP sees only what goes through `forward`."""

    def __init__(self, machine, task, **options):
        super().__init__()
        self.machine, self.task = machine, task
        self.objective = make_objective(machine, task, **options)

    def forward(self, batch):
        return self.objective(self.machine, self.task, batch).loss


def batch(task):
    return task.batch(torch.Generator().manual_seed(torch.initial_seed()), 3)


def main(file, rank, processes):
    warnings.simplefilter("ignore")
    distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=processes
    )
    jobs = [
        (machine, lambda run: run(torch.randn(2, 5, 4))[0].square().mean())
        for machine in (make() for make in MACHINES.values())
        # One that chooses gets its gradient by its objective, as below.
        if machine.objective == "supervised"
    ]
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 4}
    copy, tapes = Copy(num_bits=3, max_length=3), CopyTape(num_symbols=3, max_complexity=4)
    chooser = Loss(DiscreteNTM(**copy.sizes, **sizes), copy, estimator="reinforce")
    jobs.append((chooser, lambda run: run(batch(copy))))
    for controller in ("direct", "lstm"):
        for memory in (False, True):
            machine = RLNTM(tapes.symbols, controller=controller, memory=memory, hidden_size=6)
            jobs.append((Loss(machine, tapes), lambda run: run(batch(tapes))))
    for module, loss in jobs:
        torch.manual_seed(rank)
        run = DistributedDataParallel(module)
        for _ in range(2):
            module.zero_grad()
            # The second step fails where the first left a parameter without gradient.
            loss(run).backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            everywhere = [torch.empty_like(parameter.grad) for _ in range(processes)]
            distributed.all_gather(everywhere, parameter.grad)
            for other in everywhere:
                assert torch.equal(other, parameter.grad), name
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
