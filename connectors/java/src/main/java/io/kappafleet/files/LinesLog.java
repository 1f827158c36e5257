package io.kappafleet.files;

import io.kappafleet.record.KeyScan;
import io.kappafleet.record.LogRecord;
import io.kappafleet.record.StoredLog;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.apache.flink.api.java.tuple.Tuple5;

/**
 * The messages of one schema in the files that a {@link JsonLinesSource} reads, as it would make
 * them; their keys are empty.
 *
 * @param path a file or a folder
 * @param schema of the messages wanted
 * @param maxLineBytes so many bytes of a line are kept
 */
public record LinesLog(String path, String schema, int maxLineBytes) implements StoredLog {
  private static final long serialVersionUID = 1L;

  @Override
  public void read(Consumer<Tuple5<String, byte[], String, Long, Long>> each) throws IOException {
    KeyScan scan = new KeyScan("schema");
    for (String file : JsonLinesSource.list(Path.of(path))) {
      String name = Path.of(file).getFileName().toString();
      try (InputStream plain = new FileInputStream(file);
          InputStream in = name.endsWith(".gz") ? new GzipMembers(plain) : plain;
          LineScanner lines = new LineScanner(in, 0, 0, maxLineBytes)) {
        for (byte[] line; (line = lines.next()) != null; ) {
          if (scan.key(line).equals(schema)) {
            each.accept(LogRecord.of("", line, name, lines.lineNumber(), 0));
          }
        }
      }
    }
  }
}
