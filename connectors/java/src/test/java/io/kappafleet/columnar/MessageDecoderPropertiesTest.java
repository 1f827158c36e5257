package io.kappafleet.columnar;

import static io.kappafleet.columnar.Decoding.reason;
import static io.kappafleet.columnar.Decoding.snapshot;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What holds for any message, tried on random ones. */
class MessageDecoderPropertiesTest {
  private static final long T = 1_700_000_000_000L;

  private final ColumnBatch batch = new ColumnBatch(Specs.telemetry());
  private final MessageDecoder decoder = new MessageDecoder(Specs.telemetry(), batch);

  /** Good messages around refused ones decode as they do alone. */
  @Test
  void refusedMessagesLeaveNothingBehind() {
    Random random = new Random(42);
    for (int round = 0; round < 300; round++) {
      ColumnBatch alone = new ColumnBatch(Specs.telemetry());
      ColumnBatch mixed = new ColumnBatch(Specs.telemetry());
      MessageDecoder first = new MessageDecoder(Specs.telemetry(), alone);
      MessageDecoder second = new MessageDecoder(Specs.telemetry(), mixed);
      for (int i = 0; i < 20; i++) {
        String good = randomMessage(random);
        assertThat(reason(first, good, "v1", 0)).isNull();
        for (int bad = random.nextInt(3); bad > 0; bad--) {
          reasonOfBroken(second, randomMessage(random), random, mixed);
        }
        assertThat(reason(second, good, "v1", 0)).isNull();
      }
      assertThat(snapshot(mixed)).isEqualTo(snapshot(alone));
    }
  }

  /**
   * Whatever the bytes, the outcome is a message or a reject, and never the decoder's own fault.
   */
  @Test
  void mutatedBytesNeverThrow() {
    Random random = new Random(3);
    for (int i = 0; i < 50_000; i++) {
      byte[] body = randomMessage(random).getBytes(StandardCharsets.UTF_8);
      for (int change = 1 + random.nextInt(3); change > 0; change--) {
        body[random.nextInt(body.length)] = (byte) random.nextInt(256);
      }
      int messages = batch.messages();
      String reason = reason(decoder, body, "v1", 0);
      assertThat(batch.messages()).isEqualTo(reason == null ? messages + 1 : messages);
      if (reason != null) {
        assertThat(reason).doesNotContain("the parser failed").matches("(?s)[a-z0-9_]+: .+");
      }
      if (i % 1000 == 0) {
        batch.clear();
      }
    }
  }

  /** What is accepted is JSON, and its values are those that a general parser reads. */
  @Test
  void mutatedMessagesAgreeWithAGeneralParser() throws Exception {
    ObjectMapper general =
        JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();
    Random random = new Random(11);
    String letters = "0123456789.,-+eE []{}\"nul:t";
    int accepted = 0;
    for (int i = 0; i < 100_000; i++) {
      StringBuilder text = new StringBuilder(randomMessage(random));
      for (int change = random.nextInt(3); change > 0; change--) {
        char letter = letters.charAt(random.nextInt(letters.length()));
        int at = 18 + random.nextInt(text.length() - 18);
        switch (random.nextInt(3)) {
          case 0 -> text.setCharAt(at, letter);
          case 1 -> text.insert(at, letter);
          default -> text.deleteCharAt(at);
        }
      }
      batch.clear();
      if (reason(decoder, text.toString(), "v1", 0) == null) {
        accepted++;
        JsonNode samples = general.readTree(text.toString()).get("samples");
        assertThat(values(samples.get("t"), batch.sampleCount()))
            .isEqualTo(
                Arrays.stream(batch.times(), 0, batch.sampleCount()).asDoubleStream().toArray());
        assertThat(values(samples.get("speed"), batch.sampleCount()))
            .isEqualTo(Arrays.copyOf(batch.samples[0].numbers(), batch.sampleCount()));
      }
    }
    assertThat(accepted).isBetween(30_000, 90_000);
  }

  @Test
  void randomNumbersAreThoseOfTheStandardParser() {
    Random random = new Random(7);
    for (int i = 0; i < 20_000; i++) {
      double value = Double.longBitsToDouble(random.nextLong());
      String text =
          switch (i % 3) {
            case 0 -> Double.toString(Double.isFinite(value) ? value : i);
            case 1 -> Double.toString(random.nextInt(2_000_000) / 1000.0);
            default -> random.nextLong(1L << 60) + "." + random.nextInt(1_000_000_000);
          };
      batch.clear();
      String body =
          "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"odometer\":[" + text + "]}}";
      assertThat(reason(decoder, body, "v1", 0)).isNull();
      assertThat(batch.samples[1].numbers()[0])
          .describedAs(text)
          .isEqualTo(Double.parseDouble(text));
    }
  }

  private static double[] values(JsonNode array, int count) {
    double[] values = new double[count];
    Arrays.fill(values, Double.NaN);
    for (int i = 0; array != null && i < array.size(); i++) {
      values[i] = array.get(i).isNull() ? Double.NaN : Double.parseDouble(array.get(i).asText());
    }
    return values;
  }

  private static void reasonOfBroken(
      MessageDecoder decoder, String good, Random random, ColumnBatch batch) {
    String bad =
        switch (random.nextInt(4)) {
          case 0 -> good.substring(0, random.nextInt(good.length() - 1));
          case 1 -> good.replace("\"t\":[", "\"t\":[" + (T + 1_000_000) + ",");
          case 2 -> good.replace("]}", ",\"x\"]}");
          default -> good.replace("\"v1\"", "\"v2\"");
        };
    int messages = batch.messages();
    assertThat(reason(decoder, bad, "v1", 0)).isNotNull();
    assertThat(batch.messages()).isEqualTo(messages);
  }

  private static String randomMessage(Random random) {
    int n = 1 + random.nextInt(5);
    StringBuilder times = new StringBuilder();
    StringBuilder speeds = new StringBuilder();
    StringBuilder ignition = new StringBuilder();
    for (int i = 0; i < n; i++) {
      String comma = i == 0 ? "" : ",";
      times.append(comma).append(T + i * 1000);
      speeds.append(comma).append(random.nextInt(9) == 0 ? "null" : random.nextInt(4000) / 10.0);
      ignition.append(comma).append(random.nextBoolean());
    }
    String driver = random.nextBoolean() ? ",\"driver_id\":\"d" + random.nextInt(1000) + "\"" : "";
    String lat = random.nextBoolean() ? ",\"lat\":" + random.nextInt(90) : "";
    String flags = random.nextBoolean() ? ",\"ignition\":[" + ignition + "]" : "";
    return "{\"vehicle_id\":\"v1\""
        + driver
        + lat
        + ",\"samples\":{\"speed\":["
        + speeds
        + "]"
        + flags
        + ",\"t\":["
        + times
        + "]}}";
  }
}
