package io.kappafleet.rabbitmq;

import static io.kappafleet.rabbitmq.TestBroker.STREAM_PORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.flink.api.java.tuple.Tuple5;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Reading streams to the end that they have now. */
@EnabledIfEnvironmentVariable(named = STREAM_PORT, matches = "[0-9]+")
@Timeout(60)
class StreamsLogTest {
  private final String prefix = "test-" + UUID.randomUUID();

  @Test
  void allStreamsOfAPrefixAreReadToTheirEnd() throws Exception {
    try (TestBroker broker = new TestBroker()) {
      List<String> streams = List.of(prefix + "-0", prefix + "-1", prefix + "-2");
      for (String stream : streams) {
        broker.environment.streamCreator().stream(stream).create();
      }
      try {
        broker.publish(streams.get(0), 0, 25_000);
        broker.publishOneByOne(streams.get(0), 25_000, 3);
        broker.publish(streams.get(2), 0, 1);
        List<Tuple5<String, byte[], String, Long, Long>> read = new ArrayList<>();
        new StreamsLog(TestBroker.address(), prefix).read(read::add);

        assertThat(read).hasSize(25_004);
        for (int i = 0; i < 25_003; i++) {
          assertThat(read.get(i).f2).isEqualTo(streams.get(0));
          assertThat(read.get(i).f3).isEqualTo(i);
          assertThat(new String(read.get(i).f1, StandardCharsets.UTF_8)).isEqualTo("m-" + i);
          assertThat(read.get(i).f4).isPositive();
        }
        assertThat(read.get(25_003).f2).isEqualTo(streams.get(2));
      } finally {
        streams.forEach(broker.environment::deleteStream);
      }
    }
  }

  @Test
  void missingStreamsAreNamed() {
    assertThatThrownBy(() -> new StreamsLog(TestBroker.address(), prefix).read(each -> {}))
        .hasMessageContaining("stream " + prefix + "-0 does not exist");
  }
}
