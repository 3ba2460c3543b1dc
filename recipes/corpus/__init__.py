"""A rendered corpus of ten-second clips with exact attributes, from which the mini checkpoints are trained."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported: a worker is one thread
