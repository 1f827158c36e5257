package io.kappafleet.columnar;

import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.OutputTag;

/** Sends the rows that Python returned on: as row frames to the tables, raw to the streams. */
final class RowOutputs {
  /** A table or a stream that receives the rows of one of the function's outputs. */
  private interface Target {
    void emit(byte[] rows, int row, String key);
  }

  private final Output<StreamRecord<byte[]>> output;
  private final List<RowEncoder> encoders = new ArrayList<>();
  private final List<List<Target>> targets = new ArrayList<>();
  private final int[] rowBytes;

  /**
   * @throws IllegalArgumentException when an output is not the function's, or its rows do not fit
   */
  RowOutputs(ColumnarSpec spec, FunctionLayout layout, Output<StreamRecord<byte[]>> output) {
    this.output = output;
    for (OutputSpec wanted : spec.outputs()) {
      if (!layout.outputs().containsKey(wanted.rows())) {
        throw new IllegalArgumentException(
            "output "
                + wanted.name()
                + " reads '"
                + wanted.rows()
                + "', the function has "
                + layout.outputs().keySet());
      }
    }
    rowBytes = layout.outputs().values().stream().mapToInt(RowLayout::bytes).toArray();
    for (Map.Entry<String, RowLayout> rows : layout.outputs().entrySet()) {
      List<Target> ofRows = new ArrayList<>();
      for (OutputSpec wanted : spec.outputs()) {
        if (wanted.rows().equals(rows.getKey())) {
          ofRows.add(
              wanted.kind() == OutputSpec.Kind.TABLE
                  ? table(wanted, rows.getValue(), spec)
                  : stream(wanted, rows.getValue()));
        }
      }
      targets.add(ofRows);
    }
  }

  private Target table(OutputSpec wanted, RowLayout layout, ColumnarSpec spec) {
    RowEncoder encoder = new RowEncoder(wanted, layout, spec.tables().get(wanted.table()));
    encoders.add(encoder);
    return (rows, row, key) -> output.collect(new StreamRecord<>(encoder.encode(rows, row, key)));
  }

  private Target stream(OutputSpec wanted, RowLayout layout) {
    OutputTag<Tuple2<String, byte[]>> tag = ColumnarStreams.tag(wanted.name());
    RowLayout.Field keyField = layout.require(wanted.name(), wanted.keyField(), "S");
    RowLayout.Field eventTime = layout.require(wanted.name(), wanted.eventMs(), "i");
    int bytes = layout.bytes();
    String prefix = wanted.keyPrefix();
    RowLayout.Field id =
        wanted.idField().isEmpty() ? null : layout.require(wanted.name(), wanted.idField(), "S");
    return (rows, row, key) -> {
      byte[] copy = new byte[bytes];
      System.arraycopy(rows, row, copy, 0, bytes);
      if (id != null) {
        id.put(copy, 0, key);
      }
      boolean ofKey = !prefix.isEmpty() && keyField.textLength(rows, row) == 0;
      Tuple2<String, byte[]> value =
          Tuple2.of(ofKey ? prefix + key : keyField.text(rows, row), copy);
      output.collect(tag, new StreamRecord<>(value, eventTime.integer(rows, row)));
    };
  }

  /**
   * @param keys the keys of the call
   */
  void emit(FunctionResult result, List<String> keys) {
    long now = System.currentTimeMillis();
    encoders.forEach(encoder -> encoder.at(now));
    for (int i = 0; i < rowBytes.length; i++) {
      IntBuffer keyIndex = result.keyIndex(i);
      if (keyIndex == null) {
        continue;
      }
      byte[] rows = result.rows(i);
      for (int r = 0; r < keyIndex.limit(); r++) {
        String key = keys.get(keyIndex.get(r));
        for (Target target : targets.get(i)) {
          target.emit(rows, r * rowBytes[i], key);
        }
      }
    }
  }
}
