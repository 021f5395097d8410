"""The engine: pure stages in ``core``, and the shells that run them; see ``streams.topology``."""

import os

# Before numpy is imported by anything below: one BLAS thread gives the same bits whatever the
# machine's core count, and two were measured ten times slower on matrices of this size.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
