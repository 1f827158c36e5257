"""Keys a stream output of the columnar operator for PyFlink functions, without a Python function per record."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway


def keyed(records: DataStream, *others: DataStream) -> KeyedStream:
    """Keys records ``(key, row)`` of one stream or several by their key; a function gets each as a tuple (str, bytes).

    ``DataStream.key_by`` cannot be used here: its Python function would be chained to the columnar operator, and two
    interpreters in one thread wait for each other for ever.
    """
    # Each stream has its own map before they meet, so that this stays in one task with the operator.
    return keyed_rows(*(rows_of(each) for each in (records, *others)))


def of_schema(records: DataStream, schema: str, *, others: bool = False) -> DataStream:
    """The log records that are messages of a schema, or all the others."""
    java = get_gateway().jvm.io.kappafleet.columnar.SchemaSplit
    return DataStream(java.of(records._j_data_stream, schema, others))


def framed(records: DataStream, prefix: str) -> DataStream:
    """Log records in the form that ``keyed_rows`` takes; their keys have ``prefix`` in front."""
    java = get_gateway().jvm.io.kappafleet.columnar.SchemaSplit
    return DataStream(java.framed(records._j_data_stream, prefix))


def rows_of(records: DataStream) -> DataStream:
    """Records ``(key, row)`` of the columnar operator in the form that ``keyed_rows`` takes."""
    return DataStream(get_gateway().jvm.io.kappafleet.columnar.PyFlinkKeys.of(records._j_data_stream))


def keyed_rows(rows: DataStream, *others: DataStream) -> KeyedStream:
    """Keys rows ``(key, (key, record))`` of one stream or several by their key."""
    merged = rows.union(*others) if others else rows
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    value_type = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
    selector = get_gateway().jvm.KeyByKeySelector()
    return KeyedStream(merged._j_data_stream.keyBy(selector, key_type), value_type, merged)
