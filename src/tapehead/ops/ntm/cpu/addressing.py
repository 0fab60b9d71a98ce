"""From head parameters and similarities to weightings, NTM eq. 5 to 9, forward and backward."""

from tapehead.ops.addressing import CHOICE_FLOOR, SHARPENING_FLOOR
from tapehead.ops.ntm.cpu.choices import choose, choose_backward
from tapehead.ops.ntm.cpu.similarity import similarities, similarity_backward
from tapehead.ops.ntm.cpu.softmax import LOWEST, normalise_exp, softmax_backward
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import log_
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    larger,
    load,
    max_lanes,
    store,
    store_one,
    sum_lanes,
)


@part
def address(a, head, count, record, previous, previous_step, memory, inverse, halo, place):
    """NTM eq. 5 to 9 for `count` heads from `head` on; `previous` is where their w_{t-1} lie, and
    `place` where the addresses of this step begin (`choices`)."""
    width = lanes(memory)
    rows, rows_pad = a.rows, a.rows_pad
    lowest = fill(memory, LOWEST)
    floor = log_floor(a, memory)
    similarities(a, head, count, record, memory, inverse)
    for h in range(head, head + count):
        scores = record + a.at_scores + h * rows_pad
        content = record + a.at_heads + h * 3 * rows_pad
        shifted = content + rows_pad
        weights = shifted + rows_pad
        strength = broadcast(record + a.at_strengths + h)
        top = lowest
        for n in range(0, rows_pad, width):
            value = first(strength * load(scores + n), rows - n, lowest)
            store(content + n, value)
            top = larger(value, top)
        normalise_exp(rows, content, max_lanes(top))

        gate = broadcast(record + a.at_gates + h)
        gate_into_halo(a, content, previous + (h - head) * previous_step, gate, halo)
        shift = record + a.at_shifts + h * a.shifts_pad
        sharpening = 1 + broadcast(record + a.at_sharpenings + h)
        top = lowest
        for n in range(0, rows_pad, width):
            total = fill(memory, 0)
            for q in range(a.shifts):
                total = fma(broadcast(shift + q), load(halo + n + a.shifts - 1 - q), total)
            store(shifted + n, total)
            value = sharpening * log_(total + floor)
            value = first(value, rows - n, lowest)
            store(weights + n, value)
            top = larger(value, top)
        if a.choosing:
            choose(a, place + order_of(a, h) * rows, weights)
        else:
            normalise_exp(rows, weights, max_lanes(top))


@part
def order_of(a, head):
    """The place of a head in the order of choosing: writes act first, unless reads do."""
    if a.read_first:
        return head
    if head < a.num_reads:
        return head + a.num_writes
    return head - a.num_reads


@part
def log_floor(a, pointer):
    """What is added to a weighting before its logarithm."""
    floor = fill(pointer, SHARPENING_FLOOR)
    if a.choosing:
        floor = fill(pointer, CHOICE_FLOOR)
    return floor


@part
def gate_into_halo(a, content, previous, gate, halo):
    """halo[range + n] = g w_c(n) + (1 - g) w_{t-1}(n), and round the ends: NTM eq. 7."""
    width = lanes(content)
    shift_range = a.shift_range
    for n in range(0, a.rows_pad, width):
        before = load(previous + n)
        store(halo + shift_range + n, fma(gate, load(content + n), (1 - gate) * before))
    wrap(a, halo)


@part
def wrap(a, halo):
    """Continue rows 0 .. N-1, which start at halo + range, round both ends."""
    for n in range(a.shift_range):
        store_one(
            halo + a.shift_range + a.rows + n,
            broadcast(halo + a.shift_range + n % a.rows),
        )
    for n in range(a.shift_range):
        row = a.rows - 1 - n % a.rows
        store_one(halo + a.shift_range - 1 - n, broadcast(halo + a.shift_range + row))


