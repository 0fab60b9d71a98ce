"""The comparison of kernel and reference sees an error in any part of a step.

Each part of the reference is made wrong in turn, its value by a thousandth or its gradient alone
by a hundredth. What the kernel computes must then differ from it.
"""

from functools import cache

import pytest
import torch
from dnc_cases import build, everything

from tapehead.ops import links
from tapehead.ops.dnc import reference

OPTIONS = {"num_reads": 2, "num_layers": 2, "erase_freed": True}
SWITCHED = {
    "num_reads": 2,
    "masked_lookup": True,
    "mask_floor": 0.1,
    "sharp_links": True,
    "layer_norm": True,
}
SPARSE = {"num_reads": 2, "sparse_links": 3}
MACHINES = {"plain": OPTIONS, "switched": SWITCHED, "sparse": SPARSE}
PARTS = [
    "lstm_cell",
    "interface_vector",
    "retention",
    "update_usage",
    "allocate",
    "look_up",
    "write_weighting",
    "erase",
    "add",
    "update_link",
    "backward_weighting",
    "forward_weighting",
    "update_precedence",
    "read",
]


@cache
def kernel(name):
    """In single precision: its rounding is far below what is planted."""
    options = MACHINES[name]
    return everything(build("cpu", **options).float(), inputs().float())


@pytest.fixture(autouse=True, scope="module")
def _kernel_before_any_error():
    """A worker may begin with any of these tests, and the kernel refuses equations that changed."""
    for name in MACHINES:
        kernel(name)


def inputs():
    return torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def worst_error(name="plain"):
    """The largest difference of kernel and reference, relative to the size of the tensor."""
    truth = everything(build("reference", **MACHINES[name]), inputs())
    ours = kernel(name)
    return max(
        ((ours[name].double() - part).norm() / (part.norm() + 1e-6)).item()
        for name, part in truth.items()
        if part.is_floating_point()
    )


def wrong_value(x):
    # A sum, not a product: cosine similarity is blind to the length of a key.
    return x + 0.001


def wrong_gradient(x):
    return x + 0.01 * (x - x.detach())


@pytest.mark.parametrize("machine", MACHINES)
def test_without_an_error_they_agree(machine):
    assert worst_error(machine) < 5e-6


@pytest.mark.parametrize("spoil", [wrong_value, wrong_gradient])
@pytest.mark.parametrize(
    ("part", "machine"),
    [
        *((part, "plain") for part in PARTS),
        *((part, "switched") for part in ("look_up", "masks", "sharpen_link", "interface_vector")),
        *((part, "sparse") for part in ("update_sparse_link", "keep_largest")),
        *((part, "sparse") for part in ("sparse_forward_weighting", "sparse_backward_weighting")),
    ],
)
def test_an_error_is_seen(part, machine, spoil, monkeypatch):
    home = links if part == "keep_largest" else reference
    usual = getattr(home, part)

    def spoilt(*arguments):
        found = usual(*arguments)
        if isinstance(found, tuple):
            parts = [spoil(part) if part.is_floating_point() else part for part in found]
            return found._make(parts) if hasattr(found, "_make") else tuple(parts)
        return spoil(found)

    monkeypatch.setattr(home, part, spoilt)
    assert worst_error(machine) > 2e-5


@pytest.mark.parametrize("spoil", [wrong_value, wrong_gradient])
@pytest.mark.parametrize(
    "piece",
    [
        "key",
        "strength",
        "erase",
        "add",
        "free_gates",
        "allocation_gate",
        "write_gate",
        "read_modes",
        "mask",
        "sharpness",
    ],
)
def test_an_error_in_a_piece_of_the_interface_is_seen(piece, spoil, monkeypatch):
    usual = reference.split_interface

    def spoilt(*arguments):
        found = usual(*arguments)
        return found._replace(**{piece: spoil(getattr(found, piece))})

    monkeypatch.setattr(reference, "split_interface", spoilt)
    machine = "switched" if piece in ("mask", "sharpness") else "plain"
    assert worst_error(machine) > 2e-5
