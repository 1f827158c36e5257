package io.kappafleet.columnar;

import io.kappafleet.record.KeyScan;
import io.kappafleet.record.LogRecord;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.FilterFunction;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.types.Row;

/**
 * Takes the messages of one schema out of the log, for a PyFlink function that reads them itself.
 *
 * <p>The schema is found by {@link KeyScan}, without decoding the message. The messages stay in
 * order: there are as many subtasks as the source has.
 */
public final class SchemaSplit {
  private static final TypeInformation<Row> ROW_TYPE =
      Types.ROW(Types.STRING, ColumnarStreams.ROW_TYPE);

  /** Stands where a columnar row has the index of its key. */
  static final int MESSAGE = -1;

  private SchemaSplit() {}

  /** The records whose schema is {@code schema}, or, if {@code others}, all the others. */
  public static DataStream<Tuple5<String, byte[], String, Long, Long>> of(
      DataStream<Tuple5<String, byte[], String, Long, Long>> records,
      String schema,
      boolean others) {
    return records
        .filter(new HasSchema(schema, others))
        .returns(LogRecord.TYPE)
        .setParallelism(records.getParallelism())
        .name((others ? "all but " : "only ") + schema);
  }

  /** Rows {@code (key, (key, message))}; the key has {@code prefix} in front. */
  public static DataStream<Row> framed(
      DataStream<Tuple5<String, byte[], String, Long, Long>> records, String prefix) {
    return records
        .map(new Framed(prefix))
        .returns(ROW_TYPE)
        .setParallelism(records.getParallelism())
        .name("key");
  }

  static final class HasSchema
      implements FilterFunction<Tuple5<String, byte[], String, Long, Long>> {
    private static final long serialVersionUID = 1L;

    private final String schema;
    private final boolean others;
    private transient KeyScan scan;

    HasSchema(String schema, boolean others) {
      this.schema = schema;
      this.others = others;
    }

    @Override
    public boolean filter(Tuple5<String, byte[], String, Long, Long> record) {
      if (scan == null) {
        scan = new KeyScan("schema");
      }
      return scan.key(record.f1).equals(schema) != others;
    }
  }

  static final class Framed
      implements MapFunction<Tuple5<String, byte[], String, Long, Long>, Row> {
    private static final long serialVersionUID = 1L;

    private final String prefix;

    Framed(String prefix) {
      this.prefix = prefix;
    }

    @Override
    public Row map(Tuple5<String, byte[], String, Long, Long> record) {
      byte[] source = record.f2.getBytes(StandardCharsets.UTF_8);
      ByteBuffer framed = ByteBuffer.allocate(24 + source.length + record.f1.length);
      framed.putInt(MESSAGE).putLong(record.f3).putLong(record.f4).putInt(source.length);
      framed.put(source).put(record.f1);
      String key = prefix + record.f0;
      return Row.of(key, Tuple2.of(key, framed.array()));
    }
  }
}
