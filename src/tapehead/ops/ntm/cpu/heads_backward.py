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
    wrap,
    write_weights,
)
from tapehead.ops.numba_kit.copying import clear
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
        if pair:
            line2, d_line2 = line + rows_pad, d_line + rows_pad
            erase2 = broadcast(record + a.at_erases + j + 1)
            add2 = broadcast(record + a.at_adds + j + 1)
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
    a, head, count, record, previous, previous_step, memory, inverse, d_weights, d_memory,
    d_reads, d_record, misc,
):  # fmt: skip
    """NTM eq. 9 to 5 for `count` heads from `head` on.

    `d_record` is arranged as a record; the gradients of head parameters go there. `d_weights`
    starts at the first of these heads; so does `previous`. For read heads `d_reads` are the
    gradients of what they read, `a.word` numbers each; write heads (head > 0) leave it alone.
    """
    width = lanes(memory)
    rows, rows_pad, shifts = a.rows, a.rows_pad, a.shifts
    halo = misc
    d_halo = halo + rows_pad + 4 * a.shift_range + 2 * width
    d_content = d_halo + rows_pad + 4 * a.shift_range + 2 * width
    zero = fill(memory, 0)
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
        softmax_backward(a, weights, change, change)
        d_sharpening = zero
        for n in range(0, rows_pad, width):
            inside = first(load(shifted + n), rows - n, zero) + SHARPENING_FLOOR
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
        similarity_backward(
            a, h, record, memory, inverse, d_content, d_memory, d_reads, d_record,
            d_content + rows_pad,
        )  # fmt: skip


@part
def similarity_backward(
    a, head, record, memory, inverse, d_scores, d_memory, d_reads, d_record, pull
):
    """K[k, M]: the key's gradient into `d_record`, the memory's added to `d_memory`.

    For a read head, so is the gradient that comes through what it read. `d_scores` is overwritten;
    `pull` is room for one row.
    """
    width, rows_pad, word = lanes(memory), a.rows_pad, a.word
    scores = record + a.at_scores + head * rows_pad
    key = record + a.at_keys + head * a.word_pad
    d_key = d_record + a.at_keys + head * a.word_pad
    weights = record + a.at_heads + (head * 3 + 2) * rows_pad
    words = d_reads + head * word
    if a.similarity == COSINE or a.similarity == DOT:
        inverse_key = fill(memory, 1)
        total = fill(memory, 0)
        if a.similarity == COSINE:
            inverse_key = inverse_key_norm(a, key)
            for n in range(0, rows_pad, width):
                both = load(d_scores + n) * load(scores + n)
                total = total + both
                own = load(inverse + n)
                store(d_scores + n, load(d_scores + n) * (inverse_key * own))
                store(pull + n, -both * (own * own))
            total = sum_lanes(total) * (inverse_key * inverse_key)
        else:
            clear(pull, rows_pad)
        j = 0
        while j + 2 <= word:
            if head < a.num_reads:
                _read_pair(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
            else:
                _key_pair(a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key)
            j += 2
        if j < word:
            if head < a.num_reads:
                _read_single(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
            else:
                _key_single(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
        return
    if a.similarity == EUCLIDEAN:
        for n in range(0, rows_pad, width):
            store(d_scores + n, load(d_scores + n) / load(scores + n))
    for j in range(word):
        number = broadcast(key + j)
        d_number, d_word = fill(memory, 0), fill(memory, 0)
        if head < a.num_reads:
            d_word = broadcast(words + j)
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        for n in range(0, rows_pad, width):
            difference = number - load(line + n)
            if a.similarity != EUCLIDEAN:
                difference = minus_sign(difference)
            change = load(d_scores + n) * difference
            d_number = d_number + change
            d_value = fma(load(weights + n), d_word, load(d_line + n))
            store(d_line + n, d_value - change)
        store_one(d_key + j, sum_lanes(d_number))


def _key_sweep(pair, reads):
    """One word of the memory, or two side by side; with what comes through the reads, or without.

    dM += k d_dot + M pull (+ w dr), and dk = <d_dot, M> - total k.
    """

    @part
    def sweep(a, j, key, total, memory, d_memory, d_dots, pull, weights, words, d_key):
        width, rows_pad = lanes(memory), a.rows_pad
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        number = broadcast(key + j)
        d_number, d_number2 = fill(memory, 0), fill(memory, 0)
        if reads:
            d_word = broadcast(words + j)
        if pair:
            line2, d_line2 = line + rows_pad, d_line + rows_pad
            number2 = broadcast(key + j + 1)
            if reads:
                d_word2 = broadcast(words + j + 1)
        for n in range(0, rows_pad, width):
            d_dot, pulled = load(d_dots + n), load(pull + n)
            value = load(line + n)
            d_number = fma(d_dot, value, d_number)
            d_value = fma(pulled, value, load(d_line + n))
            d_value = fma(d_dot, number, d_value)
            if reads:
                weight = load(weights + n)
                d_value = fma(weight, d_word, d_value)
            store(d_line + n, d_value)
            if pair:
                value = load(line2 + n)
                d_number2 = fma(d_dot, value, d_number2)
                d_value = fma(pulled, value, load(d_line2 + n))
                d_value = fma(d_dot, number2, d_value)
                if reads:
                    d_value = fma(weight, d_word2, d_value)
                store(d_line2 + n, d_value)
        store_one(d_key + j, sum_lanes(d_number) - total * number)
        if pair:
            store_one(d_key + j + 1, sum_lanes(d_number2) - total * number2)

    return sweep


_read_pair, _read_single = _key_sweep(True, True), _key_sweep(False, True)
_key_pair, _key_single = _key_sweep(True, False), _key_sweep(False, False)


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
