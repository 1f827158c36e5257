package io.kappafleet.columnar;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import java.util.function.Consumer;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.streaming.api.operators.InternalTimerService;

/**
 * The state of the keys of one call: from Flink to the {@link Arena} before it, back after it, each
 * with its one event-time timer.
 *
 * <p>A stored value is {@code { int64 timer, int32 version, row }}, little endian. Every write
 * makes a new array: the heap backend's snapshots keep references to the old ones.
 */
final class KeyedRows {
  /** The timer of a key that has none. */
  static final long NO_TIMER = Long.MIN_VALUE;

  private static final int HEADER = 12;
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private final Consumer<Object> setCurrentKey;
  private final ValueState<byte[]> state;
  private final InternalTimerService<VoidNamespace> timers;
  private final PythonFunction function;
  private final int rowBytes;
  private final int version;
  private final byte[] zeros;
  private long[] oldTimers = new long[64];
  private int statesAt;

  KeyedRows(
      Consumer<Object> setCurrentKey,
      ValueState<byte[]> state,
      InternalTimerService<VoidNamespace> timers,
      PythonFunction function,
      FunctionLayout layout) {
    this.setCurrentKey = setCurrentKey;
    this.state = state;
    this.timers = timers;
    this.function = function;
    rowBytes = layout.stateBytes();
    version = layout.stateVersion();
    zeros = new byte[rowBytes];
  }

  /** What {@link #gather} needs in the arena. */
  long bytes(int keys) {
    return (rowBytes + 1L) * keys;
  }

  /** Writes two sections: the rows, and which of them are new. */
  void gather(List<String> keys, Arena arena) throws IOException {
    int count = keys.size();
    if (oldTimers.length < count) {
      oldTimers = new long[Math.max(count, oldTimers.length * 2)];
    }
    statesAt = arena.section(rowBytes * count);
    int newAt = arena.section(count);
    for (int k = 0; k < count; k++) {
      setCurrentKey.accept(keys.get(k));
      byte[] stored = state.value();
      int at = statesAt + k * rowBytes;
      if (stored == null) {
        oldTimers[k] = NO_TIMER;
        arena.write(at, zeros, 0, rowBytes);
      } else {
        oldTimers[k] = (long) LONG.get(stored, 0);
        load(stored, at, arena);
      }
      arena.writeByte(newAt + k, (byte) (stored == null ? 1 : 0));
    }
  }

  private void load(byte[] stored, int at, Arena arena) {
    int storedVersion = (int) INT.get(stored, 8);
    if (storedVersion == version && stored.length == HEADER + rowBytes) {
      arena.write(at, stored, HEADER, rowBytes);
      return;
    }
    if (storedVersion >= version) {
      throw new IllegalStateException(
          "a state row has version "
              + storedVersion
              + " and "
              + (stored.length - HEADER)
              + " bytes, this job reads version "
              + version
              + " of "
              + rowBytes
              + " bytes: start the job that wrote it, or replay from the log");
    }
    byte[] old = new byte[stored.length - HEADER];
    System.arraycopy(stored, HEADER, old, 0, old.length);
    byte[] row = function.upgrade(storedVersion, old);
    if (row.length != rowBytes) {
      throw new IllegalStateException(
          "upgrade() from version "
              + storedVersion
              + " returned "
              + row.length
              + " bytes, not "
              + rowBytes);
    }
    arena.write(at, row, 0, rowBytes);
  }

  /**
   * Stores the rows as Python left them and moves the timers.
   *
   * @param fired the timers of these keys have just fired, so there is none to delete
   * @return whether a timer moved forward, or ended
   */
  boolean scatter(List<String> keys, Arena arena, FunctionResult result, boolean fired)
      throws IOException {
    boolean progress = false;
    for (int k = 0; k < keys.size(); k++) {
      setCurrentKey.accept(keys.get(k));
      boolean deleted = result.isDeleted(k);
      long timer = deleted ? NO_TIMER : result.timer(k);
      long old = oldTimers[k];
      progress |= timer == NO_TIMER || timer > old;
      if (fired || timer != old) {
        if (!fired && old != NO_TIMER) {
          timers.deleteEventTimeTimer(VoidNamespace.INSTANCE, old);
        }
        if (timer != NO_TIMER) {
          timers.registerEventTimeTimer(VoidNamespace.INSTANCE, timer);
        }
      }
      if (deleted) {
        state.clear();
        continue;
      }
      byte[] stored = new byte[HEADER + rowBytes];
      LONG.set(stored, 0, timer);
      INT.set(stored, 8, version);
      arena.read(statesAt + k * rowBytes, stored, HEADER, rowBytes);
      state.update(stored);
    }
    return progress;
  }
}
