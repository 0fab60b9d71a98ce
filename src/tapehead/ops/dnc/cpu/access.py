"""The memory of one sequence, one step, forward: interface vector to weightings, write, read.

`a` is the block of arguments (`layout`), `record` a record of the tape and `before` the one before,
`memory` (word, rows), `link` (rows, rows). Rows beyond the last are padding: weightings are zero
there, and so are memory and links.
"""

from tapehead.ops.dnc.cpu.content import look_up
from tapehead.ops.dnc.cpu.links import follow_links, link_rows, precede, sharpen_links
from tapehead.ops.dnc.cpu.masked import split_masks
from tapehead.ops.dnc.cpu.order import sort_rows
from tapehead.ops.dnc.cpu.sparse import choose_rows, follow_sparse_links, link_sparsely
from tapehead.ops.ntm.cpu.addressing import LOWEST, normalise_exp
from tapehead.ops.ntm.cpu.similarity import inverse_norms
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import exp, sigmoid, softplus
from tapehead.ops.numba_kit.native import integer_at
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    larger,
    less,
    load,
    max_lanes,
    pointer_like,
    select,
    store,
    store_one,
    sum_lanes,
)

SORT, PROPORTIONAL, SOFTMAX = 0, 1, 2


@part
def split_interface(a, interface, record):
    """The pieces of the interface vector, each brought into its range, as in the reference."""
    width, reads, word = lanes(record), a.num_reads, a.word
    at, keys = interface, record + a.at_keys
    for head in range(reads):
        copy(at, keys + head * a.word_pad, word)
        at = at + word
    # Strengths less one: so that their slope can be told from them without loss.
    for j in range(0, reads, width):
        store(record + a.at_strengths + j, softplus(load(at + j)))
    at = at + reads
    copy(at, keys + reads * a.word_pad, word)
    at = at + word
    store_one(record + a.at_strengths + reads, softplus(broadcast(at)))
    at = at + 1
    for j in range(0, word, width):
        store(record + a.at_erase + j, sigmoid(load(at + j)))
    copy(at + word, record + a.at_add, word)
    at = at + 2 * word
    for j in range(0, a.frees + 2, width):
        store(record + a.at_gates + j, sigmoid(load(at + j)))
    at = at + a.frees + 2
    for head in range(reads):
        modes = record + a.at_modes + head * a.modes_pad
        value = first(load(at + 3 * head), 3, fill(at, LOWEST))
        value = exp(value - max_lanes(value))
        store(modes, value / sum_lanes(value))
    at = at + 3 * reads
    if a.masked:
        split_masks(a, at, record)
        at = at + a.heads * word
    if a.sharp_links:
        for j in range(0, 2 * reads, width):
            store(record + a.at_sharpness + j, softplus(load(at + j)))


@part
def use_rows(a, record, before):
    """Retention psi and usage u of this step."""
    width, rows_pad = lanes(record), a.rows_pad
    for n in range(0, rows_pad, width):
        kept = fill(record, 1)
        for head in range(a.frees):
            gate = broadcast(record + a.at_gates + head)
            kept = kept * (1 - gate * load(before + a.at_read_weights + head * rows_pad + n))
        used, written = load(before + a.at_usage + n), load(before + a.at_write_weights + n)
        store(record + a.at_kept + n, kept)
        store(record + a.at_usage + n, (used + written - used * written) * kept)


@part
def share(kind, space):
    """One over the free space, and zero when there is none, as in the reference."""
    zero = fill(kind, 0)
    return select(less(zero, space), 1 / select(less(zero, space), space, fill(kind, 1)), zero)


@part
def allocate(a, record, order_before, order):
    """The allocation weighting of this step's usage."""
    width, rows = lanes(record), a.rows
    usage, allocation = record + a.at_usage, record + a.at_allocation
    if a.allocation == SORT:
        clear(allocation, a.rows_pad)
        sort_rows(usage, rows, order_before, order)
        product = fill(record, 1)
        for n in range(rows):
            row = integer_at(order + 8 * n)
            used = broadcast(usage + row)
            store_one(allocation + row, (1 - used) * product)
            product = product * used
    elif a.allocation == PROPORTIONAL:
        total, zero = fill(record, 0), fill(record, 0)
        for n in range(0, a.rows_pad, width):
            free = first(1 - load(usage + n), rows - n, zero)
            store(allocation + n, free)
            total = total + free
        scale = share(record, sum_lanes(total))
        for n in range(0, a.rows_pad, width):
            store(allocation + n, load(allocation + n) * scale)
    else:
        strength = broadcast(pointer_like(record, a.strength))
        top = fill(record, LOWEST)
        for n in range(0, a.rows_pad, width):
            value = first((1 - load(usage + n)) * strength, rows - n, fill(record, LOWEST))
            store(allocation + n, value)
            top = larger(value, top)
        normalise_exp(a.rows_pad, allocation, max_lanes(top))


