"""Shapes in signatures are really checked, and where a call differs from those before it."""

import jaxtyping
import pytest
import torch
from beartype import beartype
from jaxtyping import Float
from torch import Tensor

import signatures
from tapehead.ops import addressing
from tapehead.ops.ntm.cpu import calls


def test_a_wrong_shape_is_refused():
    content, previous = torch.rand(2, 3, 5), torch.rand(2, 3, 4)
    with pytest.raises(jaxtyping.TypeCheckError):
        addressing.interpolate(content, previous, torch.rand(2, 3))


def test_kernels_are_left_alone():
    own = [f for f in vars(calls).values() if getattr(f, "__module__", "") == calls.__name__]
    assert own
    assert "only_checks" not in [f.__code__.co_name for f in own if hasattr(f, "__code__")]


def checked():
    """A function that gives the wrong shape, and counts how often it is called."""
    sizes = []

    def broken(x: Float[Tensor, "rows word"]) -> Float[Tensor, "rows word"]:
        sizes.append(len(x))
        return x[:, :-1] if broken.wrong else x

    broken.wrong = False
    return signatures._some_calls_checked(broken, typechecker=beartype), broken, sizes


def test_new_shapes_are_checked_and_one_call_in_sixteen():
    function, broken, sizes = checked()
    function(torch.rand(2, 3))
    broken.wrong = True
    for _ in range(14):
        function(torch.rand(2, 3))  # the same again
    with pytest.raises(jaxtyping.TypeCheckError):
        function(torch.rand(2, 3))
    with pytest.raises(jaxtyping.TypeCheckError):
        function(torch.rand(4, 3))
    with pytest.raises(jaxtyping.TypeCheckError):
        function(torch.rand(2, 3, dtype=torch.float64))
    assert sizes == [2] * 16 + [4, 2]


def test_another_test_begins_anew():
    function, broken, _ = checked()
    function(torch.rand(2, 3))
    broken.wrong = True
    signatures.start_a_test()
    with pytest.raises(jaxtyping.TypeCheckError):
        function(torch.rand(2, 3))


def test_what_has_nothing_to_check_is_left_alone():
    def plain(x):
        return x

    assert signatures._some_calls_checked(plain) is plain
