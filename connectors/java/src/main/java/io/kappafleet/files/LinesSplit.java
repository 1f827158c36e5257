package io.kappafleet.files;

import java.util.List;
import org.apache.flink.api.connector.source.SourceSplit;

/**
 * All files of a source, in reading order, and how far they were read.
 *
 * <p>There is one split only: lines of one vehicle may be spread over the files, and their order
 * must be kept.
 *
 * @param files absolute paths
 * @param fileIndex the file that is being read; the number of files when all were
 * @param lineNumber number of the last line read of that file, 0 at its start
 * @param byteOffset where in that file's (inflated) content the next line starts
 */
record LinesSplit(List<String> files, int fileIndex, long lineNumber, long byteOffset)
    implements SourceSplit {

  static LinesSplit start(List<String> files) {
    return new LinesSplit(List.copyOf(files), 0, 0, 0);
  }

  @Override
  public String splitId() {
    return "lines";
  }
}
