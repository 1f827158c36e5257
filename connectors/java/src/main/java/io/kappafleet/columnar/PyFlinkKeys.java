package io.kappafleet.columnar;

import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.types.Row;

/**
 * Puts records into the form in which PyFlink's keyed functions expect them: rows of key and value.
 *
 * <p>PyFlink's own {@code key_by} makes these rows with a Python function. Chained to the columnar
 * operator it would be a second interpreter in one thread, which stops both for ever (seen with
 * pemja 0.5.7), and it would cost a call into Python per record.
 */
public final class PyFlinkKeys {
  private static final TypeInformation<Row> TYPE =
      Types.ROW(Types.STRING, ColumnarStreams.ROW_TYPE);

  private PyFlinkKeys() {}

  /** Rows {@code (key, (key, row))} of a stream output. */
  public static DataStream<Row> of(DataStream<Tuple2<String, byte[]>> records) {
    return records.map(new WithKey()).returns(TYPE).name("key");
  }

  static final class WithKey implements MapFunction<Tuple2<String, byte[]>, Row> {
    private static final long serialVersionUID = 1L;

    @Override
    public Row map(Tuple2<String, byte[]> record) {
      return Row.of(record.f0, record);
    }
  }
}
