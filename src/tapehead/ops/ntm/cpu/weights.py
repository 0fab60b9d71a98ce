"""Weights, packed for the products of either pass, and their gradients."""

from tapehead.ops.ntm.cpu.tape import input_area, input_row
from tapehead.ops.numba_kit.copying import add_to, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.product import multiply, multiply_add, pack
from tapehead.ops.numba_kit.simd import pointer_like


@part
def pack_forward(a, packed):
    """Weights as (inputs, outputs): what each step's inputs are multiplied by."""
    size, gates = a.hidden_size, a.gates
    numbers, inputs = a.read_numbers, a.inputs
    depth = a.first_inputs
    weight = pointer_like(packed, a.read_weight)
    pack(packed, depth, gates, 0, 0, weight, 1, numbers, numbers, gates)
    recurrent = pointer_like(packed, a.recurrent_weight)
    if a.lstm:
        pack(packed, depth, gates, numbers, 0, recurrent, 1, size, size, gates)
    weight = pointer_like(packed, a.input_weight)
    pack(packed, depth, gates, a.recalled, 0, weight, 1, inputs, inputs, gates)
    bias = pointer_like(packed, a.input_bias)
    pack(packed, depth, gates, depth - 1, 0, bias, 1, 1, 1, gates)
    for layer in range(1, a.layers):
        target = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
        depth = a.upper_inputs
        weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
        pack(target, depth, gates, 0, 0, weight, 1, size, size, gates)
        if a.lstm:
            weight = recurrent + layer * gates * size
            pack(target, depth, gates, size, 0, weight, 1, size, size, gates)
        bias = pointer_like(packed, a.layer_bias) + (layer - 1) * gates
        pack(target, depth, gates, depth - 1, 0, bias, 1, 1, 1, gates)
    target = packed + a.at_packed_interface
    weight = pointer_like(packed, a.interface_weight)
    pack(target, size + 1, a.interface, 0, 0, weight, 1, size, size, a.interface)
    bias = pointer_like(packed, a.interface_bias)
    pack(target, size + 1, a.interface, size, 0, bias, 1, 1, 1, a.interface)
    target, depth = packed + a.at_packed_output, a.top_inputs
    weight = pointer_like(packed, a.output_weight)
    row = size + numbers
    pack(target, depth, a.outputs, 0, 0, weight, 1, row, size, a.outputs)
    pack(target, depth, a.outputs, size + 1, 0, weight + size, 1, row, numbers, a.outputs)
    bias = pointer_like(packed, a.output_bias)
    pack(target, depth, a.outputs, size, 0, bias, 1, 1, 1, a.outputs)


@part
def pack_backward(a, packed):
    """Weights as (outputs, inputs): what gradients of outputs are multiplied by."""
    size, gates = a.hidden_size, a.gates
    numbers, inputs = a.read_numbers, a.inputs
    columns = first_columns(a)
    weight = pointer_like(packed, a.read_weight)
    pack(packed, gates, columns, 0, 0, weight, numbers, 1, gates, numbers)
    recurrent = pointer_like(packed, a.recurrent_weight)
    if a.lstm:
        pack(packed, gates, columns, 0, numbers, recurrent, size, 1, gates, size)
    if a.d_x:
        weight = pointer_like(packed, a.input_weight)
        pack(packed, gates, columns, 0, a.recalled, weight, inputs, 1, gates, inputs)
    for layer in range(1, a.layers):
        target = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
        columns = a.upper_inputs - 1
        weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
        pack(target, gates, columns, 0, 0, weight, size, 1, gates, size)
        if a.lstm:
            weight = recurrent + layer * gates * size
            pack(target, gates, columns, 0, size, weight, size, 1, gates, size)
    target = packed + a.at_packed_interface
    weight = pointer_like(packed, a.interface_weight)
    pack(target, a.interface, size, 0, 0, weight, size, 1, a.interface, size)
    target, columns = packed + a.at_packed_output, a.top_inputs
    weight = pointer_like(packed, a.output_weight)
    row = size + numbers
    pack(target, a.outputs, columns, 0, 0, weight, row, 1, a.outputs, size)
    pack(target, a.outputs, columns, 0, size + 1, weight + size, row, 1, a.outputs, numbers)


