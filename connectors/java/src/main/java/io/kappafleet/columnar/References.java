package io.kappafleet.columnar;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kappafleet.record.StoredLog;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.api.java.tuple.Tuple5;

/**
 * The reference rows of one subtask: in broadcast state, and known to the job's function.
 *
 * <p>A row is a message as it came. The function reads it, says under which identity it is kept,
 * and of two rows of one identity which one counts; here that decides what the state holds. So rows
 * may come twice and in any order.
 */
final class References {
  /** By name and identity the row's {@link #frame}. */
  static final MapStateDescriptor<String, byte[]> STATE =
      new MapStateDescriptor<>(
          "references", StringSerializer.INSTANCE, BytePrimitiveArraySerializer.INSTANCE);

  /** What a call into Python takes at the most, or a single row if that is larger. */
  private static final int MOST_BYTES = 4 << 20;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final BroadcastState<String, byte[]> state;
  private final PythonFunction function;
  private final List<Tuple5<String, byte[], String, Long, Long>> waiting = new ArrayList<>();
  private final List<byte[]> frames = new ArrayList<>();
  private int bytes;

  /** A row that the function cannot use, and why. */
  record Refused(Tuple5<String, byte[], String, Long, Long> record, String reason) {}

  /** What the function answers: pairs of a row's place in the call and a text. */
  private record Answer(List<Said> kept, List<Said> rejects) {}

  private record Said(int row, String text) {}

  References(BroadcastState<String, byte[]> state, PythonFunction function) {
    this.state = state;
    this.function = function;
  }

  /** Tells the function what the state holds. */
  void restore() throws Exception {
    for (Map.Entry<String, byte[]> entry : state.immutableEntries()) {
      frames.add(entry.getValue());
      bytes += entry.getValue().length;
      if (isFull()) {
        call();
      }
    }
    call();
  }

  /** Takes all rows that a log holds at this moment; those that cannot be used come once more. */
  void read(String name, StoredLog log) throws Exception {
    List<Exception> failures = new ArrayList<>();
    log.read(
        record -> {
          add(Tuple5.of(name, record.f1, record.f2, record.f3, record.f4));
          if (isFull() && failures.isEmpty()) {
            try {
              apply();
            } catch (Exception e) {
              failures.add(e);
            }
          }
        });
    if (!failures.isEmpty()) {
      throw failures.get(0);
    }
    apply();
  }

  /** Takes a row of the reference that is its key; it counts from {@link #apply} on. */
  void add(Tuple5<String, byte[], String, Long, Long> record) {
    byte[] frame = frame(record);
    waiting.add(record);
    frames.add(frame);
    bytes += frame.length;
  }

  /** Whether as many rows wait as one call takes. */
  boolean isFull() {
    return bytes >= MOST_BYTES;
  }

  /** Lets the rows that wait count; returns those that cannot be used. */
  List<Refused> apply() throws Exception {
    if (frames.isEmpty()) {
      return List.of();
    }
    List<byte[]> called = List.copyOf(frames);
    Answer answer = call();
    for (Said kept : answer.kept()) {
      state.put(waiting.get(kept.row()).f0 + "/" + kept.text(), called.get(kept.row()));
    }
    List<Refused> refused = new ArrayList<>();
    for (Said reject : answer.rejects()) {
      refused.add(new Refused(waiting.get(reject.row()), reject.text()));
    }
    waiting.clear();
    return refused;
  }

  private Answer call() throws IOException {
    if (frames.isEmpty()) {
      return new Answer(List.of(), List.of());
    }
    ByteBuffer all = ByteBuffer.allocate(bytes);
    frames.forEach(all::put);
    frames.clear();
    bytes = 0;
    return JSON.readValue(function.refer(all.array()), new TypeReference<>() {});
  }

  /** The row as {@code Runtime.refer} of connectors/columnar_runtime.py reads it. */
  private static byte[] frame(Tuple5<String, byte[], String, Long, Long> record) {
    byte[] name = record.f0.getBytes(StandardCharsets.UTF_8);
    byte[] source = record.f2.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(28 + name.length + source.length + record.f1.length)
        .putLong(record.f4)
        .putLong(record.f3)
        .putInt(name.length)
        .putInt(source.length)
        .putInt(record.f1.length)
        .put(name)
        .put(source)
        .put(record.f1)
        .array();
  }
}
