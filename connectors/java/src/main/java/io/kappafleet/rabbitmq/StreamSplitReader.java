package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Environment;
import java.io.IOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.connector.base.source.reader.RecordsWithSplitIds;
import org.apache.flink.connector.base.source.reader.splitreader.SplitReader;
import org.apache.flink.connector.base.source.reader.splitreader.SplitsAddition;
import org.apache.flink.connector.base.source.reader.splitreader.SplitsChange;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads all streams of one subtask over one client; all methods but wakeUp run in the fetcher. */
final class StreamSplitReader implements SplitReader<StoredMessage, StreamSplit> {
  private static final Logger LOG = LoggerFactory.getLogger(StreamSplitReader.class);

  /** Of a stream's {@code credits} chunks most wait in memory under a backlog only. */
  private static final long POOLED_BYTES = 16 << 20;

  private final StreamsSettings settings;
  private final ChunkQueue queue = new ChunkQueue();
  private final SegmentPool pool = new SegmentPool(POOLED_BYTES);
  private final Map<String, Subscription> subscriptions = new HashMap<>();
  private final Set<String> finishedAtOnce = new HashSet<>();
  private final Environment environment;
  private final StreamWatch watch;

  /**
   * @param reader told about the ends of streams
   * @throws IOException when the broker can't be reached
   */
  StreamSplitReader(StreamsSettings settings, StreamWatch.Listener reader) throws IOException {
    this.settings = settings;
    environment = settings.broker().connect();
    watch = new StreamWatch(settings, environment, queue, reader);
  }

  @Override
  public void handleSplitsChanges(SplitsChange<StreamSplit> change) {
    if (!(change instanceof SplitsAddition)) {
      throw new UnsupportedOperationException("not known: " + change.getClass().getName());
    }
    for (StreamSplit split : change.splits()) {
      if (split.isDone()) {
        finishedAtOnce.add(split.stream());
        continue;
      }
      LOG.info("reading {}", split);
      Subscription subscription =
          new Subscription(split, settings.credits(), queue, pool, watch::requestRangeCheck);
      subscriptions.put(split.stream(), subscription);
      subscription.open(environment);
      watch.add(subscription);
    }
  }

  @Override
  public RecordsWithSplitIds<StoredMessage> fetch() throws IOException {
    if (!finishedAtOnce.isEmpty()) {
      Set<String> finished = Set.copyOf(finishedAtOnce);
      finishedAtOnce.clear();
      return new ChunkBatch(List.of(), finished);
    }
    List<ReceivedChunk> chunks = queue.take(settings.maxBatchMessages(), settings.maxBatchBytes());
    Set<String> finished = new HashSet<>();
    for (ReceivedChunk chunk : chunks) {
      Subscription from = chunk.subscription;
      if (chunk.count > 0
          && chunk.lastOffset() >= from.split().stop()
          && finished.add(from.stream())) {
        finish(from);
      } else {
        chunk.giveCreditBack();
      }
    }
    return new ChunkBatch(chunks, finished);
  }

  @Override
  public void wakeUp() {
    queue.wakeUp();
  }

  @Override
  public void pauseOrResumeSplits(
      Collection<StreamSplit> toPause, Collection<StreamSplit> toResume) {
    forEachOpen(toPause, queue::pause);
    forEachOpen(toResume, queue::resume);
  }

  @Override
  public void close() {
    watch.close();
    subscriptions.values().forEach(Subscription::markClosing);
    environment.close();
  }

  private void finish(Subscription subscription) {
    LOG.info("read to the stop offset: {}", subscription.split());
    watch.remove(subscription);
    subscriptions.remove(subscription.stream());
    subscription.close();
    queue.remove(subscription);
  }

  private void forEachOpen(
      Collection<StreamSplit> splits, java.util.function.Consumer<Subscription> action) {
    for (StreamSplit split : splits) {
      Subscription subscription = subscriptions.get(split.stream());
      if (subscription != null) {
        action.accept(subscription);
      }
    }
  }
}
