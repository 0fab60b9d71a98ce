"""The memory of one sequence, one step, backward; derived in ops/dnc/README.md.

`d_x` is the gradient of the loss with respect to x. `carry` holds the gradients of read weightings,
write weighting, usage and precedence after the step, as far as they come from later steps, and
leaves with those before it; `d_world`, of memory and link, likewise. `d_record` is arranged as a
record and gathers the gradients of the interface's pieces.
"""

from tapehead.ops.dnc.cpu.access import PROPORTIONAL, SORT, share
from tapehead.ops.dnc.cpu.carry import d_usage_of, d_write_of
from tapehead.ops.dnc.cpu.content import look_up_backward
from tapehead.ops.dnc.cpu.links import links_backward, precede_backward, sharpen_links_backward
from tapehead.ops.dnc.cpu.masked import split_masks_backward
from tapehead.ops.dnc.cpu.sparse_backward import sparse_links_backward
from tapehead.ops.ntm.cpu.addressing import softmax_backward
from tapehead.ops.ntm.cpu.parameters import sigmoid_backward, softplus_backward
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import integer_at
from tapehead.ops.numba_kit.product import multiply_add
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    load,
    pointer_like,
    store,
    store_first,
    store_one,
    sum_lanes,
)


@part
def access_backward(
    a, record, before, order, world_before, world_after, d_reads, carry, d_world, d_record, misc,
    d_strength,
):  # fmt: skip
    """All of `access`, in reverse."""
    rows_pad, reads = a.rows_pad, a.num_reads
    d_link = d_world + a.word * rows_pad
    d_back, d_on = misc, misc + reads * rows_pad
    d_content, spare = misc + 2 * reads * rows_pad, misc + (2 * reads + 1) * rows_pad

    read_backward(a, record, world_after, d_reads, carry, d_world)
    for head in range(reads):
        modes_backward(a, head, record, carry, d_back, d_on, d_content, d_record)
        look_up_backward(
            a, head, record, world_after, record + a.at_inverse, d_content, d_world, d_record
        )
    precede_backward(a, record, before, carry)
    if a.sharp_links:
        sharpen_links_backward(a, record, d_back, d_on, d_record)
    link_before, link = world_before + a.word * rows_pad, world_after + a.word * rows_pad
    if a.kept:
        sparse_links_backward(
            a, record, before, link_before, link, d_back, d_on, carry, d_link, spare
        )
    else:
        links_backward(a, record, before, link_before, link, d_back, d_on, carry, d_link, spare)
    # Of no more use: the directions' room holds what retention and allocation gather.
    d_kept, d_allocation = misc, misc + rows_pad
    write_backward(a, record, world_before, carry, d_world, d_record, d_kept)
    weigh_write_backward(a, record, carry, d_allocation, d_content, d_record)
    look_up_backward(
        a, reads, record, world_before, before + a.at_inverse, d_content, d_world, d_record
    )
    allocate_backward(a, record, order, d_allocation, d_usage_of(a, carry), spare, d_strength)
    use_rows_backward(a, record, before, carry, d_kept, d_record)


@part
def read_backward(a, record, memory, d_reads, d_weights, d_memory):
    """r = sum_n w(n) M(n)."""
    width, rows_pad = lanes(memory), a.rows_pad
    multiply_add(
        a.num_reads, d_reads, a.word, 1, memory, rows_pad, rows_pad, a.word, d_weights, rows_pad
    )
    weights = record + a.at_read_weights
    for j in range(a.word):
        for head in range(a.num_reads):
            change = broadcast(d_reads + head * a.word + j)
            for n in range(0, rows_pad, width):
                at = d_memory + j * rows_pad + n
                store(at, fma(change, load(weights + head * rows_pad + n), load(at)))


