package io.kappafleet.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KeyScanTest {
  private static final KeyScan SCAN = new KeyScan("vehicle_id");

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"vehicle_id\":\"v-1\"} | v-1",
        "{ \"vehicle_id\" : \"v-1\" } | v-1",
        "{\"a\":\"vehicle_id\",\"vehicle_id\":\"v-2\"} | v-2",
        "{\"vehicle_id\":\"Stra\\u00dfe\"} | Straße",
        "{\"vehicle_id\":\"a\\\"b\"} | a\"b",
        "{\"vehicle_id\":7} | ``",
        "{\"vehicle_id\":\"cut | ``",
        "{\"vehicle_idx\":\"v\"} | ``",
        "`` | ``",
      })
  void findsTheKey(String body, String key) {
    assertThat(SCAN.key(utf8(body))).isEqualTo(key);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"samples\":{\"t\":[1700000000000,2]}} | 1700000000000",
        "{\"t\": [ 12 ]} | 12",
        "{\"t\":[-5]} | -5",
        "{\"t\":[]} | -9223372036854775808",
        "{\"t\":[1.5]} | -9223372036854775808",
        "{\"t\":\"x\"} | -9223372036854775808",
        "{\"t\":[99999999999999999999999]} | -9223372036854775808",
        "{\"t\":[12 | -9223372036854775808",
        "garbage | -9223372036854775808",
      })
  void findsTheEventTime(String body, long eventMs) {
    assertThat(KeyScan.eventTime(utf8(body))).isEqualTo(eventMs);
  }

  @Test
  void neverThrowsOnRandomBytes() {
    Random random = new Random(7);
    byte[] alphabet = utf8("{}[]\":,\\ t0123456789vehicle_id-");
    for (int round = 0; round < 20_000; round++) {
      byte[] body = new byte[random.nextInt(60)];
      for (int i = 0; i < body.length; i++) {
        body[i] = alphabet[random.nextInt(alphabet.length)];
      }
      SCAN.key(body);
      KeyScan.eventTime(body);
    }
  }
}
