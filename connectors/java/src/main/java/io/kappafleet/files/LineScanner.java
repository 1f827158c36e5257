package io.kappafleet.files;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Cuts a stream of bytes into lines without ever decoding them.
 *
 * <p>A line ends with {@code \n} or {@code \r\n}, neither of which belongs to it; the last one may
 * end with the file. Of a line longer than the bound only the first bytes are kept, so that memory
 * stays bounded whatever the file holds.
 */
final class LineScanner implements Closeable {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long NEWLINES = 0x0a0a0a0a0a0a0a0aL;
  private static final long ONES = 0x0101010101010101L;
  private static final long HIGH_BITS = 0x8080808080808080L;
  private static final int FIRST_CAPACITY = 256 * 1024;

  private final InputStream in;
  private final int maxLineBytes;
  private byte[] buffer;
  private int position;
  private int limit;
  private boolean ended;
  private long bufferOffset;
  private long lineNumber;
  private long truncated;

  /**
   * @param in the (inflated) content, from the byte {@code offset} on, which starts a line
   * @param offset what {@link #offset} said when that line was about to be read
   * @param lineNumber number of the line before it
   * @param maxLineBytes so many bytes of a line are kept
   */
  LineScanner(InputStream in, long offset, long lineNumber, int maxLineBytes) {
    this.in = in;
    this.bufferOffset = offset;
    this.lineNumber = lineNumber;
    this.maxLineBytes = maxLineBytes;
    this.buffer = new byte[FIRST_CAPACITY];
  }

  /** The next line in an array of its own; null after the last one. */
  byte[] next() throws IOException {
    int searched = position;
    while (true) {
      int newline = indexOfNewline(buffer, searched, limit);
      if (newline >= 0) {
        return take(newline, newline + 1);
      }
      if (ended) {
        return position == limit ? null : take(limit, limit);
      }
      int pending = limit - position;
      // One byte more than the bound: it may be the carriage return of a line that just fits.
      if (pending > maxLineBytes + 1) {
        return takeTruncated();
      }
      fill();
      searched = position + pending;
    }
  }

  /** Number of the line that {@link #next} returned last, from 1. */
  long lineNumber() {
    return lineNumber;
  }

  /** Where in the (inflated) content the next line starts. */
  long offset() {
    return bufferOffset + position;
  }

  /** How many lines were longer than the bound. */
  long truncated() {
    return truncated;
  }

  @Override
  public void close() throws IOException {
    in.close();
  }

  private byte[] take(int end, int next) {
    int last = end > position && buffer[end - 1] == '\r' ? end - 1 : end;
    if (last - position > maxLineBytes) {
      last = position + maxLineBytes;
      truncated++;
    }
    byte[] line = Arrays.copyOfRange(buffer, position, last);
    position = next;
    lineNumber++;
    return line;
  }

  private byte[] takeTruncated() throws IOException {
    byte[] line = Arrays.copyOfRange(buffer, position, position + maxLineBytes);
    int newline = -1;
    while (newline < 0 && !ended) {
      position = limit;
      fill();
      newline = indexOfNewline(buffer, position, limit);
    }
    position = newline < 0 ? limit : newline + 1;
    truncated++;
    lineNumber++;
    return line;
  }

  /** Reads more behind what is pending; what was taken already makes room. */
  private void fill() throws IOException {
    int pending = limit - position;
    if (position > 0) {
      System.arraycopy(buffer, position, buffer, 0, pending);
      bufferOffset += position;
      position = 0;
      limit = pending;
    }
    if (limit == buffer.length) {
      long doubled = 2L * buffer.length;
      buffer = Arrays.copyOf(buffer, (int) Math.min(doubled, maxLineBytes + FIRST_CAPACITY));
    }
    int count = in.read(buffer, limit, buffer.length - limit);
    if (count < 0) {
      ended = true;
    } else {
      limit += count;
    }
  }

  /** Eight bytes at a time: a byte that equals the newline becomes zero, and zero bytes show. */
  private static int indexOfNewline(byte[] bytes, int from, int to) {
    int i = from;
    for (; i <= to - 8; i += 8) {
      long word = (long) LONGS.get(bytes, i) ^ NEWLINES;
      long found = (word - ONES) & ~word & HIGH_BITS;
      if (found != 0) {
        return i + (Long.numberOfTrailingZeros(found) >>> 3);
      }
    }
    for (; i < to; i++) {
      if (bytes[i] == '\n') {
        return i;
      }
    }
    return -1;
  }
}
