package io.kappafleet.files;

import static io.kappafleet.files.GzipFiles.gzip;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.ZipException;
import org.junit.jupiter.api.Test;

class GzipMembersTest {
  @Test
  void allMembersAreInflated() throws IOException {
    assertThat(inflate(gzip("a\n", "", "b\n"))).isEqualTo("a\nb\n");
  }

  @Test
  void membersMayStraddleTheInputBuffer() throws IOException {
    // Incompressible, so that headers and trailers fall at odd places of the 64 KiB buffer.
    Random random = new Random(1);
    String[] members = new String[40];
    for (int i = 0; i < members.length; i++) {
      StringBuilder text = new StringBuilder();
      random.ints(9_000 + i, 33, 127).forEach(c -> text.append((char) c));
      members[i] = text.toString();
    }

    assertThat(inflate(gzip(members))).isEqualTo(String.join("", members));
  }

  @Test
  void inputMayComeByteByByte() throws IOException {
    InputStream slow =
        new ByteArrayInputStream(gzip("abc", "def")) {
          @Override
          public synchronized int read(byte[] b, int off, int len) {
            return super.read(b, off, Math.min(len, 1));
          }
        };

    assertThat(new String(new GzipMembers(slow).readAllBytes(), UTF_8)).isEqualTo("abcdef");
  }

  @Test
  void optionalHeaderFieldsAreSkipped() throws IOException {
    byte[] plain = gzip("x");
    byte[] extra = {3, 0, 9, 9, 9};
    byte[] names = {'n', 0, 'c', 0};
    byte[] headerCrc = {0, 0};
    byte[] all = new byte[plain.length + extra.length + names.length + headerCrc.length];
    System.arraycopy(plain, 0, all, 0, 10);
    all[3] = 2 | 4 | 8 | 16;
    System.arraycopy(extra, 0, all, 10, 5);
    System.arraycopy(names, 0, all, 15, 4);
    System.arraycopy(headerCrc, 0, all, 19, 2);
    System.arraycopy(plain, 10, all, 21, plain.length - 10);

    assertThat(inflate(all)).isEqualTo("x");
  }

  @Test
  void zeroPaddingAfterTheLastMemberIsFine() throws IOException {
    byte[] padded = Arrays.copyOf(gzip("a\n"), 2_000);

    assertThat(inflate(padded)).isEqualTo("a\n");
  }

  @Test
  void damagedHeaderOfLaterMemberIsAnError() throws IOException {
    byte[] bytes = gzip("a\n", "b\n");
    bytes[gzip("a\n").length] = 0x55;

    assertThatThrownBy(() -> inflate(bytes)).isInstanceOf(ZipException.class);
  }

  @Test
  void truncatedFileIsAnErrorWhereverItEnds() throws IOException {
    byte[] bytes = gzip("some text, and more of it");
    for (int length = 0; length < bytes.length; length++) {
      byte[] cut = Arrays.copyOf(bytes, length);
      assertThatThrownBy(() -> inflate(cut))
          .as("%s bytes", length)
          .isInstanceOf(EOFException.class);
    }
  }

  @Test
  void flippedBitNeverGivesOtherData() throws IOException {
    String text = "some text, and more of it";
    byte[] bytes = gzip(text);
    int errors = 0;
    for (int bit = 80; bit < 8 * bytes.length; bit++) {
      byte[] damaged = bytes.clone();
      damaged[bit / 8] ^= 1 << bit % 8;
      try {
        // The bits that fill up the last byte of compressed data mean nothing.
        assertThat(inflate(damaged)).as("bit %s", bit).isEqualTo(text);
      } catch (IOException e) {
        errors++;
      }
    }
    assertThat(errors).isGreaterThan(8 * bytes.length - 80 - 8);
  }

  private static String inflate(byte[] bytes) throws IOException {
    try (InputStream in = new GzipMembers(new ByteArrayInputStream(bytes))) {
      return new String(in.readAllBytes(), UTF_8);
    }
  }
}
