"""One step of the heads of a sequence: rows are addressed and read, and addressed and written."""

from tapehead.ops.dynamic_ntm.cpu.state import content_of, memory_of
from tapehead.ops.dynamic_ntm.cpu.tape import addresses_of, record_of
from tapehead.ops.dynamic_ntm.reference import RECENCY_DECAY
from tapehead.ops.ntm.cpu.choices import choose
from tapehead.ops.ntm.cpu.memory import read_with
from tapehead.ops.ntm.cpu.similarity import inverse_norms, similarities
from tapehead.ops.numba_kit.copying import copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sigmoid, softplus
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    fma,
    lanes,
    larger,
    load,
    store,
    store_one,
)

_DECAY = RECENCY_DECAY


@part
def read_step(a, kind, b, s, t, turn, asked, reads, work):
    """One turn of reading; what is found goes into `reads`."""
    now, memory = record_of(a, kind, b, t + 1), memory_of(a, s, work)
    first = turn * a.num_reads
    address(a, kind, b, t, first, 0, a.num_reads, asked, memory, turn == a.turns - 1)
    for h in range(a.num_reads):
        kept = now + a.at_kept + (first + h) * a.rows_pad
        read_with(a, kept, memory, reads + h * a.word)


@part
def write_step(a, kind, b, s, t, asked, shown, work):
    """The write heads; the memory is changed in place, and its content kept."""
    now, memory = record_of(a, kind, b, t + 1), memory_of(a, s, work)
    first = a.turns * a.num_reads
    address(a, kind, b, t, first, a.num_reads, a.num_writes, asked, memory, True)
    words(a, asked, shown, now)
    content = content_of(a, memory)
    for h in range(a.num_writes):
        write(a, now, first + h, h, content)
    inverse_norms(a, memory, now + a.at_inverse)
    if a.keep:
        copy(content, now + a.at_content, a.content_size * a.rows_pad)


@part
def address(a, kind, b, t, choice, head, count, asked, memory, last):
    """From what `count` heads from `head` on ask for to their weightings, with and without the
    no-operation cell. Their addresses are those from `choice` on; the `last` of a step say what
    rows were used of late."""
    before, now = record_of(a, kind, b, t), record_of(a, kind, b, t + 1)
    width, rows_pad = lanes(now), a.rows_pad
    inverse, place = before + a.at_inverse, addresses_of(a, b, t)
    zero = fill(now, 0)
    for h in range(count):
        numbers, c = asked + h * a.numbers, choice + h
        copy(numbers, now + a.at_keys + c * a.word_pad, a.word)
        strength = broadcast(numbers + a.word)
        store_one(now + a.at_strengths + c, 1 + softplus(strength))
        store_one(now + a.at_slopes + c, sigmoid(strength))
        store_one(now + a.at_gates + c, sigmoid(broadcast(numbers + a.word + 1)))
    similarities(a, choice, count, now, memory, inverse)
    for h in range(count):
        c = choice + h
        scores = now + a.at_scores + c * rows_pad
        weights, kept = now + a.at_weights + c * rows_pad, now + a.at_kept + c * rows_pad
        recency = before + a.at_recency + (head + h) * rows_pad
        recency_now = now + a.at_recency + (head + h) * rows_pad
        strength, gate = broadcast(now + a.at_strengths + c), zero
        if a.least_recently_used:
            gate = broadcast(now + a.at_gates + c)
        for n in range(0, rows_pad, width):
            alike, used = strength * load(scores + n), load(recency + n)
            store(weights + n, fma(-gate, used, alike))
            if last:
                store(recency_now + n, _DECAY * used + (1 - _DECAY) * alike)
        choose(a, place + c * a.rows, weights)
        copy(weights, kept, rows_pad)
        if a.no_operation:
            store_one(kept + a.rows - 1, zero)


@part
def words(a, asked, shown, now):
    """What is erased and written, in its ranges."""
    width, size = lanes(now), a.content_size
    erases = asked + a.num_writes * a.numbers
    own = erases + a.num_writes * size
    gates, brought = own + a.num_writes * size, shown + a.num_writes
    zero = fill(now, 0)
    for h in range(a.num_writes):
        gate = sigmoid(broadcast(gates + h) + broadcast(shown + h))
        store_one(now + a.at_input_gates + h, gate)
        at = h * a.content_pad
        for j in range(0, size, width):
            store(now + a.at_erases + at + j, sigmoid(load(erases + h * size + j)))
            given = load(brought + h * size + j)
            store(now + a.at_shown + at + j, given)
            candidate = fma(gate, given, load(own + h * size + j))
            # The larger of the two is the second where the first is NaN, and that is to be seen.
            store(now + a.at_candidates + at + j, larger(zero, candidate))


@part
def write(a, now, choice, head, content):
    """C <- (1 - e u) C + u c, for one head, in place."""
    width, rows_pad = lanes(now), a.rows_pad
    weights = now + a.at_kept + choice * rows_pad
    erases, candidates = now + a.at_erases, now + a.at_candidates
    for j in range(a.content_size):
        erase = broadcast(erases + head * a.content_pad + j)
        candidate = broadcast(candidates + head * a.content_pad + j)
        line = content + j * rows_pad
        for n in range(0, rows_pad, width):
            value = load(line + n)
            store(line + n, fma(load(weights + n), fma(-erase, value, candidate), value))
