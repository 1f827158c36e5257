package io.kappafleet.rabbitmq;

import java.util.List;
import java.util.Set;
import javax.annotation.Nullable;
import org.apache.flink.connector.base.source.reader.RecordsWithSplitIds;

/** Chunks as Flink's reader takes them: one run of records after the other. */
final class ChunkBatch implements RecordsWithSplitIds<LogMessage> {
  private final List<ReceivedChunk> chunks;
  private final Set<String> finished;
  @Nullable private ReceivedChunk current;
  private int nextChunk;
  private int nextMessage;

  ChunkBatch(List<ReceivedChunk> chunks, Set<String> finished) {
    this.chunks = chunks;
    this.finished = finished;
  }

  @Nullable
  @Override
  public String nextSplit() {
    if (nextChunk == chunks.size()) {
      current = null;
      return null;
    }
    current = chunks.get(nextChunk++);
    nextMessage = 0;
    return current.subscription.stream();
  }

  @Nullable
  @Override
  public LogMessage nextRecordFromSplit() {
    if (current == null || nextMessage == current.count) {
      return null;
    }
    return current.messages[nextMessage++];
  }

  @Override
  public Set<String> finishedSplits() {
    return finished;
  }
}
