package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class RejectFramesTest {
  private static final String TABLE =
      """
      [{"name": "reject", "columns": [["day", "text"], ["source", "text"],
        ["received_at", "timestamp"], ["offset", "bigint"], ["reason", "text"], ["body", "blob"],
        ["length", "int"], ["sha256", "text"], ["note", "text"]],
        "key": [["day", "source"], ["received_at", "offset"]]}]
      """;

  private final RejectFrames frames = new RejectFrames(4, TableSpec.parse(TABLE).get(0));

  @Test
  void aRowHoldsWhatTheLogSaysAndNothingOfTheClock() {
    byte[] body = "abc".getBytes(StandardCharsets.UTF_8);
    byte[] frame = frames.encode(body, "telemetry-0", 12, 1_795_237_200_000L, "not_json: x");

    assertThat(RowFrame.table(frame)).isEqualTo(4);
    assertThat(RowFrame.writeTimeMicros(frame)).isEqualTo(1_795_237_200_000_000L);
    ByteBuffer columns = ByteBuffer.wrap(frame).position(RowFrame.HEADER_BYTES);
    assertThat(text(columns)).isEqualTo("2026-11-21");
    assertThat(text(columns)).isEqualTo("telemetry-0");
    assertThat(ByteBuffer.wrap(next(columns)).getLong()).isEqualTo(1_795_237_200_000L);
    assertThat(ByteBuffer.wrap(next(columns)).getLong()).isEqualTo(12);
    assertThat(text(columns)).isEqualTo("not_json: x");
    assertThat(next(columns)).isEqualTo(body);
    assertThat(ByteBuffer.wrap(next(columns)).getInt()).isEqualTo(3);
    assertThat(text(columns))
        .isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assertThat(columns.getInt()).isEqualTo(RowFrame.UNSET);
    assertThat(columns.hasRemaining()).isFalse();
    assertThat(frames.encode(body, "telemetry-0", 12, 1_795_237_200_000L, "not_json: x"))
        .isEqualTo(frame);
  }

  @Test
  void aLargeBodyIsCappedButItsLengthAndDigestAreWhole() {
    byte[] body = new byte[10 << 20];
    Arrays.fill(body, (byte) 7);
    byte[] frame = frames.encode(body, "f", 1, 0, "too_large: x");

    assertThat(RowFrame.writeTimeMicros(frame)).isEqualTo(1);
    List<byte[]> values = values(frame, 8);
    assertThat(new String(values.get(0), StandardCharsets.UTF_8)).isEqualTo("1970-01-01");
    assertThat(values.get(5)).isEqualTo(Arrays.copyOf(body, 65_536));
    assertThat(ByteBuffer.wrap(values.get(6)).getInt()).isEqualTo(body.length);
    assertThat(values.get(7)).hasSize(64);
  }

  private static List<byte[]> values(byte[] frame, int count) {
    ByteBuffer columns = ByteBuffer.wrap(frame).position(RowFrame.HEADER_BYTES);
    return java.util.stream.IntStream.range(0, count).mapToObj(i -> next(columns)).toList();
  }

  private static String text(ByteBuffer columns) {
    return new String(next(columns), StandardCharsets.UTF_8);
  }

  private static byte[] next(ByteBuffer columns) {
    byte[] value = new byte[columns.getInt()];
    columns.get(value);
    return value;
  }
}
