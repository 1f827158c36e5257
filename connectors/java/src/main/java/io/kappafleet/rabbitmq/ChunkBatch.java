package io.kappafleet.rabbitmq;

import java.util.List;
import java.util.Set;
import javax.annotation.Nullable;
import org.apache.flink.connector.base.source.reader.RecordsWithSplitIds;

/**
 * Chunks as Flink's reader takes them, in the task's thread: one run of records after the other.
 */
final class ChunkBatch implements RecordsWithSplitIds<StoredMessage> {
  private final List<ReceivedChunk> chunks;
  private final Set<String> finished;
  @Nullable private ReceivedChunk current;
  private final StoredMessage message = new StoredMessage();
  private int nextChunk;

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
    return current.subscription.stream();
  }

  @Nullable
  @Override
  public StoredMessage nextRecordFromSplit() {
    return current != null && current.next(message) ? message : null;
  }

  @Override
  public Set<String> finishedSplits() {
    return finished;
  }

  @Override
  public void recycle() {
    current = null;
    chunks.forEach(ReceivedChunk::recycle);
  }
}
