"""How threads wait for each other: briefly, as the machine of somebody who learns does something else as well.

PyTorch shares the work on an image batch out to all cores, piece by piece, and after each piece waits for the slowest.
OpenMP, which it does that with, lets a waiting thread spin: it asks again and again, and holds its core. Where a
browser wants that core too, the thread that waits keeps it from the thread that it waits for, and a step takes many
times as long. A short spin, then sleep, costs little on an idle machine (`tests/benchmarks/threads.py`).

The runtimes read their settings when PyTorch is loaded. So this runs when any part of the package is imported, and
`start.py` hands it to all kernels. Where PyTorch is loaded first, it comes too late. What you have set yourself stays.
"""

import os

# GNU's runtime (Linux) counts how often it asks; Intel's (Windows) and LLVM's (macOS, conda) count milliseconds.
SPARING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}
CHOICES = (*SPARING, "OMP_WAIT_POLICY")

if not any(name in os.environ for name in CHOICES):
    os.environ.update(SPARING)
