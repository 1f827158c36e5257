"""Keys a stream output of the columnar operator for PyFlink functions, without a Python function per record."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway
from pyflink.util.java_utils import to_jarray


def keyed(records: DataStream, *others: DataStream) -> KeyedStream:
    """Keys records ``(key, row)`` of one stream or several by their key; a function gets each as a tuple (str, bytes).

    ``DataStream.key_by`` cannot be used here: its Python function would be chained to the columnar operator, and two
    interpreters in one thread wait for each other for ever.
    """
    jvm = get_gateway().jvm
    rows, *more = (
        jvm.io.kappafleet.columnar.PyFlinkKeys.of(each._j_data_stream) for each in (records, *others)
    )
    if more:  # each has its own map before it, so that this stays in one task with the operator
        rows = rows.union(to_jarray(jvm.org.apache.flink.streaming.api.datastream.DataStream, more))
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    value_type = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
    return KeyedStream(rows.keyBy(jvm.KeyByKeySelector(), key_type), value_type, records)
