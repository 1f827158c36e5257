"""Keys a stream output of the columnar operator for PyFlink functions, without a Python function per record."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway


def keyed(records: DataStream) -> KeyedStream:
    """Keys records ``(key, row)`` by their key; a keyed function gets each as a tuple (str, bytes).

    ``DataStream.key_by`` cannot be used here: its Python function would be chained to the columnar operator, and two
    interpreters in one thread wait for each other for ever.
    """
    jvm = get_gateway().jvm
    rows = jvm.io.kappafleet.columnar.PyFlinkKeys.of(records._j_data_stream)
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    value_type = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
    return KeyedStream(rows.keyBy(jvm.KeyByKeySelector(), key_type), value_type, records)
