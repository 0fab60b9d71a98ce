"""What a slip in a task or machine of one's own is called: its file and line, or what was due."""

import pytest
from calls import complaint

TASK = '''
import torch
from dataclasses import dataclass
from tapehead.forms import Sequence
from tapehead.tasks.answers import Bits
from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import PassMark, BIT_ERRORS
from tapehead.tasks.task import SequenceTask


@dataclass(frozen=True, kw_only=True)
class Own(SequenceTask):
    """One bit back."""

    name, title, source = "own", "Own", "nowhere"
    answer = Bits(["bit"])
    pass_mark = PassMark(BIT_ERRORS, 0.1)
    channel_names = ["bit"]

    def _sample(self, generator, batch_size):
        x = torch.zeros(batch_size, 3, 1)
        targets = torch.zeros(batch_size, 3, TARGETS)
        NEXT
        return Batch(Sequence(x, torch.full((batch_size,), 3)), targets, targets[..., 0] == 0)
'''
MACHINE = '''
import torch
from tapehead.machines import LSTM


class Short(LSTM):
    """Forgets the last step."""

    def forward(self, *inputs, **named):
        y, state = super().forward(*inputs, **named)
        return y[:, :-1], state
'''
BUDGET = ["--max-sequences=4", "--batch-size=2", "--hidden-size=3", "--no-figures", "--quiet"]


@pytest.mark.parametrize(
    ("name", "targets", "next_line", "said"),
    [
        ("wide", "2", "", "Own._sample: targets must be (batch, time, 1), with the mask (2, 3, 1)"
         ", got shape (2, 3, 2)"),
        ("past", "1", "targets[:, 7] = 1", "(past.py, line 23, in _sample; TAPEHEAD_DEBUG=1 shows"),
    ],
)  # fmt: skip
def test_a_task_that_draws_something_else_is_told(call, tmp_path, name, targets, next_line, said):
    text = TASK.replace("TARGETS", targets).replace("NEXT", next_line)
    (tmp_path / f"{name}.py").write_text(text)
    assert said in complaint(call("train", f"{name}:Own", "--machine=lstm", *BUDGET), 1)


def test_a_machine_that_leaves_a_step_out_is_told(call, tmp_path):
    (tmp_path / "short.py").write_text(MACHINE)
    line = complaint(call("train", "copy", "--machine=short:Short", *BUDGET), 1)
    assert "the machine's outputs must be (batch, time, 8), with the mask (2, " in line


def test_a_run_that_is_not_there_cannot_be_resumed(call):
    line = complaint(call("train", "--resume", "--out=nowhere"), 2)
    assert line == "tapehead train: there is no run in nowhere to resume: name a TASK to start one"
