"""The backward kernel: time reversed, a block of sequences at a time.

The gradient of the memory is kept of those rows alone that some step touched; `slots` says where
that of each row is. What a step empties had no part in what came after: its gradient is cleared.
"""

from tapehead.ops.ntm.cpu.controller import lstm_backward
from tapehead.ops.numba_kit.copying import add_to, clear, copy, store_part
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    float32_at,
    float64_at,
    fma,
    lanes,
    load,
    load_first,
    pointer_like,
    store,
    store_one,
    sum_lanes,
)
from tapehead.ops.sparse_ntm.cpu.forward import (
    NEXT_BLOCK,
    NEXT_SLOT,
    arguments_at,
)
from tapehead.ops.sparse_ntm.cpu.search import number
from tapehead.ops.sparse_ntm.cpu.tape import length_of, longest, record_of, rows_of

_PACK, _RUN = PACK, RUN


def backward_kernel():
    """The entry for float32."""

    def sparse_ntm_backward(address):
        backward(address, float32_at(0))

    return sparse_ntm_backward


def backward_kernel_double():
    """The entry for float64."""

    def sparse_ntm_backward_double(address):
        backward(address, float64_at(0))

    return sparse_ntm_backward_double


@part
def backward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_backward(a, pointer_like(kind, a.packed_at))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        block = take(address + NEXT_BLOCK)
        while block < a.blocks:
            backward_block(a, kind, block, slot)
            block = take(address + NEXT_BLOCK)


@part
def pack_backward(a, packed):
    """Weights as (outputs, inputs): what gradients of outputs are multiplied by."""
    read, size = a.read, a.hidden_size
    weight = pointer_like(packed, a.read_weight_at)
    pack(packed, a.gates, a.below, 0, 0, weight, read, 1, a.gates, read)
    weight = pointer_like(packed, a.recurrent_weight_at)
    pack(packed, a.gates, a.below, 0, read, weight, size, 1, a.gates, size)
    weight = pointer_like(packed, a.interface_weight_at)
    target = packed + a.at_packed_interface
    pack(target, a.interface, size, 0, 0, weight, size, 1, a.interface, size)


@part
def backward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    work = pointer_like(kind, a.work_at) + slot * a.work_size
    packed = pointer_like(kind, a.packed_at)
    below, d_output = work + a.at_work_gates, work + a.at_work_interface
    d_projected = pointer_like(kind, a.d_projected_at) + start * a.time * a.gates
    d_interface = pointer_like(kind, a.d_interface_at) + start * a.time * a.interface
    for s in range(count):
        import_gradients(a, kind, start + s, work + a.at_work_carry + s * a.carry)
    steps = longest(a, start, count)
    for back in range(steps):
        t = steps - 1 - back
        for s in range(count):
            if t < length_of(a, start + s):
                carry = work + a.at_work_carry + s * a.carry
                target = d_interface + (s * a.time + t) * a.interface
                access_backward(a, kind, start + s, t, carry, target, work + a.at_work_words)
        multiply(
            count, d_interface + t * a.interface, a.time * a.interface, 1,
            packed + a.at_packed_interface, 0, a.hidden_size, a.interface, d_output, a.hidden_pad,
        )  # fmt: skip
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            carry = work + a.at_work_carry + s * a.carry
            own = d_output + s * a.hidden_pad
            add_to(own, carry + a.at_carry_inputs + a.read, a.hidden_size)
            if a.d_features_at != 0:
                d_features = pointer_like(kind, a.d_features_at)
                add_to(own, d_features + ((start + s) * a.time + t) * a.features, a.hidden_size)
            before, now = record_of(a, kind, start + s, t), record_of(a, kind, start + s, t + 1)
            cell, target = before + 4 * a.hidden_pad, d_projected + (s * a.time + t) * a.gates
            lstm_backward(a, now, cell, own, carry + a.at_carry_cell, target)
        multiply(
            count, d_projected + t * a.gates, a.time * a.gates, 1, packed, 0, a.below, a.gates,
            below, a.below_pad,
        )  # fmt: skip
        for s in range(count):
            if t < length_of(a, start + s):
                carry = work + a.at_work_carry + s * a.carry
                copy(below + s * a.below_pad, carry + a.at_carry_inputs, a.below)
    for s in range(count):
        export_gradients(a, kind, start + s, work + a.at_work_carry + s * a.carry)


@part
def import_gradients(a, kind, b, carry):
    heads, kept, size = a.heads, a.kept, a.hidden_size
    clear(carry, a.carry)
    if a.d_last_read_weights_at != 0:
        source = pointer_like(kind, a.d_last_read_weights_at) + b * heads * kept
        for h in range(heads):
            copy(source + h * kept, carry + h * a.kept_pad, kept)
    if a.d_last_reads_at != 0:
        source = pointer_like(kind, a.d_last_reads_at) + b * a.read
        copy(source, carry + a.at_carry_inputs, a.read)
    if a.d_last_hidden_at != 0:
        source = pointer_like(kind, a.d_last_hidden_at) + b * size
        copy(source, carry + a.at_carry_inputs + a.read, size)
    if a.d_last_cell_at != 0:
        copy(pointer_like(kind, a.d_last_cell_at) + b * size, carry + a.at_carry_cell, size)


@part
def export_gradients(a, kind, b, carry):
    heads, kept, size = a.heads, a.kept, a.hidden_size
    target = pointer_like(kind, a.d_read_weights_at) + b * heads * kept
    for h in range(heads):
        copy(carry + h * a.kept_pad, target + h * kept, kept)
    inputs = carry + a.at_carry_inputs
    copy(inputs, pointer_like(kind, a.d_reads_at) + b * a.read, a.read)
    copy(inputs + a.read, pointer_like(kind, a.d_hidden_at) + b * size, size)
    copy(carry + a.at_carry_cell, pointer_like(kind, a.d_cell_at) + b * size, size)


