"""Numba is missing, broken, switched off or newer than we know: `auto` takes the reference, says so
once for each operation, and computes the reference's numbers. In processes of their own."""

import os
import subprocess
import sys
import textwrap

import pytest

SIZES = "3, 2, memory_size=4, word_size=3, hidden_size=4"
PROGRAM = f"""
import logging, torch
logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
from tapehead import DNC, NTM

x = torch.rand(2, 3, 3)
for make in (NTM, DNC):
    torch.manual_seed(0)
    machine = make({SIZES})
    for _ in range(2):
        y, _ = machine(x)
    y.sum().backward()
    reference = make({SIZES}, backend="reference")
    reference.load_state_dict(machine.state_dict())
    assert torch.equal(y, reference(x)[0])
    print(machine.backend_choice())
    try:
        make({SIZES}, backend="cpu")(x)
    except RuntimeError as error:
        print(error)
"""

MISSING = "raise ModuleNotFoundError(\"No module named 'numba'\")"
BROKEN = "raise OSError('libllvmlite.so: cannot open shared object file')"
NEWER = """
import numba, numba.core.ccallback
numba.__version__ = "0.99.1"
del numba.core.ccallback.CFunc
"""

CASES = {
    "missing": ("numba.py", MISSING, {}, "ModuleNotFoundError: No module named 'numba'"),
    "broken": ("numba.py", BROKEN, {}, "Numba cannot be imported: OSError: libllvmlite.so"),
    "switched off": ("none.py", "", {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
    # Python runs a sitecustomize.py before all else.
    "newer": (
        "sitecustomize.py", NEWER, {},
        "its kernels do not load with Numba 0.99.1, newer than the tested 0.68: ImportError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_reference_runs_and_says_why(tmp_path, case):
    file, code, settings, reason = CASES[case]
    (tmp_path / file).write_text(textwrap.dedent(code), encoding="utf-8")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chosen = [line for line in done.stdout.splitlines() if line.startswith("reference (cpu: ")]
    refused = [line for line in done.stdout.splitlines() if "backend 'cpu' cannot run: " in line]
    assert len(chosen) == len(refused) == 2, done
    assert all(reason in line for line in (*chosen, *refused)), done
    said = [line for line in done.stderr.splitlines() if line.startswith("WARNING ")]
    assert [line.split(":")[0] for line in said] == ["WARNING ntm", "WARNING dnc"], done.stderr
    assert all(reason in line for line in said)
