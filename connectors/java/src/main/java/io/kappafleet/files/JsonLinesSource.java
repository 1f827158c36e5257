package io.kappafleet.files;

import io.kappafleet.record.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Messages from files, one JSON object a line: a bounded source of {@link LogRecord}s.
 *
 * <p>The path is a file or a folder, of which all files are read in the order of their names
 * (hidden ones and folders in it are left out). A name that ends with {@code .gz} is inflated.
 * Lines are passed on as they are, as bytes, even if they are no JSON: judging them is the
 * operator's task. Empty lines are skipped but counted. Of a line longer than the bound only the
 * first bytes are passed on.
 *
 * <p>Order is kept: one reader reads everything, whatever the parallelism. Records carry the event
 * time that their body names; the arrival time is unknown (0). A checkpoint holds the file, line
 * and byte to go on with.
 */
public final class JsonLinesSource
    implements Source<Tuple5<String, byte[], String, Long, Long>, LinesSplit, List<LinesSplit>>,
        ResultTypeQueryable<Tuple5<String, byte[], String, Long, Long>> {
  private static final long serialVersionUID = 1L;

  private final String path;
  private final String idField;
  private final int maxLineBytes;

  /**
   * @param path a file or a folder, seen alike by JobManager and TaskManager
   * @param idField name of the field that holds a message's key
   * @param maxLineBytes so many bytes of a line are kept
   */
  public JsonLinesSource(String path, String idField, int maxLineBytes) {
    this.path = path;
    this.idField = idField;
    this.maxLineBytes = maxLineBytes;
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.BOUNDED;
  }

  @Override
  public SourceReader<Tuple5<String, byte[], String, Long, Long>, LinesSplit> createReader(
      SourceReaderContext context) {
    return new LinesReader(context.metricGroup(), idField, maxLineBytes);
  }

  @Override
  public SplitEnumerator<LinesSplit, List<LinesSplit>> createEnumerator(
      SplitEnumeratorContext<LinesSplit> context) throws IOException {
    return new LinesEnumerator(context, List.of(LinesSplit.start(list(Path.of(path)))));
  }

  @Override
  public SplitEnumerator<LinesSplit, List<LinesSplit>> restoreEnumerator(
      SplitEnumeratorContext<LinesSplit> context, List<LinesSplit> checkpoint) {
    return new LinesEnumerator(context, checkpoint);
  }

  @Override
  public SimpleVersionedSerializer<LinesSplit> getSplitSerializer() {
    return new LinesSplitSerializer();
  }

  @Override
  public SimpleVersionedSerializer<List<LinesSplit>> getEnumeratorCheckpointSerializer() {
    return new LinesEnumerator.StateSerializer();
  }

  @Override
  public TypeInformation<Tuple5<String, byte[], String, Long, Long>> getProducedType() {
    return LogRecord.TYPE;
  }

  /** The files to read, in reading order. */
  static List<String> list(Path path) throws IOException {
    if (Files.isRegularFile(path)) {
      return List.of(path.toAbsolutePath().toString());
    }
    if (!Files.isDirectory(path)) {
      throw new NoSuchFileException(path.toString(), null, "no such file or folder of messages");
    }
    try (Stream<Path> entries = Files.list(path)) {
      List<String> files =
          entries
              .filter(entry -> Files.isRegularFile(entry) && !isHidden(entry))
              .map(entry -> entry.toAbsolutePath().toString())
              .sorted()
              .toList();
      if (files.isEmpty()) {
        throw new NoSuchFileException(path.toString(), null, "the folder holds no files");
      }
      return files;
    }
  }

  private static boolean isHidden(Path entry) {
    return entry.getFileName().toString().startsWith(".");
  }
}
