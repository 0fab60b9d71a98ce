"""Machines saved as folders: what comes back, what is refused, and that no code is run."""

import json
import pickle
import sys
from functools import partial

import pytest
import torch
from hub import COMMIT, a_hub

from skips import find
from tapehead import DNC, LSTM, NTM, DynamicNTM, Machine
from tapehead.errors import TapeheadError
from tapehead.files import fingerprint
from tapehead.machines import MACHINES
from tapehead.runs import TrainConfig
from tapehead.runs.build import build_machine, build_task
from tapehead.tasks import TASKS
from tapehead.zoo import ZOO

SMALL = {"input_size": 3, "output_size": 2, "hidden_size": 4}


def resized_ntm():
    machine = NTM(**SMALL, memory_size=4, word_size=3, controller="feedforward")
    machine.memory_size = 7
    return machine


def built(name):
    """A machine as `tapehead train` makes it, on the first task that it can read."""
    task = next(task for task in TASKS if TASKS[task].tells is MACHINES[name].reads)
    config = TrainConfig(task=task, machine=name, task_options=TASK_OPTIONS.get(task, {}))
    return build_machine(config, build_task(config))


TASK_OPTIONS = {"babi": {"generated": True}}
CASES = {name: partial(built, name) for name in MACHINES} | {
    "ntm, resized": resized_ntm,
    "lstm, double": lambda: LSTM(**SMALL).double(),
    "dynamic-ntm, lstm": lambda: DynamicNTM(**SMALL, memory_size=4, word_size=3, controller="lstm"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_comes_back(tmp_path, name):
    machine = CASES[name]().train()
    machine.save_pretrained(tmp_path / "folder")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for cls in (type(machine), Machine):
        found = cls.from_pretrained(tmp_path / "folder")
        assert type(found) is type(machine)
        assert not found.training
        wanted, got = machine.state_dict(), found.state_dict()
        assert wanted.keys() == got.keys()
        assert all(torch.equal(wanted[key], got[key]) for key in wanted)
        assert {weight.dtype for weight in found.parameters()} == {
            weight.dtype for weight in machine.parameters()
        }
    assert torch.equal(torch.get_rng_state(), before)
    saved = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert saved["machine"] == name.split(",")[0]
    assert saved["options"] == found.options
    assert "from_pretrained" in (tmp_path / "folder" / "README.md").read_text()


def test_options_and_outputs_are_the_same(tmp_path):
    machine = resized_ntm().eval()
    machine.save_pretrained(tmp_path)
    found = NTM.from_pretrained(str(tmp_path))
    assert (found.memory_size, found.controller) == (7, "feedforward")
    x = torch.rand(2, 5, 3)
    assert torch.equal(machine(x)[0], found(x)[0])


def broken(tmp_path, **changes):
    """A saved NTM with other entries in its config.json."""
    resized_ntm().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for name, value in changes.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    (tmp_path / "config.json").write_text(json.dumps(config))


def refusal(name, cls=NTM):
    with pytest.raises(TapeheadError) as caught:
        cls.from_pretrained(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_damage_is_named(tmp_path):
    broken(tmp_path)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    assert "model.safetensors is damaged" in refusal(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "cannot read" in refusal(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged: not JSON" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "something"}, "is not of a machine that tapehead saved"),
        ({"format": 2}, "written by a newer tapehead (format 2"),
        ({"machine": 3}, "is damaged: machine is 3"),
        ({"options": {"memory_size": 8}}, "initial_read_logits has shape (1, 7), expected (1, 8)"),
        ({"options": {"memory_size": -1}}, "memory_size must be a whole number of at least 1"),
        ({"options": {"num_rows": 1}}, "num_rows"),
        ({"options": {"memory_size": 10**15}}, "memory_size"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changes, said):
    broken(tmp_path, **changes)
    assert said in refusal(tmp_path)


def test_another_machine_is_named_with_its_class(tmp_path):
    resized_ntm().save_pretrained(tmp_path)
    message = refusal(tmp_path, DNC)
    assert "holds NTM, not DNC: use NTM.from_pretrained" in message
    assert "there is no trained machine 'ntm/cpoy'" in refusal("ntm/cpoy")
    assert refusal("ntm/cpoy").endswith("; did you mean ntm/copy?")


class Mine(LSTM):
    """A machine of one's own."""


def test_loading_runs_no_code(tmp_path, monkeypatch):
    """Neither a module that config.json names nor a pickle among the weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('was-run', 'w')\nclass Evil: ...\n")
    broken(tmp_path, machine="evil:Evil")
    assert "load it by its own class" in refusal(tmp_path, Machine)
    assert "evil" not in sys.modules
    data = pickle.dumps(torch.nn.Linear(1, 1))
    broken(tmp_path, weights=fingerprint(data))
    (tmp_path / "model.safetensors").write_bytes(data)
    assert "holds no tensors" in refusal(tmp_path)
    assert not (tmp_path / "was-run").exists()
    Mine(**SMALL).save_pretrained(tmp_path / "mine")
    assert type(Mine.from_pretrained(tmp_path / "mine")) is Mine
    assert "load it by its own class" in refusal(tmp_path / "mine", Machine)


def test_an_option_that_no_file_can_hold_is_named(tmp_path):
    def close(keys, memory):
        return torch.cosine_similarity(keys[..., None, :], memory[..., None, :, :], -1)

    machine = NTM(**SMALL, memory_size=4, word_size=3, similarity=close)
    with pytest.raises(TypeError, match="similarity must be a plain value for a file to hold it"):
        machine.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, for huggingface-hub itself, which looks at its settings once."""
    find("huggingface_hub")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    with a_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        forget_modules("huggingface_hub")
        yield server
        forget_modules("huggingface_hub")


def forget_modules(package):
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        del sys.modules[name]


def test_to_the_hub_and_back(hub, tmp_path):
    machine = resized_ntm()
    told = {"card": "---\nlicense: mit\n---\n# Mine\n", "private": True, "token": "t"}
    address = machine.push_to_hub("someone/copier", **told, message="The first")
    assert address == f"{hub.address}/someone/copier/commit/{COMMIT}"
    assert hub.made["someone/copier"]["visibility"] == "private"
    assert set(hub.files["someone/copier"]) == {"config.json", "model.safetensors", "README.md"}
    assert hub.files["someone/copier"]["README.md"].decode() == told["card"]
    hub.files["someone/copier"]["extra.bin"] = b"not fetched"
    found = NTM.from_pretrained("someone/copier", revision="v1", token="t")
    assert torch.equal(found.initial_state(1).memory, machine.initial_state(1).memory)
    assert hub.tokens == {"Bearer t"}
    fetched = {path.name for path in (tmp_path / "cache").glob("hub/*/snapshots/*/*")}
    assert fetched == {"config.json", "model.safetensors", "README.md"}
    machine.push_to_hub("someone/copier", token="t")
    assert hub.commits["someone/copier"] == ["The first", "Machine of tapehead"]
    missing = refusal("someone/else")
    assert missing.startswith(
        "cannot fetch someone/else from the hub: 404 Client Error. Repository"
    )


def test_what_was_fetched_needs_no_hub_any_more(hub):
    machine = resized_ntm()
    machine.push_to_hub("someone/copier", token="t")
    NTM.from_pretrained("someone/copier")
    hub.shutdown()
    hub.server_close()
    found = NTM.from_pretrained("someone/copier")
    assert torch.equal(found.initial_state(1).memory, machine.initial_state(1).memory)


@pytest.mark.parametrize("name", ["ntm/copy", "dnc/traversal", "memory-network/babi-1"])
def test_a_machine_as_it_was_keeps_its_card(tmp_path, name):
    machine = Machine.from_pretrained(name)
    machine.save_pretrained(tmp_path / "one")
    Machine.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    cards = [(folder / "README.md").read_bytes() for folder in (ZOO / name, tmp_path / "two")]
    assert cards[0] == cards[1]
    machine.save_pretrained(tmp_path / "one", card="Mine")
    assert (tmp_path / "one" / "README.md").read_text() == "Mine"


@pytest.mark.parametrize("change", ["weights", "options", "dtype"])
def test_a_machine_that_changed_has_no_scores_to_show(tmp_path, change):
    machine = NTM.from_pretrained("ntm/copy")
    if change == "weights":
        with torch.no_grad():
            machine.output.bias[0] += 1e-3
    elif change == "options":
        machine.memory_size = 200
    else:
        machine.double()
    machine.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "# A trained NTM" in card
    assert "Scores" not in card


def test_without_the_hubs_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refusal("someone/copier").endswith("pip install torch-tapehead[hub]")
    with pytest.raises(TapeheadError, match=r"push_to_hub needs huggingface-hub"):
        resized_ntm().push_to_hub("someone/copier")
