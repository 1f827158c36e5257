"""What the columnar operator refuses of a job's function, before its bytes are read as something else.

Part of :mod:`connectors.columnar_runtime`, where it is found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.columnar_runtime import ColumnarFunction, Result

_REASON = re.compile(r"[a-z][a-z0-9_]*: .")


def check_function(function: ColumnarFunction) -> None:
    """Refuses a function whose layouts cannot be shared with Java.

    Raises:
        TypeError: saying which one, and why.
    """
    for what, dtype in [("state_dtype", function.state_dtype), *function.outputs.items()]:
        if not isinstance(dtype, np.dtype) or dtype.names is None:
            raise TypeError(f"{what} is not a structured dtype")
        if dtype.hasobject or dtype != dtype.newbyteorder("<"):
            raise TypeError(f"{what} is not of fixed size and little endian")
    growth = tail_growth(function)
    if growth is not None and not (
        isinstance(growth, tuple) and len(growth) == 3 and all(isinstance(n, int) and n >= 0 for n in growth)
    ):
        raise TypeError(f"tail_growth is {growth!r}, not the words for a key, a message and a sample")


def tail_growth(function: ColumnarFunction) -> tuple[int, int, int] | None:
    """The room that each key's tail gets in a call, in words; None for a function without tails."""
    growth: tuple[int, int, int] | None = getattr(function, "tail_growth", None)
    return growth


def check_result(result: Result, keys: int, function: ColumnarFunction) -> None:
    """Refuses a result of the wrong shape before its bytes are read as something else.

    Raises:
        ValueError: saying what is wrong.
    """
    if np.shape(result.timers) != (keys,):
        raise ValueError(f"timers has the shape {np.shape(result.timers)} for {keys} keys")
    if result.deletions is not None and np.shape(result.deletions) != (keys,):
        raise ValueError(f"deletions has the shape {np.shape(result.deletions)} for {keys} keys")
    if result.counters is not None and np.shape(result.counters) != (len(function.counters),):
        raise ValueError(f"counters has the shape {np.shape(result.counters)} for {len(function.counters)}")
    for name, (key_index, rows) in result.outputs.items():
        if name not in function.outputs:
            raise ValueError(f"output {name!r} is not declared, only {sorted(function.outputs)}")
        if rows.dtype != function.outputs[name] or np.shape(key_index) != np.shape(rows):
            raise ValueError(f"output {name!r}: its rows or their keys are not as declared")


def check_rejects(rejects: Sequence[tuple[int, str]], messages: int | None) -> None:
    """Refuses rejects of messages that are not there, and reasons that are none.

    Args:
        rejects: of a result.
        messages: of the batch; None for timers.

    Raises:
        ValueError: saying what is wrong.
    """
    if rejects and messages is None:
        raise ValueError("timers() has no messages that it could reject")
    for index, reason in rejects:
        if not 0 <= index < (messages or 0):
            raise ValueError(f"rejects has message {index} of {messages}")
        if not _REASON.match(reason):
            raise ValueError(f"rejects has the reason {reason!r} where 'code: explanation' is expected")
