"""The columnar keyed operator: declares one and adds it to a PyFlink job.

Example::

    spec = ColumnarSpec(module="jobs.driver_stats.vehicle_operator", class_name="VehicleOperator", ...)
    streams = columnar(records, spec, uid="vehicles", name="vehicles")
    streams.rows.sink_to(tables)
    streams.streams["minutes"].key_by(...)

The function itself follows :class:`~connectors.columnar_runtime.ColumnarFunction`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from connectors.columnar_runtime import (
    NO_INTEGER,
    NO_TIMER,
    TEXT_BYTES,
    UNKNOWN,
    Batch,
    ColumnarFunction,
    KeyStore,
    Result,
    Tails,
    TimerBatch,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyflink.datastream import DataStream

__all__ = [
    "NO_INTEGER",
    "NO_TIMER",
    "UNKNOWN",
    "Batch",
    "Column",
    "ColumnarFunction",
    "ColumnarSpec",
    "ColumnarStreams",
    "KeyStore",
    "Limits",
    "MessageSpec",
    "NumberField",
    "OutputSpec",
    "ReferenceInput",
    "Result",
    "SampleField",
    "Tails",
    "TimerBatch",
    "columnar",
]

Conversion: TypeAlias = Literal[
    "key",
    "text",
    "text_or_key",
    "int",
    "bigint",
    "double",
    "timestamp",
    "day",
    "month",
    "year",
    "boolean",
    "enum",
    "const",
    "now",
    "unset",
]


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number of a message; outside its inclusive bounds the message is refused."""

    name: str
    min: float = -math.inf
    max: float = math.inf


@dataclass(frozen=True, slots=True)
class SampleField:
    """An array of samples; a number outside its inclusive bounds refuses the message."""

    name: str
    kind: Literal["number", "boolean"] = "number"
    min: float = -math.inf
    max: float = math.inf


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """What a message must look like, and which of its fields become columns.

    Attributes:
        schema_id: the only value accepted in ``schema``; a message without the field is accepted.
        id_field: name of the field that holds the key.
        texts: message-level texts, of at most ``max_id_bytes`` bytes.
        integers: message-level integers.
        numbers: message-level numbers.
        samples: arrays beside ``t``, which every message has.
        max_id_bytes: longest id or text, in bytes of UTF-8, at most 64.
        max_message_bytes: longest message.
        earliest_ms, latest_ms: event times accepted, epoch ms.
        max_ahead_ms: how far an event time may be ahead of the arrival.
        allowed_lateness_ms: how far it may be behind the arrival; 0 is without limit.
    """

    schema_id: str
    id_field: str
    samples: tuple[SampleField, ...]
    texts: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    numbers: tuple[NumberField, ...] = ()
    max_id_bytes: int = TEXT_BYTES
    max_message_bytes: int = 4 << 20
    earliest_ms: int = 946_684_800_000
    latest_ms: int = 4_102_444_800_000
    max_ahead_ms: int = 300_000
    allowed_lateness_ms: int = 0

    def __post_init__(self) -> None:
        """Refuses what the operator could not run."""
        _require(0 < self.max_id_bytes <= TEXT_BYTES, f"max_id_bytes must be from 1 to {TEXT_BYTES}")
        _require(self.earliest_ms < self.latest_ms, "earliest_ms must be before latest_ms")
        top = [
            "schema",
            self.id_field,
            "samples",
            *self.texts,
            *self.integers,
            *(f.name for f in self.numbers),
        ]
        _require(len(set(top)) == len(top), f"a field is declared twice: {top}")
        arrays = ["t", *(f.name for f in self.samples)]
        _require(len(set(arrays)) == len(arrays), f"an array is declared twice: {arrays}")


