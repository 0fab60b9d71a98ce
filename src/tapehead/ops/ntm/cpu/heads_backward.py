"""Heads, one sequence at a time, backward; the equations are derived in ops/ntm/README.md.

`d_x` is the gradient of the loss with respect to x. The carries `d_weights` (heads, rows) hold the
gradient of w_t that comes from the steps after t, and leave with that of w_{t-1}.
"""

from tapehead.ops.addressing import SHARPENING_FLOOR
from tapehead.ops.ntm.cpu.heads import (
    COSINE,
    DOT,
    EUCLIDEAN,
    gate_into_halo,
    inverse_key_norm,
    similarities,
    wrap,
    write_weights,
)
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import expm1, log_
from tapehead.ops.numba_kit.product import multiply_add
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    less,
    load,
    select,
    store,
    store_first,
    store_one,
    sum_lanes,
)


@part
def read_backward(a, record, memory, d_reads, d_weights, d_memory):
    """r = sum_n w(n) M(n): into the gradients of the weightings and of the memory."""
    width = lanes(memory)
    rows_pad = a.rows_pad
    multiply_add(
        a.num_reads, d_reads, a.word, 1, memory, rows_pad, rows_pad, a.word, d_weights, rows_pad
    )
    for head in range(a.num_reads):
        weights = record + a.at_heads + (head * 3 + 2) * rows_pad
        for j in range(a.word):
            change = broadcast(d_reads + head * a.word + j)
            for n in range(0, rows_pad, width):
                at = d_memory + j * rows_pad + n
                store(at, fma(load(weights + n), change, load(at)))


@part
def write_backward(a, record, before, d_memory, d_weights, d_erases, d_adds, kept):
    """M_t from M_{t-1} = `before`: turns `d_memory` into that of M_{t-1}.

    `d_weights` is the write heads' part; `d_erases` and `d_adds` are rows of `word_pad` a head;
    `kept` is room for one row.
    """
    width = lanes(before)
    rows_pad, writes, word = a.rows_pad, a.num_writes, a.word
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
            store_one(d_erases + h * a.word_pad + j, sum_lanes(d_erase))
            store_one(d_adds + h * a.word_pad + j, sum_lanes(d_add))
        for h in range(writes):
            weights = write_weights(a, record, h)
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                store(d_line + n, load(d_line + n) * (1 - load(weights + n) * erase))


@part
def softmax_backward(a, values, d_values, target):
    """target = y (dy - <dy, y>) for a softmax y over rows; may be in place."""
    width = lanes(values)
    total = fill(values, 0)
    for n in range(0, a.rows_pad, width):
        total = fma(load(values + n), load(d_values + n), total)
    total = sum_lanes(total)
    for n in range(0, a.rows_pad, width):
        store(target + n, load(values + n) * (load(d_values + n) - total))


@part
def address_backward(
    a, head, count, record, previous, previous_step, memory, d_weights, d_memory, d_record, misc
):
    """NTM eq. 9 to 5 for `count` heads from `head` on.

    `d_record` is arranged as a record; the gradients of head parameters go there. `d_weights`
    starts at the first of these heads; so does `previous`.
    """
    width = lanes(memory)
    rows, rows_pad, shifts = a.rows, a.rows_pad, a.shifts
    scores = misc
    inverse = misc + a.heads * rows_pad
    halo = inverse + rows_pad
    d_halo = halo + rows_pad + 4 * a.shift_range + 2 * width
    d_content = d_halo + rows_pad + 4 * a.shift_range + 2 * width
    zero = fill(memory, 0)
    similarities(a, head, count, record, memory, inverse, scores)
    for h in range(count):
        content = record + a.at_heads + (head + h) * 3 * rows_pad
        shifted = content + rows_pad
        weights = shifted + rows_pad
        change = d_weights + h * rows_pad
        before = previous + h * previous_step
        sharpening = 1 + broadcast(record + a.at_sharpenings + head + h)
        gate = broadcast(record + a.at_gates + head + h)
        strength = broadcast(record + a.at_strengths + head + h)

        # Sharpening, eq. 9: w = softmax(gamma log(w~ + floor)).
        softmax_backward(a, weights, change, change)
        d_sharpening = zero
        for n in range(0, rows_pad, width):
            inside = first(load(shifted + n), rows - n, zero) + SHARPENING_FLOOR
            d_exponent = load(change + n)
            d_sharpening = fma(d_exponent, log_(inside), d_sharpening)
            store(d_halo + a.shift_range + n, sharpening * d_exponent / inside)
        store_one(d_record + a.at_sharpenings + head + h, sum_lanes(d_sharpening))
        wrap(a, d_halo)

        # Shift, eq. 8: w~(i) = sum_q s_q w_g(i - q + range).
        gate_into_halo(a, content, before, gate, halo)
        shift = record + a.at_shifts + (head + h) * a.shifts_pad
        for q in range(shifts):
            total = zero
            for n in range(0, rows_pad, width):
                here = first(load(d_halo + a.shift_range + n), rows - n, zero)
                there = first(load(halo + n + shifts - 1 - q), rows - n, zero)
                total = fma(here, there, total)
            store_one(d_record + a.at_shifts + (head + h) * a.shifts_pad + q, sum_lanes(total))

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
        store_one(d_record + a.at_gates + head + h, sum_lanes(d_gate))

        # Content, eq. 5: w_c = softmax(beta K).
        softmax_backward(a, content, d_content, d_content)
        line = scores + h * rows_pad
        d_strength = zero
        for n in range(0, rows_pad, width):
            d_logit = load(d_content + n)
            d_strength = fma(d_logit, load(line + n), d_strength)
            store(d_content + n, strength * d_logit)
        store_one(d_record + a.at_strengths + head + h, sum_lanes(d_strength))
        similarity_backward(
            a, record + a.at_keys + (head + h) * a.word_pad, memory, inverse, line, d_content,
            d_record + a.at_keys + (head + h) * a.word_pad, d_memory,
        )  # fmt: skip