@part
def weigh_write(a, record):
    """w = g^w (g^a a + (1 - g^a) c)."""
    width = lanes(record)
    gates = record + a.at_gates + a.frees
    allocates, writes = broadcast(gates), broadcast(gates + 1)
    content = record + a.at_content + a.num_reads * a.rows_pad
    for n in range(0, a.rows_pad, width):
        found = load(content + n)
        chosen = fma(allocates, load(record + a.at_allocation + n) - found, found)
        store(record + a.at_write_weights + n, writes * chosen)


@part
def write(a, record, source, target):
    """M_t = M_{t-1} (1 - w e) (psi, if freed rows are erased) + w v; may be in place."""
    width, rows_pad = lanes(source), a.rows_pad
    for j in range(a.word):
        erase, add = broadcast(record + a.at_erase + j), broadcast(record + a.at_add + j)
        for n in range(0, rows_pad, width):
            weight, value = load(record + a.at_write_weights + n), load(source + j * rows_pad + n)
            value = value * (1 - weight * erase)
            if a.erase_freed:
                value = value * load(record + a.at_kept + n)
            store(target + j * rows_pad + n, fma(weight, add, value))


@part
def weigh_reads(a, record):
    """w = pi_1 b + pi_2 c + pi_3 f of every read head."""
    width, rows_pad = lanes(record), a.rows_pad
    for head in range(a.num_reads):
        modes = record + a.at_modes + head * a.modes_pad
        back, found, on = broadcast(modes), broadcast(modes + 1), broadcast(modes + 2)
        for n in range(0, rows_pad, width):
            place = head * rows_pad + n
            value = back * load(record + a.at_backward + place)
            value = fma(found, load(record + a.at_content + place), value)
            value = fma(on, load(record + a.at_forward + place), value)
            store(record + a.at_read_weights + place, value)


@part
def read(a, record, memory, target):
    """r = sum_n w(n) M(n) of every read head."""
    width, rows_pad = lanes(memory), a.rows_pad
    for head in range(a.num_reads):
        weights = record + a.at_read_weights + head * rows_pad
        for j in range(a.word):
            total = fill(memory, 0)
            for n in range(0, rows_pad, width):
                total = fma(load(weights + n), load(memory + j * rows_pad + n), total)
            store_one(target + head * a.word + j, sum_lanes(total))


@part
def link_step(a, record, before, source, target, misc, in_place):
    """L_t from L_{t-1}."""
    if a.kept:
        lines = a.kept * a.rows_pad
        if not in_place:
            copy(source + lines, target + lines, lines)
        link_sparsely(a, record, source, target, misc)
    else:
        link_rows(a, record, before, source, target)


@part
def access(a, record, before, order_before, order, world, target, misc):
    """The whole step of one sequence, from split interface to reads; `world` is memory and link,
    and changes in place; `misc` is room for a memory."""
    link = world + a.word * a.rows_pad
    use_rows(a, record, before)
    allocate(a, record, order_before, order)
    look_up(a, a.num_reads, 1, record, world, before + a.at_inverse, misc)
    weigh_write(a, record)
    if a.kept:
        choose_rows(a, record, before)
    write(a, record, world, world)
    if not a.masked:
        inverse_norms(a, world, record + a.at_inverse)
    link_step(a, record, before, link, link, misc, True)
    if a.kept:
        follow_sparse_links(a, record, before, link)
    else:
        follow_links(a, record, before, link)
    if a.sharp_links:
        sharpen_links(a, record)
    precede(a, record, before)
    look_up(a, 0, a.num_reads, record, world, record + a.at_inverse, misc)
    weigh_reads(a, record)
    read(a, record, world, target)
