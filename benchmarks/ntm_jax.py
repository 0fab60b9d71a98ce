"""The same Neural Turing Machine in JAX, scan and jit: a contender of ntm_speed.py."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tapehead.benchmark import Workload
from tapehead.ops.addressing import SHARPENING_FLOOR
from tapehead.ops.similarity import EPSILON


def _address(memory, previous, key, strength, gate, shift, sharpening):
    key_norm = jnp.sqrt(jnp.sum(key**2, -1) + EPSILON)
    memory_norm = jnp.sqrt(jnp.sum(memory**2, -1) + EPSILON)
    scores = jnp.einsum("bm,bnm->bn", key, memory) / (key_norm[:, None] * memory_norm)
    content = jax.nn.softmax(strength[:, None] * scores)
    gated = gate[:, None] * content + (1 - gate[:, None]) * previous
    reach = shift.shape[-1] // 2
    shifted = sum(
        shift[:, q, None] * jnp.roll(gated, q - reach, -1) for q in range(shift.shape[-1])
    )
    return jax.nn.softmax(sharpening[:, None] * jnp.log(shifted + SHARPENING_FLOOR))


def _step(weights, word, state, projected):
    memory, read_weight, write_weight, reads, hidden, cell = state
    gates = projected + reads @ weights["read"].T + hidden @ weights["recurrent"].T
    enter, keep, candidate, leave = jnp.split(gates, 4, -1)
    cell = jax.nn.sigmoid(keep) * cell + jax.nn.sigmoid(enter) * jnp.tanh(candidate)
    hidden = jax.nn.sigmoid(leave) * jnp.tanh(cell)
    interface = hidden @ weights["interface"].T + weights["interface_bias"]
    sizes = np.cumsum([2 * word, 2, 2, 6, 2, word])
    key, strength, gate, shift, sharpening, erase, add = jnp.split(interface, sizes, -1)
    key = jnp.tanh(key.reshape(-1, 2, word))
    strength, gate = jax.nn.softplus(strength), jax.nn.sigmoid(gate)
    shift = jax.nn.softmax(shift.reshape(-1, 2, 3))
    sharpening = 1 + jax.nn.softplus(sharpening)
    heads = [(key[:, h], strength[:, h], gate[:, h], shift[:, h], sharpening[:, h]) for h in (0, 1)]
    write_weight = _address(memory, write_weight, *heads[1])
    outer = write_weight[:, :, None]
    memory = memory * (1 - outer * jax.nn.sigmoid(erase)[:, None])
    memory = memory + outer * jnp.tanh(add)[:, None]
    read_weight = _address(memory, read_weight, *heads[0])
    reads = jnp.einsum("bn,bnm->bm", read_weight, memory)
    features = jnp.concatenate([hidden, reads], -1)
    return (memory, read_weight, write_weight, reads, hidden, cell), features


def machine_of(workload: Workload):
    """(weights, x) -> outputs, with the weights of the library's own machine of that workload."""
    machine = workload.ntm("reference")
    start = [np.asarray(part[0].detach()) for part in machine.initial_state(1)]
    start[4:] = [part[0] for part in start[4:]]
    start[3] = start[3][0]
    start[1], start[2] = start[1][0], start[2][0]
    named = {
        "input": machine.input.weight,
        "input_bias": machine.input.bias,
        "read": machine.read_weight,
        "recurrent": machine.recurrent_weight[0],
        "interface": machine.interface.weight,
        "interface_bias": machine.interface.bias,
        "output": machine.output.weight,
        "output_bias": machine.output.bias,
    }
    weights = {name: jnp.asarray(weight.detach().numpy()) for name, weight in named.items()}

    def run(weights, x):
        state = tuple(jnp.broadcast_to(part, (x.shape[0], *part.shape)) for part in start)
        projected = x @ weights["input"].T + weights["input_bias"]
        _, features = jax.lax.scan(
            lambda state, p: _step(weights, workload.word, state, p),
            state,
            projected.swapaxes(0, 1),
        )
        return features.swapaxes(0, 1) @ weights["output"].T + weights["output_bias"]

    return weights, run


def jax_step(workload: Workload) -> Callable[[], None]:
    """One forward and backward pass, after making sure that it is the same function."""
    import torch

    weights, run = machine_of(workload)
    x = workload.batch_of_inputs()
    with torch.no_grad():
        wanted = workload.ntm("reference")(x)[0].numpy()
    x = jnp.asarray(x.numpy())
    np.testing.assert_allclose(np.asarray(jax.jit(run)(weights, x)), wanted, atol=1e-4)
    gradient = jax.jit(jax.value_and_grad(lambda weights, x: run(weights, x).sum()))

    def step() -> None:
        jax.block_until_ready(gradient(weights, x))

    return step
