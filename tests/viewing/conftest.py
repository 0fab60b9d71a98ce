import sys
from pathlib import Path

import matplotlib
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
