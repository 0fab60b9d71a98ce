import pytest
import torch

from tapehead import LSTM


def machine(**options):
    return LSTM(3, 2, **{"hidden_size": 4, "num_layers": 3, **options}).double()


def inputs(batch=3, time=7):
    return torch.randn(batch, time, 3, dtype=torch.float64)


def test_three_layers_by_default_as_in_the_paper():
    assert LSTM(9, 8).num_layers == 3


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
