"""No test is skipped but for a reason in the list."""

import re
from pathlib import Path

import pytest

import skips

HERE = Path(__file__).parent
SKIPPING = re.compile(
    r"\b(importorskip|skipif|xfail|unittest\.skip|SkipTest)\b|pytest\.skip\b|mark\.skip\b"
)


def test_no_file_of_tests_skips_by_itself():
    files = [path for path in HERE.rglob("*.py") if path.name not in ("skips.py", "test_skips.py")]
    assert len(files) > 100
    own = {path.name for path in files if SKIPPING.search(path.read_text(encoding="utf-8"))}
    assert own == set()


def test_every_reason_is_asked_for_by_some_test():
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py"))
    named = set(re.findall(r'\b(?:needs|find)\("(\w+)"', text))
    assert named >= set(skips.SKIPS)


def test_what_is_not_there_skips_with_its_reason(monkeypatch):
    monkeypatch.setitem(skips.SKIPS, "gone", skips.Need(False, "it is gone"))
    monkeypatch.setitem(skips.SKIPS, "json", skips.Need(True, "never"))
    mark = skips.needs("gone").mark
    assert (mark.name, mark.args, mark.kwargs) == ("skipif", (True,), {"reason": "it is gone"})
    assert skips.needs("json").mark.args == (False,)
    with pytest.raises(pytest.skip.Exception, match="it is gone"):
        skips.find("gone")
    assert skips.find("json", "json.decoder").JSONDecoder
