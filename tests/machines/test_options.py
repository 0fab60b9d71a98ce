"""Options of every machine: checked, measured before anything is allocated, and fixed."""

import copy
import inspect

import pytest
import torch

from tapehead import (
    DNC,
    LSTM,
    NTM,
    RLNTM,
    TARDIS,
    DiscreteNTM,
    DynamicNTM,
    Pointing,
    Reader,
    SparseNTM,
)
from tapehead.machines import MACHINES, sizes
from tapehead.machines.options import _options_of

NAN, INF = float("nan"), float("inf")
KINDS = list(MACHINES.values())
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def made(kind, **options):
    if kind is RLNTM:
        return kind(5, **options)
    if issubclass(kind, Pointing):
        return kind(2, "distinct", **options)
    return kind(30, 3, 2, **options) if issubclass(kind, Reader) else kind(5, 3, **options)


def defaults(kind):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


SIZES = [
    (LSTM, {}, sizes.lstm_numbers),
    (LSTM, {"num_layers": 1}, sizes.lstm_numbers),
    (NTM, {}, sizes.ntm_numbers),
    (NTM, {"num_layers": 3, "num_reads": 2, "num_writes": 3, "shift_range": 2}, sizes.ntm_numbers),
    (
        NTM,
        {"controller": "feedforward", "num_layers": 2, "memory_init": "learned"},
        sizes.ntm_numbers,
    ),
    (DNC, {}, sizes.dnc_numbers),
    (DNC, {"num_layers": 3, "num_reads": 2, "masked_lookup": True}, sizes.dnc_numbers),
    (DNC, {"sharp_links": True, "layer_norm": True, "biases": False}, sizes.dnc_numbers),
    (DNC, {"allocation": "softmax", "sparse_links": 3}, sizes.dnc_numbers),
    (DNC, {"bidirectional": True, "controller": "feedforward"}, sizes.dnc_numbers),
    (DynamicNTM, {"controller": "lstm", "no_operation": False}, sizes.dynamic_ntm_numbers),
    (DynamicNTM, {"controller": "feedforward", "reading_steps": 2}, sizes.dynamic_ntm_numbers),
    (DynamicNTM, {"num_reads": 2, "num_writes": 3}, sizes.dynamic_ntm_numbers),
    (RLNTM, {"memory": True}, sizes.rl_ntm_numbers),
    (RLNTM, {"memory": True, "forward_only": True, "reach": 0}, sizes.rl_ntm_numbers),
    (RLNTM, {"memory": True, "controller": "lstm"}, sizes.rl_ntm_numbers),
    (DiscreteNTM, {"num_reads": 2}, sizes.ntm_numbers),
    (SparseNTM, {}, sizes.sparse_ntm_numbers),
    (
        SparseNTM,
        {"num_heads": 3, "memory_size": 3, "rows_per_head": 5},
        sizes.sparse_ntm_numbers,
    ),
    (TARDIS, {}, sizes.tardis_numbers),
    (TARDIS, {"scoring": "linear", "peepholes": True}, sizes.tardis_numbers),
]


