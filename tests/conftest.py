import os
from pathlib import Path

import hypothesis
import pytest
import torch

import signatures

# Stories of our own, so that no test looks for the authors' files.
os.environ["TAPEHEAD_BABI"] = str(Path(__file__).parent / "tasks" / "babi" / "sample")

signatures.install()

hypothesis.settings.register_profile(
    "tapehead", deadline=None, max_examples=15, derandomize=True, database=None
)
hypothesis.settings.load_profile("tapehead")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores: many a test waits for processes that it started."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _each_test_begins_alike():
    torch.manual_seed(0)
    signatures.start_a_test()
