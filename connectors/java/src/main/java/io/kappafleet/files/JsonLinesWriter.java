package io.kappafleet.files;

import io.kappafleet.record.FrameToJson;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;

/** Writes the files of {@link JsonLinesSink}. What was flushed at a checkpoint is its state. */
final class JsonLinesWriter implements StatefulSinkWriter<byte[], FileLengths> {
  private static final int BUFFER_BYTES = 64 * 1024;

  private final List<TableSpec> tables;
  private final FrameToJson[] formats;
  private final FileChannel[] channels;
  private final OutputStream[] files;

  private JsonLinesWriter(List<TableSpec> tables) {
    this.tables = tables;
    this.formats = tables.stream().map(FrameToJson::whole).toArray(FrameToJson[]::new);
    this.channels = new FileChannel[formats.length];
    this.files = new OutputStream[formats.length];
  }

  /** A writer whose files start empty. */
  static JsonLinesWriter replacing(Path directory, List<TableSpec> tables) throws IOException {
    return continuing(directory, tables, new FileLengths(Map.of()));
  }

  /** A writer whose files are cut back to the lengths given; a table without one starts empty. */
  static JsonLinesWriter continuing(Path directory, List<TableSpec> tables, FileLengths lengths)
      throws IOException {
    Files.createDirectories(directory);
    JsonLinesWriter writer = new JsonLinesWriter(tables);
    try {
      for (int i = 0; i < writer.files.length; i++) {
        String name = tables.get(i).name();
        writer.open(
            i, directory.resolve(name + ".jsonl"), lengths.byTable().getOrDefault(name, 0L));
      }
    } catch (IOException | RuntimeException e) {
      writer.close();
      throw e;
    }
    return writer;
  }

  private void open(int table, Path file, long length) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    channels[table] = channel;
    if (channel.size() < length) {
      throw new IOException(
          "%s has %d bytes, but had %d at the checkpoint the job goes on from: it was changed or replaced since. Start the job anew."
              .formatted(file, channel.size(), length));
    }
    channel.truncate(length);
    channel.position(length);
    files[table] = new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER_BYTES);
  }

  @Override
  public void write(byte[] frame, Context context) throws IOException {
    int table = frame.length < RowFrame.HEADER_BYTES ? -1 : RowFrame.table(frame);
    if (table < 0 || table >= formats.length) {
      throw new IOException(
          "a row names table %d, but there are %d tables".formatted(table, formats.length));
    }
    formats[table].writeLine(frame, files[table]);
  }

  @Override
  public void flush(boolean endOfInput) throws IOException {
    for (OutputStream file : files) {
      file.flush();
    }
  }

  @Override
  public List<FileLengths> snapshotState(long checkpointId) throws IOException {
    Map<String, Long> lengths = new TreeMap<>();
    for (int i = 0; i < channels.length; i++) {
      files[i].flush();
      lengths.put(tables.get(i).name(), channels[i].position());
    }
    return List.of(new FileLengths(lengths));
  }

  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (int i = 0; i < channels.length; i++) {
      try (FileChannel channel = channels[i]) {
        if (files[i] != null) {
          files[i].flush();
        }
      } catch (IOException e) {
        failure = e;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
