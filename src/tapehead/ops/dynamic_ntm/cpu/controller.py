"""The controller: a layer without memory, a GRU or an LSTM, forward and backward."""

from tapehead.ops.dynamic_ntm.cpu.layout import FEEDFORWARD, GRU
from tapehead.ops.dynamic_ntm.cpu.tape import record_of, step_of
from tapehead.ops.gru.cpu.gates import mix, undo_gates
from tapehead.ops.ntm.cpu.controller import (
    lstm_backward,
    lstm_forward,
    tanh_backward,
    tanh_forward,
)
from tapehead.ops.ntm.cpu.tape import length_of
from tapehead.ops.numba_kit.copying import add_to, copy, store_part
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sigmoid, tanh
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import fma, lanes, load, load_first, pointer_like, store

_FEEDFORWARD, _GRU = FEEDFORWARD, GRU


@part
def controller_forward(a, kind, start, count, t, work):
    """From [hidden before, input, reads, 1] of each sequence to its hidden state, which takes the
    place of that before."""
    packed, size = pointer_like(kind, a.packed), a.hidden_size
    gates, recurrent = work + a.at_work_gates, work + a.at_work_recurrent
    multiply(
        count, work + size, a.known_pad, 1, packed + a.at_packed_input, 0, a.gates, a.seen, gates,
        a.gates_pad,
    )  # fmt: skip
    if a.controller != _FEEDFORWARD:
        multiply(
            count, work, a.known_pad, 1, packed + a.at_packed_recurrent, 0, a.gates, size,
            recurrent, a.gates_pad,
        )  # fmt: skip
    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        before, now = record_of(a, kind, start + s, t), record_of(a, kind, start + s, t + 1)
        own, brought = gates + s * a.gates_pad, recurrent + s * a.gates_pad
        known, top = work + s * a.known_pad, work + a.at_work_top + s * a.top_pad
        if a.controller != _FEEDFORWARD:
            add_to(brought, pointer_like(kind, a.recurrent_bias), a.gates)
        if a.controller == _FEEDFORWARD:
            tanh_forward(a, own, top)
        elif a.controller == _GRU:
            gru_forward(a, own, brought, known, now, top)
        else:
            add_to(own, brought, a.gates)
            lstm_forward(a, own, before + 4 * a.hidden_pad, now, top)
        copy(top, known, size)
        copy(top, now + a.at_hidden, size)
        place = step_of(a, start + s, t)
        copy(top, pointer_like(kind, a.features) + place * a.features_size, size)


@part
def gru_forward(a, gates, recurrent, before, record, hidden):
    """h into `hidden`; `record` keeps reset and update gate, candidate, and what goes into it from
    the state before."""
    width, size, pad = lanes(gates), a.hidden_size, a.hidden_pad
    for i in range(0, size, width):
        reset = sigmoid(load(gates + i) + load(recurrent + i))
        update = sigmoid(load(gates + size + i) + load(recurrent + size + i))
        brought = load(recurrent + 2 * size + i)
        candidate = tanh(fma(reset, brought, load(gates + 2 * size + i)))
        store(record + i, reset)
        store(record + pad + i, update)
        store(record + 2 * pad + i, candidate)
        store(record + 3 * pad + i, brought)
        after = mix(update, load_first(before + i, size - i), candidate)
        store_part(hidden + i, after, size - i)


@part
def controller_backward(a, kind, start, count, t, work):
    """From the gradient of each hidden state, in `below`, to that of the reads, in `below`, and of
    the hidden state and the cell before, in `carry`."""
    size, packed = a.hidden_size, pointer_like(kind, a.packed)
    below = work + a.at_work_below
    d_input = pointer_like(kind, a.d_input) + step_of(a, start, t) * a.gates
    d_recurrent = d_input
    if a.controller == _GRU:
        d_recurrent = pointer_like(kind, a.d_recurrent) + step_of(a, start, t) * a.gates
    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        before, now = record_of(a, kind, start + s, t), record_of(a, kind, start + s, t + 1)
        carry, above = work + a.at_work_carry + s * a.carry, below + s * a.known_pad
        d_gates = d_input + s * a.time * a.gates
        if a.controller == _FEEDFORWARD:
            tanh_backward(a, now + a.at_hidden, above, d_gates)
        elif a.controller == _GRU:
            d_hidden = carry + a.at_carry_hidden
            d_sums = d_recurrent + s * a.time * a.gates
            gru_backward(a, now, before + a.at_hidden, above, d_hidden, d_gates, d_sums)
        else:
            cell = before + 4 * a.hidden_pad
            lstm_backward(a, now, cell, above, carry + a.at_carry_cell, d_gates)
    apart = a.time * a.gates
    if a.controller != _FEEDFORWARD:
        multiply(
            count, d_recurrent, apart, 1, packed + a.at_packed_recurrent, 0, size, a.gates, below,
            a.known_pad,
        )  # fmt: skip
        for s in range(count):
            if t < length_of(a, start + s):
                d_hidden = work + a.at_work_carry + s * a.carry + a.at_carry_hidden
                add_to(d_hidden, below + s * a.known_pad, size)
    multiply(
        count, d_input, apart, 1, packed + a.at_packed_input, 0, a.read_numbers, a.gates, below,
        a.known_pad,
    )  # fmt: skip


@part
def gru_backward(a, record, before, above, d_before, d_gates, d_recurrent):
    """Gradients of the sums, from the input and from the state before, and in `d_before` what goes
    past the gates to that state."""
    width, size, pad = lanes(record), a.hidden_size, a.hidden_pad
    for i in range(0, size, width):
        count, change = size - i, load(above + i)
        reset, update = load(record + i), load(record + pad + i)
        candidate, brought = load(record + 2 * pad + i), load(record + 3 * pad + i)
        d_reset, d_update, d_candidate = undo_gates(
            change, reset, update, candidate, brought, load(before + i)
        )
        store_part(d_gates + i, d_reset, count)
        store_part(d_gates + size + i, d_update, count)
        store_part(d_gates + 2 * size + i, d_candidate, count)
        store_part(d_recurrent + i, d_reset, count)
        store_part(d_recurrent + size + i, d_update, count)
        store_part(d_recurrent + 2 * size + i, d_candidate * reset, count)
        store(d_before + i, change * update)
