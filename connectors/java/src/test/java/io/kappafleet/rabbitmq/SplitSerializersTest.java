package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SplitSerializersTest {
  private static final List<StreamSplit> SPLITS =
      List.of(
          new StreamSplit("telemetry-0", StreamSplit.UNRESOLVED, StreamSplit.NO_STOP, 0),
          new StreamSplit("télémétrie", 0, 0, 1_700_000_000_000L),
          new StreamSplit("x", Long.MAX_VALUE - 1, 7, 0));

  @Test
  void splitsComeBackAsTheyWere() throws IOException {
    for (StreamSplit split : SPLITS) {
      byte[] bytes = StreamSplitSerializer.INSTANCE.serialize(split);
      assertThat(StreamSplitSerializer.INSTANCE.deserialize(1, bytes)).isEqualTo(split);
    }
  }

  @Test
  void enumeratorStateComesBackAsItWas() throws IOException {
    EnumeratorState.Serializer serializer = new EnumeratorState.Serializer();
    EnumeratorState state = new EnumeratorState(Set.of("a", "b", "telemetry-0"), SPLITS);
    assertThat(serializer.deserialize(1, serializer.serialize(state))).isEqualTo(state);
    EnumeratorState empty = new EnumeratorState(Set.of(), List.of());
    assertThat(serializer.deserialize(1, serializer.serialize(empty))).isEqualTo(empty);
  }

  /** Bytes of version 1 lie in users' savepoints: this must hold for ever. */
  @Test
  void versionOneIsStillRead() throws IOException {
    byte[] split =
        HexFormat.of()
            .parseHex(
                "000b74656c656d657472792d30"
                    + "000000000000019c"
                    + "7fffffffffffffff"
                    + "0000000000000005");
    StreamSplit expected = new StreamSplit("telemetry-0", 412, StreamSplit.NO_STOP, 5);
    assertThat(StreamSplitSerializer.INSTANCE.deserialize(1, split)).isEqualTo(expected);
    byte[] state =
        HexFormat.of()
            .parseHex("00000001" + "000161" + "00000001" + HexFormat.of().formatHex(split));
    assertThat(new EnumeratorState.Serializer().deserialize(1, state))
        .isEqualTo(new EnumeratorState(Set.of("a"), List.of(expected)));
  }

  @Test
  void aVersionOfTheFutureIsRefused() {
    assertThatThrownBy(() -> StreamSplitSerializer.INSTANCE.deserialize(2, new byte[0]))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("version 2; this build reads version 1");
  }

  @Test
  void aSplitIsDoneBehindItsStopOffset() {
    assertThat(new StreamSplit("s", 8, 7, 0).isDone()).isTrue();
    assertThat(new StreamSplit("s", 7, 7, 0).isDone()).isFalse();
    assertThat(new StreamSplit("s", StreamSplit.UNRESOLVED, -1, 0).isDone()).isTrue();
    assertThat(new StreamSplit("s", StreamSplit.UNRESOLVED, StreamSplit.NO_STOP, 0).isDone())
        .isFalse();
  }
}
