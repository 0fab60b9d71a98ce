"""What each kind of option takes, and the line that refuses the rest."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import pytest
import torch

from tapehead.checks import (
    Count,
    Layers,
    NotNegative,
    Positive,
    Share,
    Size,
    check_fields,
    check_of,
    checked,
    choice,
    number,
    optional,
    shown,
    whole,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [1, 7, 2**63 - 1, np.int64(5), np.uint8(5)])
def test_whole_numbers_are_kept_as_plain_ones(value):
    kept = whole(1)("size", value)
    assert kept == value
    assert type(kept) is int


@pytest.mark.parametrize(
    "value", ["x", None, True, np.bool_(True), 5.0, np.float64(5), torch.tensor(5), [5], 1j]
)
def test_what_is_no_whole_number_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"^size must be a whole number of at least 1, got "):
        whole(1)("size", value)


@pytest.mark.parametrize("value", [0, -1, -(2**70), 2**63, 10**5000], ids=shown)
def test_whole_numbers_out_of_range_are_a_value_error(value):
    with pytest.raises(ValueError, match=r"^size must be a whole number of at least 1, got "):
        whole(1)("size", value)


def test_both_ends_of_a_range_belong_to_it():
    assert [whole(2, 4)("n", value) for value in (2, 4)] == [2, 4]
    for value in (1, 5):
        with pytest.raises(
            ValueError, match=f"^n must be a whole number from 2 to 4, got {value}$"
        ):
            whole(2, 4)("n", value)


@pytest.mark.parametrize(
    ("check", "inside", "outside", "words"),
    [
        (number(), [0, -3, 1e38, Fraction(1, 2)], [NAN, INF, -INF, 1e39, 10**400], ""),
        (number(0.0), [0.0, 5, np.float32(0.5)], [-1e-9, NAN, INF], " of at least 0"),
        (number(above=0.0), [2e-38, 3], [0.0, -1.0, 1e-60, NAN, INF, 1e39], " above 0"),
        (number(0.0, below=1.0), [0, 0.999], [1.0, -0.1, NAN], " from 0 to below 1"),
        (number(0.0, most=1.0), [0, 1], [1.001, -0.1, NAN], " from 0 to 1"),
    ],
)
def test_numbers_within_their_bounds_are_kept_as_floats(check, inside, outside, words):
    for value in inside:
        kept = check("rate", value)
        assert type(kept) is float
        assert kept == float(value)
    for value in outside:
        with pytest.raises(ValueError, match=f"^rate must be a finite number{words}, got "):
            check("rate", value)
    for value in ("1", None, True, torch.tensor(1.0), 1j):
        with pytest.raises(TypeError, match=f"^rate must be a finite number{words}, got "):
            check("rate", value)


def test_a_choice_is_one_of_some_names():
    check = choice(("sort", "softmax"))
    assert check("rule", "sort") == "sort"
    with pytest.raises(ValueError, match=r"^rule must be one of sort, softmax, got 'heap'$"):
        check("rule", "heap")
    for value in (["sort"], None, 1, torch.ones(2), b"sort"):
        with pytest.raises(TypeError, match=r"^rule must be one of sort, softmax, got "):
            check("rule", value)


def test_an_option_may_be_left_out():
    check = optional(whole(1))
    assert check("every", None) is None
    assert check("every", 3) == 3
    with pytest.raises(ValueError, match=r"^every must be a whole number of at least 1, got 0$"):
        check("every", 0)


def test_annotations_say_what_is_checked():
    def function(
        size: Size,
        *,
        layers: Layers = 1,
        rate: Positive | None = None,
        kind: Literal["a", "b"] = "a",
        rule: Annotated[str, choice(("x",))] = "x",
        on: bool = True,
        other: object = None,
    ) -> tuple:
        return size, layers, rate, kind, rule, on, other

    call = checked(function)
    plain = call(np.int64(2), layers=3, rate=1, other=NAN)
    assert plain[:6] == (2, 3, 1.0, "a", "x", True)
    assert type(plain[0]) is int
    for options, kind in [
        ({"size": 0}, ValueError),
        ({"size": 1, "layers": 10**9}, ValueError),
        ({"size": 1, "rate": NAN}, ValueError),
        ({"size": 1, "kind": "c"}, ValueError),
        ({"size": 1, "rule": 3}, TypeError),
        ({"size": 1, "on": 1}, TypeError),
        ({"size": 1, "on": np.bool_(True)}, TypeError),
    ]:
        name = list(options)[-1]
        with pytest.raises(kind, match=f"^{name} must be "):
            call(**options)
    with pytest.raises(TypeError, match="function: got an unexpected keyword argument 'sise'"):
        call(1, sise=1)


def test_fields_of_a_frozen_dataclass_are_checked_and_kept_plain():
    @dataclass(frozen=True)
    class Options:
        count: Count = 0
        share: Share = 0.0
        cost: NotNegative | None = None

        def __post_init__(self):
            check_fields(self)

    kept = Options(np.int32(3), 0, 2)
    assert (kept.count, kept.share, kept.cost) == (3, 0.0, 2.0)
    assert [type(part) for part in (kept.count, kept.share, kept.cost)] == [int, float, float]
    with pytest.raises(ValueError, match=r"^share must be .* from 0 to below 1, got 1"):
        Options(share=1.0)


def test_annotations_of_other_things_check_nothing():
    assert check_of(list[int]) is None
    assert check_of(int | str) is None


def test_a_value_is_shown_in_one_short_line():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert shown("a\nb") == "'a\\nb'"
    assert shown(torch.ones(2, 2)) == "tensor([[1., 1.], [1., 1.]])"
    assert shown(Broken()) == "a value of type Broken"
    assert shown(10**5000) == "a value of type int"
    assert len(shown("x" * 1000)) < 100
