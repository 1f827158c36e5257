package io.kappafleet.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonLinesSinkTest {
  private static final String TABLES =
      """
      [{"name": "a", "columns": [["id", "bigint"]], "key": [["id"], []]},
       {"name": "b", "columns": [["id", "bigint"], ["note", "text"]], "key": [["id"], []]}]
      """;
  private static volatile boolean failed;

  @TempDir Path folder;

  @Test
  void eachTableHasItsFileAndWhatItHeldIsReplaced() throws Exception {
    Files.writeString(folder.resolve("a.jsonl"), "old\n");
    Files.writeString(folder.resolve("b.jsonl"), "old\n");

    StreamExecutionEnvironment env = environment(1);
    rows(env, 3).sinkTo(JsonLinesSink.of(folder.toString(), TABLES)).setParallelism(1);
    env.execute();

    assertThat(folder.resolve("a.jsonl")).isEmptyFile();
    assertThat(Files.readAllLines(folder.resolve("b.jsonl")))
        .containsExactly(
            "{\"id\":0,\"note\":null}", "{\"id\":1,\"note\":null}", "{\"id\":2,\"note\":null}");
  }

  @Test
  void folderIsMadeWhenMissing() throws Exception {
    JsonLinesWriter.replacing(folder.resolve("x").resolve("y"), TableSpec.parse(TABLES)).close();

    assertThat(folder.resolve("x").resolve("y").resolve("b.jsonl")).isEmptyFile();
  }

  @Test
  void jobThatFailsAndGoesOnWritesEveryRowOnce() throws Exception {
    failed = false;
    StreamExecutionEnvironment env = environment(2);
    env.enableCheckpointing(50);
    long count = 3_000;
    env.fromSequence(0, count - 1)
        .setParallelism(1)
        .map(
            id -> {
              Thread.sleep(id % 10 == 0 ? 1 : 0);
              if (id == 2_000 && !failed) {
                failed = true;
                throw new IllegalStateException("a failure after some checkpoints");
              }
              return frame(id);
            })
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .setParallelism(1)
        .sinkTo(JsonLinesSink.of(folder.toString(), TABLES))
        .setParallelism(1);
    env.execute();

    assertThat(failed).isTrue();
    assertThat(Files.readAllLines(folder.resolve("b.jsonl")))
        .containsExactlyElementsOf(
            LongStream.range(0, count)
                .mapToObj(id -> "{\"id\":%d,\"note\":null}".formatted(id))
                .toList());
  }

  @Test
  void filesAreCutBackToTheCheckpoint() throws Exception {
    List<TableSpec> tables = TableSpec.parse(TABLES);
    FileLengths checkpoint;
    try (JsonLinesWriter writer = JsonLinesWriter.replacing(folder, tables)) {
      writer.write(frame(1), null);
      writer.flush(false);
      FileLengths.Serializer serializer = new FileLengths.Serializer();
      checkpoint = serializer.deserialize(1, serializer.serialize(writer.snapshotState(1).get(0)));
      writer.write(frame(2), null);
    }
    assertThat(Files.readAllLines(folder.resolve("b.jsonl"))).hasSize(2);

    try (JsonLinesWriter writer = JsonLinesWriter.continuing(folder, tables, checkpoint)) {
      writer.write(frame(3), null);
    }

    assertThat(Files.readAllLines(folder.resolve("b.jsonl")))
        .containsExactly("{\"id\":1,\"note\":null}", "{\"id\":3,\"note\":null}");
  }

  @Test
  void fileThatLostWhatTheCheckpointHoldsIsAnError() {
    FileLengths checkpoint = new FileLengths(Map.of("b", 100L));

    assertThatThrownBy(
            () -> JsonLinesWriter.continuing(folder, TableSpec.parse(TABLES), checkpoint))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("b.jsonl has 0 bytes, but had 100");
  }

  @Test
  void rowOfUnknownTableIsAnError() throws IOException {
    try (JsonLinesWriter writer = JsonLinesWriter.replacing(folder, TableSpec.parse(TABLES))) {
      byte[] frame = new RowFrame.Writer().begin(2, 1).putLong(1).end();

      assertThatThrownBy(() -> writer.write(frame, null))
          .hasMessage("a row names table 2, but there are 2 tables");
    }
  }

  @Test
  void moreThanOneWriterIsRefused() {
    StreamExecutionEnvironment env = environment(2);
    env.configure(new Configuration().set(RestartStrategyOptions.RESTART_STRATEGY, "none"));
    rows(env, 3).sinkTo(JsonLinesSink.of(folder.toString(), TABLES)).setParallelism(2);

    assertThatThrownBy(env::execute).hasStackTraceContaining("runs with parallelism 1, not 2");
  }

  private static StreamExecutionEnvironment environment(int parallelism) {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.setParallelism(parallelism);
    return env;
  }

  private static DataStream<byte[]> rows(StreamExecutionEnvironment env, long count) {
    return env.fromSequence(0, count - 1)
        .map(JsonLinesSinkTest::frame)
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  }

  private static byte[] frame(long id) {
    return new RowFrame.Writer().begin(1, 1).putLong(id).unset().end();
  }
}
