"""How many numbers each machine takes, worked out from its options alone: all of its weights and
the state of one sequence, those too that are drawn and not kept. Tests hold them against machines
that were made."""

from typing import Any


def linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return outputs * (inputs + bias)


def lstm(inputs: int, hidden: int) -> int:
    """A layer of `torch.nn.LSTM`, which has two biases."""
    return 4 * hidden * (inputs + hidden + 2)


def lstm_numbers(
    *,
    input_size: int,
    output_size: int,
    hidden_size: int,
    num_layers: int,
    controller_init: str,
    **_: Any,
) -> int:
    first = lstm(input_size, hidden_size)
    others = (num_layers - 1) * lstm(hidden_size, hidden_size)
    states = 2 if controller_init == "learned" else 1
    state = states * 2 * num_layers * hidden_size
    return first + others + linear(hidden_size, output_size) + state


def ntm_numbers(
    *,
    input_size: int,
    output_size: int,
    memory_size: int,
    word_size: int,
    num_reads: int,
    num_writes: int,
    controller: Any,
    hidden_size: int,
    num_layers: int,
    shift_range: int,
    controller_init: str,
    **_: Any,
) -> int:
    recurrent, gates = _layers(controller, hidden_size, num_layers)
    heads, read = num_reads + num_writes, num_reads * word_size
    interface = heads * (word_size + 3 + 2 * shift_range + 1) + 2 * num_writes * word_size
    controls = linear(input_size + read, gates) + recurrent * gates * hidden_size
    controls += (num_layers - 1) * linear(hidden_size, gates)
    said = linear(hidden_size, interface) + linear(hidden_size + read, output_size)
    memory = memory_size * word_size + heads * memory_size + read
    states = 2 if controller_init == "learned" else 1
    return controls + said + 2 * memory + states * 2 * recurrent * hidden_size


def dnc_numbers(
    *,
    input_size: int,
    output_size: int,
    memory_size: int,
    word_size: int,
    num_reads: int,
    controller: Any,
    hidden_size: int,
    num_layers: int,
    masked_lookup: bool,
    freeing: bool,
    sharp_links: bool,
    layer_norm: bool,
    bidirectional: bool,
    sparse_links: int,
    biases: bool,
    **_: Any,
) -> int:
    recurrent, gates = _layers(controller, hidden_size, num_layers)
    read, hidden = num_reads * word_size, num_layers * hidden_size
    interface = read + 3 * word_size + (4 + freeing) * num_reads + 3
    interface += masked_lookup * (num_reads + 1) * word_size + sharp_links * 2 * num_reads
    controls = num_layers * linear(input_size + read, gates)
    controls += (recurrent + num_layers - 1) * gates * hidden_size
    said = linear(hidden, interface, biases) + 2 * layer_norm * interface + 1
    said += linear(hidden + bidirectional * hidden_size + read, output_size, biases)
    ahead = lstm(input_size, hidden_size) + hidden_size * interface if bidirectional else 0
    kept = min(sparse_links, memory_size)
    links = memory_size * (2 * kept if sparse_links else memory_size)
    state = memory_size * (word_size + num_reads + 3) + read + links + 2 * recurrent * hidden_size
    return controls + said + ahead + state


def dynamic_ntm_numbers(
    *,
    input_size: int,
    output_size: int,
    memory_size: int,
    word_size: int,
    address_size: int,
    num_reads: int,
    num_writes: int,
    controller: Any,
    hidden_size: int,
    no_operation: bool,
    **_: Any,
) -> int:
    rows, width = memory_size + no_operation, address_size + word_size
    context, read = input_size + hidden_size, num_reads * width
    weights = linear(context + read, num_reads * (width + 2))
    weights += cell_numbers(
        controller=controller, input_size=input_size + read, hidden_size=hidden_size
    )
    weights += linear(hidden_size, num_writes * (width + 2) + 2 * num_writes * word_size)
    weights += input_size * num_writes * word_size + linear(context, num_writes)
    weights += linear(hidden_size + read, output_size) + rows * address_size + hidden_size
    heads = num_reads + num_writes
    return weights + rows * (word_size + heads) + read + 2 * hidden_size


def sparse_ntm_numbers(
    *,
    input_size: int,
    output_size: int,
    memory_size: int,
    word_size: int,
    num_heads: int,
    rows_per_head: int,
    hidden_size: int,
    **_: Any,
) -> int:
    gates, read = 4 * hidden_size, num_heads * word_size
    weights = linear(input_size, gates) + gates * (read + hidden_size)
    weights += linear(hidden_size, 2 * read + 3 * num_heads)
    weights += linear(hidden_size + read, output_size)
    kept = min(rows_per_head, memory_size)
    memory = memory_size * (word_size + 1) + 1 + 2 * num_heads * kept
    return weights + memory + read + 2 * hidden_size


def tardis_numbers(
    *,
    input_size: int,
    output_size: int,
    memory_size: int,
    word_size: int,
    address_size: int,
    hidden_size: int,
    attention_size: int,
    scoring: str,
    peepholes: bool,
    **_: Any,
) -> int:
    width, context = address_size + word_size, input_size + hidden_size
    if scoring == "tanh":
        weights = linear(context + memory_size, attention_size) + (width + 1) * attention_size
    else:
        weights = linear(context + memory_size, memory_size) + memory_size * memory_size
    weights += peepholes * 3 * hidden_size * hidden_size
    weights += linear(context + width, 3 * hidden_size + 2)
    weights += hidden_size * (hidden_size + width) + linear(input_size, hidden_size)
    weights += linear(hidden_size, word_size) + linear(hidden_size + width, output_size)
    weights += memory_size * address_size
    return weights + memory_size * (word_size + 1) + 1 + 2 * hidden_size


def rl_ntm_numbers(
    *,
    symbols: int,
    controller: str,
    hidden_size: int,
    cell_size: int,
    memory: bool,
    forward_only: bool,
    reach: int,
    **_: Any,
) -> int:
    window = 2 * reach + 1
    seen = window * (symbols + memory * cell_size)
    choices = (2 if forward_only else 3) + (3 if memory else 1) + 2
    source = seen if controller == "direct" else hidden_size
    weights = cell_numbers(controller="lstm", input_size=seen + choices, hidden_size=hidden_size)
    weights += linear(hidden_size, choices) + linear(source, symbols + cell_size)
    weights += linear(hidden_size, 1)
    return weights + (controller == "direct") * linear(hidden_size, window * (1 + memory))


def cell_numbers(*, controller: Any, input_size: int, hidden_size: int) -> int:
    """Of a controller that is brought along, those of a plain layer: only its maker knows."""
    if controller == "feedforward" or not isinstance(controller, str):
        return linear(input_size, hidden_size)
    return (3 if controller == "gru" else 4) * hidden_size * (input_size + hidden_size + 2)


def _layers(controller: Any, hidden_size: int, num_layers: int) -> tuple[int, int]:
    """Layers with a state of their own, and gates of each layer."""
    return (num_layers, 4 * hidden_size) if controller == "lstm" else (0, hidden_size)
