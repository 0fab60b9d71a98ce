from unittest.mock import patch

import pytest
import stand_ins

from tapehead.machines import MACHINES


@pytest.fixture(autouse=True)
def _stand_in_machines():
    """Machines of our own, in these tests only: others list what there is."""
    with patch.dict(MACHINES):
        stand_ins.install()
        yield
