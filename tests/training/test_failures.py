from typing import NamedTuple

import pytest
import safetensors.torch
import torch
from stand_ins import tiny

from tapehead.errors import TapeheadError
from tapehead.forms import Points
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.checkpoint import checkpoint_steps
from tapehead.runs.randomness import Stream, generator_for
from tapehead.tasks import Batch
from tapehead.training import NonFiniteError, failures, load_run, read_batch, rows, train
from tapehead.training.learner import Learner, _Watch
from tapehead.training.objectives import Supervised
from tapehead.training.processes import launch_processes
from tapehead.training.session import Session


@pytest.mark.parametrize("clips", [{}, {"clip_value": None, "clip_norm": 1.0}])
@pytest.mark.parametrize(
    ("how", "tensor", "description"),
    [
        ("outputs", "loss", r"the loss is (inf|nan) \(\d+ of \d+ numbers are not finite in the "),
        ("gradient", "second", r"the gradient of second is not finite \(1 of 3 numbers"),
    ],
)
def test_a_number_that_is_not_finite_stops_the_run(tmp_path, how, tensor, description, clips):
    config = tiny(machine="breaking", machine_options={"at_step": 13, "how": how}, **clips)
    with pytest.raises(NonFiniteError, match=f"^step 13: {description}") as caught:
        train(config, tmp_path / "run")
    error = caught.value
    assert (error.step, error.tensor) == (13, tensor)
    assert error.path == tmp_path / "run" / "non-finite-step-13.safetensors"
    assert str(error).endswith(f"; its batch is saved in {error.path}")
    assert "\n" not in str(error)

    generator = generator_for(config.seed, Stream.TRAINING, 0)
    task = build_task(config)
    batches = [task.batch(generator, config.batch_size) for _ in range(13)]
    kept, drawn = read_batch(error.path).tensors(), batches[-1].tensors()
    assert kept.keys() | {"inputs.lengths"} == drawn.keys()
    for part, expected in ((part, drawn[name]) for name, part in kept.items()):
        assert torch.equal(part, expected)


@pytest.mark.parametrize("clips", [{"clip_value": 1.0}, {"clip_value": None, "clip_norm": 1.0}])
def test_a_gradient_too_large_to_square_is_clipped(clips):
    config = tiny(machine="breaking", machine_options={"at_step": 13, "how": "overflows"}, **clips)
    machine = train(config).machine
    assert all(torch.isfinite(parameter).all() for parameter in machine.parameters())


def test_without_clipping_it_stops_the_run():
    options = {"at_step": 13, "how": "overflows"}
    config = tiny(machine="breaking", machine_options=options, clip_value=None)
    overflow = r"^step 13: the gradient overflows: \d\.\de\+\d+ in that of second"
    with pytest.raises(NonFiniteError, match=overflow):
        train(config)


def test_a_device_that_is_not_waited_for_is_looked_at_one_step_later():
    """The watch of GPUs, here on the CPU: the error names the step that broke."""
    config = tiny(machine="breaking", machine_options={"at_step": 3, "how": "gradient"})
    task = build_task(config)
    machine = build_machine(config, task)
    learner = Learner(config, machine, Supervised(), launch_processes(config))
    learner._watch = _Watch(learner.flat)
    generator = torch.Generator().manual_seed(0)
    batches = [task.batch(generator, 4) for _ in range(5)]
    machine.train()(batches[0].inputs.x)  # in place of the warm-up
    for number in (1, 2, 3):
        step = learner.step(task, batches[number], number, 0.1)
        assert isinstance(step.loss, torch.Tensor)
    for look in (learner.settle, lambda: learner.step(task, batches[4], 4, 0.1)):
        watch, learner._watch._step = learner._watch._step, learner._watch._step
        with pytest.raises(NonFiniteError, match=r"^step 3: the gradient of second") as caught:
            look()
        assert torch.equal(caught.value.batch.inputs.x, batches[3].inputs.x)
        learner._watch._step = watch


def test_a_validation_that_is_not_finite_stops_the_run(tmp_path):
    config = tiny(machine="breaking", machine_options={"at_step": -5, "how": "validation"})
    with pytest.raises(NonFiniteError, match=r"^step 25: the loss of the validation is (inf|nan)$"):
        train(config, tmp_path / "run")
    assert not list((tmp_path / "run").glob("non-finite*"))


def test_the_last_step_is_looked_at_too():
    config = tiny(machine="breaking", machine_options={"at_step": 60, "how": "gradient"})
    with pytest.raises(NonFiniteError, match=r"^step 60: "):
        train(config)


def test_without_a_run_directory_the_error_holds_the_batch():
    config = tiny(machine="breaking", machine_options={"at_step": 2, "how": "gradient"})
    with pytest.raises(NonFiniteError) as caught:
        train(config)
    assert caught.value.path is None
    assert caught.value.batch.inputs.x.shape[0] == config.batch_size


