package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DigitsTest {
  @Test
  void everyRunOfDigitsIsCountedAndRead() {
    Random random = new Random(7);
    for (int i = 0; i < 200_000; i++) {
      int count = random.nextInt(9);
      byte[] bytes = new byte[8];
      random.nextBytes(bytes);
      for (int at = 0; at < count; at++) {
        bytes[at] = (byte) ('0' + random.nextInt(10));
      }
      while (count < 8 && bytes[count] >= '0' && bytes[count] <= '9') {
        bytes[count]++;
      }
      String digits = new String(bytes, 0, count, StandardCharsets.US_ASCII);
      long word = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();

      assertThat(Digits.count(word)).describedAs(digits).isEqualTo(count);
      assertThat(Digits.value(word, count)).isEqualTo(count == 0 ? 0 : Long.parseLong(digits));
    }
  }

  @Test
  void eachByteThatIsNoDigitEndsTheRun() {
    for (int other = 0; other < 256; other++) {
      for (int at = 0; at < 8; at++) {
        byte[] bytes = "98765432".getBytes(StandardCharsets.US_ASCII);
        bytes[at] = (byte) other;
        boolean digit = other >= '0' && other <= '9';

        assertThat(Digits.count(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong()))
            .isEqualTo(digit ? 8 : at);
      }
    }
  }
}
