"""What a command imports, and that Python's collector of garbage stands back meanwhile."""

import gc
import subprocess
import sys

from tapehead.cli.command import first_imports


def test_what_is_imported_first_is_looked_through_no_more(monkeypatch):
    before = gc.get_freeze_count()
    with first_imports():  # nothing is left to be imported
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
    monkeypatch.delitem(sys.modules, "torch")
    try:
        with first_imports():
            assert not gc.isenabled()
            held = [[]]
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
        assert not any(each is held for each in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.enable()


TRAINING = """
import sys
from tapehead.cli import main

code = main(["train", "copy", *sys.argv[1:], "--machine=lstm", "--hidden-size=4", "--batch-size=4"])
slow = ("torch._dynamo", "lightning_fabric", "matplotlib")
print([name for name in slow if name in sys.modules])
sys.exit(code)
"""


def test_a_training_waits_for_no_import_that_it_does_not_use(tmp_path):
    """PyTorch's compiler, which each of its optimisers would import, takes two seconds."""
    small = ["--max-sequences=8", "--test-sequences=0", "--validation-sequences=4"]
    small += ["--validate-every=8", "--device=cpu", "--threads=1"]
    quiet = ["--quiet", "--no-figures", f"--out={tmp_path / 'run'}"]
    command = [sys.executable, "-c", TRAINING, *small, *quiet]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
