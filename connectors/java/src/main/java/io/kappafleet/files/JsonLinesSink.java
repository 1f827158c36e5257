package io.kappafleet.files;

import io.kappafleet.record.FrameToJson;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Row frames to files: {@code DIR/TABLE.jsonl} for each table, one upsert a line, in arrival order.
 *
 * <p>Every table's file exists after a run, empty if there were no rows. What a file held before is
 * replaced at the start. A job that goes on from a checkpoint cuts its files back to what they held
 * at that checkpoint, so that no row is there twice. Runs with parallelism 1 only.
 */
public final class JsonLinesSink implements Sink<byte[]>, SupportsWriterState<byte[], FileLengths> {
  private static final long serialVersionUID = 1L;

  private final String directory;
  private final List<TableSpec> tables;

  /**
   * @param directory made when missing
   * @param tables the tables in the order of the frames' table index
   * @throws IllegalArgumentException when a column's type is not supported
   */
  public JsonLinesSink(String directory, List<TableSpec> tables) {
    this.directory = directory;
    this.tables = List.copyOf(tables);
    this.tables.forEach(FrameToJson::whole);
  }

  /** As the constructor, with the tables as {@link TableSpec#parse} reads them. */
  public static JsonLinesSink of(String directory, String tables) {
    return new JsonLinesSink(directory, TableSpec.parse(tables));
  }

  @Override
  public SinkWriter<byte[]> createWriter(WriterInitContext context) throws IOException {
    checkSingle(context);
    return JsonLinesWriter.replacing(Path.of(directory), tables);
  }

  @Override
  public StatefulSinkWriter<byte[], FileLengths> restoreWriter(
      WriterInitContext context, Collection<FileLengths> state) throws IOException {
    checkSingle(context);
    if (state.isEmpty()) {
      return JsonLinesWriter.replacing(Path.of(directory), tables);
    }
    return JsonLinesWriter.continuing(Path.of(directory), tables, state.iterator().next());
  }

  @Override
  public SimpleVersionedSerializer<FileLengths> getWriterStateSerializer() {
    return new FileLengths.Serializer();
  }

  private static void checkSingle(WriterInitContext context) {
    int parallelism = context.getTaskInfo().getNumberOfParallelSubtasks();
    if (parallelism != 1) {
      throw new IllegalStateException(
          "the file sink runs with parallelism 1, not %d: set it on the sink"
              .formatted(parallelism));
    }
  }
}