@part
def modes_backward(a, head, record, carry, d_back, d_on, d_content, d_record):
    """w = pi_1 b + pi_2 c + pi_3 f of one head; its weighting's gradient becomes zero."""
    width, rows_pad = lanes(record), a.rows_pad
    modes = record + a.at_modes + head * a.modes_pad
    back, found, on = broadcast(modes), broadcast(modes + 1), broadcast(modes + 2)
    zero = fill(record, 0)
    d_mode_back, d_mode_found, d_mode_on = zero, zero, zero
    for n in range(0, rows_pad, width):
        place = head * rows_pad + n
        change = load(carry + place)
        d_mode_back = fma(change, load(record + a.at_backward + place), d_mode_back)
        d_mode_found = fma(change, load(record + a.at_content + place), d_mode_found)
        d_mode_on = fma(change, load(record + a.at_forward + place), d_mode_on)
        store(d_back + place, back * change)
        store(d_content + n, found * change)
        store(d_on + place, on * change)
        store(carry + place, zero)
    target = d_record + a.at_modes + head * a.modes_pad
    store_one(target, sum_lanes(d_mode_back))
    store_one(target + 1, sum_lanes(d_mode_found))
    store_one(target + 2, sum_lanes(d_mode_on))


@part
def write_backward(a, record, memory, carry, d_memory, d_record, d_kept):
    """M_t = M_{t-1} (1 - w e) (psi) + w v; `memory` is M_{t-1}."""
    width, rows_pad = lanes(memory), a.rows_pad
    weights, d_write = record + a.at_write_weights, d_write_of(a, carry)
    clear(d_kept, rows_pad)
    for j in range(a.word):
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        erase, add = broadcast(record + a.at_erase + j), broadcast(record + a.at_add + j)
        d_erase, d_add = fill(memory, 0), fill(memory, 0)
        for n in range(0, rows_pad, width):
            change, weight, value = load(d_line + n), load(weights + n), load(line + n)
            rest = 1 - weight * erase
            d_add = fma(change, weight, d_add)
            d_weight = fma(change, add, load(d_write + n))
            if a.erase_freed:
                kept = load(record + a.at_kept + n)
                store(d_kept + n, fma(change * value, rest, load(d_kept + n)))
                change = change * kept
            through = change * value
            d_erase = d_erase - through * weight
            store(d_write + n, d_weight - through * erase)
            store(d_line + n, change * rest)
        store_one(d_record + a.at_erase + j, sum_lanes(d_erase))
        store_one(d_record + a.at_add + j, sum_lanes(d_add))


@part
def weigh_write_backward(a, record, carry, d_allocation, d_content, d_record):
    """w = g^w (g^a a + (1 - g^a) c); its weighting's gradient becomes zero."""
    width, rows_pad = lanes(record), a.rows_pad
    gates = record + a.at_gates + a.frees
    allocates, writes = broadcast(gates), broadcast(gates + 1)
    content = record + a.at_content + a.num_reads * rows_pad
    d_write = d_write_of(a, carry)
    zero = fill(record, 0)
    d_allocates, d_writes = zero, zero
    for n in range(0, rows_pad, width):
        change, found = load(d_write + n), load(content + n)
        apart = load(record + a.at_allocation + n) - found
        d_writes = fma(change, fma(allocates, apart, found), d_writes)
        change = change * writes
        d_allocates = fma(change, apart, d_allocates)
        store(d_allocation + n, change * allocates)
        store(d_content + n, change * (1 - allocates))
        store(d_write + n, zero)
    target = d_record + a.at_gates + a.frees
    store_one(target, sum_lanes(d_allocates))
    store_one(target + 1, sum_lanes(d_writes))


