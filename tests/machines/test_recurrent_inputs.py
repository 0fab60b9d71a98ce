"""What every machine says of an input, a state or lengths that it cannot take, and what becomes of
those that it can: on every backend alike."""

import subprocess
import sys
import textwrap
from functools import partial

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from tapehead import DNC, LSTM, NTM, TARDIS, DiscreteNTM, DynamicNTM, SparseNTM

MEMORY = {"memory_size": 6, "word_size": 4, "hidden_size": 5}
MAKERS = {
    "ntm-reference": lambda: NTM(3, 2, **MEMORY, backend="reference"),
    "ntm-cpu": lambda: NTM(3, 2, **MEMORY, backend="cpu"),
    "ntm-feedforward": lambda: NTM(3, 2, **MEMORY, controller="feedforward", backend="cpu"),
    "dnc-reference": lambda: DNC(3, 2, **MEMORY, backend="reference"),
    "dnc-cpu": lambda: DNC(3, 2, **MEMORY, backend="cpu"),
    "dnc-bidirectional": lambda: DNC(3, 2, **MEMORY, bidirectional=True, backend="cpu"),
    "dnc-sparse": lambda: DNC(3, 2, **MEMORY, sparse_links=2),
    "lstm": lambda: LSTM(3, 2, hidden_size=5, num_layers=2),
    "discrete-ntm": lambda: DiscreteNTM(3, 2, **MEMORY),
    "discrete-ntm-soft": lambda: DiscreteNTM(3, 2, **MEMORY, addressing="soft", backend="cpu"),
    "dynamic-ntm-reference": lambda: DynamicNTM(
        3, 2, **MEMORY, address_size=3, backend="reference"
    ),
    "dynamic-ntm-cpu": lambda: DynamicNTM(3, 2, **MEMORY, address_size=3, backend="cpu"),
    "sparse-ntm-reference": lambda: SparseNTM(3, 2, **MEMORY, backend="reference"),
    "sparse-ntm-cpu": lambda: SparseNTM(3, 2, **MEMORY, num_heads=2, backend="cpu"),
    "tardis": lambda: TARDIS(3, 2, **MEMORY, address_size=3, attention_size=4),
}
every_machine = pytest.mark.parametrize("name", MAKERS)
TIME = 5


@pytest.fixture(autouse=True)
def _as_a_user_runs_it():
    """Without the checks of shapes in signatures, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def made(name):
    torch.manual_seed(0)
    return MAKERS[name]().eval()


def inputs(batch=3, time=TIME):
    return torch.rand(batch, time, 3, generator=torch.Generator().manual_seed(1))


def refused(kind, call, *words):
    """That a call raises this kind of error, in one line with these words."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert type(caught.value) is kind
    for word in words:
        assert word in message, message


