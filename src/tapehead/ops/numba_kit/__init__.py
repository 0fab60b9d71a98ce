"""What the Numba kernels are built from: see README.md."""

NEWEST_TESTED_NUMBA = (0, 68)
"""The newest minor version that the kernels were tested with, as in pyproject.toml: the kit uses
names that Numba does not promise to keep. A newer one is tried, and does or does not compile."""
