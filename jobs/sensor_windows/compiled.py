"""What compiles the kernel of this job: jobs/compiled.py, with the files that it is made of."""

from __future__ import annotations

from jobs.compiled import Kernel

_KERNEL_FILES = ("compiled.py", "cleansing.py", "kernel.py", "judging.py", "sums.py", "closing.py")

njit = Kernel(__package__, _KERNEL_FILES).njit