def test_a_batch_that_cannot_be_saved_still_names_the_step(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tapehead.training.failures.write_atomically", full)
    config = tiny(machine="breaking", machine_options={"at_step": 2, "how": "gradient"})
    with pytest.raises(TapeheadError, match=r"step 2: the gradient of second.*No space left"):
        train(config, tmp_path / "run")


def test_a_batch_that_is_not_one(tmp_path):
    with pytest.raises(TapeheadError, match=r"cannot read .*none: No such file"):
        read_batch(tmp_path / "none")
    (tmp_path / "batch").write_bytes(b"nonsense")
    with pytest.raises(TapeheadError, match="batch holds no batch: "):
        read_batch(tmp_path / "batch")


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (1e30, r"the update left inner\.bias too large to compute with: 1\.0e\+30"),
        (-1e38, r"the update left inner\.bias too large to compute with: 1\.0e\+38"),
    ],
)
def test_weights_beyond_all_measure_are_noticed_in_their_step(tmp_path, value, description):
    options = {"at_step": 13, "value": value}
    config = tiny(machine="poisoned", machine_options=options, checkpoint_every=0.0)
    with pytest.raises(NonFiniteError, match=f"^step 13: {description}") as caught:
        train(config, tmp_path)
    assert (caught.value.step, caught.value.tensor) == (13, "inner.bias")
    assert read_batch(tmp_path / "non-finite-step-13.safetensors").mask.shape[0] == 4
    assert checkpoint_steps(tmp_path / "checkpoint") == [11, 12]
    for step in (11, 12):
        _, machine, _ = load_run(tmp_path, step=step)
        assert all(torch.isfinite(weights).all() for weights in machine.parameters())


def test_an_infinite_weight_is_noticed_though_loss_and_gradient_are_finite():
    config = tiny()
    task = build_task(config)
    machine = build_machine(config, task)
    for watched in (False, True):
        learner = Learner(config, machine, Supervised(), launch_processes(config))
        learner._watch = _Watch(learner.flat) if watched else None
        batch = task.batch(torch.Generator().manual_seed(0), 4)
        learner.step(task, batch, 1, 0.01)
        with torch.no_grad():
            machine.inner.bias[:2] = torch.inf
        with pytest.raises(NonFiniteError, match=r"left inner\.bias not finite \(2 of 8 num") as e:
            _step_and_settle(learner, task, batch)
        assert e.value.step == (1 if watched else 2)
        with torch.no_grad():
            machine.inner.bias[:2] = 0
        learner.release()


def _step_and_settle(learner, task, batch):
    learner.step(task, batch, 2, 0.01)
    learner.settle()


def test_an_update_beyond_floats_writes_no_checkpoint(tmp_path):
    with pytest.raises(
        NonFiniteError, match=r"^step 1: the update left inner\.(weight|bias) not finite"
    ):
        train(tiny(learning_rate=3e38, checkpoint_every=0.0), tmp_path)
    assert checkpoint_steps(tmp_path / "checkpoint") == []


@pytest.mark.parametrize("part", ["weights", "optimiser"])
def test_no_checkpoint_holds_a_number_that_is_not_finite(tmp_path, monkeypatch, part):
    """Wherever it comes from: here the last look before saving."""
    config = tiny(checkpoint_every=0.0)
    snapshot = Session.snapshot

    def broken(session):
        checkpoint = snapshot(session)
        if checkpoint.step == 20:
            next(iter(checkpoint.parts[part].values())).view(-1)[0] = torch.nan
        return checkpoint

    monkeypatch.setattr(Session, "snapshot", broken)
    message = rf"^step 20: \S+ of the {part} is not finite \(1 of \d+ numbers are not finite\);"
    with pytest.raises(NonFiniteError, match=message):
        train(config, tmp_path)
    assert checkpoint_steps(tmp_path / "checkpoint") == [18, 19]
    monkeypatch.undo()
    train(config, tmp_path, resume=True)


@pytest.mark.parametrize("name", ["loss", "bits"])
def test_a_score_that_is_not_finite_is_no_validation(tmp_path, monkeypatch, name):
    monkeypatch.setattr(rows, "mean_scores", lambda *a, **b: {"loss": 1.0, name: float("nan")})
    with pytest.raises(NonFiniteError, match=f"^step 25: the {name} of the validation is nan$"):
        train(tiny(), tmp_path)


def test_a_saved_batch_says_of_which_form_it_is(tmp_path):
    """`Points` without counts or answer have the fields of another form that has more."""

    class Twin(NamedTuple):
        xy: torch.Tensor
        other: torch.Tensor | None = None

    batch = Batch(Points(torch.rand(2, 3, 2)), torch.zeros(2, 3, 1), torch.ones(2, 3) > 0)
    error = NonFiniteError(7, "loss", "it broke", batch)
    error.save(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "FORMS", (Twin, Points))
        assert type(read_batch(error.path).inputs) is Points
        # One of before forms were named is taken for the first that has such fields.
        tensors = safetensors.torch.load_file(error.path)
        safetensors.torch.save_file(tensors, tmp_path / "old.safetensors")
        assert type(read_batch(tmp_path / "old.safetensors").inputs) is Twin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "FORMS", (Twin,))
        with pytest.raises(TapeheadError, match="holds no batch: 'Points'"):
            read_batch(error.path)