X = "x must be"
SIZES = "(batch, time, 3)"
WRONG_INPUTS = {
    "None": (None, TypeError, [X, "None"]),
    "list": ([[[1.0] * 3]], TypeError, [X, SIZES, "list"]),
    "number": (1.0, TypeError, [X, "float"]),
    "array": (np.zeros((3, 5, 3), np.float32), TypeError, [X, "numpy.ndarray"]),
    "packed": (
        pack_padded_sequence(torch.rand(3, 5, 3), [5, 4, 3], batch_first=True),
        TypeError,
        [X, "lengths", "PackedSequence", "pad_packed_sequence"],
    ),
    "rank 2": (torch.rand(5, 3), ValueError, [X, SIZES, "(5, 3)"]),
    "rank 4": (torch.rand(1, 3, 5, 3), ValueError, [X, "(1, 3, 5, 3)"]),
    "rank 0": (torch.rand(()), ValueError, [X, "()"]),
    "width": (torch.rand(3, 5, 4), ValueError, [X, "(3, 5, 4)"]),
    "no batch": (torch.rand(0, 5, 3), ValueError, [X, "(0, 5, 3)", "at least one"]),
    "no time": (torch.rand(3, 0, 3), ValueError, [X, "(3, 0, 3)"]),
    "int": (torch.ones(3, 5, 3, dtype=torch.int64), ValueError, [X, "float32", "int64"]),
    "bool": (torch.ones(3, 5, 3, dtype=torch.bool), ValueError, [X, "float32", "bool"]),
    "complex": (torch.rand(3, 5, 3) * 1j, ValueError, [X, "float32", "complex64"]),
    "double": (torch.rand(3, 5, 3).double(), ValueError, [X, "float32", "float64"]),
    "half": (torch.rand(3, 5, 3).bfloat16(), ValueError, [X, "float32", "bfloat16"]),
    "device": (torch.rand(3, 5, 3, device="meta"), ValueError, [X, "cpu", "meta"]),
    "sparse": (torch.eye(3).expand(3, 3, 3).to_sparse(), ValueError, [X, "dense", "sparse"]),
    "nested": (
        torch.nested.nested_tensor([torch.rand(5, 3), torch.rand(4, 3)], layout=torch.jagged),
        ValueError,
        [X, "dense", "nested"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG_INPUTS)
@every_machine
def test_an_input_that_is_none_is_named(name, wrong):
    machine = made(name)
    x, kind, words = WRONG_INPUTS[wrong]
    for method in (machine.forward, machine.trace):
        refused(kind, lambda run=method: run(x), *words)


@every_machine
def test_an_input_of_one_step_that_is_none_is_named(name):
    machine = made(name)
    if name == "dnc-bidirectional":
        return
    state = machine.initial_state(3)
    for wrong, kind in (
        ([1.0] * 3, TypeError),
        (None, TypeError),
        (torch.rand(3, 5, 3), ValueError),
    ):
        refused(kind, lambda x=wrong: machine.step(x, state), "x_t must be", "(batch, 3)")
    refused(ValueError, lambda: machine.step(torch.rand(3, 3).double(), state), "float32")


@every_machine
def test_a_state_that_does_not_fit_is_named(name):
    machine = made(name)
    x, state = inputs(), machine.initial_state(3)
    kind = type(state).__name__
    for wrong in (tuple(state), list(state), state[0], {}, 1):
        for method in (machine.forward, machine.trace):
            refused(TypeError, lambda s=wrong, run=method: run(x, s), f"state must be {kind}")
    for part, good in state._asdict().items():
        where = f"state.{part}"
        wrongs = {
            None: TypeError,
            0.5: TypeError,
            good.float() if not good.is_floating_point() else good.double(): ValueError,
            good.bfloat16(): ValueError,
            good.to("meta"): ValueError,
            good[:2]: ValueError,
            good[..., None]: ValueError,
            torch.zeros(*good.shape[:-1], good.shape[-1] + 1, dtype=good.dtype): ValueError,
        }
        for wrong, error in wrongs.items():
            bad = state._replace(**{part: wrong})
            for method in (machine.forward, machine.trace):
                refused(error, lambda s=bad, run=method: run(x, s), where)


def test_whole_numbers_in_a_state_lie_in_their_range():
    for name, part, most in (
        ("dnc-sparse", "link_columns", 5),
        ("sparse-ntm-reference", "read_rows", 5),
        ("sparse-ntm-cpu", "read_rows", 5),
        ("tardis", "filled", 6),
    ):
        machine = made(name)
        state = machine.initial_state(3)
        for wrong in (-1, most + 1, 10**12):
            bad = state._replace(**{part: torch.full_like(getattr(state, part), wrong)})
            call = partial(machine, inputs(), bad)
            refused(ValueError, call, f"state.{part} must lie", str(wrong))


WRONG_LENGTHS = {
    "float": (torch.tensor([2.0, 3.0, 4.5]), ValueError, "whole numbers, got torch.float32"),
    "bool": (torch.ones(3, dtype=torch.bool), ValueError, "whole numbers, got torch.bool"),
    "complex": (torch.ones(3) * 1j, ValueError, "whole numbers, got torch.complex64"),
    "two": (torch.tensor([1, 2]), ValueError, "one number for each of 3 sequences"),
    "column": (torch.tensor([[1], [2], [3]]), ValueError, "one number for each of 3"),
    "one": (torch.tensor(2), ValueError, "one number for each of 3"),
    "number": (2, TypeError, "whole numbers, one for each sequence, got int"),
    "text": ("234", TypeError, "whole numbers, one for each sequence, got str"),
    "array": (np.array([1, 2, 3]), TypeError, "got numpy.ndarray"),
    "packed": (
        pack_padded_sequence(torch.rand(3, 5, 3), [5, 4, 3], batch_first=True),
        TypeError,
        "got torch.nn.utils.rnn.PackedSequence",
    ),
    "zero": (torch.tensor([1, 0, 2]), ValueError, "between 1 and 5, the steps of x, got 0 to 2"),
    "beyond": (torch.tensor([1, 2, 6]), ValueError, "between 1 and 5, the steps of x, got 1 to 6"),
    "below": ([1, 2, -3], ValueError, "between 1 and 5, the steps of x, got -3 to 2"),
    "huge": ([1, 2, 2**70], ValueError, "between 1 and 5"),
    "unsigned": (
        torch.tensor([1, 2, 2**63 + 5], dtype=torch.uint64),
        ValueError,
        "between 1 and 5",
    ),
    "list of floats": ([1, 2, 2.5], TypeError, "whole numbers, got 2.5"),
    "list of bools": ([1, 2, True], TypeError, "whole numbers, got True"),
    "list of lists": ([[1], [2], [3]], TypeError, "whole numbers, got [1]"),
    "short list": ([1, 2], ValueError, "one number for each of 3 sequences, got 2"),
    "empty list": ([], ValueError, "one number for each of 3 sequences, got 0"),
    "sparse": (torch.tensor([1, 2, 3]).to_sparse(), ValueError, "dense tensor"),
    "meta": (torch.ones(3, dtype=torch.int64, device="meta"), ValueError, "on meta"),
}


@pytest.mark.parametrize("wrong", WRONG_LENGTHS)
@every_machine
def test_lengths_that_are_none_are_named(name, wrong):
    machine = made(name)
    lengths, kind, words = WRONG_LENGTHS[wrong]
    for method in (machine.forward, machine.trace):
        refused(kind, lambda run=method: run(inputs(), lengths=lengths), "lengths must", words)


WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@every_machine
def test_lengths_of_any_whole_type_or_a_list_are_one(name):
    machine, x, values = made(name), inputs(), [5, 1, 3]
    y, state = machine(x, lengths=torch.tensor(values))
    others = [torch.tensor(values, dtype=getattr(torch, kind)) for kind in WHOLE]
    others += [values, tuple(values), np.array(values).tolist(), list(torch.tensor(values))]
    others += [torch.tensor([[5, 0], [1, 0], [3, 0]])[:, 0]]
    for lengths in others:
        again, after = machine(x, lengths=lengths)
        assert torch.equal(y, again)
        assert all(map(torch.equal, state, after))


@every_machine
def test_lengths_that_are_all_full_are_none(name):
    machine, x = made(name), inputs()
    y, state = machine(x)
    again, after = machine(x, lengths=[TIME] * 3)
    assert torch.equal(y, again)
    assert all(map(torch.equal, state, after))


def gradients(machine, y, state, *leaves):
    real = [part for part in state if part.is_floating_point() and part.requires_grad]
    loss = y.square().sum() + sum(part.square().sum() for part in real)
    wanted = [*leaves, *(p for p in machine.parameters() if p.requires_grad)]
    return torch.autograd.grad(loss, wanted, allow_unused=True)


def same(left, right):
    return all(
        (a is None and b is None) or (a is not None and torch.equal(a, b))
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -3e38])
@every_machine
def test_what_stands_past_the_end_is_never_looked_at(name, garbage):
    machine, lengths = made(name), torch.tensor([5, 1, 3])
    past = torch.arange(TIME) >= lengths[:, None]
    found = []
    for value in (0.0, garbage):
        x = inputs().masked_fill(past[..., None], value).requires_grad_()
        y, state = machine(x, lengths=lengths)
        d_x, *rest = gradients(machine, y * ~past[..., None], state, x)
        assert d_x[past].eq(0).all()
        assert d_x[~past].ne(0).any()
        traced = machine.trace(x, lengths=lengths)
        found.append([y, *state, d_x, *rest, traced.y, *traced.tensors.values()])
        assert all(part.isfinite().all() for part in found[-1] if part is not None)
    assert same(*found)


@every_machine
def test_lengths_may_be_changed_after_the_call(name):
    machine, lengths = made(name), torch.tensor([2, 3, 2])
    found = []
    for late in (2, 6, -1, 2**60):
        own = lengths.clone()
        x = inputs().requires_grad_()
        y, state = machine(x, lengths=own)
        own.fill_(late)
        found.append(gradients(machine, y, state, x))
    assert all(same(found[0], other) for other in found[1:])


@pytest.mark.parametrize("name", ["ntm-cpu", "dnc-cpu"])
@pytest.mark.parametrize("part", ["x", "memory", "cell", "weight"])
def test_what_the_backward_pass_reads_cannot_be_changed_in_silence(name, part):
    """Either nothing of it is read any more, and gradients are the same, or PyTorch says so."""
    machine, x = made(name), inputs()
    state = type(machine.initial_state(3))(
        *(tensor.detach().clone() for tensor in machine.initial_state(3))
    )
    before = gradients(machine, *machine(x, state))
    y, after = machine(x, state)
    victim = {"x": x, "weight": machine.read_weight}.get(part)
    victim = getattr(state, part) if victim is None else victim
    with torch.no_grad():
        victim.add_(1.0)
    told = ""
    try:
        assert same(gradients(machine, y, after), before)
    except RuntimeError as error:
        told = str(error)
    assert "modified by an inplace operation" in told or (not told and part != "weight")


@pytest.mark.parametrize("name", ["ntm-cpu", "dnc-cpu"])
def test_gradients_come_in_any_arrangement(name):
    """Expanded, transposed, with a lazy sign: what a loss hands back is not always dense."""
    machine = made(name)
    y, _ = machine(inputs())
    plain = torch.rand(2, TIME, 3).transpose(0, 2).contiguous()
    parameters = list(machine.parameters())

    def found(gradient):
        return torch.autograd.grad(y, parameters, gradient, retain_graph=True, allow_unused=True)

    lazy = torch.complex(torch.zeros_like(plain), -plain).conj().imag
    assert lazy.is_neg()
    turned = plain.transpose(0, 2).contiguous().transpose(0, 2)
    for other in (lazy, turned):
        assert same(found(plain), found(other))
    expanded = torch.ones(()).expand(3, TIME, 2)
    assert same(found(expanded), found(torch.ones(3, TIME, 2)))


@every_machine
def test_inputs_come_in_any_arrangement(name):
    machine, x = made(name), inputs()
    y, state = machine(x)
    turned = x.transpose(0, 1).contiguous().transpose(0, 1)
    shifted = torch.cat([torch.zeros(1), x.flatten()])[1:].view_as(x)
    lazy = torch.complex(torch.zeros_like(x), -x).conj().imag
    for other in (turned, shifted, lazy):
        again, after = machine(other)
        torch.testing.assert_close((again, after), (y, state))
    once = x[:1, :1].expand(3, TIME, 3)
    torch.testing.assert_close(machine(once)[0], machine(once.contiguous())[0])


@every_machine
def test_autocast_changes_nothing(name):
    """A machine computes in the type of its weights, so that a state that it gave fits it again."""
    machine, x = made(name), inputs(time=6)
    y, state = machine(x)
    wanted = gradients(machine, y, state)
    with torch.autocast("cpu", torch.bfloat16):
        again, after = machine(x)
        first, middle = machine(x[:, :2])
        second, last = machine(x[:, 2:], middle)
        traced = machine.trace(x)
        narrow, _ = machine(nn.Linear(3, 3)(x))
    assert torch.equal(y, again)
    # Outside, as PyTorch says: inside it, the backward pass of its own layers would be rounded.
    assert same(wanted, gradients(machine, again, after))
    assert all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(state, after, strict=True))
    torch.testing.assert_close(traced.y, y)
    assert narrow.dtype == torch.float32
    if name != "dnc-bidirectional":
        torch.testing.assert_close(torch.cat([first, second], 1), y)
        torch.testing.assert_close(last, state)


