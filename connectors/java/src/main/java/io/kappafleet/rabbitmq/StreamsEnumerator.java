package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.StreamDoesNotExistException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import javax.annotation.Nullable;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.util.FlinkRuntimeException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes one split per stream and gives it to a subtask.
 *
 * <p>Start positions become offsets here, once, so that a job that fails before its first message
 * begins at the same place again. A split is made for a stream only once in a job's life: the
 * checkpoint holds the names of all that were, those of the readers included.
 */
final class StreamsEnumerator implements SplitEnumerator<StreamSplit, EnumeratorState> {
  private static final Logger LOG = LoggerFactory.getLogger(StreamsEnumerator.class);

  private final StreamsSettings settings;
  private final SplitEnumeratorContext<StreamSplit> context;
  private final Discovery discovery;
  private final Set<String> known = new TreeSet<>();
  private final List<StreamSplit> pending = new ArrayList<>();
  private boolean discovered;

  /** Finds streams and where to begin in them; runs outside the enumerator's thread. */
  @FunctionalInterface
  interface Discovery {
    /**
     * @param known streams that have a split already
     * @param first no stream has one: the start position counts; a stream that appears while the
     *     job runs is read from its first message
     */
    List<StreamSplit> newSplits(Set<String> known, boolean first) throws Exception;
  }

  StreamsEnumerator(
      StreamsSettings settings,
      SplitEnumeratorContext<StreamSplit> context,
      Discovery discovery,
      @Nullable EnumeratorState restored) {
    this.settings = settings;
    this.context = context;
    this.discovery = discovery;
    if (restored != null) {
      known.addAll(restored.known());
      pending.addAll(restored.pending());
    }
  }

  @Override
  public void start() {
    discover();
    if (settings.prefix() != null && settings.discoveryIntervalMs() > 0 && !settings.bounded()) {
      Runnable later = this::discover;
      context.callAsync(
          () -> null,
          (ignored, failure) -> later.run(),
          settings.discoveryIntervalMs(),
          settings.discoveryIntervalMs());
    }
  }

  @Override
  public void handleSplitRequest(int subtask, @Nullable String host) {
    // Splits are few, long-lived and given out unasked.
  }

  @Override
  public void addSplitsBack(List<StreamSplit> splits, int subtask) {
    LOG.info("subtask {} failed and gives back {}", subtask, splits);
    pending.addAll(splits);
    assign();
  }

  @Override
  public void addReader(int subtask) {
    assign();
    if (discovered) {
      announce(subtask);
    }
  }

  @Override
  public EnumeratorState snapshotState(long checkpointId) {
    return new EnumeratorState(known, pending);
  }

  @Override
  public void close() {}

  private void discover() {
    Set<String> before = Set.copyOf(known);
    context.callAsync(() -> discovery.newSplits(before, before.isEmpty()), this::onDiscovered);
  }

  private void onDiscovered(@Nullable List<StreamSplit> found, @Nullable Throwable failure) {
    if (failure != null && discovered) {
      LOG.warn("looking for new streams failed; the next look will tell", failure);
      return;
    }
    if (failure != null) {
      throw new FlinkRuntimeException(failure.getMessage(), failure);
    }
    for (StreamSplit split : found) {
      if (known.add(split.stream())) {
        LOG.info("new split {}", split);
        pending.add(split);
      }
    }
    assign();
    if (!discovered) {
      discovered = true;
      context.registeredReaders().keySet().forEach(this::announce);
    }
  }

  /** Each stream has its place by name, so that streams spread evenly in any order of events. */
  private void assign() {
    List<String> places = new ArrayList<>(known);
    for (Iterator<StreamSplit> i = pending.iterator(); i.hasNext(); ) {
      StreamSplit split = i.next();
      int subtask = Math.max(places.indexOf(split.stream()), 0) % context.currentParallelism();
      if (context.registeredReaders().containsKey(subtask)) {
        context.assignSplit(split, subtask);
        i.remove();
      }
    }
  }

  private void announce(int subtask) {
    if (settings.bounded()) {
      context.signalNoMoreSplits(subtask);
    } else {
      context.sendEventToSourceReader(subtask, new AssignmentComplete());
    }
  }

  /** Asks the broker. */
  static Discovery fromBroker(StreamsSettings settings) {
    return (known, first) -> {
      try (Environment environment = settings.broker().connect()) {
        List<String> streams = new ArrayList<>(names(settings, environment));
        streams.removeAll(known);
        return streams.isEmpty()
            ? List.of()
            : splits(settings, streams, first, new OffsetProbe(environment));
      } catch (StreamDoesNotExistException e) {
        throw new IOException(
            "one of the streams %s does not exist at %s; declare them first"
                .formatted(settings.describeStreams(), settings.broker().describe()),
            e);
      }
    };
  }

  private static Collection<String> names(StreamsSettings settings, Environment environment)
      throws IOException {
    Set<String> names = new TreeSet<>();
    if (settings.prefix() == null) {
      for (String stream : settings.streams()) {
        if (!environment.streamExists(stream)) {
          throw new IOException(
              "stream %s does not exist at %s; declare it first"
                  .formatted(stream, settings.broker().describe()));
        }
        names.add(stream);
      }
      return names;
    }
    for (int partition = 0; environment.streamExists(settings.prefix() + "-" + partition); ) {
      names.add(settings.prefix() + "-" + partition++);
    }
    if (names.isEmpty()) {
      throw new IOException(
          "stream %s-0 does not exist at %s; declare it first"
              .formatted(settings.prefix(), settings.broker().describe()));
    }
    return names;
  }

  private static List<StreamSplit> splits(
      StreamsSettings settings, List<String> streams, boolean first, OffsetProbe probe)
      throws IOException, InterruptedException {
    StartPosition start = first ? settings.start() : StartPosition.FIRST;
    boolean anyGuessIsRight = start.kind() == StartPosition.Kind.FIRST && !settings.bounded();
    Map<String, StreamRange> ranges =
        probe.ranges(streams, anyGuessIsRight ? OffsetProbe.QUICK : OffsetProbe.CAREFUL);
    List<StreamSplit> splits = new ArrayList<>();
    for (String stream : streams) {
      StreamRange range = ranges.get(stream);
      long stop =
          settings.bounded()
              ? settings.stopOffsets().getOrDefault(stream, range.last())
              : StreamSplit.NO_STOP;
      splits.add(split(stream, start, range, stop, probe));
    }
    return splits;
  }

  private static StreamSplit split(
      String stream, StartPosition start, StreamRange range, long stop, OffsetProbe probe)
      throws IOException, InterruptedException {
    long end = range.last() + 1;
    return switch (start.kind()) {
      case FIRST ->
          new StreamSplit(
              stream, range.isEmpty() ? StreamSplit.UNRESOLVED : range.first(), stop, 0);
      case LAST -> new StreamSplit(stream, end, stop, 0);
      case OFFSET -> new StreamSplit(stream, start.value(), stop, 0);
      case TIMESTAMP -> {
        boolean atTheEnd = range.isEmpty() || range.lastMs() < start.value();
        long next = atTheEnd ? end : probe.firstOffsetSince(stream, start.value());
        yield new StreamSplit(stream, next, stop, start.value());
      }
    };
  }
}
