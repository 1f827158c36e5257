"""Groups of sensors, hour by hour, as a keyed PyFlink function: closed hours in, row frames out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from connectors.rows import FrameEncoder, Value
from jobs.sensor_windows.groups import HOUR_MS, Parts, Write, fold
from jobs.sensor_windows.outputs import JOB
from jobs.sensor_windows.settings import Settings
from schemas.tables import table


class HourGroups(KeyedProcessFunction):  # type: ignore[misc]
    """Writes an hour of a group when the watermark has passed it, and again, as the next revision, when it changes.

    State by hour: how often it was written, how many rows were made of it at most, and its parts; and which hours have
    changed since they were written.
    """

    table_name: ClassVar[str]
    """Where the rows go; its partition key is the group and a span of time."""

    def __init__(self, settings: Settings, params_hash: str) -> None:
        self._params_hash = params_hash
        self._group, self._span = table(JOB, self.table_name).partition_key
        keep_ms = settings.keep_ms()
        self._keep_ms = None if keep_ms is None else keep_ms + HOUR_MS

    def part(self, record: tuple[str, bytes]) -> Any:
        """The part (groups.Part) that a record is; None: one of no interest."""
        raise NotImplementedError

    def rows(self, parts: Parts[Any], revision: int, shown: int) -> Iterator[Write]:
        """The rows of an hour, of which ``shown`` were made before at most."""
        raise NotImplementedError

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state of a group."""
        self._hours, self._changed = (
            runtime_context.get_map_state(MapStateDescriptor(name, Types.LONG(), Types.PICKLED_BYTE_ARRAY()))
            for name in ("hours", "changed")
        )
        spec = table(JOB, self.table_name)
        self._columns = [column.name for column in spec.columns]
        self._encoder = FrameEncoder(spec)

    def process_element(self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context) -> Iterable[bytes]:
        """Takes one part in; what has changed is written with the next watermark."""
        part = self.part(value)
        if part is None:
            return ()
        service = ctx.timer_service()
        watermark = service.current_watermark()
        end = part.start + HOUR_MS - 1
        if self._keep_ms is not None and end + self._keep_ms <= watermark:
            return ()
        written, shown, parts = self._hours.get(part.start) or (0, 0, {})
        if fold(parts, part):
            self._hours.put(part.start, (written, shown, parts))
            self._changed.put(part.start, True)
            service.register_event_time_timer(max(end, watermark + 1))
            if not written and self._keep_ms is not None:
                service.register_event_time_timer(end + self._keep_ms)
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[bytes]:
        """Writes the hours that changed, and forgets the old ones."""
        group = ctx.get_current_key()
        watermark = ctx.timer_service().current_watermark()
        for start in list(self._changed.keys()):
            if start + HOUR_MS - 1 <= watermark:
                written, shown, parts = self._hours.get(start)
                count = 0
                for write in self.rows(parts, written, shown):
                    count += 1
                    yield self.encoded(group, start, write, written)
                self._hours.put(start, (written + 1, max(shown, count), parts))
                self._changed.remove(start)
        if self._keep_ms is not None:
            old = timestamp - self._keep_ms - HOUR_MS + 1
            if old % HOUR_MS == 0:
                self._hours.remove(old)

    def encoded(self, group: str, start_ms: int, write: Write, revision: int) -> bytes:
        """A row as a frame."""
        values = self.values(group, start_ms, write, revision)
        erase = [True] * len(self._columns)  # what is null now may have been written before a crash
        return self._encoder.encode(write.write_us, [values.get(name) for name in self._columns], erase)

    def values(self, group: str, start_ms: int, write: Write, revision: int) -> dict[str, Value]:
        """The columns of a row; those that are not there are null."""
        day = str(np.datetime64(start_ms, "ms"))[:10]
        return {
            **write.columns,
            self._group: group,
            self._span: day if self._span == "day" else day[:7],
            "hour_start": start_ms,
            "params_hash": self._params_hash,
            "final": True,
            "revision": revision,
            "updated_at": time.time_ns() // 1_000_000,
        }