@part
def access_backward(a, kind, b, t, carry, target, d_read):
    """One step of all heads of a sequence: the interface vector's gradient into `target`."""
    width, word, heads = lanes(carry), a.word, a.heads
    before, now = record_of(a, kind, b, t), record_of(a, kind, b, t + 1)
    slots_before = rows_of(a, a.slots_at, b, t)
    slots_now = rows_of(a, a.slots_at, b, t + 1)
    slopes = pointer_like(kind, a.slopes_at)
    for h in range(heads):
        source = carry + a.at_carry_inputs + h * word
        for j in range(0, word, width):
            store(d_read + j, load_first(source + j, word - j))
        if a.d_features_at != 0:
            place = (b * a.time + t) * a.features + a.hidden_size + h * word
            add_to(d_read, pointer_like(kind, a.d_features_at) + place, word)
        read_backward(a, h, now, slots_now, slopes, carry + h * a.kept_pad, d_read, target)
    for h in range(heads):
        d_weights = carry + h * a.kept_pad
        write_backward(a, h, before, now, slots_before, slots_now, slopes, d_weights, target)
    for h in range(heads):
        clear(slopes + number(slots_now, h * (a.kept + 1) + a.kept) * a.word_pad, a.word_pad)


@part
def read_backward(a, h, now, slots, slopes, d_weights, d_read, target):
    """Eq. 4, softmax and cosine. `d_weights` holds what a later write gave to the weights."""
    width, word, kept, pad = lanes(now), a.word, a.kept, a.word_pad
    at = h * a.kept_pad
    weights, scores = now + a.at_weights + at, now + a.at_scores + at
    strength = broadcast(now + a.at_strengths + h)
    zero = fill(now, 0)
    for k in range(kept):
        words = now + a.at_words + (h * kept + k) * pad
        total = zero
        for j in range(0, word, width):
            total = fma(load(words + j), load(d_read + j), total)
        store_one(d_weights + k, broadcast(d_weights + k) + sum_lanes(total))
    total = zero
    for k in range(0, a.kept_pad, width):
        total = fma(load(weights + k), load(d_weights + k), total)
    total = sum_lanes(total)
    d_strength = zero
    for k in range(0, a.kept_pad, width):
        d_logit = load(weights + k) * (load(d_weights + k) - total)
        d_strength = fma(d_logit, load(scores + k), d_strength)
        store(d_weights + k, d_logit * strength)
    d_strength = sum_lanes(d_strength) * broadcast(now + a.at_slopes + h)
    store_one(target + 2 * a.heads * word + h, d_strength)

    key, key_inverse = now + a.at_keys + h * pad, broadcast(now + a.at_key_inverses + h)
    d_key = target + h * word
    # k . m / (|k| |m|): the part of a gradient along the key itself, all rows together.
    along = zero
    for k in range(kept):
        along = fma(broadcast(d_weights + k), broadcast(scores + k), along)
    along = along * key_inverse * key_inverse
    for j in range(0, word, width):
        store_part(d_key + j, -along * load(key + j), word - j)
    for k in range(kept):
        d_score = broadcast(d_weights + k)
        weight = broadcast(weights + k)
        row_inverse = broadcast(now + a.at_inverses + at + k)
        both = d_score * key_inverse * row_inverse
        own = d_score * broadcast(scores + k) * row_inverse * row_inverse
        words = now + a.at_words + (h * kept + k) * pad
        slope = slopes + number(slots, h * (kept + 1) + k) * pad
        for j in range(0, word, width):
            m = load(words + j)
            change = fma(both, load(key + j), weight * load(d_read + j)) - own * m
            store(slope + j, load(slope + j) + change)
            found = fma(both, m, load_first(d_key + j, word - j))
            store_part(d_key + j, found, word - j)


@part
def write_backward(a, h, before, now, slots_before, slots_now, slopes, d_weights, target):
    """Eq. 5; the gradient of the weights of the step before into `d_weights`."""
    width, word, kept, heads, pad = lanes(now), a.word, a.kept, a.heads, a.word_pad
    add = now + a.at_adds + h * pad
    weights = before + a.at_weights + h * a.kept_pad
    allowed, gate = broadcast(now + a.at_write_gates + h), broadcast(now + a.at_gates + h)
    d_add = target + (heads + h) * word
    oldest = slopes + number(slots_now, h * (kept + 1) + kept) * pad
    weight, total = allowed * (1 - gate), fill(now, 0)
    for j in range(0, word, width):
        slope = load(oldest + j)
        total = fma(slope, load(add + j), total)
        store_part(d_add + j, weight * slope, word - j)
    d_oldest, d_before = sum_lanes(total), fill(now, 0)
    for k in range(0, a.kept_pad, width):
        store(d_weights + k, fill(now, 0))
    for k in range(kept):
        row = slopes + number(slots_before, h * (kept + 1) + k) * pad
        read = broadcast(weights + k)
        weight, total = allowed * gate * read, fill(now, 0)
        for j in range(0, word, width):
            slope = load(row + j)
            total = fma(slope, load(add + j), total)
            store_part(d_add + j, fma(weight, slope, load_first(d_add + j, word - j)), word - j)
        total = sum_lanes(total)
        d_before = fma(total, read, d_before)
        store_one(d_weights + k, allowed * gate * total)
    d_allowed = gate * d_before + (1 - gate) * d_oldest
    d_gate = allowed * (d_before - d_oldest)
    gates = target + 2 * heads * word + heads + h
    store_one(gates, d_allowed * allowed * (1 - allowed))
    store_one(gates + heads, d_gate * gate * (1 - gate))
