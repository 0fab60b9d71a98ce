"""Machines, states and all that comes out of a run, for comparing backends of the DNC."""

import torch

from tapehead import DNC
from tapehead.ops.dnc import DNCState
from tapehead.ops.links import SparseLink, dense_link


def build(backend, rows=7, word=4, hidden=5, dtype=torch.float64, **options):
    torch.manual_seed(3)
    sizes = {"memory_size": rows, "word_size": word, "hidden_size": hidden}
    machine = DNC(3, 2, **sizes, **options, backend=backend).to(dtype)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        machine.interface.weight.mul_(2)
        if machine.spec.sparse_links:
            # Writes to one row or two: of others no link is large enough to be kept.
            at = sum(machine.spec.interface_sizes[:7])
            machine.interface.bias[at : at + 2] += 3
    return machine


def start(machine, batch, seed=5):
    """A state without two rows alike: between equally used rows rounding would choose."""
    g = torch.Generator().manual_seed(seed)
    dtype = machine.output.weight.dtype
    empty = machine.initial_state(batch)

    def draw(like):
        return torch.rand(like.shape, generator=g, dtype=torch.float64)

    def weighting(like):
        return (4 * draw(like)).softmax(-1) * 0.9

    rows = empty.usage.shape[-1]
    values = {
        "memory": draw(empty.memory) - 0.5,
        "read_weights": weighting(empty.read_weights),
        "write_weights": weighting(empty.write_weights),
        "reads": draw(empty.reads) - 0.5,
        "usage": draw(empty.usage),
        "precedence": weighting(empty.precedence),
        "hidden": draw(empty.hidden) - 0.5,
        "cell": draw(empty.cell) - 0.5,
    }
    columns = empty.link_columns
    if machine.spec.sparse_links:
        columns = torch.rand(batch, rows, rows, generator=g).argsort(-1)[..., : columns.shape[-1]]
        there = (draw(columns) > 0.4) & (columns != torch.arange(rows)[:, None])
        values["link"] = (0.4 + 0.6 * draw(columns)) * there
    else:
        values["link"] = 0.8 * draw(empty.link) / rows * (1 - torch.eye(rows, dtype=torch.float64))
    made = {name: value.to(dtype).requires_grad_() for name, value in values.items()}
    return DNCState(link_columns=columns, **made)


def whole_link(state):
    """The state with its sparse links as a matrix: in which place of its row a link stands is no
    matter."""
    if not state.link_columns.shape[-1]:
        return state
    link = dense_link(SparseLink(state.link, state.link_columns))
    return state._replace(link=link, link_columns=state.link_columns[..., :0])


def everything(machine, x, lengths=None, pieces=None):
    """Outputs, final state and all gradients of a loss that all of them enter."""
    state = first = start(machine, len(x))
    x = x.clone().requires_grad_()
    outputs = []
    for piece in x.split(pieces or [x.shape[1]], dim=1):
        y, state = machine(piece, state, lengths=lengths)
        outputs.append(y)
    y = torch.cat(outputs, 1)
    if lengths is not None:
        y = y * (torch.arange(y.shape[1]) < lengths[:, None])[..., None]
    g = torch.Generator().manual_seed(7)
    state = whole_link(state)
    loss = 0.0
    for part in (y, *state):
        if part.is_floating_point():
            weight = torch.randn(part.shape, generator=g, dtype=torch.float64)
            loss = loss + (part * weight.to(part.dtype)).sum()
    machine.zero_grad()
    loss.backward()
    found = {"y": y.detach(), "d_x": x.grad}
    found |= {f"last {name}": part.detach() for name, part in state._asdict().items()}
    found |= {
        f"d_{name}": part.grad for name, part in first._asdict().items() if name != "link_columns"
    }
    found |= {f"d_{name}": p.grad.clone() for name, p in machine.named_parameters()}
    return found


def compare(ours, truth, tolerance=1e-10):
    assert ours.keys() == truth.keys()
    for name, expected in truth.items():
        torch.testing.assert_close(
            ours[name], expected, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