@pytest.mark.parametrize(("kind", "options", "numbers"), SIZES)
def test_weights_and_state_are_as_large_as_worked_out(kind, options, numbers):
    machine = made(kind, **options)
    parts = [*machine.parameters(), *machine.buffers()]
    if kind is not RLNTM:
        parts += machine.initial_state(1)
    given = {"symbols": 5} if kind is RLNTM else {"input_size": 5, "output_size": 3}
    assert numbers(**given, **defaults(kind) | options) == sum(part.numel() for part in parts)


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (NTM, {"memory_size": 10**12}, ValueError, "memory_size must be small enough for"),
        (NTM, {"hidden_size": 2**40}, ValueError, "hidden_size must be small enough for"),
        (NTM, {"memory_size": 2**62}, ValueError, "memory_size must be small enough for"),
        (DNC, {"memory_size": 10**6}, ValueError, "memory_size must be small enough for"),
        (LSTM, {"num_layers": 10**9}, ValueError, "num_layers must be a whole number from 1 to"),
        (TARDIS, {"attention_size": 10**12}, ValueError, "attention_size must be small enough"),
        (RLNTM, {"reach": 10**12}, ValueError, "reach must be small enough for"),
        (NTM, {"gradient_clip": INF}, ValueError, "gradient_clip must be a finite number"),
        (DNC, {"gradient_clip": NAN}, ValueError, "gradient_clip must be a finite number"),
        (DNC, {"forget_bias": NAN}, ValueError, "forget_bias must be a finite number, got nan"),
        (DNC, {"biases": 0}, TypeError, "biases must be true or false, got 0"),
        (DNC, {"layer_norm": "no"}, TypeError, "layer_norm must be true or false, got 'no'"),
        (NTM, {"read_first": None}, TypeError, "read_first must be true or false, got None"),
        (DynamicNTM, {"no_operation": 3}, TypeError, "no_operation must be true or false, got 3"),
        (NTM, {"memory_size": "x"}, TypeError, "memory_size must be a whole number of at least 1"),
        (NTM, {"word_size": 2.0}, TypeError, "word_size must be a whole number of at least 1"),
        (NTM, {"memroy_size": 2}, TypeError, "unexpected keyword argument 'memroy_size'"),
    ],
)
def test_what_no_machine_can_have_is_one_clear_line(kind, options, error, message):
    with pytest.raises(error, match=message) as raised:
        made(kind, **options)
    assert "\n" not in str(raised.value)


OTHER = {bool: lambda value: not value, int: lambda value: value + 1, float: lambda v: v + 0.5}


@every_kind
def test_an_option_takes_effect_or_cannot_be_set(kind):
    machine = made(kind)
    for name, (changeable, _) in _options_of(kind).items():
        before = getattr(machine, name)
        if isinstance(getattr(kind, name, None), property) or changeable:
            continue
        setter = OTHER.get(type(before), lambda value: "another")
        with pytest.raises(AttributeError, match=f"^{name} of this {kind.__name__} is fixed at"):
            setattr(machine, name, setter(before))
        setattr(machine, name, before)  # which changes nothing
        assert getattr(machine, name) is before


def test_what_may_be_set_is_checked():
    ntm, dnc = NTM(5, 3), DNC(5, 3)
    ntm.backend, ntm.memory_checkpoint_every, dnc.bypass_dropout = "reference", 4, 0.5
    with pytest.raises(ValueError, match=r"^backend must be one of auto, .*, got 'gpu'"):
        ntm.backend = "gpu"
    with pytest.raises(ValueError, match=r"^memory_checkpoint_every must be a whole number"):
        ntm.memory_checkpoint_every = 0
    with pytest.raises(ValueError, match=r"^bypass_dropout must be a finite number"):
        dnc.bypass_dropout = 1.0
    dnc.memory_size = 7
    assert dnc.initial_state(1).memory.shape == (1, 7, 20)
    with pytest.raises(ValueError, match=r"^memory_size must be small enough for .*, got 1000000:"):
        dnc.memory_size = 10**6
    assert dnc.memory_size == 7


def test_a_subclass_and_a_copy_are_as_fixed():
    class Mine(NTM):
        def __init__(self, numbers):
            super().__init__(5, 3, word_size=numbers)
            self.numbers = numbers

    for machine in (Mine(7), copy.deepcopy(Mine(7))):
        machine.numbers = 8
        with pytest.raises(AttributeError, match=r"^word_size of this Mine is fixed at 7, got 8"):
            machine.word_size = 8


def test_numpy_numbers_make_the_same_machine():
    import numpy as np

    machine = NTM(np.int64(5), np.int32(3), memory_size=np.int64(6), gradient_clip=np.float32(2))
    assert machine(torch.zeros(1, 2, 5))[0].shape == (1, 2, 3)
    assert type(machine.memory_size) is int
    assert type(machine.spec.gradient_clip) is float
