"""The second stage as a keyed PyFlink function: parts of a key in, row frames out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, TimerService
from pyflink.datastream.state import MapState, MapStateDescriptor

from connectors.rows import FrameEncoder, Value
from jobs.metrics.partials import PartLayout
from jobs.metrics.rows import WINDOW_TABLE, Write
from jobs.metrics.settings import Settings
from jobs.metrics.state import Stores
from jobs.metrics.windows import Counters, KeyWindows
from schemas.tables import table

JOB = "metrics"

KEY_PREFIX = "key:"
"""The columnar operator writes it before each key."""


class MetricWindows(KeyedProcessFunction):  # type: ignore[misc]
    """Adds up a key's parts to windows."""

    def __init__(self, settings: Settings, live: bool) -> None:
        """Takes the settings; ``live``: samples keep coming, so that open windows are worth writing."""
        self._settings = settings
        self._emit_every_ms = round(settings.live.emit_s * 1000) if live else None

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state of a key."""

        def state(name: str) -> MapState:
            return runtime_context.get_map_state(
                MapStateDescriptor(name, Types.LONG(), Types.PICKLED_BYTE_ARRAY())
            )

        self._stores = Stores(*(_FlinkStore(state(name)) for name in ("head", "panes", "written", "seen")))
        self._windows = KeyWindows(self._settings.metric, self._settings.keep_ms())
        self._layout = PartLayout(self._settings.metric)
        self._encoders = {name: _Encoder(name) for name in ("metric_window", "metric_event")}
        metrics = runtime_context.get_metrics_group()
        self._counters = {name: metrics.counter(name) for name in ("copies", "too_old")}
        self._counted = Counters()

    def process_element(self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context) -> Iterable[bytes]:
        """Folds one part in."""
        key, row = value
        service = ctx.timer_service()
        timers, watermark = _FlinkTimers(service), service.current_watermark()
        part = self._layout.read(row)
        is_first = self._windows.fold(part, self._stores, timers, watermark)
        self._count()
        if self._emit_every_ms is None:
            if self._windows.is_late(part, watermark):
                yield from self._frames(
                    key, self._windows.changes(self._stores, timers, watermark, open_too=False)
                )
        elif is_first:
            now = time.time_ns() // 1_000_000
            service.register_processing_time_timer(now - now % self._emit_every_ms + self._emit_every_ms)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[bytes]:
        """Writes what the clock or the watermark asks for, and forgets what is too old."""
        key = ctx.get_current_key()
        service = ctx.timer_service()
        timers, watermark = _FlinkTimers(service), service.current_watermark()
        if ctx.time_domain().name == "PROCESSING_TIME":
            yield from self._frames(
                key, self._windows.changes(self._stores, timers, watermark, open_too=True)
            )
        else:
            yield from self._frames(key, self._windows.timer(timestamp, self._stores, timers, watermark))

    def _frames(self, key: str, writes: Iterable[Write]) -> Iterator[bytes]:
        now_ms = time.time_ns() // 1_000_000
        for write in writes:
            yield self._encoders[write.table].frame(key.removeprefix(KEY_PREFIX), write, now_ms)

    def _count(self) -> None:
        counted = self._windows.counters
        if counted.copies != self._counted.copies or counted.too_old != self._counted.too_old:
            self._counters["copies"].inc(counted.copies - self._counted.copies)
            self._counters["too_old"].inc(counted.too_old - self._counted.too_old)
            self._counted = Counters(counted.copies, counted.too_old)


class _FlinkStore:
    """Flink's map state of the key at hand."""

    def __init__(self, state: MapState) -> None:
        self._state = state
        self.get, self.put, self.remove = state.get, state.put, state.remove


class _FlinkTimers:
    """Flink's timers of the key at hand."""

    def __init__(self, service: TimerService) -> None:
        self.at = service.register_event_time_timer


class _Encoder:
    """Row frames of one table."""

    def __init__(self, name: str) -> None:
        spec = table(JOB, name)
        self._columns = [column.name for column in spec.columns]
        self._encoder = FrameEncoder(spec)
        self._erased = {"marks"} if name == WINDOW_TABLE else {"superseded_by", "value"}

    def frame(self, key: str, write: Write, now_ms: int) -> bytes:
        values: dict[str, Value] = {**write.columns, "id": key, "updated_at": now_ms}
        # A correction may take a mark, or a void, back; everything else only ever gets another value.
        erase = [name in self._erased and write.columns["revision"] > 0 for name in self._columns]
        return self._encoder.encode(write.write_us, [values.get(name) for name in self._columns], erase)