@part
def address_backward(
    a, head, count, record, previous, previous_step, memory, inverse, d_weights, d_memory,
    d_reads, d_record, misc, place,
):  # fmt: skip
    """NTM eq. 9 to 5 for `count` heads from `head` on.

    `d_record` is arranged as a record; the gradients of head parameters go there. `d_weights`
    starts at the first of these heads; so does `previous`. For read heads `d_reads` are the
    gradients of what they read, `a.word` numbers each; write heads (head > 0) leave it alone.
    `place` is where the addresses of this step begin (`choices`).
    """
    width = lanes(memory)
    rows, rows_pad, shifts = a.rows, a.rows_pad, a.shifts
    halo = misc
    d_halo = halo + rows_pad + 4 * a.shift_range + 2 * width
    d_content = d_halo + rows_pad + 4 * a.shift_range + 2 * width
    zero, floor = fill(memory, 0), log_floor(a, memory)
    for h in range(head, head + count):
        content = record + a.at_heads + h * 3 * rows_pad
        shifted = content + rows_pad
        weights = shifted + rows_pad
        change = d_weights + (h - head) * rows_pad
        before = previous + (h - head) * previous_step
        sharpening = 1 + broadcast(record + a.at_sharpenings + h)
        gate = broadcast(record + a.at_gates + h)
        strength = broadcast(record + a.at_strengths + h)

        # Sharpening, eq. 9: w = softmax(gamma log(w~ + floor)).
        if a.choosing:
            choose_backward(a, place + order_of(a, h) * rows, weights, change, d_content)
        else:
            softmax_backward(a, weights, change, change)
        d_sharpening = zero
        for n in range(0, rows_pad, width):
            inside = first(load(shifted + n), rows - n, zero) + floor
            d_exponent = load(change + n)
            d_sharpening = fma(d_exponent, log_(inside), d_sharpening)
            store(d_halo + a.shift_range + n, sharpening * d_exponent / inside)
        store_one(d_record + a.at_sharpenings + h, sum_lanes(d_sharpening))
        wrap(a, d_halo)

        # Shift, eq. 8: w~(i) = sum_q s_q w_g(i - q + range).
        gate_into_halo(a, content, before, gate, halo)
        shift = record + a.at_shifts + h * a.shifts_pad
        for q in range(shifts):
            total = zero
            for n in range(0, rows_pad, width):
                here = first(load(d_halo + a.shift_range + n), rows - n, zero)
                there = first(load(halo + n + shifts - 1 - q), rows - n, zero)
                total = fma(here, there, total)
            store_one(d_record + a.at_shifts + h * a.shifts_pad + q, sum_lanes(total))

        # Interpolation, eq. 7: w_g = g w_c + (1 - g) w_{t-1}.
        d_gate = zero
        for n in range(0, rows_pad, width):
            total = zero
            for q in range(shifts):
                total = fma(broadcast(shift + q), load(d_halo + n + q), total)
            total = first(total, rows - n, zero)
            d_gate = fma(total, load(content + n) - load(before + n), d_gate)
            store(d_content + n, gate * total)
            store(change + n, (1 - gate) * total)
        store_one(d_record + a.at_gates + h, sum_lanes(d_gate))

        # Content, eq. 5: w_c = softmax(beta K).
        softmax_backward(a, content, d_content, d_content)
        line = record + a.at_scores + h * rows_pad
        d_strength = zero
        for n in range(0, rows_pad, width):
            d_logit = load(d_content + n)
            d_strength = fma(d_logit, load(line + n), d_strength)
            store(d_content + n, strength * d_logit)
        store_one(d_record + a.at_strengths + h, sum_lanes(d_strength))
        key = a.at_keys + h * a.word_pad
        similarity_backward(
            a, line, record + key, memory, inverse, d_content, d_memory, d_record + key,
            h < a.num_reads, weights, d_reads + h * a.word, d_content + rows_pad,
        )  # fmt: skip
