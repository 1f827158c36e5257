package io.kappafleet.columnar;

import static io.kappafleet.columnar.Decoding.snapshot;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever the plain decoder takes, Jackson takes as well, with the same columns. */
class PlainDecoderTest {
  private static final String SMALL =
      "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"odometer\":[%s]}}";

  private final MessageSpec spec = Specs.telemetry();
  private final ColumnBatch plainBatch = new ColumnBatch(spec);
  private final ColumnBatch generalBatch = new ColumnBatch(spec);
  private final DeclaredFields fields = new DeclaredFields(spec);
  private final PlainDecoder plain = new PlainDecoder(spec, fields, plainBatch);
  private final JacksonDecoder general = new JacksonDecoder(spec, fields, generalBatch);

  @Test
  void wellFormedMessagesOfAnyLayoutAreTakenAsJacksonTakesThem() {
    RandomMessages messages = new RandomMessages(1, false);
    for (int i = 0; i < 10_000; i++) {
      assertThat(takenAlike(messages.next())).isTrue();
    }
  }

  @Test
  void whatIsTakenOfAnyOtherMessageIsWhatJacksonTakes() {
    RandomMessages messages = new RandomMessages(2, true);
    int taken = 0;
    int count = 60_000;
    for (int i = 0; i < count; i++) {
      taken += takenAlike(messages.next()) ? 1 : 0;
    }
    assertThat(taken).isBetween(count / 10, count * 9 / 10);
  }

  @Test
  void numbersOfAnyLengthAreThoseOfTheStandardParser() {
    Random random = new Random(5);
    for (int i = 0; i < 100_000; i++) {
      String text = RandomMessages.number(random);
      plainBatch.clear();
      plainBatch.begin();
      boolean taken = plain.read(SMALL.formatted(text).getBytes(StandardCharsets.UTF_8), "v1");
      if (text.indexOf('.') >= 0 || text.length() <= 18) {
        assertThat(taken).describedAs(text).isEqualTo(Double.isFinite(Double.parseDouble(text)));
      }
      if (taken) {
        double value = text.equals("-0") ? 0.0 : Double.parseDouble(text);
        assertThat(Double.doubleToRawLongBits(plainBatch.samples[1].numbers()[0]))
            .describedAs(text)
            .isEqualTo(Double.doubleToRawLongBits(value));
      }
    }
  }

  /** They must not fall back to Jackson, which takes more than twice the time. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"schema\":\"telemetry/1\",\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}}",
        "{\"vehicle_id\": \"v1\", \"samples\": {\"speed\": [1.5, null], \"t\": [1700000000000, 1700000001000]}}",
        "{\"driver_id\":\"Jörg 東京 🚗\",\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}}",
        "{\"driver_id\":null,\"fleet_id\":\"\",\"seq\":null,\"lat\":-0.0,\"vehicle_id\":\"v1\",\"samples\":{\"speed\":null,\"t\":[1700000000000]}}",
        "{\"firmware\":{\"v\":[1,2.5e3,\"x\",true,null,{}]},\"vehicle_id\":\"v1\",\"samples\":{\"rpm\":[[],900],\"t\":[1700000000000]}}",
        "{\"vehicle_id\":\"v1\",\"lat\":52.520006599999997,\"samples\":{\"t\":[1700000000000,1700000000000],\"odometer\":[1e3,123456789012345678]}}\n"
      })
  void usualMessagesAreTaken(String message) {
    assertThat(takenAlike(message.getBytes(StandardCharsets.UTF_8))).isTrue();
  }

  /** A message behind which the bytes end at once, or that is cut off anywhere. */
  @Test
  void aMessageThatIsCutOffIsNotTaken() {
    byte[] whole = new RandomMessages(3, false).next();
    int end =
        new String(whole, StandardCharsets.UTF_8)
            .stripTrailing()
            .getBytes(StandardCharsets.UTF_8)
            .length;
    for (int length = 0; length < end; length++) {
      assertThat(takenAlike(Arrays.copyOf(whole, length))).isFalse();
    }
    assertThat(takenAlike(Arrays.copyOf(whole, end))).isTrue();
  }

  private boolean takenAlike(byte[] body) {
    if (plainBatch.messages() == 10) {
      plainBatch.clear();
      generalBatch.clear();
    }
    plainBatch.begin();
    if (!plain.read(body, "v1")) {
      return false;
    }
    plainBatch.commit("v1", body.length, 0, 5);
    generalBatch.begin();
    try {
      general.read(body, "v1");
    } catch (Reject reject) {
      throw new AssertionError(new String(body, StandardCharsets.UTF_8), reject);
    }
    generalBatch.commit("v1", body.length, 0, 5);
    assertThat(snapshot(plainBatch))
        .describedAs(new String(body, StandardCharsets.UTF_8))
        .isEqualTo(snapshot(generalBatch));
    return true;
  }
}
