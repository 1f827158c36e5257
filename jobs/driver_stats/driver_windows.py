"""Hours and days of each driver as a keyed PyFlink function.

Input: parts of minutes, keyed by driver. Output: row frames of driver_hour, driver_day and fleet_day.
A window is written when the watermark closes it (``final``), and again, as the next revision, when a late part comes;
while it is open it is written at most once a second by the clock, where the job runs live.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Iterator

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, TimerService
from pyflink.datastream.state import MapStateDescriptor

from conf.score import AdditiveRules, PercentRules
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import windows
from jobs.driver_stats.score import score
from jobs.driver_stats.windows import DAY_MS, HOUR_MS, WindowSums
from schemas.tables import table

JOB = "driver_stats"
FOR_EVER_MS = 2**61
HOUR, DAY = "hour", "day"


class DriverWindows(KeyedProcessFunction):  # type: ignore[misc]
    """Adds up a driver's parts to hours and days."""

    def __init__(
        self, emit_every_ms: int | None, keep_ms: int | None, rules: AdditiveRules | PercentRules
    ) -> None:
        """Sets when windows are written and forgotten, and how they are scored.

        Args:
            emit_every_ms: open windows that changed are written so often; None: only when they close (files).
            keep_ms: a closed window is kept for late parts until the watermark is so far beyond it; None: for ever.
            rules: of the score.
        """
        self._rules = rules
        self._emit_every_ms = emit_every_ms
        self._keep_ms = FOR_EVER_MS if keep_ms is None else keep_ms

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state: sums by window, and which open windows have changed since they were written."""
        self._hours = runtime_context.get_map_state(
            MapStateDescriptor("hours", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        )
        self._days = runtime_context.get_map_state(
            MapStateDescriptor("days", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        )
        self._changed = runtime_context.get_map_state(
            MapStateDescriptor("changed", Types.STRING(), Types.LONG())
        )
        self._encoders = {
            name: _RowEncoder(name, self._rules) for name in ("driver_hour", "driver_day", "fleet_day")
        }
        self._too_old = runtime_context.get_metrics_group().counter("parts_too_old")

    def process_element(self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context) -> Iterable[bytes]:
        """Folds one part in. Each call into the state or the timers is one into Java: there are as few as can be."""
        driver_id, row = value
        part = windows.read_part(row)
        timers = ctx.timer_service()
        watermark = timers.current_watermark()
        hour, day = windows.hour_start(part.minute_start), windows.day_start(part.minute_start)
        if day + DAY_MS + self._keep_ms <= watermark:
            # Its windows were forgotten: a row made of this part alone would be wrong.
            self._too_old.inc()
            return ()
        changed = []
        if hour + HOUR_MS + self._keep_ms > watermark:
            stored = self._hours.get(hour)
            self._hours.put(hour, windows.folded(stored, part.sums, part.max_kmh))
            changed.append((HOUR, hour, hour + HOUR_MS, stored is None))
        stored = self._days.get(day)
        fleets = _fleets(stored)
        fleets[part.fleet_id] = windows.folded(fleets.get(part.fleet_id), part.sums, part.max_kmh)
        self._days.put(day, pickle.dumps(fleets))
        changed.append((DAY, day, day + DAY_MS, stored is None))
        return self._note(timers, changed, watermark, driver_id)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[bytes]:
        """Writes what the clock or the watermark asks for, and forgets what is too old."""
        driver_id = ctx.get_current_key()
        watermark = ctx.timer_service().current_watermark()
        if ctx.time_domain().name == "PROCESSING_TIME":
            for name, start in list(self._changed.items()):
                kind = name.partition(":")[0]
                last = start + (HOUR_MS if kind == HOUR else DAY_MS) - 1
                if last > watermark:
                    # A restored job's watermark begins anew, so a window's timer may have fired already.
                    ctx.timer_service().register_event_time_timer(last)
                yield from self._rows(kind, start, driver_id, last <= watermark)
            self._changed.clear()
            return
        end = timestamp + 1
        for kind, length in ((HOUR, HOUR_MS), (DAY, DAY_MS)):
            state = self._hours if kind == HOUR else self._days
            closed = end - length
            if end % length == 0 and state.contains(closed):
                yield from self._rows(kind, closed, driver_id, True)
                self._changed.remove(f"{kind}:{closed}")
                if end + self._keep_ms <= watermark:
                    state.remove(closed)
                elif self._keep_ms < FOR_EVER_MS:
                    ctx.timer_service().register_event_time_timer(end + self._keep_ms)
        forgotten = timestamp - self._keep_ms
        for kind, length in ((HOUR, HOUR_MS), (DAY, DAY_MS)):
            if forgotten % length == 0:
                start = forgotten - length
                if self._changed.contains(f"{kind}:{start}"):
                    yield from self._rows(kind, start, driver_id, True)
                    self._changed.remove(f"{kind}:{start}")
                (self._hours if kind == HOUR else self._days).remove(start)

    def _note(
        self, timers: TimerService, changed: list[tuple[str, int, int, bool]], watermark: int, driver_id: str
    ) -> Iterable[bytes]:
        """Sees to it that changed windows are written: by their own timers, by the clock, or now if they are late.

        Args:
            timers: of the driver.
            changed: kind, start, end, and whether it is new.
            watermark: event time in ms.
            driver_id: the driver.
        """
        late: list[bytes] = []
        for kind, start, end, is_new in changed:
            if is_new:
                if end - 1 > watermark:
                    timers.register_event_time_timer(end - 1)
                elif self._keep_ms < FOR_EVER_MS:
                    timers.register_event_time_timer(end + self._keep_ms)
            if self._emit_every_ms is not None:
                self._changed.put(f"{kind}:{start}", start)
            elif end - 1 <= watermark:
                late += self._rows(kind, start, driver_id, True)
        if self._emit_every_ms is not None:
            now = time.time_ns() // 1_000_000
            timers.register_processing_time_timer(now - now % self._emit_every_ms + self._emit_every_ms)
        return late

    def _rows(self, kind: str, start: int, driver_id: str, final: bool) -> Iterator[bytes]:
        """The rows of one window as it stands; a final one counts as the next revision from then on."""
        now_ms = time.time_ns() // 1_000_000
        if kind == HOUR:
            sums = WindowSums.from_bytes(self._hours.get(start))
            yield self._encoders["driver_hour"].row(
                {"driver_id": driver_id, "day": windows.day_text(start), "hour_start": start},
                sums, start, start + HOUR_MS, final, now_ms,
            )  # fmt: skip
            if final:
                sums.finals += 1
                self._hours.put(start, sums.to_bytes())
            return
        fleets = _fleets(self._days.get(start))
        total = WindowSums()
        for fleet_id, data in fleets.items():
            fleet = WindowSums.from_bytes(data)
            total.add(fleet.sums, fleet.max_kmh)
            total.finals = max(total.finals, fleet.finals)
            total.corrected = total.corrected or fleet.corrected
            yield self._encoders["fleet_day"].row(
                {"fleet_id": fleet_id, "day": windows.day_text(start), "driver_id": driver_id},
                fleet, start, start + DAY_MS, final, now_ms,
            )  # fmt: skip
            fleet.finals += int(final)
            fleets[fleet_id] = fleet.to_bytes()
        yield self._encoders["driver_day"].row(
            {"driver_id": driver_id, "month": windows.month_text(start), "day": windows.day_text(start)},
            total, start, start + DAY_MS, final, now_ms,
        )  # fmt: skip
        if final:
            self._days.put(start, pickle.dumps(fleets))


def _fleets(stored: bytes | None) -> dict[str, bytes]:
    """A day's sums by fleet."""
    return pickle.loads(stored) if stored is not None else {}


class _RowEncoder:
    """Rows of one of the window tables, whose columns beside the key are the same."""

    def __init__(self, name: str, rules: AdditiveRules | PercentRules) -> None:
        spec = table(JOB, name)
        self._rules = rules
        self._columns = [column.name for column in spec.columns]
        self._encoder = FrameEncoder(spec)

    def row(
        self, key: dict[str, Value], sums: WindowSums, start_ms: int, end_ms: int, final: bool, now_ms: int
    ) -> bytes:
        values: dict[str, Value] = {
            **key,
            **sums.metrics(),
            **score(self._rules, sums.tally()).columns(),
            "final": final,
            "revision": sums.finals,
            "superseded_by": start_ms if sums.is_void else None,
            "updated_at": now_ms,
        }
        return self._encoder.encode(
            sums.write_us(end_ms, final),
            [values.get(name) for name in self._columns],
            erase=[sums.corrected and name in values for name in self._columns],
        )