@part
def similarity_backward(a, key, memory, inverse, scores, d_scores, d_key, d_memory):
    """K[k, M]: the key's gradient into `d_key`, the memory's added to `d_memory`.

    `scores` is overwritten.
    """
    width = lanes(memory)
    rows_pad = a.rows_pad
    inverse_key = fill(memory, 1)
    total = fill(memory, 0)
    if a.similarity == COSINE:
        inverse_key = inverse_key_norm(a, key)
        for n in range(0, rows_pad, width):
            both = load(d_scores + n) * load(scores + n)
            total = total + both
            own = load(inverse + n)
            store(d_scores + n, load(d_scores + n) * (inverse_key * own))
            store(scores + n, both * (own * own))
        total = sum_lanes(total) * (inverse_key * inverse_key)
    elif a.similarity == EUCLIDEAN:
        for n in range(0, rows_pad, width):
            store(d_scores + n, load(d_scores + n) / load(scores + n))
    for j in range(a.word):
        number = broadcast(key + j)
        d_number = fill(memory, 0)
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        if a.similarity == COSINE:
            for n in range(0, rows_pad, width):
                value, change = load(line + n), load(d_scores + n)
                d_number = fma(change, value, d_number)
                rest = load(d_line + n) - load(scores + n) * value
                store(d_line + n, fma(change, number, rest))
            d_number = sum_lanes(d_number) - total * number
        elif a.similarity == DOT:
            for n in range(0, rows_pad, width):
                change = load(d_scores + n)
                d_number = fma(change, load(line + n), d_number)
                store(d_line + n, fma(change, number, load(d_line + n)))
            d_number = sum_lanes(d_number)
        else:
            for n in range(0, rows_pad, width):
                difference = number - load(line + n)
                if a.similarity != EUCLIDEAN:
                    difference = minus_sign(difference)
                change = load(d_scores + n) * difference
                d_number = d_number + change
                store(d_line + n, load(d_line + n) - change)
            d_number = sum_lanes(d_number)
        store_one(d_key + j, d_number)


@part
def minus_sign(x):
    """-sign(x)"""
    zero = fill(x, 0)
    return select(less(zero, x), zero - 1, select(less(x, zero), zero + 1, zero))


@part
def parameters_backward(a, record, d_record, target):
    """From the head parameters' gradients to the interface vector's, into `target`."""
    heads, word = a.heads, a.word
    at = target
    for head in range(heads):
        place = a.at_keys + head * a.word_pad
        tanh_backward(record + place, d_record + place, at, word)
        at = at + word
    softplus_backward(record + a.at_strengths, d_record + a.at_strengths, at, heads)
    sigmoid_backward(record + a.at_gates, d_record + a.at_gates, at + heads, heads)
    at = at + 2 * heads
    for head in range(heads):
        place = a.at_shifts + head * a.shifts_pad
        short_softmax_backward(record + place, d_record + place, at, a.shifts)
        at = at + a.shifts
    softplus_backward(record + a.at_sharpenings, d_record + a.at_sharpenings, at, heads)
    at = at + heads
    for head in range(a.num_writes):
        place = a.at_erases + head * a.word_pad
        sigmoid_backward(record + place, d_record + place, at, word)
        at = at + word
    for head in range(a.num_writes):
        place = a.at_adds + head * a.word_pad
        tanh_backward(record + place, d_record + place, at, word)
        at = at + word


@part
def tanh_backward(values, d_values, target, count):
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        store_first(target + j, load(d_values + j) * (1 - value * value), count - j)


@part
def sigmoid_backward(values, d_values, target, count):
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        store_first(target + j, load(d_values + j) * ((1 - value) * value), count - j)


@part
def softplus_backward(values, d_values, target, count):
    """The slope is 1 - e^-value, and 1 where PyTorch's softplus is the identity."""
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        slope = select(less(fill(value, 20), value), fill(value, 1), -expm1(-value))
        store_first(target + j, load(d_values + j) * slope, count - j)


@part
def short_softmax_backward(values, d_values, target, count):
    width = lanes(values)
    total, zero = fill(values, 0), fill(values, 0)
    for j in range(0, count, width):
        both = load(values + j) * load(d_values + j)
        total = total + first(both, count - j, zero)
    total = sum_lanes(total)
    for j in range(0, count, width):
        value = load(values + j) * (load(d_values + j) - total)
        store_first(target + j, value, count - j)