@every_machine
def test_half_an_input_is_taken_inside_autocast_alone(name):
    machine, x = made(name), inputs().bfloat16()
    refused(ValueError, lambda: machine(x), "x must be torch.float32", "bfloat16")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(machine(x)[0], machine(x.float())[0])
        refused(ValueError, lambda: machine(x.double()), "x must be torch.float32", "float64")


@every_machine
def test_weights_of_another_type_or_device_are_named(name):
    for change in (nn.Module.double, lambda part: part.to("meta")):
        machine = made(name)
        change(machine.output)
        refused(ValueError, lambda m=machine: m(inputs()), "output.")
    machine = made(name)
    first = next(key for key, _ in machine.named_parameters())
    owner, _, key = first.rpartition(".")
    owner = machine.get_submodule(owner)
    setattr(owner, key, nn.Parameter(getattr(owner, key).detach().to(torch.float64)))
    refused(ValueError, lambda: machine(inputs()), "must be", "float64")


@pytest.mark.parametrize("name", ["ntm-reference", "ntm-cpu", "dnc-reference", "dnc-cpu"])
def test_weights_of_another_shape_are_named(name):
    for key in ("read_weight", "recurrent_weight", "interface.weight"):
        machine = made(name)
        owner, _, last = key.rpartition(".")
        owner = machine.get_submodule(owner)
        small = getattr(owner, last).detach()[..., :-1]
        setattr(owner, last, nn.Parameter(small))
        refused(ValueError, lambda m=machine: m(inputs()), f"{key} must have shape")


