package io.kappafleet.files;

import io.kappafleet.record.KeyScan;
import io.kappafleet.record.LogRecord;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.groups.SourceReaderMetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the files of its split one after the other, in the task's own thread.
 *
 * <p>No fetcher thread: files are local and always ready, and a hand-over between threads would
 * cost more than the reading.
 */
final class LinesReader
    implements SourceReader<Tuple5<String, byte[], String, Long, Long>, LinesSplit> {
  private static final Logger LOG = LoggerFactory.getLogger(LinesReader.class);

  /** Between two looks at the task's mailbox, where checkpoints wait. */
  private static final int MAX_LINES_AT_ONCE = 64;

  private static final int MAX_BYTES_AT_ONCE = 64 * 1024;

  private final KeyScan keyScan;
  private final int maxLineBytes;
  private final Counter recordsIn;
  private final Counter bytesIn;
  private final Deque<LinesSplit> waiting = new ArrayDeque<>();
  private CompletableFuture<Void> available = new CompletableFuture<>();
  private boolean noMoreSplits;

  /** The split in work; its position is that of {@link #lines} once a file is open. */
  private LinesSplit split;

  private LineScanner lines;
  private String fileName;

  LinesReader(SourceReaderMetricGroup metrics, String idField, int maxLineBytes) {
    this.keyScan = new KeyScan(idField);
    this.maxLineBytes = maxLineBytes;
    this.recordsIn = metrics.getIOMetricGroup().getNumRecordsInCounter();
    this.bytesIn = metrics.getIOMetricGroup().getNumBytesInCounter();
  }

  @Override
  public void start() {}

  @Override
  public InputStatus pollNext(ReaderOutput<Tuple5<String, byte[], String, Long, Long>> output)
      throws IOException {
    long bytes = 0;
    for (int count = 0; count < MAX_LINES_AT_ONCE && bytes < MAX_BYTES_AT_ONCE; ) {
      if (lines == null && !openNext()) {
        return noMoreSplits ? InputStatus.END_OF_INPUT : InputStatus.NOTHING_AVAILABLE;
      }
      byte[] line = nextLine();
      if (line == null) {
        closeFile();
      } else if (line.length > 0) {
        count++;
        bytes += line.length;
        recordsIn.inc();
        output.collect(
            LogRecord.of(keyScan.key(line), line, fileName, lines.lineNumber(), 0L),
            KeyScan.eventTime(line));
      }
    }
    bytesIn.inc(bytes);
    return InputStatus.MORE_AVAILABLE;
  }

  @Override
  public List<LinesSplit> snapshotState(long checkpointId) {
    List<LinesSplit> state = new ArrayList<>(waiting);
    if (lines != null) {
      state.add(
          new LinesSplit(split.files(), split.fileIndex(), lines.lineNumber(), lines.offset()));
    } else if (split != null) {
      state.add(split);
    }
    return state;
  }

  @Override
  public CompletableFuture<Void> isAvailable() {
    return available;
  }

  @Override
  public void addSplits(List<LinesSplit> splits) {
    waiting.addAll(splits);
    available.complete(null);
  }

  @Override
  public void notifyNoMoreSplits() {
    noMoreSplits = true;
    available.complete(null);
  }

  @Override
  public void close() throws IOException {
    if (lines != null) {
      lines.close();
    }
  }

  /** Opens the next file there is; false when there is none left. */
  private boolean openNext() throws IOException {
    while (split == null || split.fileIndex() == split.files().size()) {
      split = waiting.poll();
      if (split == null) {
        if (!noMoreSplits) {
          available = new CompletableFuture<>();
        }
        return false;
      }
    }
    String file = split.files().get(split.fileIndex());
    fileName = Path.of(file).getFileName().toString();
    InputStream in = new FileInputStream(file);
    try {
      if (fileName.endsWith(".gz")) {
        in = new GzipMembers(in);
      }
      in.skipNBytes(split.byteOffset());
    } catch (IOException e) {
      in.close();
      throw unreadable(e, split.lineNumber());
    }
    lines = new LineScanner(in, split.byteOffset(), split.lineNumber(), maxLineBytes);
    return true;
  }

  private byte[] nextLine() throws IOException {
    try {
      return lines.next();
    } catch (IOException e) {
      throw unreadable(e, lines.lineNumber());
    }
  }

  private void closeFile() throws IOException {
    if (lines.truncated() > 0) {
      LOG.warn(
          "{}: {} lines are longer than {} bytes; only so many bytes of them were read",
          split.files().get(split.fileIndex()),
          lines.truncated(),
          maxLineBytes);
    }
    lines.close();
    lines = null;
    split = new LinesSplit(split.files(), split.fileIndex() + 1, 0, 0);
  }

  private IOException unreadable(IOException cause, long afterLine) {
    String file = split.files().get(split.fileIndex());
    String what = fileName.endsWith(".gz") ? "not a whole, valid gzip file" : "not readable";
    String reason = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    return new IOException(
        "%s is %s (after line %d): %s. Repair or remove it, and run again."
            .formatted(file, what, afterLine, reason),
        cause);
  }
}