@part
def first_columns(a):
    """The inputs of the first layer whose gradients are wanted."""
    if a.d_x:
        return a.recalled + a.inputs
    return a.recalled


@part
def add_products(a, tape, count, low, steps, work, sums, started):
    """Weight gradients of `steps` steps from `low` on: gradients times inputs."""
    depth = steps * count
    for layer in range(a.layers):
        row = input_row(a, layer)
        inputs = tape + input_area(a, count, layer) + low * count * row
        ring = work + a.at_work_rings + layer * a.chunk * a.block * a.gates_pad
        target, columns = sums, a.first_inputs
        if layer > 0:
            target = sums + a.at_sums_upper + (layer - 1) * a.sums_upper
            columns = a.upper_inputs
        put_product(started, a.gates, ring, a.gates_pad, inputs, row, columns, depth, target)
    row = a.top_inputs_pad
    inputs = tape + input_area(a, count, a.layers) + low * count * row
    put_product(
        started, a.interface, work + a.at_ring_interface, a.interface_pad, inputs, row,
        a.hidden_size + 1, depth, sums + a.at_sums_interface,
    )  # fmt: skip
    put_product(
        started, a.outputs, work + a.at_ring_outputs, a.outputs_pad, inputs, row, a.top_inputs,
        depth, sums + a.at_sums_output,
    )  # fmt: skip


@part
def put_product(started, rows, ring, ring_row, inputs, row, columns, depth, target):
    """ring^T inputs into `target`, or added to it."""
    if started:
        multiply_add(rows, ring, 1, ring_row, inputs, row, columns, depth, target, row)
    else:
        multiply(rows, ring, 1, ring_row, inputs, row, columns, depth, target, row)


@part
def reduce_sums(a, sums):
    """Add up the groups' weight gradients, in order, and arrange them as the weights are."""
    for group in range(1, a.groups):
        add_to(sums, sums + group * a.sums_size, a.sums_size)
    size, gates, numbers, inputs = a.hidden_size, a.gates, a.read_numbers, a.inputs
    recurrent = pointer_like(sums, a.d_recurrent_weight)
    for g in range(gates):
        row = sums + g * a.first_inputs_pad
        copy(row, pointer_like(sums, a.d_read_weight) + g * numbers, numbers)
        if a.lstm:
            copy(row + numbers, recurrent + g * size, size)
        copy(row + a.recalled, pointer_like(sums, a.d_input_weight) + g * inputs, inputs)
        copy(row + a.first_inputs - 1, pointer_like(sums, a.d_input_bias) + g, 1)
    for layer in range(1, a.layers):
        weight = pointer_like(sums, a.d_layer_weight) + (layer - 1) * gates * size
        bias = pointer_like(sums, a.d_layer_bias) + (layer - 1) * gates
        for g in range(gates):
            row = sums + a.at_sums_upper + (layer - 1) * a.sums_upper + g * a.upper_inputs_pad
            copy(row, weight + g * size, size)
            if a.lstm:
                copy(row + size, recurrent + (layer * gates + g) * size, size)
            copy(row + a.upper_inputs - 1, bias + g, 1)
    for i in range(a.interface):
        row = sums + a.at_sums_interface + i * a.top_inputs_pad
        copy(row, pointer_like(sums, a.d_interface_weight) + i * size, size)
        copy(row + size, pointer_like(sums, a.d_interface_bias) + i, 1)
    for i in range(a.outputs):
        row = sums + a.at_sums_output + i * a.top_inputs_pad
        target = pointer_like(sums, a.d_output_weight) + i * (size + numbers)
        copy(row, target, size)
        copy(row + size + 1, target + size, numbers)
        copy(row + size, pointer_like(sums, a.d_output_bias) + i, 1)
