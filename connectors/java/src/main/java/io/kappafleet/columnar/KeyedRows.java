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
 * <p>A stored value is {@code { int64 timer, int32 version, row, tail }}, little endian; the tail,
 * of int64 words, is empty for a function that declares none. Where the backend keeps bytes and not
 * objects, row and tail are {@link PackedWords}, and the version has a bit that says so. Every
 * write makes a new array: the heap backend's snapshots keep references to the old ones.
 */
final class KeyedRows {
  /** The timer of a key that has none. */
  static final long NO_TIMER = Long.MIN_VALUE;

  private static final int HEADER = 12;

  /** In the version: row and tail are packed. */
  private static final int PACKED = 1 << 30;

  /** The rows, and which of them are new. */
  private static final int SECTIONS = 2;

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
  private final KeyedTails tails;
  private final KeyStore store;
  private final PackedWords packed;
  private long[] oldTimers = new long[64];
  private int statesAt;

  /**
   * @param store loses what deleted keys have in it; null for a function that uses none
   * @param packs whether to pack what is stored; what was stored is read in either form
   */
  KeyedRows(
      Consumer<Object> setCurrentKey,
      ValueState<byte[]> state,
      InternalTimerService<VoidNamespace> timers,
      PythonFunction function,
      FunctionLayout layout,
      KeyStore store,
      boolean packs) {
    this.setCurrentKey = setCurrentKey;
    this.state = state;
    this.timers = timers;
    this.function = function;
    rowBytes = layout.stateBytes();
    version = layout.stateVersion();
    zeros = new byte[rowBytes];
    tails = layout.tailGrowth() == null ? null : new KeyedTails(layout.tailGrowth());
    this.store = store;
    packed = packs ? new PackedWords() : null;
  }

  /** Words of the header that {@link #gather} writes. */
  int headerWords() {
    return tails == null ? SECTIONS : SECTIONS + KeyedTails.HEADER_WORDS;
  }

  /** Sections that {@link #gather} writes, beside those of the tails, which reserve their own. */
  int sections() {
    return SECTIONS;
  }

  /** What they need in the arena. */
  long bytes(int keys) {
    return (rowBytes + 1L) * keys;
  }

  /** What a call with these messages takes at the least: rows, and the room that tails get. */
  long room(ColumnBatch batch) {
    long bytes = bytes(batch.keys().size());
    return tails == null ? bytes : bytes + tails.room(batch);
  }

  /**
   * Writes the rows, which of them are new, and the tails.
   *
   * @param batch the messages of the call; null for timers
   */
  void gather(List<String> keys, ColumnBatch batch, Arena arena) throws IOException {
    int count = keys.size();
    if (tails != null) {
      tails.begin(count);
    }
    if (oldTimers.length < count) {
      oldTimers = new long[Math.max(count, oldTimers.length * 2)];
    }
    statesAt = arena.section(rowBytes * count);
    int newAt = arena.section(count);
    for (int k = 0; k < count; k++) {
      setCurrentKey.accept(keys.get(k));
      byte[] stored = unpacked(state.value());
      int at = statesAt + k * rowBytes;
      if (stored == null) {
        oldTimers[k] = NO_TIMER;
        arena.write(at, zeros, 0, rowBytes);
      } else {
        oldTimers[k] = (long) LONG.get(stored, 0);
        load(k, stored, at, arena);
      }
      arena.writeByte(newAt + k, (byte) (stored == null ? 1 : 0));
    }
    if (tails != null) {
      tails.lay(count, batch, arena);
    }
  }

  private static byte[] unpacked(byte[] stored) {
    if (stored == null || ((int) INT.get(stored, 8) & PACKED) == 0) {
      return stored;
    }
    byte[] found = PackedWords.unpack(stored, HEADER, HEADER);
    LONG.set(found, 0, (long) LONG.get(stored, 0));
    INT.set(found, 8, (int) INT.get(stored, 8) & ~PACKED);
    return found;
  }

  private byte[] packed(byte[] stored) {
    if (packed == null) {
      return stored;
    }
    byte[] found = packed.pack(stored, HEADER, HEADER);
    LONG.set(found, 0, (long) LONG.get(stored, 0));
    INT.set(found, 8, (int) INT.get(stored, 8) | PACKED);
    return found;
  }

  private void load(int key, byte[] stored, int at, Arena arena) {
    int storedVersion = (int) INT.get(stored, 8);
    if (storedVersion == version && isState(stored.length - HEADER)) {
      put(key, stored, HEADER, at, arena);
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
              + " bytes"
              + andTail()
              + ": start the job that wrote it, or replay from the log");
    }
    byte[] old = new byte[stored.length - HEADER];
    System.arraycopy(stored, HEADER, old, 0, old.length);
    byte[] state = function.upgrade(storedVersion, old);
    if (!isState(state.length)) {
      throw new IllegalStateException(
          "upgrade() from version "
              + storedVersion
              + " returned "
              + state.length
              + " bytes, not "
              + rowBytes
              + andTail());
    }
    put(key, state, 0, at, arena);
  }

  /** Whether so many bytes are a row, and behind it whole words if there may be a tail. */
  private boolean isState(int bytes) {
    return bytes == rowBytes || tails != null && bytes > rowBytes && (bytes - rowBytes) % 8 == 0;
  }

  private String andTail() {
    return tails == null ? "" : " and a tail of whole int64 words";
  }

  private void put(int key, byte[] state, int from, int at, Arena arena) {
    arena.write(at, state, from, rowBytes);
    if (tails != null) {
      tails.take(key, state, from + rowBytes);
    }
  }

  /**
   * Stores rows and tails as Python left them and moves the timers.
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
        if (store != null) {
          store.clear();
        }
        continue;
      }
      int tailBytes = tails == null ? 0 : tails.bytes(k, keys, arena);
      byte[] stored = new byte[HEADER + rowBytes + tailBytes];
      LONG.set(stored, 0, timer);
      INT.set(stored, 8, version);
      arena.read(statesAt + k * rowBytes, stored, HEADER, rowBytes);
      if (tailBytes > 0) {
        tails.read(k, arena, stored, HEADER + rowBytes);
      }
      state.update(packed(stored));
    }
    return progress;
  }
}
