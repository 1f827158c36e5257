package io.kappafleet.record;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One upsert as bytes, big endian: int32 index of the table, int64 write time in microseconds, then
 * for each column of the table an int32 length and the value in Cassandra's own wire format.
 *
 * <p>Every path to a sink speaks it: the columnar operator, PyFlink functions (connectors/rows.py)
 * and the sinks. A sink hands the values on without decoding them.
 */
public final class RowFrame {
  /** Length of a column that the upsert leaves as it is. */
  public static final int UNSET = -2;

  /** Length of a column that the upsert sets to null (a tombstone in Cassandra). */
  public static final int NULL = -1;

  public static final int HEADER_BYTES = 12;

  private RowFrame() {}

  public static int table(byte[] frame) {
    return ByteBuffer.wrap(frame).getInt(0);
  }

  public static long writeTimeMicros(byte[] frame) {
    return ByteBuffer.wrap(frame).getLong(4);
  }

  /** Writes frames one after the other into a buffer that is kept and grows. */
  public static final class Writer {
    private ByteBuffer buffer = ByteBuffer.allocate(1024);

    public Writer begin(int table, long writeTimeMicros) {
      buffer.clear();
      buffer.putInt(table).putLong(writeTimeMicros);
      return this;
    }

    public Writer unset() {
      room(4).putInt(UNSET);
      return this;
    }

    public Writer putNull() {
      room(4).putInt(NULL);
      return this;
    }

    public Writer putInt(int value) {
      room(8).putInt(4).putInt(value);
      return this;
    }

    public Writer putLong(long value) {
      room(12).putInt(8).putLong(value);
      return this;
    }

    public Writer putDouble(double value) {
      room(12).putInt(8).putDouble(value);
      return this;
    }

    public Writer putBoolean(boolean value) {
      room(5).putInt(1).put((byte) (value ? 1 : 0));
      return this;
    }

    public Writer putText(String value) {
      byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
      return putBytes(bytes, 0, bytes.length);
    }

    public Writer putBytes(byte[] bytes, int offset, int length) {
      room(4 + length).putInt(length).put(bytes, offset, length);
      return this;
    }

    /** The frame written since {@link #begin}, in an array of its own. */
    public byte[] end() {
      return Arrays.copyOf(buffer.array(), buffer.position());
    }

    private ByteBuffer room(int bytes) {
      if (buffer.remaining() < bytes) {
        int capacity = Math.max(buffer.capacity() * 2, buffer.position() + bytes);
        buffer =
            ByteBuffer.wrap(Arrays.copyOf(buffer.array(), capacity)).position(buffer.position());
      }
      return buffer;
    }
  }
}
