"""Shapes in signatures are checked here, and only here: users pay nothing for them."""

import os
from pathlib import Path

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

# Stories of our own, so that no test looks for the authors' files.
os.environ["TAPEHEAD_BABI"] = str(Path(__file__).parent / "tasks" / "babi" / "sample")

# Numba compiles the functions of these folders itself, and knows no Python around them.
KERNELS = {"cpu", "kernels", "numba_kit"}
_hook = install_import_hook("tapehead", "beartype.beartype").hook
_instruments = _hook.should_instrument
_hook.should_instrument = lambda name: _instruments(name) and KERNELS.isdisjoint(name.split("."))

hypothesis.settings.register_profile(
    "tapehead", deadline=None, max_examples=15, derandomize=True, database=None
)
hypothesis.settings.load_profile("tapehead")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
