"""The neighbours as keyed PyFlink functions: closed hours by sensor, then by cell; row frames out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from connectors.rows import FrameEncoder, Value
from jobs.sensor_windows.layout import WINDOW_ROW
from jobs.sensor_windows.neighbours import HOUR_MS, Mean, Means, fold, rows
from jobs.sensor_windows.outputs import JOB, KEY_PREFIX
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.windows import FINAL_US
from schemas.tables import table

CELL_TYPE = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])


class ByCell(KeyedProcessFunction):  # type: ignore[misc]
    """Sends each closed hour of a sensor with a place to its cell."""

    def __init__(self, settings: Settings) -> None:
        self._characters = settings.neighbours.cell

    def process_element(
        self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context
    ) -> Iterable[tuple[str, bytes]]:
        """One row of an hour."""
        key, data = value
        (row,) = np.frombuffer(data, WINDOW_ROW)
        if not row["final"] or not row["geohash"] or row["quantity"] >= len(QUANTITIES):
            return
        start = int(row["start"])
        changes = int(row["write_us"]) - (start + HOUR_MS) * 1000 - FINAL_US
        mean = Mean(
            start,
            int(row["quantity"]),
            int(row["n_samples"]),
            changes,
            float(row["mean"]),
            key.removeprefix(KEY_PREFIX),
        )
        yield row["geohash"].decode()[: self._characters], mean.packed()


class CellHours(KeyedProcessFunction):  # type: ignore[misc]
    """Compares the sensors of a cell, hour by hour.

    State by hour: how often it was written, and its means; and which hours have changed since they were written.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = settings.neighbours
        self._params_hash = settings.params_hash
        keep_ms = settings.keep_ms()
        self._keep_ms = None if keep_ms is None else keep_ms + HOUR_MS

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state of a cell."""
        self._hours, self._changed = (
            runtime_context.get_map_state(MapStateDescriptor(name, Types.LONG(), Types.PICKLED_BYTE_ARRAY()))
            for name in ("hours", "changed")
        )
        spec = table(JOB, "cell_hour")
        self._columns = [column.name for column in spec.columns]
        self._encoder = FrameEncoder(spec)

    def process_element(self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context) -> Iterable[bytes]:
        """Takes one mean in; what has changed is written with the next watermark."""
        mean = Mean.unpacked(value[1])
        service = ctx.timer_service()
        watermark = service.current_watermark()
        end = mean.start + HOUR_MS - 1
        if self._keep_ms is not None and end + self._keep_ms <= watermark:
            return ()
        written, means = self._hours.get(mean.start) or (0, {})
        if fold(means, mean):
            self._hours.put(mean.start, (written, means))
            self._changed.put(mean.start, True)
            service.register_event_time_timer(max(end, watermark + 1))
            if not written and self._keep_ms is not None:
                service.register_event_time_timer(end + self._keep_ms)
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[bytes]:
        """Writes the hours that changed, and forgets the old ones."""
        cell = ctx.get_current_key()
        watermark = ctx.timer_service().current_watermark()
        for start in list(self._changed.keys()):
            if start + HOUR_MS - 1 <= watermark:
                written, means = self._hours.get(start)
                yield from self._frames(cell, means, written)
                self._hours.put(start, (written + 1, means))
                self._changed.remove(start)
        if self._keep_ms is not None:
            old = timestamp - self._keep_ms - HOUR_MS + 1
            if old % HOUR_MS == 0:
                self._hours.remove(old)

    def _frames(self, cell: str, means: Means, revision: int) -> Iterator[bytes]:
        now_ms = time.time_ns() // 1_000_000
        for write in rows(means, self._rules, revision):
            start_ms = write.columns["hour_start"]
            values: dict[str, Value] = {
                **write.columns,
                "cell": cell,
                "day": str(np.datetime64(start_ms, "ms"))[:10],
                "params_hash": self._params_hash,
                "updated_at": now_ms,
            }
            erase = [revision > 0] * len(self._columns)
            yield self._encoder.encode(write.write_us, [values.get(name) for name in self._columns], erase)
