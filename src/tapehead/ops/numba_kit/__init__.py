"""What the Numba kernels are built from: see README.md."""