@part
def allocate_backward(a, record, order, d_allocation, d_usage, products, d_strength):
    """Adds to the gradient of u_t; `products` is room for one row."""
    width, rows, rows_pad = lanes(record), a.rows, a.rows_pad
    usage, allocation = record + a.at_usage, record + a.at_allocation
    zero = fill(record, 0)
    if a.allocation == SORT:
        product = fill(record, 1)
        for n in range(rows):
            row = integer_at(order + 8 * n)
            store_one(products + n, product)
            product = product * broadcast(usage + row)
        later = zero
        for back in range(rows):
            n = rows - 1 - back
            row = integer_at(order + 8 * n)
            change, used = broadcast(d_allocation + row), broadcast(usage + row)
            slope = (later - change) * broadcast(products + n)
            store_one(d_usage + row, broadcast(d_usage + row) + slope)
            later = fma(change, 1 - used, later * used)
    elif a.allocation == PROPORTIONAL:
        free, along = zero, zero
        for n in range(0, rows_pad, width):
            free = free + first(1 - load(usage + n), rows - n, zero)
            along = fma(load(d_allocation + n), load(allocation + n), along)
        scale, along = share(record, sum_lanes(free)), sum_lanes(along)
        for n in range(0, rows_pad, width):
            change = first((along - load(d_allocation + n)) * scale, rows - n, zero)
            store(d_usage + n, load(d_usage + n) + change)
    else:
        softmax_backward(a, allocation, d_allocation, d_allocation)
        strength = broadcast(pointer_like(record, a.strength))
        total = zero
        for n in range(0, rows_pad, width):
            change = load(d_allocation + n)
            total = fma(change, 1 - load(usage + n), total)
            store(d_usage + n, load(d_usage + n) - change * strength)
        store_one(d_strength, broadcast(d_strength) + sum_lanes(total))


@part
def use_rows_backward(a, record, before, carry, d_kept, d_record):
    """u = (u' + w' - u' w') psi and psi = prod (1 - f w'): into what the step before left."""
    width, rows_pad = lanes(record), a.rows_pad
    d_write, d_usage = d_write_of(a, carry), d_usage_of(a, carry)
    read_weights = before + a.at_read_weights
    for n in range(0, rows_pad, width):
        used, written = load(before + a.at_usage + n), load(before + a.at_write_weights + n)
        change = load(d_usage + n)
        store(d_kept + n, fma(change, used + written - used * written, load(d_kept + n)))
        change = change * load(record + a.at_kept + n)
        store(d_usage + n, change * (1 - written))
        store(d_write + n, fma(change, 1 - used, load(d_write + n)))
    for head in range(a.frees):
        gate, total = broadcast(record + a.at_gates + head), fill(record, 0)
        for n in range(0, rows_pad, width):
            through = load(d_kept + n)
            for other in range(a.frees):
                if other != head:
                    frees = broadcast(record + a.at_gates + other)
                    through = through * (1 - frees * load(read_weights + other * rows_pad + n))
            place = head * rows_pad + n
            total = total - through * load(read_weights + place)
            store(carry + place, load(carry + place) - through * gate)
        store_one(d_record + a.at_gates + head, sum_lanes(total))


# --- from the pieces of the interface back to the vector


@part
def split_backward(a, record, d_record, target):
    """The interface vector's gradient, from those of its pieces."""
    reads, word = a.num_reads, a.word
    at, d_keys = target, d_record + a.at_keys
    for head in range(reads):
        copy(d_keys + head * a.word_pad, at, word)
        at = at + word
    strengths, d_strengths = record + a.at_strengths, d_record + a.at_strengths
    softplus_backward(strengths, d_strengths, at, reads)
    at = at + reads
    copy(d_keys + reads * a.word_pad, at, word)
    at = at + word
    softplus_backward(strengths + reads, d_strengths + reads, at, 1)
    at = at + 1
    sigmoid_backward(record + a.at_erase, d_record + a.at_erase, at, word)
    copy(d_record + a.at_add, at + word, word)
    at = at + 2 * word
    sigmoid_backward(record + a.at_gates, d_record + a.at_gates, at, a.frees + 2)
    at = at + a.frees + 2
    for head in range(reads):
        place = head * a.modes_pad
        modes = load(record + a.at_modes + place)
        d_modes = first(load(d_record + a.at_modes + place), 3, fill(at, 0))
        along = sum_lanes(modes * d_modes)
        store_first(at + 3 * head, modes * (d_modes - along), 3)
    at = at + 3 * reads
    if a.masked:
        split_masks_backward(a, record, d_record, at)
        at = at + a.heads * word
    if a.sharp_links:
        softplus_backward(record + a.at_sharpness, d_record + a.at_sharpness, at, 2 * reads)
