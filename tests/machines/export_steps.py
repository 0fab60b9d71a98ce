"""Exports machines in a process of its own: the tests' checks of shapes cannot be traced.

Writes each into a folder of its name, with inputs and the machine's own outputs beside it, and
prints what `export_step` said.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from tapehead import DNC, NTM
from tapehead.machines.exporting import export_step

SMALL = {"memory_size": 6, "word_size": 4, "hidden_size": 8, "num_reads": 2}
KINDS = {
    "program": lambda: DNC(3, 2, **SMALL),
    "onnx": lambda: NTM(3, 2, memory_init="learned", **SMALL),
}


def main(folder):
    told = {}
    for name, make in KINDS.items():
        torch.manual_seed(0)
        machine = make()
        with torch.no_grad():
            for weight in machine.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
        before = {key: weight.clone() for key, weight in machine.state_dict().items()}
        exported = export_step(machine, folder / name, onnx=name == "onnx")
        same = [torch.equal(before[key], weight) for key, weight in machine.state_dict().items()]
        files = [file.name for file in exported.files]
        untouched = machine.training and machine.backend == "auto" and all(same)
        told[name] = {**exported._asdict(), "files": files, "untouched": untouched}
        machine.eval().backend = "reference"  # whose kernels need not be compiled for this
        x, y = torch.rand(7, 5, 3), []
        state = machine.initial_state(7)
        with torch.no_grad():
            for t in range(5):
                y_t, state = machine.step(x[:, t], state)
                y.append(y_t)
        np.savez(folder / f"{name}.npz", x=x.numpy(), y=torch.stack(y, dim=1).numpy())
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