@dataclass(frozen=True, slots=True)
class Column:
    """How a table's column gets its value from a row.

    ============ ============================ =================================
    conversion   field                        unset when
    ============ ============================ =================================
    key          none: the message's key      never
    text         S                            empty
    text_or_key  S                            never: empty is ``constant`` + key
    int          integer                      -2**31
    bigint       integer                      -2**63
    double       float or integer             NaN
    timestamp    integer, epoch ms            -2**63
    day          integer, epoch ms            -2**63
    month, year  integer, epoch ms            -2**63
    boolean      integer or bool              negative
    enum         integer: index into names    negative
    const        none: ``constant``           never
    now          none: the wall clock         never
    unset        none                         always
    ============ ============================ =================================
    """

    conversion: Conversion
    field: str = ""
    constant: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Where the rows of one of the function's outputs go: to a table, or into a stream.

    Attributes:
        kind: ``table`` makes row frames, ``stream`` makes pairs of key and raw row.
        name: unique; the name under which a stream is found.
        rows: the function's output; by default the one called ``name``. Several may read the same one.
        table: index of the table.
        write_us: integer field with the row's write timestamp in microseconds.
        columns: one for each column of the table, in its order.
        key_field: text field with the key of a stream's record.
        key_prefix: where key_field is empty, the key is this and the message's key; if this is empty, so is the key.
        event_ms: integer field with its event time.
        id_field: text field of a stream's record that gets the message's key; empty for none.
        nulls: integer field of a table's rows. Where it is not 0, the columns for which the row has no value are
            written as null, which erases what an earlier row gave them, instead of being left as they are;
            those declared ``unset`` are still left. So a corrected row can take values back.
    """

    kind: Literal["table", "stream"]
    name: str
    rows: str = ""
    table: int = -1
    write_us: str = ""
    columns: tuple[Column, ...] = ()
    key_field: str = ""
    key_prefix: str = ""
    event_ms: str = ""
    nulls: str = ""
    id_field: str = ""

    def __post_init__(self) -> None:
        """Refuses an output that lacks what its kind needs."""
        if self.kind == "table":
            complete = self.table >= 0 and bool(self.write_us) and bool(self.columns)
            _require(complete, f"output {self.name} needs table, write_us and columns")
        else:
            complete = bool(self.key_field) and bool(self.event_ms)
            _require(complete, f"output {self.name} needs key_field and event_ms")
            _require(not self.nulls, f"output {self.name} is a stream, nulls is for tables")


@dataclass(frozen=True, slots=True)
class Limits:
    """A mini-batch ends at whichever comes first, or at a watermark or checkpoint.

    These are for a backlog. When no more input waits, a batch ends within milliseconds, however small it is.
    """

    max_messages: int = 8000
    max_bytes: int = 4 << 20
    max_delay_ms: int = 50

    def __post_init__(self) -> None:
        """Refuses limits that would never fill or never end a batch."""
        _require(
            min(self.max_messages, self.max_bytes, self.max_delay_ms) > 0, f"limits must be positive: {self}"
        )


@dataclass(frozen=True, slots=True)
class ColumnarSpec:
    """Everything that makes one columnar operator.

    Attributes:
        module, class_name: the function, found by name inside the interpreter.
        settings_json: what its ``open`` is given.
        message: the messages it reads.
        outputs: where its rows go.
        tables_json: the tables by index: ``[{"name", "columns": [[name, type]...], "key": [[...], [...]]}]``.
        reject_table: index of the table of refused messages.
        limits: of a mini-batch.
    """

    module: str
    class_name: str
    message: MessageSpec
    outputs: tuple[OutputSpec, ...]
    tables_json: str
    reject_table: int
    settings_json: str = "{}"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuses outputs of the same name."""
        names = [output.name for output in self.outputs]
        _require(len(set(names)) == len(names), f"two outputs have the same name: {names}")

    def to_json(self) -> str:
        """The form that the operator reads."""
        plain: dict[str, Any] = asdict(self)
        plain["tables"] = json.loads(plain.pop("tables_json"))
        for output in plain["outputs"]:
            output["rows"] = output["rows"] or output["name"]
        for bounded in (*plain["message"]["numbers"], *plain["message"]["samples"]):
            for bound in ("min", "max"):
                if not math.isfinite(bounded[bound]):
                    bounded[bound] = None
        return json.dumps(plain, allow_nan=False)


@dataclass(frozen=True, slots=True)
class ColumnarStreams:
    """What comes out of the operator.

    Attributes:
        rows: row frames (bytes) of all tables, refused messages included.
        streams: by output name, records ``(key, row)`` with their event time.
    """

    rows: DataStream
    streams: Mapping[str, DataStream]


@dataclass(frozen=True, slots=True)
class ReferenceInput:
    """Reference data of one kind: every subtask gets its rows, when the job starts and as they come.

    Attributes:
        name: under which the function has the table in ``references``.
        records: log records with its messages; their time counts for nothing.
        stored: the Java object that reads what the same log holds, see ``LogSource.stored``.
    """

    name: str
    records: DataStream
    stored: Any


def columnar(
    records: DataStream,
    spec: ColumnarSpec,
    uid: str,
    name: str,
    references: Sequence[ReferenceInput] = (),
) -> ColumnarStreams:
    """Keys log records and gives them to a columnar function.

    Args:
        records: log records of a source: TUPLE(STRING, PRIMITIVE_ARRAY(BYTE), STRING, LONG, LONG).
        spec: the function, the messages and the outputs.
        uid: under which state is found again in a savepoint.
        name: shown in Flink's dashboard.
        references: reference data. At each start all that their logs hold is read first; a row that comes later
            counts for what is judged after it. With or without any, the state of the keys is the same.

    Raises:
        py4j.protocol.Py4JJavaError: when outputs and tables do not fit each other.
    """
    from pyflink.datastream import DataStream
    from pyflink.java_gateway import get_gateway

    java = get_gateway().jvm.io.kappafleet.columnar
    arguments = [records._j_data_stream, spec.to_json(), uid, name]
    if references:
        inputs = get_gateway().jvm.java.util.ArrayList()
        for each in references:
            inputs.add(java.ReferenceInput(each.name, each.records._j_data_stream, each.stored))
        arguments.append(inputs)
    built = java.ColumnarStreams.build(*arguments)
    streams = {
        output.name: DataStream(java.ColumnarStreams.stream(built, output.name))
        for output in spec.outputs
        if output.kind == "stream"
    }
    return ColumnarStreams(DataStream(built), streams)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
