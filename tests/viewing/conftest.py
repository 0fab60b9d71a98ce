import matplotlib
import pytest


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
