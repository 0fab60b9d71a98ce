"""The controller's part that is no matrix product: gates forward and backward, one sequence."""

from tapehead.ops.numba_kit.copying import store_part
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sigmoid, tanh
from tapehead.ops.numba_kit.simd import fma, lanes, load, store


@part
def lstm_forward(a, gates, cell, record, hidden):
    """h into `hidden`; `record` keeps input, forget, cell and output gate, cell and tanh(cell)."""
    width, size, pad = lanes(gates), a.hidden_size, a.hidden_pad
    for i in range(0, size, width):
        enter = sigmoid(load(gates + i))
        keep = sigmoid(load(gates + size + i))
        candidate = tanh(load(gates + 2 * size + i))
        leave = sigmoid(load(gates + 3 * size + i))
        new = fma(keep, load(cell + i), enter * candidate)
        squashed = tanh(new)
        store(record + i, enter)
        store(record + pad + i, keep)
        store(record + 2 * pad + i, candidate)
        store(record + 3 * pad + i, leave)
        store(record + 4 * pad + i, new)
        store(record + 5 * pad + i, squashed)
        store_part(hidden + i, leave * squashed, size - i)


@part
def lstm_backward(a, record, cell, d_hidden, d_cell, d_gates):
    """Gradients of the gates' inputs, and in `d_cell` that of the cell before, from those after."""
    width, size, pad = lanes(record), a.hidden_size, a.hidden_pad
    for i in range(0, size, width):
        count = size - i
        enter, keep = load(record + i), load(record + pad + i)
        candidate, leave = load(record + 2 * pad + i), load(record + 3 * pad + i)
        squashed = load(record + 5 * pad + i)
        above = load(d_hidden + i)
        change = fma(above * leave, 1 - squashed * squashed, load(d_cell + i))
        store(d_cell + i, change * keep)
        store_part(d_gates + i, change * candidate * ((1 - enter) * enter), count)
        store_part(d_gates + size + i, change * load(cell + i) * ((1 - keep) * keep), count)
        store_part(d_gates + 2 * size + i, change * enter * (1 - candidate * candidate), count)
        store_part(d_gates + 3 * size + i, above * squashed * ((1 - leave) * leave), count)


@part
def tanh_forward(a, gates, hidden):
    """A feed-forward layer's output."""
    width, size = lanes(gates), a.hidden_size
    for i in range(0, size, width):
        store_part(hidden + i, tanh(load(gates + i)), size - i)


@part
def tanh_backward(a, hidden, d_hidden, d_gates):
    width, size = lanes(hidden), a.hidden_size
    for i in range(0, size, width):
        value = load(hidden + i)
        store_part(d_gates + i, load(d_hidden + i) * (1 - value * value), size - i)
