package io.kappafleet.files;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/**
 * Inflates a gzip file of any number of members and checks every one of them.
 *
 * <p>The JDK's own stream takes a damaged header of a second member for the end of the file, and so
 * drops the rest without a word. Here whatever is not a whole, valid member is an error; zero bytes
 * after the last member (padding of tapes and block devices) are not.
 */
final class GzipMembers extends InputStream {
  private static final int FLAG_HEADER_CRC = 2;
  private static final int FLAG_EXTRA = 4;
  private static final int FLAG_NAME = 8;
  private static final int FLAG_COMMENT = 16;

  private final InputStream in;
  private final Inflater inflater = new Inflater(true);
  private final CRC32 crc = new CRC32();
  private final byte[] input = new byte[64 * 1024];
  private int position;
  private int limit;
  private boolean ended;

  GzipMembers(InputStream in) throws IOException {
    this.in = in;
    int first = readRaw();
    if (first < 0) {
      throw new EOFException("the file is empty, without even a gzip header");
    }
    readHeader(first);
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    while (!ended) {
      int count = inflate(buffer, offset, length);
      if (count > 0) {
        crc.update(buffer, offset, count);
        return count;
      }
      if (inflater.finished()) {
        position = limit - inflater.getRemaining();
        readTrailer();
        ended = !readNextHeader();
      } else if (inflater.needsInput()) {
        if (!fill()) {
          throw new EOFException("it ends in the middle of compressed data");
        }
        inflater.setInput(input, 0, limit);
      } else {
        throw new ZipException("it needs a preset dictionary, which gzip does not have");
      }
    }
    return -1;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public void close() throws IOException {
    inflater.end();
    in.close();
  }

  private int inflate(byte[] buffer, int offset, int length) throws ZipException {
    try {
      return inflater.inflate(buffer, offset, length);
    } catch (DataFormatException e) {
      throw new ZipException("its compressed data are damaged: " + e.getMessage());
    }
  }

  private void readHeader(int firstByte) throws IOException {
    if (firstByte != 0x1f || readByte() != 0x8b) {
      throw new ZipException("what should be a gzip header is not");
    }
    if (readByte() != 8) {
      throw new ZipException("its compression method is not deflate");
    }
    int flags = readByte();
    skip(6);
    if ((flags & FLAG_EXTRA) != 0) {
      skip(readByte() | readByte() << 8);
    }
    if ((flags & FLAG_NAME) != 0) {
      skipText();
    }
    if ((flags & FLAG_COMMENT) != 0) {
      skipText();
    }
    if ((flags & FLAG_HEADER_CRC) != 0) {
      skip(2);
    }
    inflater.reset();
    crc.reset();
    inflater.setInput(input, position, limit - position);
  }

  private void readTrailer() throws IOException {
    if (readInt() != crc.getValue()) {
      throw new ZipException("its check sum does not fit its data");
    }
    if (readInt() != (inflater.getBytesWritten() & 0xffffffffL)) {
      throw new ZipException("its length does not fit its data");
    }
  }

  private boolean readNextHeader() throws IOException {
    int next = readRaw();
    while (next == 0) {
      next = readRaw();
    }
    if (next < 0) {
      return false;
    }
    readHeader(next);
    return true;
  }

  private long readInt() throws IOException {
    return readByte() | readByte() << 8 | readByte() << 16 | (long) readByte() << 24;
  }

  private void skip(int count) throws IOException {
    for (int i = 0; i < count; i++) {
      readByte();
    }
  }

  private void skipText() throws IOException {
    while (readByte() != 0) {
      // A text of the header ends with a zero byte.
    }
  }

  private int readByte() throws IOException {
    int value = readRaw();
    if (value < 0) {
      throw new EOFException("it ends in the middle of a gzip header or trailer");
    }
    return value;
  }

  private int readRaw() throws IOException {
    return position < limit || fill() ? input[position++] & 0xff : -1;
  }

  private boolean fill() throws IOException {
    position = 0;
    limit = Math.max(0, in.read(input, 0, input.length));
    return limit > 0;
  }
}
