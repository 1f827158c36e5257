"""What the tables of metrics must be: message lines read in plain Python, every window worked out from its samples.

Nothing of the job's stages is used, neither parts nor panes nor buckets; only the definition, the decoder's rules and
the names of the columns are shared. All samples of a window are put into one list, and its values follow from that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from ddsketch import DDSketch

from conf.metrics import PERCENTILES, Definition, MetricField, Window
from connectors.in_memory import Decoded
from connectors.message_decoder import KeyScan, MessageDecoder, Reject
from connectors.rows_in_memory import Row, day, timestamp
from jobs.log_lines import log_lines, reject_row
from jobs.metrics.inputs import message_spec
from jobs.metrics.settings import Settings
from schemas.tables import Table, tables

JOB = "metrics"

Tables: TypeAlias = dict[str, dict[tuple[Any, ...], Row]]
Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Is told what is being counted, how many there have been, and how many there will be if that is known."""

Sample: TypeAlias = tuple[int, dict[str, float | None]]


def oracle_tables(
    log: Path | Iterable[Path | bytes], overrides: Sequence[str] = (), progress: Progress | None = None
) -> Tables:
    """The final tables.

    Args:
        log: a file or folder of message lines, several of them, or the lines themselves.
        overrides: ``name=value`` over the job's parameters; ``definition`` is one of them.
        progress: is called now and then.

    Returns:
        By table, the rows by primary key, in the form of the table files: every column, times as texts, ``updated_at``
        None, ``revision`` 0. No row is superseded.

    Raises:
        conf.parameters.ParameterError: an override or the definition is refused.
        UserError: a file cannot be read.
    """
    settings = Settings.load(overrides)
    by_name = {table.name: table for table in tables(JOB)}
    found: Tables = {name: {} for name in by_name}

    def add(name: str, row: Row) -> None:
        found[name][tuple(row[column] for column in by_name[name].primary_key)] = row

    keys = _read(log, settings, lambda row: add("reject", row), progress)
    for done, (key, samples) in enumerate(keys.items(), 1):
        for name, row in _windows(settings.metric, key, samples):
            add(name, _whole(by_name[name], row))
        if progress:
            progress("keys", done, len(keys))
    return found


def _read(
    log: Path | Iterable[Path | bytes],
    settings: Settings,
    reject: Callable[[Row], None],
    progress: Progress | None,
) -> dict[str, list[Sample]]:
    """The samples of each key; of messages with the same key, number and first time only the first one counts."""
    spec = message_spec(settings)
    decoder, scan = MessageDecoder(spec), KeyScan(spec.id_field)
    seen: set[tuple[str, int, int]] = set()
    keys: defaultdict[str, list[Sample]] = defaultdict(list)
    for count, line in enumerate(log_lines(log), 1):
        if progress and count % 1000 == 0:
            progress("messages", count, None)
        try:
            message = decoder.decode(line.body, scan.key(line.body), offset=line.number)
        except Reject as refused:
            reject(reject_row(line, str(refused)))
            continue
        seq = message.integers.get(settings.metric.seq or "")
        if seq is not None:
            if (message.key, seq, message.times[0]) in seen:
                continue
            seen.add((message.key, seq, message.times[0]))
        keys[message.key] += _samples(message, settings.metric)
    return keys


def _samples(message: Decoded, metric: Definition) -> Iterator[Sample]:
    columns = {name: message.samples.get(name) or [None] * len(message.times) for name in metric.fields}
    for index, time in enumerate(message.times):
        values = {name: column[index] for name, column in columns.items()}
        yield time, {name: None if value is None else float(value) + 0.0 for name, value in values.items()}


def _windows(metric: Definition, key: str, samples: Sequence[Sample]) -> Iterator[tuple[str, Row]]:
    """Table and row of all windows of a key."""
    for window in metric.windows:
        content: defaultdict[int, list[Sample]] = defaultdict(list)
        for sample in samples:
            last = sample[0] - sample[0] % window.slide_ms
            for start in range(last - window.length_ms + window.slide_ms, last + 1, window.slide_ms):
                content[start].append(sample)
        for start, inside in content.items():
            for name, field in metric.fields.items():
                values = [value for _, of in inside if (value := of[name]) is not None]
                yield from _rows(
                    metric, key, window, start, len(inside), name, _values(values, field, window)
                )


def _rows(
    metric: Definition, key: str, window: Window, start: int, samples: int, name: str, values: dict[str, Any]
) -> Iterator[tuple[str, Row]]:
    crossed = [
        each
        for each in metric.thresholds
        if each.field == name
        and each.window in (None, window.label)
        and each.is_crossed(values.get(each.aggregate), values["count"])
    ]
    common: Row = {
        "metric": metric.name,
        "id": key,
        "day": day(start),
        "window_start": timestamp(start),
        "window": window.label,
        "field": name,
        "window_end": timestamp(start + window.length_ms),
        "unit": metric.fields[name].unit,
        "definition": metric.id,
        "params_hash": metric.params_hash,
        "n_samples": samples,
        "revision": 0,
    }
    marks = ",".join(each.name for each in crossed) or None
    yield "metric_window", {**common, **values, "marks": marks, "final": True}
    for each in crossed:
        if each.event:
            told = {
                "threshold": each.name,
                "severity": each.severity,
                "aggregate": each.aggregate,
                "value": float(values[each.aggregate]),
                "above": each.above,
                "below": each.below,
            }
            yield "metric_event", {**common, **told}


def _values(values: Sequence[float], field: MetricField, window: Window) -> dict[str, Any]:
    """The columns that are asked for and have a value."""
    units = [round(value * field.scale) for value in values]
    found: dict[str, Any] = {"count": len(values)}
    if "rate" in field.aggregates:
        found["rate_per_s"] = len(values) * 1000 / window.length_ms
    if "sum" in field.aggregates:
        found["sum"] = float(Fraction(sum(units), field.scale))
    if not values:
        return found
    least, most = min(values), max(values)
    worked_out = {"mean": float(Fraction(sum(units), field.scale * len(units))), "min": least, "max": most}
    found |= {name: value for name, value in worked_out.items() if name in field.aggregates}
    sketch = DDSketch(field.accuracy or None)
    for unit in units:
        sketch.add(unit / field.scale)
    for percentile in field.percentiles:
        if field.is_exact:
            value = sorted(units)[math.floor(percentile / 100 * (len(units) - 1))] / field.scale
        else:
            value = sketch.get_quantile_value(percentile / 100) or 0.0
        found[PERCENTILES[percentile]] = min(max(value, least), most)
    return found


def _whole(table: Table, row: Row) -> Row:
    return {column.name: row.get(column.name) for column in table.columns}
