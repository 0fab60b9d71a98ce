"""`tapehead zoo`, and machines of the zoo where a run is asked for."""

import json

from calls import complaint

from tapehead import zoo
from tapehead.runs import read_config


def test_the_list_has_every_machine(call):
    outcome = call("zoo")
    assert (outcome.code, outcome.err) == (0, "")
    for name in zoo.names():
        assert f"\n{name} " in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    machines = call("zoo", "--json").json[0]["machines"]
    assert [each["name"] for each in machines] == zoo.names()
    copy = next(each for each in machines if each["name"] == "ntm/copy")
    assert (copy["machine"], copy["task"], copy["parameters"]) == ("ntm", "copy", 62_536)
    # What the task's mark is about, not what all tasks count.
    assert (copy["pass_mark"], copy["reached"]) == (["bit_errors", 0.1], "0.000")
    cells = {line.split("  ")[0]: line.split("  ")[-2:] for line in outcome.out.splitlines()}
    assert cells["ntm/ngrams"] == ["0.950", "regret below 1 bit"]
    assert cells["ntm/priority-sort"] == [" 18.737", "cost below 20 bits"]
    assert cells["rl-ntm/copy-tape"] == ["95.5%", "without error above 95%"]
    weights = (zoo.ZOO / "ntm/copy/model.safetensors").stat().st_size
    assert weights < copy["bytes"] < weights + 100_000


def test_the_list_fits_a_narrow_screen(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = call("zoo").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "ntm/ngrams" in "".join(line for line in lines if line.endswith("regret below 1 bit"))


def test_a_card_is_printed(call):
    assert call("zoo", "--card", "ntm/copy").out.splitlines()[6] == "# ntm/copy"
    wrong = complaint(call("zoo", "--card", "ntm/cpoy"), code=2)
    assert wrong.endswith("got 'ntm/cpoy'; did you mean ntm/copy?")


def test_a_machine_of_the_zoo_is_scored_and_viewed_like_a_run(call, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "tapehead.viewing.several.view_runs", lambda runs, out, **options: seen.extend(runs) or []
    )
    arguments = ("evaluate", "ntm/copy", "--sequences", 2, "--length", 3, "--json")
    outcome = call(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    (scores,) = outcome.json
    assert scores["evaluation"]["length 3"]["bit_errors"] == 0
    assert call("view", "ntm/copy").code == 0
    (run,) = seen
    assert run.as_posix() == "runs/zoo/ntm/copy"
    assert read_config(tmp_path / run) == read_config(zoo.ZOO / "ntm/copy" / zoo.RUN)
    shown = call("evaluate", "ntm/copy", "--help").out  # the task's own sizes
    assert "--max-length" in shown


def test_a_run_of_ones_own_comes_first_and_a_slip_is_put_right(call, tmp_path):
    (tmp_path / "ntm" / "copy").mkdir(parents=True)
    mine = complaint(call("view", "ntm/copy"), code=2)
    assert mine.endswith("ntm/copy is not a run directory: it has no config.json")
    slip = complaint(call("view", "ntm/cpoy"), code=2)
    assert slip.endswith("there is no run directory ntm/cpoy; did you mean ntm/copy?")


def test_damage_is_one_line(call, tmp_path, monkeypatch):
    from shutil import copytree

    copytree(zoo.ZOO / "ntm" / "copy", tmp_path / "zoo" / "ntm" / "copy")
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    config = tmp_path / "zoo" / "ntm" / "copy" / "config.json"
    value = json.loads(config.read_text())
    value["weights"]["sha256"] = "0" * 64
    config.write_text(json.dumps(value))
    wrong = complaint(call("evaluate", "ntm/copy"), code=1)
    assert "model.safetensors is damaged" in wrong
    assert not (tmp_path / "runs").exists()
