"""A trace, read off the tape."""

import torch
from torch import Tensor

from tapehead.ops.ntm.cpu.calls import Run
from tapehead.ops.ntm.parts import NTMSpec, NTMState


def unpack(run: Run, state: NTMState, spec: NTMSpec, lengths: Tensor | None) -> dict[str, Tensor]:
    """Every inner tensor of a run that had one sequence a block and kept every memory.

    `state` is the state after the last step.
    Past a sequence's length its weightings, reads and memory are those that it keeps, and all else
    is zero.
    """
    a = run.plan.sizes
    heads, writes, word, rows = spec.num_heads, spec.num_writes, spec.word_size, a.rows
    batch, time = a.batch, a.time
    records = run.tape[:, a.at_records : a.at_records + time * a.record].unflatten(
        1, (time, a.record)
    )

    def piece(at: int, *sizes: int, used: int) -> Tensor:
        """The first `used` numbers of each innermost row of a (batch, time, ...) piece."""
        size = 1
        for length in sizes:
            size *= length
        return records[..., at : at + size].unflatten(-1, sizes)[..., :used]

    weightings = piece(a.at_heads, heads, 3, a.rows_pad, used=rows)
    kept = run.tape[:, a.at_checkpoints : a.at_checkpoints + time * word * a.rows_pad]
    before = kept.unflatten(1, (time, word, a.rows_pad))[..., :rows].transpose(-1, -2)
    inputs = run.tape[:, : a.at_records]
    top = inputs[:, inputs.shape[1] - time * a.top_inputs_pad :]
    top = top.unflatten(1, (time, a.top_inputs_pad))
    trace = {
        "key": piece(a.at_keys, heads, a.word_pad, used=word),
        "strength": piece(a.at_strengths, a.heads_pad, used=heads),
        "gate": piece(a.at_gates, a.heads_pad, used=heads),
        "shift": piece(a.at_shifts, heads, a.shifts_pad, used=spec.num_shifts),
        "sharpening": 1 + piece(a.at_sharpenings, a.heads_pad, used=heads),
        "erase": piece(a.at_erases, writes, a.word_pad, used=word),
        "add": piece(a.at_adds, writes, a.word_pad, used=word),
        "content_weights": weightings[:, :, :, 0],
        "read_weights": weightings[:, :, : spec.num_reads, 2],
        "write_weights": weightings[:, :, spec.num_reads :, 2],
        "reads": top[..., a.hidden_size + 1 : a.top_inputs].unflatten(-1, (spec.num_reads, word)),
        "memory": torch.cat([before[:, 1:], state.memory[:, None]], 1),
        "hidden": top[..., : a.hidden_size],
    }
    if lengths is None:
        return {name: tensor.contiguous() for name, tensor in trace.items()}

    steps = torch.arange(time, device=lengths.device)
    past = steps >= lengths[:, None]
    # The last memory stands behind the one before the last step: that is where every step from the
    # last on finds it.
    last = state._asdict()
    done = steps + 1 >= lengths[:, None]

    def fill(name: str, tensor: Tensor) -> Tensor:
        where = done if name == "memory" else past
        where = where.view(batch, time, *[1] * (tensor.dim() - 2))
        if name in ("memory", "reads", "read_weights", "write_weights"):
            return torch.where(where, last[name][:, None], tensor)
        return torch.where(where, torch.zeros_like(tensor), tensor)

    return {name: fill(name, tensor) for name, tensor in trace.items()}
