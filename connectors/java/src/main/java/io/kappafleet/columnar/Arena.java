package io.kappafleet.columnar;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apache.flink.core.memory.MemorySegmentFactory;

/**
 * Memory outside the heap that the JVM and the interpreter both see: the columns of a call, and the
 * state rows, which Python changes in place. It starts with a header of int64 words: sizes, and the
 * offset of every section in the order in which both sides know them.
 *
 * <p>Sections start at multiples of eight. The memory is kept from call to call and grows; Python
 * learns its address whenever that changes.
 */
final class Arena {
  private static final int SMALLEST = 1 << 18;

  private ByteBuffer memory = allocate(SMALLEST);
  private boolean moved = true;
  private int end;
  private int headerWords;

  private static ByteBuffer allocate(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Starts a call of at most so many bytes and sections behind a header of so many words. */
  void begin(int words, long bytes, int sections) {
    long needed = 8L * words + bytes + 8L * sections;
    if (needed > memory.capacity()) {
      move(needed);
    }
    end = 8 * words;
    headerWords = 0;
  }

  /** Makes room for so many bytes and sections more than {@link #begin} was told. */
  void reserve(long bytes, int sections) {
    long needed = end + bytes + 8L * sections;
    if (needed > memory.capacity()) {
      ByteBuffer before = memory;
      move(needed);
      memory.put(0, before, 0, end);
    }
  }

  private void move(long needed) {
    if (needed > Integer.MAX_VALUE / 2) {
      throw new IllegalStateException(
          "a mini-batch of " + needed + " bytes of columns is too large: lower the batch limits");
    }
    memory = allocate(Integer.highestOneBit((int) needed) << 1);
    moved = true;
  }

  long address() {
    return MemorySegmentFactory.wrapOffHeapMemory(memory).getAddress();
  }

  int size() {
    return memory.capacity();
  }

  /** Whether the address changed since this was last asked. */
  boolean hasMoved() {
    boolean answer = moved;
    moved = false;
    return answer;
  }

  /** Appends a word to the header. */
  void word(long value) {
    memory.putLong(8 * headerWords++, value);
  }

  /** Appends a section; returns where it starts. */
  int put(long[] values, int count) {
    int start = section(8 * count);
    memory.position(start);
    memory.asLongBuffer().put(values, 0, count);
    return start;
  }

  void put(double[] values, int count) {
    memory.position(section(8 * count));
    memory.asDoubleBuffer().put(values, 0, count);
  }

  void put(int[] values, int count) {
    memory.position(section(4 * count));
    memory.asIntBuffer().put(values, 0, count);
  }

  void put(byte[] values, int count) {
    memory.put(section(count), values, 0, count);
  }

  /** Appends a section whose content is still to come; returns where it starts. */
  int section(int bytes) {
    int start = end;
    word(start);
    end = start + bytes + 7 & ~7;
    return start;
  }

  void write(int at, byte[] from, int offset, int length) {
    memory.put(at, from, offset, length);
  }

  void read(int at, byte[] into, int offset, int length) {
    memory.get(at, into, offset, length);
  }

  long readLong(int at) {
    return memory.getLong(at);
  }

  void writeByte(int at, byte value) {
    memory.put(at, value);
  }

  void writeLong(int at, long value) {
    memory.putLong(at, value);
  }
}
