"""Writing and reading the memory, NTM eq. 2 to 4, forward and backward."""

from tapehead.ops.ntm.cpu.similarity import inverse_norms
from tapehead.ops.numba_kit.copying import copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sqrt
from tapehead.ops.numba_kit.product import multiply_add
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    fma,
    lanes,
    load,
    store,
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON


@part
def write(a, record, source, target, inverse):
    """target = source prod_h (1 - w_h e_h) + sum_h w_h a_h, NTM eq. 3 and 4; may be in place.

    `inverse` becomes the inverse norms of the new rows.
    """
    if a.num_writes == 1:
        write_once(a, record, source, target, inverse)
        return
    width = lanes(source)
    rows_pad = a.rows_pad
    for h in range(a.num_writes):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                value = load(source + j * rows_pad + n)
                store(target + j * rows_pad + n, value * (1 - load(weights + n) * erase))
        source = target
    for h in range(a.num_writes):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            add = broadcast(record + a.at_adds + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                at = target + j * rows_pad + n
                store(at, fma(load(weights + n), add, load(at)))
    inverse_norms(a, target, inverse)


@part
def write_once(a, record, source, target, inverse):
    """`write` with one head, as M + w (a - e M), and with the norms in the same sweep."""
    width = lanes(source)
    rows_pad = a.rows_pad
    weights = write_weights(a, record, 0)
    erases, adds = record + a.at_erases, record + a.at_adds
    n = 0
    while n + width < rows_pad:
        weight, weight2 = load(weights + n), load(weights + n + width)
        total, total2 = fill(source, EPSILON), fill(source, EPSILON)
        for j in range(a.word):
            erase, add = -broadcast(erases + j), broadcast(adds + j)
            value = load(source + j * rows_pad + n)
            value2 = load(source + j * rows_pad + n + width)
            value = fma(weight, fma(erase, value, add), value)
            value2 = fma(weight2, fma(erase, value2, add), value2)
            store(target + j * rows_pad + n, value)
            store(target + j * rows_pad + n + width, value2)
            total = fma(value, value, total)
            total2 = fma(value2, value2, total2)
        store(inverse + n, 1 / sqrt(total))
        store(inverse + n + width, 1 / sqrt(total2))
        n += 2 * width
    if n < rows_pad:
        weight = load(weights + n)
        total = fill(source, EPSILON)
        for j in range(a.word):
            value = load(source + j * rows_pad + n)
            change = fma(-broadcast(erases + j), value, broadcast(adds + j))
            value = fma(weight, change, value)
            store(target + j * rows_pad + n, value)
            total = fma(value, value, total)
        store(inverse + n, 1 / sqrt(total))


@part
def write_weights(a, record, head):
    """Where the weighting of a write head lies."""
    return record + a.at_heads + ((a.num_reads + head) * 3 + 2) * a.rows_pad


@part
def read(a, record, memory, features, following):
    """r = sum_n w(n) M(n), NTM eq. 2, into the features and the next step's input."""
    for head in range(a.num_reads):
        weights = record + a.at_heads + (head * 3 + 2) * a.rows_pad
        read_with(a, weights, memory, features + head * a.word)
    copy(features, following, a.read_numbers)


@part
def read_with(a, weights, memory, target):
    """The same for one head."""
    width, rows_pad = lanes(memory), a.rows_pad
    j = 0
    while j + 4 <= a.word:
        line = memory + j * rows_pad
        zero = fill(memory, 0)
        total, total1, total2, total3 = zero, zero, zero, zero
        for n in range(0, rows_pad, width):
            weight = load(weights + n)
            total = fma(weight, load(line + n), total)
            total1 = fma(weight, load(line + rows_pad + n), total1)
            total2 = fma(weight, load(line + 2 * rows_pad + n), total2)
            total3 = fma(weight, load(line + 3 * rows_pad + n), total3)
        store_one(target + j, sum_lanes(total))
        store_one(target + j + 1, sum_lanes(total1))
        store_one(target + j + 2, sum_lanes(total2))
        store_one(target + j + 3, sum_lanes(total3))
        j += 4
    while j < a.word:
        total = fill(memory, 0)
        for n in range(0, rows_pad, width):
            total = fma(load(weights + n), load(memory + j * rows_pad + n), total)
        store_one(target + j, sum_lanes(total))
        j += 1


@part
def read_backward(a, record, memory, d_reads, d_weights):
    """r = sum_n w(n) M(n): the weightings' gradients; the memory's follow in `address_backward`."""
    rows_pad = a.rows_pad
    multiply_add(
        a.num_reads, d_reads, a.word, 1, memory, rows_pad, rows_pad, a.word, d_weights, rows_pad
    )


@part
def write_backward(a, record, before, d_memory, d_weights, d_record, kept):
    """M_t from M_{t-1} = `before`: turns `d_memory` into that of M_{t-1}.

    `d_weights` is the write heads' part; the gradients of erase and add go into `d_record`; `kept`
    is room for one row.
    """
    rows_pad, writes, word = a.rows_pad, a.num_writes, a.word
    if writes == 1:
        j = 0
        while j + 2 <= word:
            _write_pair(a, j, record, before, d_memory, d_weights, d_record)
            j += 2
        if j < word:
            _write_single(a, j, record, before, d_memory, d_weights, d_record)
        return
    width = lanes(before)
    for j in range(word):
        line, d_line = before + j * rows_pad, d_memory + j * rows_pad
        for h in range(writes):
            weights = write_weights(a, record, h)
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            add = broadcast(record + a.at_adds + h * a.word_pad + j)
            # What the other heads leave of the memory.
            for n in range(0, rows_pad, width):
                value = load(line + n)
                for g in range(writes):
                    if g != h:
                        other = broadcast(record + a.at_erases + g * a.word_pad + j)
                        value = value * (1 - load(write_weights(a, record, g) + n) * other)
                store(kept + n, value)
            d_erase, d_add = fill(before, 0), fill(before, 0)
            for n in range(0, rows_pad, width):
                change = load(d_line + n)
                through = change * load(kept + n)
                weight = load(weights + n)
                d_add = fma(change, weight, d_add)
                d_erase = d_erase - through * weight
                at = d_weights + h * rows_pad + n
                store(at, load(at) + (change * add - through * erase))
            store_one(d_record + a.at_erases + h * a.word_pad + j, sum_lanes(d_erase))
            store_one(d_record + a.at_adds + h * a.word_pad + j, sum_lanes(d_add))
        for h in range(writes):
            weights = write_weights(a, record, h)
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                store(d_line + n, load(d_line + n) * (1 - load(weights + n) * erase))


def _write_sweep(pair):
    """The backward pass of `write_once` over one word of the memory, or two side by side."""

    @part
    def sweep(a, j, record, before, d_memory, d_weights, d_record):
        width, rows_pad = lanes(before), a.rows_pad
        weights = write_weights(a, record, 0)
        line, d_line = before + j * rows_pad, d_memory + j * rows_pad
        erase, add = broadcast(record + a.at_erases + j), broadcast(record + a.at_adds + j)
        zero = fill(before, 0)
        d_erase, d_add, d_erase2, d_add2 = zero, zero, zero, zero
        # The second word of a pair.
        other = j + 1 if pair else j
        line2, d_line2 = before + other * rows_pad, d_memory + other * rows_pad
        erase2 = broadcast(record + a.at_erases + other)
        add2 = broadcast(record + a.at_adds + other)
        for n in range(0, rows_pad, width):
            weight, total = load(weights + n), load(d_weights + n)
            value, change = load(line + n), load(d_line + n)
            total = fma(change, fma(-erase, value, add), total)
            through = change * weight
            d_add = d_add + through
            d_erase = fma(-through, value, d_erase)
            store(d_line + n, fma(-through, erase, change))
            if pair:
                value, change = load(line2 + n), load(d_line2 + n)
                total = fma(change, fma(-erase2, value, add2), total)
                through = change * weight
                d_add2 = d_add2 + through
                d_erase2 = fma(-through, value, d_erase2)
                store(d_line2 + n, fma(-through, erase2, change))
            store(d_weights + n, total)
        store_one(d_record + a.at_erases + j, sum_lanes(d_erase))
        store_one(d_record + a.at_adds + j, sum_lanes(d_add))
        if pair:
            store_one(d_record + a.at_erases + j + 1, sum_lanes(d_erase2))
            store_one(d_record + a.at_adds + j + 1, sum_lanes(d_add2))

    return sweep


_write_pair, _write_single = _write_sweep(True), _write_sweep(False)
