"""Shapes in signatures are checked here, and only here: users pay nothing for them."""

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("tapehead", "beartype.beartype")

hypothesis.settings.register_profile(
    "tapehead", deadline=None, max_examples=30, derandomize=True, database=None
)
hypothesis.settings.load_profile("tapehead")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
