"""Compile, export and save every machine, or load again what was exported; one file of words each.

python capture.py make|load FOLDER
"""

import logging
import sys
import warnings
from pathlib import Path

import torch
from test_machines_pytorch import KERNELS, MACHINES, build

EXPORTS = {"batch": ("batch",), "time": ("batch", "time")}
FINE = "as it should"


def alike(found, truth):
    torch.testing.assert_close(found[0], truth[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tuple(found[1]), tuple(truth[1]), rtol=1e-4, atol=1e-5)
    return FINE


def compiled(name, x):
    # All machines together would be too many ways to compile one `forward`.
    torch._dynamo.reset()
    machine = build(name)
    run = torch.compile(machine, fullgraph=True, backend="aot_eager")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(x)
    truth = machine(x)
    slopes = (
        torch.autograd.grad(y.square().sum(), machine.parameters(), allow_unused=True)
        for y, _ in (found, truth)
    )
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)
    if machine.settable_rows is not None:
        machine.set_rows(machine.settable_rows + 3)
        alike(run(x), machine(x))
    return alike(found, truth)


def exported(name, x, dynamic, path):
    machine = build(name)
    if len(dynamic) == 1 and name in KERNELS:
        # The other export is of the kernel.
        machine.backend = "reference"
    axes = {axis: torch.export.Dim(word, min=2, max=64) for axis, word in enumerate(dynamic)}
    program = torch.export.export(machine, (x,), dynamic_shapes=(axes,), strict=False)
    torch.export.save(program, path)
    return FINE


def loaded(name, dynamic, path):
    import tapehead.ops.registered  # noqa: F401

    x = torch.randn(3, 2 if len(dynamic) == 1 else 8, 4)
    program = torch.export.load(path).module()
    machine = build(name)
    found, truth = program(x), machine(x)
    assert type(found[1]) is type(truth[1])
    assert found[0].square().sum().requires_grad
    return alike(found, truth)


def main(stage, folder):
    logging.disable()
    warnings.simplefilter("ignore")
    for name in MACHINES:
        torch.manual_seed(1)
        x = torch.randn(2, 2, 4)
        jobs = {how: (folder / f"{how} {name}.pt2", dynamic) for how, dynamic in EXPORTS.items()}
        if stage == "make":
            work = {how: (exported, name, x, d, path) for how, (path, d) in jobs.items()}
            work["compile"] = (compiled, name, x)
        else:
            work = {how: (loaded, name, d, p) for how, (p, d) in jobs.items() if p.exists()}
        for how, (job, *arguments) in work.items():
            try:
                said = job(*arguments)
            except Exception as error:
                said = str(error) or repr(error)
            (folder / f"{how} {name}.txt").write_text(said)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
