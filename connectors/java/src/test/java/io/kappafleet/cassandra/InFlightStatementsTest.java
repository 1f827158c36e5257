package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.flink.connector.base.sink.writer.strategy.BasicRequestInfo;
import org.apache.flink.connector.base.sink.writer.strategy.BasicResultInfo;
import org.junit.jupiter.api.Test;

class InFlightStatementsTest {
  private final InFlightStatements records = new InFlightStatements(512, 64);

  @Test
  void recordsAreCountedNotBatches() {
    for (int i = 0; i < 512; i++) {
      assertThat(records.shouldBlock(new BasicRequestInfo(1))).isFalse();
      records.registerInFlightRequest(new BasicRequestInfo(1));
    }

    assertThat(records.current()).isEqualTo(512);
    assertThat(records.shouldBlock(new BasicRequestInfo(1))).isTrue();
  }

  @Test
  void batchThatWouldExceedTheBoundWaits() {
    for (int i = 0; i < 7; i++) {
      records.registerInFlightRequest(new BasicRequestInfo(64));
    }
    records.registerInFlightRequest(new BasicRequestInfo(10));

    assertThat(records.shouldBlock(new BasicRequestInfo(54))).isFalse();
    assertThat(records.shouldBlock(new BasicRequestInfo(55))).isTrue();
  }

  @Test
  void answeredBatchMakesRoomWhetherItFailedOrNot() {
    for (int i = 0; i < 8; i++) {
      records.registerInFlightRequest(new BasicRequestInfo(64));
    }
    records.registerCompletedRequest(new BasicResultInfo(64, 64));
    records.registerCompletedRequest(new BasicResultInfo(0, 64));

    assertThat(records.current()).isEqualTo(384);
    assertThat(records.shouldBlock(new BasicRequestInfo(64))).isFalse();
  }

  @Test
  void batchIsNeverLargerThanTheBoundSoThatItCanEverBeSent() {
    InFlightStatements few = new InFlightStatements(10, 64);

    for (int i = 0; i < 10; i++) {
      assertThat(few.getMaxBatchSize()).isEqualTo(1);
      assertThat(few.shouldBlock(new BasicRequestInfo(few.getMaxBatchSize()))).isFalse();
      few.registerInFlightRequest(new BasicRequestInfo(1));
    }
  }

  @Test
  void upsertGoesOutAtOnceWhileFewAreInFlightAndBatchesGrowWithThem() {
    assertThat(records.getMaxBatchSize()).isEqualTo(1);
    records.registerInFlightRequest(new BasicRequestInfo(80));
    assertThat(records.getMaxBatchSize()).isEqualTo(10);
    records.registerInFlightRequest(new BasicRequestInfo(432));
    assertThat(records.getMaxBatchSize()).isEqualTo(64);
    records.registerCompletedRequest(new BasicResultInfo(0, 512));
    assertThat(records.getMaxBatchSize()).isEqualTo(1);
  }

  @Test
  void theMoreIsInFlightTheLongerUpsertsMayWait() {
    records.registerInFlightRequest(new BasicRequestInfo(2));
    assertThat(records.holdMs(10, 1000)).isZero();
    records.registerInFlightRequest(new BasicRequestInfo(1));
    assertThat(records.holdMs(10, 1000)).isEqualTo(10);
    records.registerInFlightRequest(new BasicRequestInfo(253));
    assertThat(records.holdMs(10, 1000)).isEqualTo(500);
    records.registerInFlightRequest(new BasicRequestInfo(256));
    assertThat(records.holdMs(10, 1000)).isEqualTo(1000);
  }
}
