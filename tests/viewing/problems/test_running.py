"""A problem is run once, by the reference, for whoever looks at it."""

import torch

from tapehead import NTM, zoo
from tapehead.ops import backends
from tapehead.runs.packing import unpack
from tapehead.tasks import make_task
from tapehead.training import load_run
from tapehead.viewing import view_run
from tapehead.viewing.listing import listing_of
from tapehead.viewing.problems import running
from tapehead.viewing.watching import RunPage


def test_a_few_problems_are_left_to_the_reference_and_run_once(tmp_path, monkeypatch):
    """A kernel takes longer to compile, or only to load, than it could spare."""
    run = unpack(zoo.ZOO / "ntm/copy", tmp_path / "copy")

    def unwanted(*_arguments, **_options):
        raise AssertionError("a kernel, or another run of the machine")

    monkeypatch.setattr(backends, "kernel_fault", unwanted)
    monkeypatch.setattr(NTM, "_forward", unwanted)
    threads, seen, trace = torch.get_num_threads(), [], NTM.trace

    def traced(machine, *arguments, **options):
        seen.append((machine.backend, torch.get_num_threads()))
        return trace(machine, *arguments, **options)

    monkeypatch.setattr(NTM, "trace", traced)
    view_run(run, lengths=[2])
    listing_of(run, size="2")
    RunPage(run, lengths=[2]).document()
    assert seen == [("reference", 1)] * 3
    assert torch.get_num_threads() == threads
    # Whoever forces a backend gets it.
    config, machine, task = load_run(run)
    machine.backend = "cpu"
    monkeypatch.setattr(running, "load_run", lambda *_, **options: (config, machine, task))
    assert running.load_viewed(run)[1].backend == "cpu"


def test_what_ran_once_is_what_the_machine_says_and_does():
    task = make_task("copy", max_length=3)
    machine = NTM(task.input_size, task.output_size, memory_size=8, word_size=4, hidden_size=8)
    outputs, batch, trace = running.run_one(machine, task, seed=3)
    with torch.no_grad():
        expected, _ = machine(**batch.inputs._asdict())
    assert torch.equal(outputs, expected)
    assert torch.equal(trace.y, expected)
