"""What compiles the kernel of this job: jobs/compiled.py, with the files that it is made of."""

from __future__ import annotations

from jobs.compiled import Kernel

_KERNEL_FILES = (
    "compiled.py",
    "layout.py",
    "distance.py",
    "harsh.py",
    "speeding.py",
    "idling.py",
    "score.py",
    "emit.py",
    "harsh_events.py",
    "kernel.py",
    "tails.py",
    "heads.py",
    "parts.py",
    "drive_minutes.py",
    "order.py",
    "present.py",
    "road_cells.py",
)

_KERNEL = Kernel(__package__, _KERNEL_FILES)
njit, inlined = _KERNEL.njit, _KERNEL.inlined
