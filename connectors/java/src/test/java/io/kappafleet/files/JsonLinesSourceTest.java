package io.kappafleet.files;

import static io.kappafleet.files.GzipFiles.gzip;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kappafleet.record.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.CloseableIterator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonLinesSourceTest {
  private static final int BOUND = 1 << 20;

  @TempDir Path folder;

  @Test
  void recordHasKeyBodyFileLineAndEventTime() throws Exception {
    String line = "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000,1700000001000]}}";
    Path file = write("day.jsonl", "\n" + line + "\r\n");

    Output output = read(LinesSplit.start(JsonLinesSource.list(file)));

    assertThat(output.records).hasSize(1);
    Tuple5<String, byte[], String, Long, Long> record = output.records.get(0);
    assertThat(record.f0).isEqualTo("v1");
    assertThat(record.f1).isEqualTo(line.getBytes(UTF_8));
    assertThat(record.f2).isEqualTo("day.jsonl");
    assertThat(record.f3).as("the empty line counts").isEqualTo(2);
    assertThat(record.f4).isZero();
    assertThat(output.times).containsExactly(1700000000000L);
  }

  @Test
  void whatIsNoMessageIsPassedOnToBeJudged() throws Exception {
    Path file = folder.resolve("bad.jsonl");
    Files.write(file, new byte[] {(byte) 0xff, 0, 1, '\n', ' ', '\n'});

    Output output = read(LinesSplit.start(JsonLinesSource.list(file)));

    assertThat(output.records.get(0).f1).isEqualTo(new byte[] {(byte) 0xff, 0, 1});
    assertThat(output.records.get(1).f1).isEqualTo(new byte[] {' '});
    assertThat(output.times).containsExactly(LogRecord.NO_TIME, LogRecord.NO_TIME);
  }

  @Test
  void folderIsReadInTheOrderOfNamesWithoutHiddenFilesAndFolders() throws Exception {
    write("b.jsonl", "3\n4");
    Files.write(folder.resolve("a.jsonl.gz"), gzip("1\n", "2"));
    write("c.json", "");
    write("d.txt", "5\n");
    write(".hidden.jsonl", "no\n");
    Files.createDirectory(folder.resolve("aa"));
    Files.writeString(folder.resolve("aa").resolve("x.jsonl"), "no\n");

    Output output = read(LinesSplit.start(JsonLinesSource.list(folder)));

    assertThat(output.texts()).containsExactly("1", "2", "3", "4", "5");
    assertThat(output.records.stream().map(r -> r.f2 + ":" + r.f3))
        .containsExactly("a.jsonl.gz:1", "a.jsonl.gz:2", "b.jsonl:1", "b.jsonl:2", "d.txt:1");
  }

  @Test
  void readingGoesOnWhereACheckpointWasAtEveryPosition() throws Exception {
    write("a.jsonl", "1\r\n\n2\n");
    Files.write(folder.resolve("b.jsonl.gz"), gzip("3\n4", "4\n\n5\n"));
    write("c.jsonl", "");
    write("d.jsonl", "6");
    List<String> expected = List.of("1", "2", "3", "44", "5", "6");
    LinesSplit start = LinesSplit.start(JsonLinesSource.list(folder));
    for (int lines = 0; lines <= expected.size(); lines++) {
      // What the operator got before the checkpoint, one record a call.
      List<String> before = new ArrayList<>();
      LinesSplit position = start;
      for (int i = 0; i < lines; i++) {
        position = readOne(position, before);
      }
      List<String> after = position == null ? List.of() : read(position).texts();

      before.addAll(after);
      assertThat(before).as("%s lines before the checkpoint", lines).isEqualTo(expected);
    }
  }

  /** Reads one record and returns the checkpointed position behind it, by way of bytes. */
  private LinesSplit readOne(LinesSplit from, List<String> texts) throws Exception {
    try (LinesReader reader = reader(from)) {
      Output output =
          new Output() {
            @Override
            public void collect(Tuple5<String, byte[], String, Long, Long> record, long time) {
              super.collect(record, time);
              throw new Stop();
            }
          };
      try {
        reader.pollNext(output);
      } catch (Stop e) {
        texts.addAll(output.texts());
      }
      List<LinesSplit> state = reader.snapshotState(1);
      LinesEnumerator.StateSerializer serializer = new LinesEnumerator.StateSerializer();
      return serializer.deserialize(1, serializer.serialize(state)).get(0);
    }
  }

  @Test
  void finishedReaderHasNoState() throws Exception {
    Path file = write("a.jsonl", "1\n");
    try (LinesReader reader = reader(LinesSplit.start(JsonLinesSource.list(file)))) {
      Output output = new Output();
      while (reader.pollNext(output) != InputStatus.END_OF_INPUT) {}

      assertThat(reader.snapshotState(1)).isEmpty();
    }
  }

  @Test
  void readerWaitsForItsSplitAndSaysWhenItComes() throws Exception {
    Path file = write("a.jsonl", "1\n");
    try (LinesReader reader = reader(null)) {
      Output output = new Output();
      assertThat(reader.pollNext(output)).isEqualTo(InputStatus.NOTHING_AVAILABLE);
      assertThat(reader.isAvailable()).isNotDone();

      reader.addSplits(List.of(LinesSplit.start(JsonLinesSource.list(file))));

      assertThat(reader.isAvailable()).isDone();
      assertThat(reader.pollNext(output)).isEqualTo(InputStatus.NOTHING_AVAILABLE);
      assertThat(output.texts()).containsExactly("1");
      assertThat(reader.isAvailable()).isNotDone();

      reader.notifyNoMoreSplits();

      assertThat(reader.isAvailable()).isDone();
      assertThat(reader.pollNext(output)).isEqualTo(InputStatus.END_OF_INPUT);
    }
  }

  @Test
  void lineBeyondTheBoundIsCutAndTheNextOnesAreWhole() throws Exception {
    Path file = write("a.jsonl", "1\n" + "x".repeat(10_000_000) + "\n2\n");

    Output output = read(LinesSplit.start(JsonLinesSource.list(file)));

    assertThat(output.texts()).containsExactly("1", "x".repeat(BOUND), "2");
    assertThat(output.records.get(2).f3).isEqualTo(3);
  }

  @Test
  void damagedGzipFileFailsWithItsNameAndPlace() throws Exception {
    byte[] bytes = gzip("1\n2\n", "3\n");
    bytes[bytes.length - 1] ^= 1;
    Path file = folder.resolve("bad.jsonl.gz");
    Files.write(file, bytes);

    assertThatThrownBy(() -> read(LinesSplit.start(JsonLinesSource.list(file))))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("after line 3")
        .hasMessageContaining("not a whole, valid gzip file");
    write("empty.jsonl.gz", "");
    assertThatThrownBy(
            () -> read(LinesSplit.start(JsonLinesSource.list(folder.resolve("empty.jsonl.gz")))))
        .hasMessageContaining("empty.jsonl.gz");
  }

  @Test
  void missingPathAndEmptyFolderAreErrors() {
    assertThatThrownBy(() -> JsonLinesSource.list(folder.resolve("none")))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("none");
    assertThatThrownBy(() -> JsonLinesSource.list(folder))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("holds no files");
  }

  @Test
  void orderIsKeptAtAnyParallelism() throws Exception {
    List<String> expected = new ArrayList<>();
    for (int file = 0; file < 3; file++) {
      List<String> lines =
          IntStream.range(file * 10_000, (file + 1) * 10_000).mapToObj(i -> "line " + i).toList();
      expected.addAll(lines);
      write(file + ".jsonl", String.join("\n", lines));
    }
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.setParallelism(2);
    env.enableCheckpointing(10);

    List<String> texts = new ArrayList<>();
    try (CloseableIterator<Tuple5<String, byte[], String, Long, Long>> records =
        env.fromSource(
                new JsonLinesSource(folder.toString(), "vehicle_id", BOUND),
                WatermarkStrategy.noWatermarks(),
                "lines")
            .executeAndCollect()) {
      records.forEachRemaining(record -> texts.add(new String(record.f1, UTF_8)));
    }

    assertThat(texts).isEqualTo(expected);
  }

  private Path write(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content);
  }

  private static LinesReader reader(LinesSplit split) {
    LinesReader reader =
        new LinesReader(
            UnregisteredMetricsGroup.createSourceReaderMetricGroup(), "vehicle_id", BOUND);
    if (split != null) {
      reader.addSplits(List.of(split));
      reader.notifyNoMoreSplits();
    }
    return reader;
  }

  private static Output read(LinesSplit split) throws Exception {
    Output output = new Output();
    readInto(split, output);
    return output;
  }

  private static void readInto(LinesSplit split, Output output) throws Exception {
    try (LinesReader reader = reader(split)) {
      while (reader.pollNext(output) != InputStatus.END_OF_INPUT) {}
    }
  }

  private static final class Stop extends RuntimeException {}

  /** Collects what a reader emits. */
  private static class Output implements ReaderOutput<Tuple5<String, byte[], String, Long, Long>> {
    final List<Tuple5<String, byte[], String, Long, Long>> records = new ArrayList<>();
    final List<Long> times = new ArrayList<>();

    List<String> texts() {
      return records.stream().map(record -> new String(record.f1, UTF_8)).toList();
    }

    @Override
    public void collect(Tuple5<String, byte[], String, Long, Long> record) {
      collect(record, LogRecord.NO_TIME);
    }

    @Override
    public void collect(Tuple5<String, byte[], String, Long, Long> record, long time) {
      records.add(record);
      times.add(time);
    }

    @Override
    public void emitWatermark(Watermark watermark) {
      throw new AssertionError("files have no watermark before their end");
    }

    @Override
    public void markIdle() {}

    @Override
    public void markActive() {}

    @Override
    public SourceOutput<Tuple5<String, byte[], String, Long, Long>> createOutputForSplit(
        String id) {
      return this;
    }

    @Override
    public void releaseOutputForSplit(String splitId) {}
  }
}
