package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PackedWordsTest {
  private static final long[] EDGES = {
    0,
    1,
    -1,
    127,
    128,
    -126,
    -127,
    -128,
    -129,
    255,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    Integer.MAX_VALUE + 1L,
    Integer.MIN_VALUE - 1L,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    Double.doubleToRawLongBits(Double.NaN),
    0x7FF8_0000_0000_0001L,
    0xFFF8_0000_0000_0000L,
    Double.doubleToRawLongBits(52.52),
    Double.doubleToRawLongBits(-0.0),
    1_780_000_000_000L,
  };

  private final PackedWords words = new PackedWords();

  @Test
  void everyWordComesBackToTheLastBit() {
    byte[] raw = bytes(EDGES);

    assertThat(unpacked(words.pack(raw, 0, 0), 0)).isEqualTo(raw);
  }

  @Test
  void anyLengthComesBackWithRoomBefore() {
    Random random = new Random(3);
    for (int i = 0; i < 2_000; i++) {
      byte[] raw = new byte[random.nextInt(700)];
      for (int at = 0; at < raw.length; at++) {
        raw[at] = random.nextInt(4) == 0 ? (byte) random.nextInt() : 0;
      }
      int from = random.nextInt(raw.length + 1);
      int reserved = random.nextInt(20);

      byte[] packed = words.pack(raw, from, reserved);
      byte[] found = PackedWords.unpack(packed, reserved, 5);

      assertThat(found).hasSize(5 + raw.length - from);
      assertThat(Arrays.copyOfRange(found, 5, found.length))
          .isEqualTo(Arrays.copyOfRange(raw, from, raw.length));
      assertThat(Arrays.copyOf(packed, reserved)).isEqualTo(new byte[reserved]);
    }
  }

  @Test
  void whatIsMissingOrSmallTakesAByteAndAQuarterAtTheMost() {
    long[] state = new long[400];
    Arrays.fill(state, 0, 100, Long.MIN_VALUE);
    Arrays.fill(state, 100, 200, Double.doubleToRawLongBits(Double.NaN));
    Arrays.fill(state, 200, 300, 42);

    assertThat(words.pack(bytes(state), 0, 0)).hasSize(4 + 100 + 300);
  }

  @Test
  void onePackedAfterAnotherHasNothingOfIt() {
    words.pack(bytes(EDGES), 0, 0);
    byte[] zeros = new byte[64];

    assertThat(unpacked(words.pack(zeros, 0, 12), 12)).isEqualTo(zeros);
  }

  private static byte[] unpacked(byte[] packed, int from) {
    return PackedWords.unpack(packed, from, 0);
  }

  private static byte[] bytes(long[] words) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * words.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asLongBuffer().put(words);
    return bytes.array();
  }
}