@pytest.mark.parametrize("name", ["lstm", "dnc-bidirectional"])
def test_so_are_those_of_recurrent_layers(name):
    """PyTorch's own kernels read and write past the end of such weights."""
    part = {"lstm": "layers", "dnc-bidirectional": "ahead"}[name]
    for key in dict(getattr(made(name), part).named_parameters()):
        machine = made(name)
        layers = getattr(machine, part)
        setattr(layers, key, nn.Parameter(getattr(layers, key).detach()[:-1].clone()))
        refused(ValueError, lambda m=machine: m(inputs()), f"{part}.{key} must have shape")


@every_machine
def test_a_weight_that_would_be_broadcast_is_named(name):
    """PyTorch adds a bias of one number to as many as there are, and says nothing."""
    for key, weight in [*made(name).named_parameters(), *made(name).named_buffers()]:
        if not weight.is_floating_point() or weight.dim() == 0 or weight.shape[-1] < 2:
            continue
        one_row = [weight[:1]] if len(weight) > 1 else []
        for narrow in (weight[..., :1], weight[..., :0], *one_row):
            machine = made(name)
            owner, _, last = key.rpartition(".")
            owner = machine.get_submodule(owner)
            shortened = narrow.detach().clone()
            parameter = isinstance(weight, nn.Parameter)
            setattr(owner, last, nn.Parameter(shortened) if parameter else shortened)
            # The NTM's operation takes sizes from some weights, and may then blame another.
            blamed = "" if name[:3] == "ntm" else key
            for run in (machine, machine.trace):
                refused(ValueError, lambda r=run: r(inputs()), blamed, "must have shape")


