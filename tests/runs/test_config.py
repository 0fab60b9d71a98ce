import dataclasses
import importlib.util
import inspect
import json
import re
import sys

import pytest
import torch

from tapehead.runs import config as checked_by_types


def _as_users_see_it():
    """The module without the type checks of tests, which come before its own messages."""
    spec = importlib.util.spec_from_file_location("plain_config", checked_by_types.__file__)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


TrainConfig = _as_users_see_it().TrainConfig


def test_json_and_back():
    config = TrainConfig(
        task="copy",
        task_options={"max_length": 7, "mixed_lengths": False},
        machine_options={"memory_size": 32, "similarity": "dot"},
        clip_norm=5,
        clip_value=None,
        decay=0.9,
        threads=2,
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_whole_numbers_may_stand_for_others():
    config = TrainConfig(clip_norm=5, learning_rate=1, checkpoint_every=0)
    assert json.dumps(config.to_dict()["clip_norm"]) == "5.0"


def test_options_left_out_take_their_defaults():
    assert TrainConfig.from_dict({"seed": 3}) == TrainConfig(seed=3)


def test_an_unknown_option_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"^unknown option 'lr'; allowed: task, .*learning_rate"):
        TrainConfig.from_dict({"lr": 1.0})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("optimiser", "sgd", "one of rmsprop, graves-rmsprop, adam"),
        ("schedule", "step", "one of constant, linear, cosine"),
        ("curriculum", "steep", "one of none, linear, naive, look-back, leaping"),
        ("precision", "16", "one of 32, 64, bf16-mixed"),
        ("learning_rate", 0.0, "a finite number above 0"),
        ("learning_rate", float("nan"), "a finite number above 0"),
        ("learning_rate", float("inf"), "a finite number above 0"),
        ("final_learning_rate", 1.0, "at most the learning rate 0.0004"),
        ("final_learning_rate", -1.0, "a finite number of at least 0"),
        ("momentum", 1.0, "a finite number from 0 to below 1"),
        ("decay", -0.1, "a finite number from 0 to below 1"),
        ("epsilon", 0.0, "a finite number above 0"),
        ("clip_value", 0.0, "a finite number above 0"),
        ("clip_norm", -1.0, "a finite number above 0"),
        ("batch_size", 0, "a whole number of at least 1"),
        ("max_sequences", 0, "a whole number of at least 1"),
        ("score_every", 0, "a whole number of at least 1"),
        ("seed", -1, "a whole number of at least 0"),
        ("threads", 0, "a whole number from 1 to 1024"),
        ("threads", 100_000, "a whole number from 1 to 1024"),
        ("learning_rate", 1e39, "a finite number above 0"),
        ("epsilon", 1e-60, "a finite number above 0"),
        ("batch_size", 2**63, "a whole number of at least 1"),
        ("checkpoint_every", -1.0, "a finite number of at least 0"),
        ("device", "tpu", "auto, cpu, cuda or cuda:N"),
        ("device", "cuda:x", "auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(option, value, message):
    expected = f"^{option} must be {re.escape(message)}, got {re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=expected):
        TrainConfig(**{option: value})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("batch_size", 1.5, "a whole number of at least 1"),
        ("batch_size", True, "a whole number of at least 1"),
        ("batch_size", None, "a whole number of at least 1"),
        ("learning_rate", "fast", "a finite number above 0"),
        ("learning_rate", None, "a finite number above 0"),
        ("stop_when_solved", 1, "true or false"),
        ("fresh_optimiser", 1, "true or false"),
        ("task", 3, "a name"),
        ("task_options", ["a"], "a table of plain values"),
        ("machine_options", {"a": [1]}, "a table of plain values"),
        ("machine_options", {"controller": torch.nn.GRUCell}, "a table of plain values"),
        ("machine_options", {"similarity": torch.dot}, "a table of plain values"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_is_allowed(option, value, message):
    with pytest.raises(TypeError, match=f"^{option} must be {message}, got "):
        TrainConfig(**{option: value})


def test_a_config_is_frozen_and_its_options_are_named():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 1
    with pytest.raises(TypeError):
        TrainConfig("copy")


def test_every_option_has_a_docstring_for_help():
    source = inspect.getsource(TrainConfig)
    for option in dataclasses.fields(TrainConfig):
        assert re.search(rf'\n    {option.name}: [^\n]*\n    """', source), option.name


def test_a_cooldown_begins_where_a_run_would_stop():
    assert TrainConfig(cooldown=100).cooldown == 100
    with pytest.raises(ValueError, match=r"cooldown must be 0 without stop_when_solved, .*100"):
        TrainConfig(cooldown=100, stop_when_solved=False)
