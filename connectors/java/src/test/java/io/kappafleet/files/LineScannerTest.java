package io.kappafleet.files;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LineScannerTest {
  private static final int BOUND = 1 << 20;

  @Test
  void linesEndWithNewlineOrCarriageReturnNewlineOrTheFile() throws IOException {
    assertThat(lines("a\nbb\r\n\nc\rc\r\r\nlast", BOUND))
        .containsExactly("a", "bb", "", "c\rc\r", "last");
    assertThat(lines("a\n", BOUND)).containsExactly("a");
    assertThat(lines("\n\n", BOUND)).containsExactly("", "");
    assertThat(lines("a\r", BOUND)).containsExactly("a");
    assertThat(lines("", BOUND)).isEmpty();
  }

  @Test
  void bytesThatLookLikeNewlinesInAWordAreToldApart() throws IOException {
    // 0x0b after 0x0a is where the eight-bytes-at-once search must not be fooled.
    assertThat(lines("\n\u000b\u000b\u000b\u000b\u000b\u000b\u000b\u000b\n\u008a\u010a", BOUND))
        .containsExactly("", "\u000b".repeat(8), "\u008a\u010a");
  }

  @Test
  void anyCutOfTheInputGivesTheSameLines() throws IOException {
    Random random = new Random(7);
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 5_000; i++) {
      expected.add("x".repeat(random.nextInt(200)));
    }
    expected.add("y".repeat(700_000));
    expected.add("end");
    String text = String.join("\n", expected);
    InputStream ragged =
        new ByteArrayInputStream(text.getBytes(UTF_8)) {
          @Override
          public synchronized int read(byte[] b, int off, int len) {
            return super.read(b, off, Math.min(len, 1 + random.nextInt(300)));
          }
        };

    assertThat(read(new LineScanner(ragged, 0, 0, BOUND))).isEqualTo(expected);
  }

  @Test
  void ofALineBeyondTheBoundTheFirstBytesAreKept() throws IOException {
    LineScanner scanner =
        scanner("a\n" + "b".repeat(3_000_000) + "\nc\n" + "d".repeat(2_000_000), 1_000_000);

    List<String> lines = read(scanner);

    assertThat(lines).containsExactly("a", "b".repeat(1_000_000), "c", "d".repeat(1_000_000));
    assertThat(scanner.truncated()).isEqualTo(2);
    assertThat(scanner.lineNumber()).isEqualTo(4);
    assertThat(scanner.offset()).isEqualTo(2 + 3_000_001 + 2 + 2_000_000);
  }

  @Test
  void aLineOfExactlyTheBoundIsWhole() throws IOException {
    for (String end : List.of("\n", "\r\n", "")) {
      LineScanner scanner = scanner("b".repeat(1_000_000) + end, 1_000_000);
      assertThat(read(scanner)).containsExactly("b".repeat(1_000_000));
      assertThat(scanner.truncated()).isZero();
    }
  }

  @Test
  void offsetIsWhereTheNextLineStarts() throws IOException {
    LineScanner scanner = scanner("ab\r\nc\n\nd", BOUND);
    List<Long> offsets = new ArrayList<>();
    while (scanner.next() != null) {
      offsets.add(scanner.offset());
    }

    assertThat(offsets).containsExactly(4L, 6L, 7L, 8L);
  }

  private static LineScanner scanner(String text, int bound) {
    return new LineScanner(new ByteArrayInputStream(text.getBytes(UTF_8)), 0, 0, bound);
  }

  private static List<String> lines(String text, int bound) throws IOException {
    return read(scanner(text, bound));
  }

  private static List<String> read(LineScanner scanner) throws IOException {
    List<String> lines = new ArrayList<>();
    for (byte[] line = scanner.next(); line != null; line = scanner.next()) {
      lines.add(new String(line, UTF_8));
    }
    return lines;
  }
}
