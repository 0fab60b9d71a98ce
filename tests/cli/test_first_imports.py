"""Python's collector of garbage stands back while a command is imported."""

import gc
import sys

from tapehead.cli.command import first_imports


def test_what_is_imported_first_is_looked_through_no_more(monkeypatch):
    before = gc.get_freeze_count()
    with first_imports():  # nothing is left to be imported
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
    monkeypatch.delitem(sys.modules, "torch")
    try:
        with first_imports():
            assert not gc.isenabled()
            held = [[]]
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
        assert not any(each is held for each in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.enable()
