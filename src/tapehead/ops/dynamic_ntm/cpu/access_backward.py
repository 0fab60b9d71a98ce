"""One step of the heads of a sequence, backward; README.md has the derivation."""

from tapehead.ops.dynamic_ntm.cpu.state import content_of, d_memory_of, memory_of
from tapehead.ops.dynamic_ntm.cpu.tape import addresses_of, record_of, step_of
from tapehead.ops.dynamic_ntm.reference import RECENCY_DECAY
from tapehead.ops.ntm.cpu.choices import choose_backward
from tapehead.ops.ntm.cpu.similarity import similarity_backward
from tapehead.ops.numba_kit.copying import clear, copy, store_part
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    less,
    load,
    pointer_like,
    select,
    store,
    store_one,
    sum_lanes,
)

_DECAY = RECENCY_DECAY


@part
def read_backward(a, kind, b, s, t, turn, target, work):
    """One turn of reading: the gradient of what its heads asked for into `target`, from that of
    what they found, which `carry` holds."""
    memory = memory_of(a, s, work)
    d_reads = work + a.at_work_carry + s * a.carry + a.at_carry_reads
    change = work + a.at_work_change
    multiply(
        a.num_reads, d_reads, a.word, 1, memory, a.rows_pad, a.rows_pad, a.word, change, a.rows_pad
    )
    choice, last = turn * a.num_reads, turn == a.turns - 1
    for h in range(a.num_reads):
        address_backward(
            a, kind, b, s, t, choice + h, h, change + h * a.rows_pad, True, d_reads + h * a.word,
            last, target + h * a.numbers, work,
        )  # fmt: skip


@part
def write_backward(a, kind, b, s, t, work):
    """The write heads: turns the gradient of the content after the step into that before; that of
    what was asked and shown is written down."""
    now, change = record_of(a, kind, b, t + 1), work + a.at_work_change
    choice, words = a.turns * a.num_reads, work + a.at_work_words
    content = content_of(a, memory_of(a, s, work))
    d_content = content_of(a, d_memory_of(a, s, work))
    clear(change, a.num_writes * a.rows_pad)
    for j in range(a.content_size):
        at = j * a.rows_pad
        undo_writes(a, now, choice, j, content + at, d_content + at, change, words, work)
    target = pointer_like(kind, a.d_asked) + step_of(a, b, t) * a.asked
    words_backward(a, kind, b, t, now, words, target)
    for h in range(a.num_writes):
        address_backward(
            a, kind, b, s, t, choice + h, a.num_reads + h, change + h * a.rows_pad, False, words,
            True, target + h * a.numbers, work,
        )  # fmt: skip


@part
def undo_writes(a, now, choice, j, line, d_line, change, words, work):
    """One number of each row: C_h = C_{h-1} + u (c - e C_{h-1}), head after head, back again."""
    width, rows_pad, spare = lanes(now), a.rows_pad, work + a.at_work_spare
    candidates = words + a.num_writes * a.content_pad
    # What each head found, by doing it once more.
    copy(line, spare, rows_pad)
    for h in range(a.num_writes - 1):
        weights = now + a.at_kept + (choice + h) * rows_pad
        erase = broadcast(now + a.at_erases + h * a.content_pad + j)
        candidate = broadcast(now + a.at_candidates + h * a.content_pad + j)
        for n in range(0, rows_pad, width):
            value = load(spare + h * rows_pad + n)
            after = fma(load(weights + n), fma(-erase, value, candidate), value)
            store(spare + (h + 1) * rows_pad + n, after)
    for back in range(a.num_writes):
        h = a.num_writes - 1 - back
        weights = now + a.at_kept + (choice + h) * rows_pad
        erase = broadcast(now + a.at_erases + h * a.content_pad + j)
        candidate = broadcast(now + a.at_candidates + h * a.content_pad + j)
        d_erase, d_candidate = fill(now, 0), fill(now, 0)
        for n in range(0, rows_pad, width):
            value, slope = load(spare + h * rows_pad + n), load(d_line + n)
            through = slope * load(weights + n)
            at = change + h * rows_pad + n
            store(at, fma(slope, fma(-erase, value, candidate), load(at)))
            d_candidate = d_candidate + through
            d_erase = fma(-through, value, d_erase)
            store(d_line + n, fma(-through, erase, slope))
        store_one(words + h * a.content_pad + j, sum_lanes(d_erase))
        store_one(candidates + h * a.content_pad + j, sum_lanes(d_candidate))