@every_machine
def test_a_state_that_no_memory_holds_is_refused_before_it_is_made(name):
    for batch in (10**9, 10**12, 2**62):
        # All that these states hold is shared by all sequences.
        shared = ("ntm-feedforward", "sparse-ntm-reference", "sparse-ntm-cpu")
        if name not in shared or batch == 2**62:
            wanted = "batch_size must be small enough for", f"got {batch}"
            refused(ValueError, lambda b=batch: made(name).initial_state(b), *wanted)


def test_what_a_state_shares_between_sequences_takes_no_memory():
    machine = NTM(3, 2, memory_size=10**6, word_size=100, hidden_size=1)
    assert machine.initial_state(10**5).memory.shape == (10**5, 10**6, 100)


@every_machine
def test_a_default_device_or_type_changes_nothing(name):
    machine, x = made(name), inputs()
    lengths = torch.tensor([5, 1, 3])
    y, state = machine(x, lengths=lengths)
    found = [*gradients(machine, y, state), machine.trace(x, lengths=[5, 1, 3]).y]
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"):
            again, after = machine(x, lengths=lengths)
            here = [*gradients(machine, again, after), machine.trace(x, lengths=[5, 1, 3]).y]
            assert machine.initial_state(2)[0].device.type == "cpu"
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(y, again)
    assert all(map(torch.equal, state, after))
    assert same(found, here)


IN_A_PROCESS = {
    "autocast": """
        m = DNC(5, 4); x = torch.rand(2, 6, 5)
        with torch.autocast("cpu", torch.bfloat16): _, s = m(x)
        y, s = m(x, s)
        assert y.isfinite().all() and y.dtype == torch.float32
        y.sum().backward()
    """,
    "another type": """
        for make in (NTM, DNC):
            m = make(5, 4); x = torch.rand(2, 6, 5)
            for kind in (torch.bfloat16, torch.float16, torch.float64):
                _, s = m(x)
                s = type(s)(*(p.to(kind) if p.is_floating_point() else p for p in s))
                try: m(x, s)
                except ValueError as error: assert "state.memory must be" in str(error)
                else: raise SystemExit("no error")
    """,
    "default device": """
        m = NTM(5, 4); torch.set_default_device("meta")
        m(torch.rand(2, 6, 5, device="cpu"))[0].sum().backward()
    """,
    "lengths": """
        n = torch.tensor([2, 3, 2]); y, _ = DNC(4, 3)(torch.rand(3, 6, 4), lengths=n)
        n.fill_(6); y.sum().backward()
    """,
    "no storage": """
        for make in (NTM, DNC):
            m = make(5, 4); x = torch.rand(2, 6, 5)
            m.read_weight.data.untyped_storage().resize_(0)
            try: m(x)
            except RuntimeError as error: assert "read_weight" in str(error), error
            else: raise SystemExit("no error")
    """,
    "a size beyond all memory": """
        for make in (NTM, DNC):
            m = make(5, 4)
            for batch in (2**38, 2**50):
                try: m(torch.rand(1, 1, 1).expand(batch, 1, 5))
                except RuntimeError as error: assert "memory" in str(error), error
                else: raise SystemExit("no error")
    """,
}


@pytest.mark.parametrize("story", IN_A_PROCESS)
def test_what_used_to_end_the_process(story):
    code = "import torch\nfrom tapehead import *\ntorch.set_num_threads(1)\n"
    code += textwrap.dedent(IN_A_PROCESS[story])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
