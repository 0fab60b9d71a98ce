import os
import signal

import pytest
import torch
from stand_ins import tiny

from tapehead.training import (
    Reporter,
    SeedsFailed,
    Stopped,
    load_run,
    read_config,
    train,
    train_seeds,
)


def lstm(**changes):
    """Processes of their own know only the machines of the library."""
    options = {"machine": "lstm", "machine_options": {"hidden_size": 4, "num_layers": 1}}
    return tiny(**options | changes)


class Journal(Reporter):
    """Keeps what each seed's reporter was told."""

    def __init__(self):
        self.events = {}

    def for_run(self, name, seed):
        journal = self.events.setdefault(seed, [])

        class OfSeed(Reporter):
            def started(self, info):
                journal.append(("started", info.seed, info.threads))

            def reported(self, row):
                journal.append((row["kind"], row["sequences"], row.get("loss")))

            def finished(self, result):
                journal.append(("finished", result["seed"]))

            def ended(self):
                journal.append(("ended",))

        return OfSeed()


def test_each_seed_is_trained_as_if_alone(tmp_path):
    journal = Journal()
    results = train_seeds(tiny(), [4, 2], tmp_path, reporter=journal)
    assert [result.seed for result in results] == [4, 2]
    for result in results:
        alone = train(tiny(seed=result.seed))
        for mine, yours in zip(
            result.machine.parameters(), alone.machine.parameters(), strict=True
        ):
            assert torch.equal(mine, yours)
        assert result.path == tmp_path / f"seed-{result.seed}"
        assert read_config(result.path).seed == result.seed
        events = journal.events[result.seed]
        assert events[0] == ("started", result.seed, 1)
        assert events[-2:] == [("finished", result.seed), ("ended",)]
        assert len(events) == 1 + 6 + 3 + 2


@pytest.mark.slow
def test_workers_train_the_same(tmp_path):
    journals = Journal(), Journal()
    config = lstm(threads=None)
    serial = train_seeds(lstm(), [0, 1, 2], tmp_path / "serial", reporter=journals[0])
    parallel = train_seeds(config, [0, 1, 2], tmp_path / "two", workers=2, reporter=journals[1])
    assert [result.scores for result in parallel] == [result.scores for result in serial]
    assert journals[0].events == journals[1].events
    for seed in (0, 1, 2):
        _, mine, _ = load_run(tmp_path / "serial" / f"seed-{seed}")
        _, yours, _ = load_run(tmp_path / "two" / f"seed-{seed}")
        for one, other in zip(mine.parameters(), yours.parameters(), strict=True):
            assert torch.equal(one, other)
    # Finished seeds are not repeated; a directory with a run is an error for each of them.
    again = train_seeds(config, [0, 1, 2], tmp_path / "two", workers=2, resume=True)
    assert again == parallel
    with pytest.raises(SeedsFailed, match=r"^seed 0: .* holds a run already.* \(and 1 more failed"):
        train_seeds(config, [0, 1], tmp_path / "two", workers=2)


def test_one_seed_that_fails_does_not_stop_the_others(tmp_path):
    (tmp_path / "seed-1").write_text("a file where the run directory would be")
    with pytest.raises(SeedsFailed, match=r"^seed 1: .*seed-1") as caught:
        train_seeds(tiny(), [0, 1, 2], tmp_path)
    assert [result.seed for result in caught.value.results] == [0, 2]
    assert list(caught.value.errors) == [1]
    for seed in (0, 2):
        load_run(tmp_path / f"seed-{seed}")


@pytest.mark.slow
def test_a_signal_stops_all_workers_which_save(tmp_path):
    under_way = set()

    class StopSoon(Reporter):
        def for_run(self, name, seed):
            class OfSeed(Reporter):
                def reported(self, row):
                    under_way.add(seed)
                    if under_way == {0, 1}:
                        os.kill(os.getpid(), signal.SIGTERM)

            return OfSeed()

    config = lstm(max_sequences=1_000_000, stop_when_solved=False)
    with pytest.raises(Stopped, match="stopped by SIGTERM with 0 of 3 runs done; resume to go"):
        train_seeds(config, [0, 1, 2], tmp_path, workers=2, reporter=StopSoon())
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0", "seed-1"}
    for seed in (0, 1):
        load_run(tmp_path / f"seed-{seed}")  # which has a whole checkpoint


def test_seeds_must_differ_and_exist():
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="seeds must be one or more different numbers, got"):
            train_seeds(tiny(), seeds)
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1, got 0"):
        train_seeds(tiny(), [1], workers=0)
