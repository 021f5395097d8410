"""The ``apse`` command: a thin layer that reads arguments, calls the engine and prints."""

import os

# Before numpy is imported: one BLAS thread gives the same bits whatever the machine's core count,
# and several threads on matrices of this size were measured ten times slower.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

from streams.cli.app import main  # noqa: E402  # the threads are set first

__all__ = ["main"]
