import pytest
import torch

from tapehead import LSTM
from tapehead.machines import LSTMState
from tapehead.machines.recurrent import check_state


def machine(**options):
    return LSTM(3, 2, **{"hidden_size": 4, "num_layers": 3, **options}).double()


def inputs(batch=3, time=7):
    return torch.randn(batch, time, 3, dtype=torch.float64)


def test_three_layers_by_default_as_in_the_paper():
    assert LSTM(9, 8).num_layers == 3


def test_pieces_equal_the_whole():
    lstm, x = machine(), inputs()
    whole, end = lstm(x)
    first, state = lstm(x[:, :2])
    second, state = lstm(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(state, end)
    assert state.hidden.shape == (3, 3, 4)


def test_a_step_goes_on_from_the_state_of_its_own_sequence():
    lstm, x = machine(), inputs()
    _, state = lstm(x[:, :3])
    order = torch.tensor([2, 0, 1])
    y, _ = lstm.step(x[:, 3], state)
    swapped, _ = lstm.step(x[order, 3], LSTMState(*(part[order] for part in state)))
    torch.testing.assert_close(swapped, y[order])


def test_a_sequence_in_a_padded_batch_is_as_if_it_were_alone():
    lstm, x = machine(), inputs()
    lengths = torch.tensor([4, 7, 1])
    y, state = lstm(x, lengths=lengths)
    assert y.shape == (3, 7, 2)
    for b, length in enumerate(lengths.tolist()):
        alone, end = lstm(x[b : b + 1, :length])
        torch.testing.assert_close(y[b : b + 1, :length], alone)
        torch.testing.assert_close(LSTMState(*(part[b : b + 1] for part in state)), end)


def test_forget_gates_start_open():
    lstm = machine().layers
    for layer in range(3):
        bias = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
        assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8


def test_trace_holds_the_last_layer():
    lstm, x = machine(), inputs()
    trace = lstm.trace(x)
    torch.testing.assert_close(lstm.output(trace.hidden), lstm(x)[0])


def test_errors_name_the_option():
    with pytest.raises(ValueError, match="hidden_size must be a whole number of at least 1, got 0"):
        LSTM(3, 2, hidden_size=0)
    with pytest.raises(ValueError, match=r"x must be \(batch, time, 3\)"):
        machine()(torch.zeros(1, 2, 5).double())
    with pytest.raises(TypeError, match="state must be LSTMState"):
        check_state((1, 2), machine().initial_state(3))