@part
def words_backward(a, kind, b, t, now, words, target):
    """From the gradients of erases and candidates to what was asked and shown."""
    width, size, writes = lanes(now), a.content_size, a.num_writes
    candidates = words + writes * a.content_pad
    d_erases = target + writes * a.numbers
    d_own = d_erases + writes * size
    d_gates = d_own + writes * size
    d_shown = pointer_like(kind, a.d_shown) + step_of(a, b, t) * a.shown
    zero = fill(now, 0)
    for h in range(writes):
        at, gate, total = h * a.content_pad, broadcast(now + a.at_input_gates + h), zero
        for j in range(0, size, width):
            erase = load(now + a.at_erases + at + j)
            slope = load(words + at + j) * erase * (1 - erase)
            store_part(d_erases + h * size + j, slope, size - j)
            slope = load(candidates + at + j)
            slope = select(less(zero, load(now + a.at_candidates + at + j)), slope, zero)
            through = slope * load(now + a.at_shown + at + j)
            total = total + first(through, size - j, zero)
            store_part(d_own + h * size + j, slope, size - j)
            store_part(d_shown + writes + h * size + j, gate * slope, size - j)
        d_gate = sum_lanes(total) * gate * (1 - gate)
        store_one(d_gates + h, d_gate)
        store_one(d_shown + h, d_gate)


@part
def address_backward(a, kind, b, s, t, choice, head, change, reading, words, last, target, work):
    """One address: `change` is the gradient of its weighting without the no-operation cell; that
    of what the head asked for goes into `target`. `reading`, `words`: see `similarity_backward`."""
    before, now = record_of(a, kind, b, t), record_of(a, kind, b, t + 1)
    width, rows_pad = lanes(now), a.rows_pad
    spare, at = work + a.at_work_spare, choice * rows_pad
    zero = fill(now, 0)
    if a.no_operation:
        store_one(change + a.rows - 1, zero)
    place = addresses_of(a, b, t) + choice * a.rows
    choose_backward(a, place, now + a.at_weights + at, change, spare)

    # logits = z - gamma v, v' = 0.1 v + 0.9 z, z = beta K
    strength, gate = broadcast(now + a.at_strengths + choice), zero
    if a.least_recently_used:
        gate = broadcast(now + a.at_gates + choice)
    scores, recency = now + a.at_scores + at, before + a.at_recency + head * rows_pad
    d_recency = work + a.at_work_carry + s * a.carry + head * rows_pad
    d_strength, d_gate = zero, zero
    for n in range(0, rows_pad, width):
        d_logit = load(change + n)
        d_gate = fma(-d_logit, load(recency + n), d_gate)
        later, d_alike = load(d_recency + n), d_logit
        if last:
            d_alike = d_alike + (1 - _DECAY) * later
            later = _DECAY * later
        store(d_recency + n, fma(-gate, d_logit, later))
        d_strength = fma(d_alike, load(scores + n), d_strength)
        store(change + n, strength * d_alike)
    d_strength = sum_lanes(d_strength) * broadcast(now + a.at_slopes + choice)
    store_one(target + a.word, d_strength)
    store_one(target + a.word + 1, sum_lanes(d_gate) * gate * (1 - gate))

    similarity_backward(
        a, scores, now + a.at_keys + choice * a.word_pad, memory_of(a, s, work),
        before + a.at_inverse, change, d_memory_of(a, s, work), target, reading,
        now + a.at_kept + at, words, spare,
    )  # fmt: skip
