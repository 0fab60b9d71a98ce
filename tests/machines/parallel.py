"""One of several data-parallel processes: every machine takes two steps.

python parallel.py FILE RANK PROCESSES
"""

import sys
import warnings

import torch
from test_pytorch import MACHINES
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tapehead import RLNTM, DiscreteNTM


class Loss(nn.Module):
    """What has a loss of its own is wrapped with it: DDP sees only what goes through `forward`."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine

    def forward(self, *inputs):
        return self.machine.training_loss(*inputs)[0]


def squares(y):
    return y.square().sum(-1)


def tape():
    symbols = torch.randint(1, 4, (3, 6))
    return symbols, symbols, torch.ones(3, 6, dtype=torch.bool), torch.full((3,), 12)


def main(file, rank, processes):
    warnings.simplefilter("ignore")
    distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=processes
    )
    jobs = [
        (make(), lambda run: run(torch.randn(2, 5, 4))[0].square().mean())
        for make in MACHINES.values()
    ]
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 4}
    chooser = DiscreteNTM(4, 3, **sizes, estimator="reinforce")
    jobs.append((Loss(chooser), lambda run: run(torch.randn(2, 5, 4), squares)))
    for controller in ("direct", "lstm"):
        for memory in (False, True):
            machine = RLNTM(4, controller=controller, memory=memory, hidden_size=6)
            jobs.append((Loss(machine), lambda run: run(*tape())))
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
