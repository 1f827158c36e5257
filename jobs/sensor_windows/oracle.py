"""What the tables of sensor_windows must be: lines read in plain Python, every window worked out from its readings.

Shared with the job are the rules of single readings and hours (cleansing of one series, the index of a concentration,
dew point) and the decoder's rules; nothing of its state, its sums, or what it does when.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from conf.air_quality import Epa
from connectors.in_memory import Decoded
from connectors.message_decoder import KeyScan, MessageDecoder, Reject
from connectors.rows_in_memory import Row, day, timestamp
from jobs.log_lines import Line, ReferenceLines, log_lines, reject_row
from jobs.sensor_windows.air_quality import PM, STANDARDS, category_of, index_of, nowcast, standard
from jobs.sensor_windows.cleansing import (
    FAIL,
    GOOD,
    JUDGED,
    SUSPECT,
    Rules,
    compiled_rules,
    failed_names,
    flush,
    judge,
)
from jobs.sensor_windows.comfort import dew_point_c, heat_index_c
from jobs.sensor_windows.corrections import corrected_pm2_5
from jobs.sensor_windows.derived import ALL_UNITS, NAMES
from jobs.sensor_windows.hours import HISTORY_HOURS, POLLUTANTS, SUB_INDICES, SUFFICIENT, in_force_on
from jobs.sensor_windows.inputs import message_spec
from jobs.sensor_windows.oracle_groups import cells, contexts
from jobs.sensor_windows.places import AREA, Stations, geohash
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.series import Origin, counts_more, origin_order
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.stations import references_of, stations_of
from jobs.sensor_windows.units import in_unit_of_standard
from jobs.sensor_windows.windows import DAY_MS, FIVE_MIN_MS, HOUR_MS, block_ms
from schemas.tables import Table, tables

JOB = "sensor_windows"

Tables: TypeAlias = dict[str, dict[tuple[Any, ...], Row]]
Progress: TypeAlias = Callable[[str, int, int | None], None]
Add: TypeAlias = Callable[[str, Row], None]


class Verdict(NamedTuple):
    """A value, and what cleansing says of it."""

    value: float
    flag: int
    failed: int


Readings: TypeAlias = dict[int, dict[str, Verdict]]
"""Of one sensor: by time, the value of each quantity."""


def oracle_tables(
    log: Path | Iterable[Path | bytes], overrides: Sequence[str] = (), progress: Progress | None = None
) -> Tables:
    """The final tables.

    Args:
        log: a file or folder of message lines, several of them, or the lines themselves.
        overrides: ``name=value`` over the job's parameters.
        progress: is called now and then.

    Returns:
        By table, the rows by primary key, in the form of the table files: every column, times as texts, ``updated_at``
        None, ``revision`` 0.

    Raises:
        conf.parameters.ParameterError: an override is refused.
        UserError: a file cannot be read.
    """
    return tables_of(log_lines(log), Settings.load(overrides), progress)


def tables_of(lines: Iterable[Line], settings: Settings, progress: Progress | None = None) -> Tables:
    """The same of lines that were read, under settings that were loaded."""
    by_name = {table.name: table for table in tables(JOB)}
    found: Tables = {name: {} for name in by_name}

    def add(name: str, row: Row) -> None:
        whole = _whole(by_name[name], row)
        found[name][tuple(whole[column] for column in by_name[name].primary_key)] = whole

    references = ReferenceLines(references_of(settings))
    sensors = _read(lines, settings, references, add, progress)
    maker = _Maker(settings, stations_of(references.tables))
    for done, (sensor_id, (values, origins)) in enumerate(sensors.items(), 1):
        for name, row in maker.rows(sensor_id, values, origins):
            add(name, row)
        if progress:
            progress("sensors", done, len(sensors))
    for row in cells(found["sensor_hour"].values(), settings):
        add("cell_hour", row)
    for row in contexts(found["sensor_hour"].values(), settings):
        add("context_hour", row)
    return found


Values: TypeAlias = dict[int, dict[str, float]]
Sensor: TypeAlias = tuple[Values, dict[int, Origin]]


def _read(
    lines: Iterable[Line],
    settings: Settings,
    references: ReferenceLines,
    add: Add,
    progress: Progress | None,
) -> dict[str, Sensor]:
    spec = message_spec(settings)
    decoder, scan = MessageDecoder(spec), KeyScan(spec.id_field)
    sensors: dict[str, Sensor] = {}
    for count, line in enumerate(lines, 1):
        if progress and count % 1000 == 0:
            progress("messages", count, None)
        if references.take(line, lambda row: add("reject", row)):
            continue
        try:
            message = decoder.decode(line.body, scan.key(line.body), offset=line.number)
        except Reject as refused:
            add("reject", reject_row(line, str(refused)))
            continue
        _take(message, *sensors.setdefault(message.key, ({}, {})))
    return sensors


def _take(message: Decoded, values: Values, origins: dict[int, Origin]) -> None:
    lat, lon = (message.numbers.get(name) for name in ("lat", "lon"))
    origin = Origin(
        message.texts.get("sensor_model") or "",
        message.texts.get("station_id") or "",
        math.nan if lat is None else lat,
        math.nan if lon is None else lon,
    )
    measured = {
        name: array
        for name in QUANTITIES
        if (array := message.samples.get(name)) is not None and any(value is not None for value in array)
    }
    for index, time in enumerate(message.times):
        of_time = values.setdefault(time, {})
        origins[time] = min(origins.get(time, origin), origin, key=origin_order)
        for name, array in measured.items():
            given = array[index]
            value = math.nan if given is None else float(given)
            if name not in of_time or counts_more(value, of_time[name]):
                of_time[name] = value


class _Maker:
    """Makes the rows of one sensor after the other."""

    def __init__(self, settings: Settings, stations: Stations) -> None:
        self._settings = settings
        self._rules: Rules = compiled_rules(settings.rules)
        self._block_ms = block_ms(settings.rules)
        self._stations = stations
        self._flags = (GOOD, 2, SUSPECT) if settings.window.use == "good_and_suspect" else (GOOD, 2)
        self._common = {"params_hash": settings.params_hash, "final": True, "revision": 0}

    def rows(
        self, sensor_id: str, values: Values, origins: Mapping[int, Origin]
    ) -> Iterator[tuple[str, Row]]:
        """Table and row of everything that a sensor makes."""
        times = sorted(values)
        readings: Readings = {time: {} for time in times}
        for name in QUANTITIES:
            for time, verdict in self._judged(name, values, times, origins):
                readings[time][name] = verdict
                if verdict.flag in (SUSPECT, FAIL):
                    yield "sensor_flag", self._flag(sensor_id, time, name, verdict, origins[time])
        for time in times:
            self._derive(readings[time], origins[time])
        for table, length_ms in (
            ("sensor_5min", FIVE_MIN_MS),
            ("sensor_hour", HOUR_MS),
            ("sensor_day", DAY_MS),
        ):
            for start, inside in _grouped(times, length_ms).items():
                for each in NAMES:
                    row = self._window(inside, each, readings, origins, length_ms)
                    if row is not None:
                        yield table, {**row, **_start(table, start), "sensor_id": sensor_id, "quantity": each}
        air = list(self._air(sensor_id, times, readings, origins))
        for row in air:
            yield "air_quality", row
        yield "sensor_live", self._live(sensor_id, times, values, origins, air)

    def _judged(
        self, name: str, values: Values, times: Sequence[int], origins: Mapping[int, Origin]
    ) -> Iterator[tuple[int, Verdict]]:
        """Each block is judged as if the series began with the block before it, with the next reading known."""
        own = [time for time in times if name in values[time]]
        size = self._block_ms
        for block in sorted({time // size for time in own}):
            seen = [time for time in own if block - 1 <= time // size <= block]
            after = next((time for time in own if time // size > block), None)
            seen += [] if after is None else [after]
            judged = np.zeros(2 * len(seen) + 1, JUDGED)
            state, made = self._rules.states(1), 0
            for model, run in groupby(seen, key=lambda time: origins[time].model):
                times = list(run)
                x = np.full((len(QUANTITIES), len(times)), math.nan)
                x[QUANTITIES.index(name)] = [values[time][name] for time in times]
                made += judge(
                    self._rules.limits,
                    state,
                    np.array(times),
                    x,
                    np.array([len(times)]),
                    np.zeros(1, np.int64),
                    np.array([self._rules.code_of(model or None)]),
                    judged[made:],
                )
            made += flush(state, 2**62, judged[made:])
            for row in judged[:made]:
                if int(row["t"]) // size == block:
                    yield int(row["t"]), Verdict(float(row["x"]), int(row["flag"]), int(row["failed"]))

    def _derive(self, reading: dict[str, Verdict], origin: Origin) -> None:
        model = self._settings.rules.models.get(origin.model)
        correction = model.correction if model else None

        def of(one: str, other: str, formula: Callable[[float, float], float], name: str) -> None:
            pair = [reading.get(each) for each in (one, other)]
            there = [each for each in pair if each and not math.isnan(each.value) and each.flag != FAIL]
            if len(there) == 2:
                value = formula(there[0].value, there[1].value)
                if not math.isnan(value):
                    reading[name] = Verdict(value, max(3 if each.flag == SUSPECT else 1 for each in there), 0)

        of("temperature", "humidity", dew_point_c, "dew_point")
        of("temperature", "humidity", heat_index_c, "heat_index")
        if correction:
            of(
                "pm2_5",
                "humidity",
                lambda x, rh: float(corrected_pm2_5(correction, x, rh)),
                "pm2_5_corrected",
            )

    def _flag(self, sensor_id: str, time: int, name: str, verdict: Verdict, origin: Origin) -> Row:
        return {
            "sensor_id": sensor_id,
            "day": day(time),
            "time": timestamp(time),
            "quantity": name,
            "value": verdict.value,
            "unit": ALL_UNITS[NAMES.index(name)],
            "qc_flag": verdict.flag,
            "qc_tests": ",".join(failed_names(verdict.failed)),
            "sensor_model": origin.model or None,
            "params_hash": self._settings.params_hash,
        }

    def _window(
        self,
        inside: Sequence[int],
        name: str,
        readings: Readings,
        origins: Mapping[int, Origin],
        length_ms: int,
    ) -> Row | None:
        own = [
            time for time in inside if name in readings[time] and not math.isnan(readings[time][name].value)
        ]
        if not own:
            return None
        verdicts = [readings[time][name] for time in own]
        used = sorted(each.value for each in verdicts if each.flag in self._flags)
        origin = origins[own[-1]]
        expected = round(length_ms / (self._settings.rules.interval_of(origin.model or None) * 1000))
        worst = [9, 2, 1, 3, 4]
        failed = 0
        for each in verdicts:
            failed |= each.failed
        station = self._stations.at(origin.station, inside[0] // length_ms * length_ms)
        row: Row = {
            "unit": ALL_UNITS[NAMES.index(name)],
            "raw_mean": _mean([each.value for each in verdicts]),
            "n_samples": len(verdicts),
            "n_used": len(used),
            "n_good": sum(each.flag == GOOD for each in verdicts),
            "n_suspect": sum(each.flag == SUSPECT for each in verdicts),
            "n_failed": sum(each.flag == FAIL for each in verdicts),
            "n_expected": expected,
            "completeness": min(len(used) / max(expected, 1), 1.0),
            "qc_flag": max((each.flag for each in verdicts), key=worst.index),
            "qc_tests": ",".join(failed_names(failed)) or None,
            "used": self._settings.window.use,
            "sensor_model": origin.model or None,
            "station_id": origin.station or None,
            "geohash": geohash(origin.lat, origin.lon) or None,
            **self._common,
        }
        if station is not None:
            row |= {column: text or None for column, text in zip(station._fields, station, strict=True)}
        if used:
            row |= {
                "mean": _mean(used),
                "min": used[0] + 0.0,
                "max": used[-1] + 0.0,
                "p95": used[math.floor(Fraction(95, 100) * (len(used) - 1))] + 0.0,
            }
        return row

    def _air(
        self, sensor_id: str, times: Sequence[int], readings: Readings, origins: Mapping[int, Origin]
    ) -> Iterator[Row]:
        hours = _grouped(times, HOUR_MS)
        windows = {
            (start, name): self._window(inside, name, readings, origins, HOUR_MS)
            for start, inside in hours.items()
            for name in (*POLLUTANTS, "pm2_5_corrected")
        }
        least = self._settings.index.min_completeness

        def mean(start: int, name: str) -> float:
            row = windows.get((start, name))
            if not row or not row["n_used"] or row["n_used"] < least * row["n_expected"]:
                return math.nan
            if name == "pm2_5" and windows.get((start, "pm2_5_corrected")):
                inside = [readings[time].get("pm2_5_corrected") for time in hours[start]]
                return _mean([each.value for each in inside if each])
            return float(row["mean"])

        for start, inside in hours.items():
            if not any(windows[start, name] for name in POLLUTANTS):
                continue
            starts = [start - back * HOUR_MS for back in range(HISTORY_HOURS)]
            past = {name: [mean(each, name) for each in starts] for name in POLLUTANTS}
            total = sum(
                row["n_samples"]
                for each in starts
                for name in POLLUTANTS
                if (row := windows.get((each, name)))
            )
            last = origins[inside[-1]]
            for name in STANDARDS:
                yield {
                    "sensor_id": sensor_id,
                    "month": day(start)[:7],
                    "hour_start": timestamp(start),
                    "standard": name,
                    "in_force": name in in_force_on(start // DAY_MS),
                    "geohash": geohash(last.lat, last.lon) or None,
                    "n_samples": total,
                    **self._common,
                    **_index(name, past),
                }

    def _live(
        self,
        sensor_id: str,
        times: Sequence[int],
        values: Values,
        origins: Mapping[int, Origin],
        air: Sequence[Row],
    ) -> Row:
        placed = [
            time for time in times if not math.isnan(origins[time].lat) and not math.isnan(origins[time].lon)
        ]
        place = origins[placed[-1]] if placed else Origin("", "", math.nan, math.nan)
        row: Row = {
            "area": geohash(place.lat, place.lon, AREA) or "none",
            "sensor_id": sensor_id,
            "event_time": timestamp(times[-1]),
            "lat": place.lat if placed else None,
            "lon": place.lon if placed else None,
            "station_id": origins[times[-1]].station or None,
            "sensor_model": origins[times[-1]].model or None,
            "standard": self._settings.index.standard,
        }
        for name in QUANTITIES:
            known = [time for time in times if not math.isnan(values[time].get(name, math.nan))]
            row[name] = values[known[-1]][name] if known else None
        shown = [each for each in air if each["standard"] == self._settings.index.standard]
        if shown:
            last = max(shown, key=lambda each: each["hour_start"])
            row |= {name: last.get(name) for name in ("index_value", "category", "responsible")}
            row["index_hour"] = last["hour_start"]
        return row


def _index(name: str, past: Mapping[str, Sequence[float]]) -> Row:
    rules = standard(name)
    row: Row = {}
    found: dict[str, int] = {}
    for pollutant, table in rules.pollutants.items():
        quantity = pollutant.removesuffix("_1h")
        if isinstance(rules, Epa) and quantity in PM:
            value = float(nowcast(past[quantity][:12]))
            row[f"nowcast_{quantity}"] = None if math.isnan(value) else value
        else:
            hours = [each for each in past[quantity][: table.hours] if not math.isnan(each)]
            enough = len(hours) >= max(1, SUFFICIENT * table.hours)
            total = 0.0
            for each in hours:  # in this order, as floats: not what Python 3.12 makes of sum()
                total += each
            value = total / len(hours) if enough else math.nan
        index = index_of(name, pollutant, float(in_unit_of_standard(quantity, value, table.unit)))
        if index is not None:
            found[pollutant] = index
    for column in SUB_INDICES:
        row[f"sub_{column}"] = max(
            (index for pollutant, index in found.items() if pollutant.removesuffix("_1h") == column),
            default=None,
        )
    if found:
        responsible = max(found, key=lambda each: found[each])
        row |= {
            "index_value": found[responsible],
            "category": category_of(name, found[responsible]),
            "responsible": responsible,
            "pollutants": ",".join(found),
            "scope": "PM sub-index" if PM.issuperset(found) else "AQI" if isinstance(rules, Epa) else "EAQI",
        }
    return row


def _mean(values: Sequence[float]) -> float:
    millionths = sum(round(value * 1_000_000) for value in values)
    return float(Fraction(millionths, 1_000_000 * len(values)))


def _grouped(times: Sequence[int], length_ms: int) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for time in times:
        found[time // length_ms * length_ms].append(time)
    return found


def _start(table: str, start: int) -> Row:
    if table == "sensor_5min":
        return {"day": day(start), "window_start": timestamp(start)}
    if table == "sensor_hour":
        return {"month": day(start)[:7], "hour_start": timestamp(start)}
    return {"year": day(start)[:4], "day": day(start)}


def _whole(table: Table, row: Row) -> Row:
    unknown = row.keys() - {column.name for column in table.columns}
    if unknown:
        raise KeyError(f"{table.name} has no column {sorted(unknown)}")
    return {column.name: row.get(column.name) for column in table.columns}
