package io.kappafleet.record;

import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;

/**
 * One message of the log on its way from a source to the columnar operator: {@code (key, body,
 * source, offset, arrival_ms)}.
 *
 * <p>A Flink tuple rather than a class of our own, so that plain PyFlink reads it too ({@code
 * Types.TUPLE}). {@code source} is the stream's or file's name, {@code offset} the stream's offset
 * or the line's number from 1, {@code arrival_ms} the broker's own timestamp, 0 where there is
 * none.
 */
public final class LogRecord {
  public static final TypeInformation<Tuple5<String, byte[], String, Long, Long>> TYPE =
      new TupleTypeInfo<>(
          Types.STRING,
          PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO,
          Types.STRING,
          Types.LONG,
          Types.LONG);

  /** The event time of a record whose body names none. */
  public static final long NO_TIME = Long.MIN_VALUE;

  private LogRecord() {}

  public static Tuple5<String, byte[], String, Long, Long> of(
      String key, byte[] body, String source, long offset, long arrivalMs) {
    return Tuple5.of(key, body, source, offset, arrivalMs);
  }
}
