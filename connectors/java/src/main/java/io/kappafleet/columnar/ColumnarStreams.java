package io.kappafleet.columnar;

import io.kappafleet.record.LogRecord;
import io.kappafleet.record.StoredLog;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.transformations.TwoInputTransformation;
import org.apache.flink.util.OutputTag;

/** What {@code connectors/columnar.py} calls. */
public final class ColumnarStreams {
  static final TypeInformation<Tuple2<String, byte[]>> ROW_TYPE =
      new TupleTypeInfo<>(Types.STRING, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

  private ColumnarStreams() {}

  /**
   * Keys the records and applies the operator.
   *
   * @param records of {@link LogRecord#TYPE}
   * @return the row frames of all tables; rows for streams are at {@link #stream}
   * @throws IllegalArgumentException when the specification does not hold together
   */
  public static SingleOutputStreamOperator<byte[]> build(
      DataStream<Tuple5<String, byte[], String, Long, Long>> records,
      String specJson,
      String uid,
      String name) {
    ColumnarSpec.parse(specJson);
    return records
        .keyBy(new ByKey(), Types.STRING)
        .transform(
            name,
            PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO,
            new ColumnarKeyedProcess(specJson))
        .uid(uid);
  }

  /**
   * The same with reference data beside the records, which every subtask gets.
   *
   * <p>A job may go over from one form to the other: the state of its keys is the same.
   *
   * @param references at least one
   */
  @SuppressWarnings({"rawtypes", "unchecked"})
  public static SingleOutputStreamOperator<byte[]> build(
      DataStream<Tuple5<String, byte[], String, Long, Long>> records,
      String specJson,
      String uid,
      String name,
      List<ReferenceInput> references) {
    ColumnarSpec.parse(specJson);
    Map<String, StoredLog> logs = new LinkedHashMap<>();
    DataStream<Tuple5<String, byte[], String, Long, Long>> changes = null;
    for (ReferenceInput reference : references) {
      logs.put(reference.name(), reference.stored());
      DataStream<Tuple5<String, byte[], String, Long, Long>> named = reference.timeless();
      changes = changes == null ? named : changes.union(named);
    }
    SingleOutputStreamOperator<byte[]> built =
        records
            .keyBy(new ByKey(), Types.STRING)
            .connect(changes.broadcast())
            .transform(
                name,
                PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO,
                new ColumnarBroadcastProcess(specJson, logs))
            .uid(uid);
    // Flink sets the keys of two inputs only where both have some.
    TwoInputTransformation transformation = (TwoInputTransformation) built.getTransformation();
    transformation.setStateKeySelectors(new ByKey(), null);
    transformation.setStateKeyType(Types.STRING);
    return built;
  }

  /** The rows of a stream output, keyed and with their event time. */
  public static DataStream<Tuple2<String, byte[]>> stream(
      SingleOutputStreamOperator<byte[]> built, String output) {
    return built.getSideOutput(tag(output));
  }

  static OutputTag<Tuple2<String, byte[]>> tag(String output) {
    return new OutputTag<>(output, ROW_TYPE);
  }

  static final class ByKey
      implements KeySelector<Tuple5<String, byte[], String, Long, Long>, String> {
    private static final long serialVersionUID = 1L;

    @Override
    public String getKey(Tuple5<String, byte[], String, Long, Long> record) {
      return record.f0;
    }
  }
}
