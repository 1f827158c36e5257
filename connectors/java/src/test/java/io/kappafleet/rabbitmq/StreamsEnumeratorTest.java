package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import org.apache.flink.api.connector.source.ReaderInfo;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.metrics.groups.SplitEnumeratorMetricGroup;
import org.junit.jupiter.api.Test;

/** Who gets which stream, when, and what a checkpoint remembers of it. */
class StreamsEnumeratorTest {
  private final Context context = new Context(2);
  private final Set<String> existing = new HashSet<>(Set.of("s-0", "s-1", "s-2"));

  private static StreamSplit split(String stream) {
    return new StreamSplit(stream, 0, StreamSplit.NO_STOP, 0);
  }

  private List<StreamSplit> discover(Set<String> known, boolean first) {
    return existing.stream()
        .filter(stream -> !known.contains(stream))
        .sorted()
        .map(stream -> new StreamSplit(stream, first ? 100 : 0, StreamSplit.NO_STOP, 0))
        .toList();
  }

  private StreamsEnumerator enumerator(
      RabbitStreamsSource.Builder source, EnumeratorState restored) {
    StreamsEnumerator enumerator =
        new StreamsEnumerator(source.settings(), context, this::discover, restored);
    enumerator.start();
    return enumerator;
  }

  private static RabbitStreamsSource.Builder source() {
    return RabbitStreamsSource.builder().prefix("s");
  }

  @Test
  void streamsSpreadEvenlyWhoeverComesFirst() {
    StreamsEnumerator enumerator = enumerator(source(), null);
    context.register(enumerator, 1);
    context.runAsync();
    assertThat(context.streamsOf(1)).containsExactly("s-1");
    context.register(enumerator, 0);
    assertThat(context.streamsOf(0)).containsExactly("s-0", "s-2");
    assertThat(context.events).containsOnlyKeys(0, 1);
    assertThat(context.noMoreSplits).isEmpty();
  }

  @Test
  void noReaderIsToldThatAllIsAssignedBeforeTheStreamsAreKnown() {
    StreamsEnumerator enumerator = enumerator(source(), null);
    context.register(enumerator, 0);
    context.register(enumerator, 1);
    assertThat(context.events).isEmpty();
    context.runAsync();
    assertThat(context.events).containsOnlyKeys(0, 1);
  }

  @Test
  void aBoundedSourceTellsEveryReaderThatNoMoreComes() {
    StreamsEnumerator enumerator = enumerator(source().bounded(), null);
    context.register(enumerator, 0);
    context.runAsync();
    context.register(enumerator, 1);
    assertThat(context.noMoreSplits).containsExactlyInAnyOrder(0, 1);
    assertThat(context.events).isEmpty();
  }

  @Test
  void splitsOfAFailedReaderComeBackAndAreGivenOutAgain() {
    StreamsEnumerator enumerator = enumerator(source(), null);
    context.register(enumerator, 0);
    context.register(enumerator, 1);
    context.runAsync();
    context.readers.remove(1);
    context.assigned.get(1).clear();

    enumerator.addSplitsBack(List.of(split("s-1").at(55)), 1);

    assertThat(enumerator.snapshotState(1).pending()).containsExactly(split("s-1").at(55));
    context.register(enumerator, 1);
    assertThat(context.assigned.get(1)).containsExactly(split("s-1").at(55));
    assertThat(enumerator.snapshotState(2).pending()).isEmpty();
  }

  @Test
  void aRestoredEnumeratorMakesNoSecondSplitOfAStream() {
    EnumeratorState state =
        new EnumeratorState(Set.of("s-0", "s-1", "s-2"), List.of(split("s-2").at(7)));
    StreamsEnumerator enumerator = enumerator(source(), state);
    context.register(enumerator, 0);
    context.register(enumerator, 1);
    context.runAsync();
    assertThat(context.streamsOf(0)).containsExactly("s-2");
    assertThat(context.streamsOf(1)).isEmpty();
    assertThat(enumerator.snapshotState(1))
        .isEqualTo(new EnumeratorState(Set.of("s-0", "s-1", "s-2"), List.of()));
  }

  @Test
  void aStreamThatAppearsWhileTheJobRunsIsReadFromItsFirstMessage() {
    StreamsEnumerator enumerator = enumerator(source().discoveryIntervalMs(1_000), null);
    context.register(enumerator, 0);
    context.register(enumerator, 1);
    context.runAsync();
    existing.add("s-3");
    context.runPeriodic();
    context.runAsync();
    assertThat(context.assigned.get(1)).contains(split("s-3"));
    assertThat(context.assigned.get(0)).contains(split("s-0").at(100));
    context.runPeriodic();
    context.runAsync();
    assertThat(context.assigned.get(0).size() + context.assigned.get(1).size()).isEqualTo(4);
  }

  @Test
  void aFailedFirstLookFailsTheJobWithItsReason() {
    StreamsEnumerator enumerator =
        new StreamsEnumerator(
            source().settings(),
            context,
            (known, first) -> {
              throw new IOException("stream s-0 does not exist");
            },
            null);
    enumerator.start();
    assertThatThrownBy(context::runAsync).hasMessage("stream s-0 does not exist");
  }

  /** Runs asynchronous calls when the test says so. */
  private static final class Context implements SplitEnumeratorContext<StreamSplit> {
    private final int parallelism;
    private final Map<Integer, ReaderInfo> readers = new HashMap<>();
    private final Map<Integer, List<StreamSplit>> assigned = new TreeMap<>();
    private final Map<Integer, SourceEvent> events = new TreeMap<>();
    private final List<Integer> noMoreSplits = new ArrayList<>();
    private final List<Runnable> calls = new ArrayList<>();
    private final List<Runnable> periodic = new ArrayList<>();

    private Context(int parallelism) {
      this.parallelism = parallelism;
      for (int subtask = 0; subtask < parallelism; subtask++) {
        assigned.put(subtask, new ArrayList<>());
      }
    }

    private void register(StreamsEnumerator enumerator, int subtask) {
      readers.put(subtask, new ReaderInfo(subtask, "localhost"));
      enumerator.addReader(subtask);
    }

    private List<String> streamsOf(int subtask) {
      return assigned.get(subtask).stream().map(StreamSplit::stream).toList();
    }

    private void runAsync() {
      List<Runnable> now = List.copyOf(calls);
      calls.clear();
      now.forEach(Runnable::run);
    }

    private void runPeriodic() {
      periodic.forEach(Runnable::run);
    }

    private static <T> Runnable call(Callable<T> work, BiConsumer<T, Throwable> handler) {
      return () -> {
        T result;
        try {
          result = work.call();
        } catch (Exception e) {
          handler.accept(null, e);
          return;
        }
        handler.accept(result, null);
      };
    }

    @Override
    public <T> void callAsync(Callable<T> work, BiConsumer<T, Throwable> handler) {
      calls.add(call(work, handler));
    }

    @Override
    public <T> void callAsync(
        Callable<T> work, BiConsumer<T, Throwable> handler, long delayMs, long periodMs) {
      periodic.add(call(work, handler));
    }

    @Override
    public void assignSplits(SplitsAssignment<StreamSplit> assignment) {
      assignment.assignment().forEach((subtask, splits) -> assigned.get(subtask).addAll(splits));
    }

    @Override
    public void signalNoMoreSplits(int subtask) {
      noMoreSplits.add(subtask);
    }

    @Override
    public void sendEventToSourceReader(int subtask, SourceEvent event) {
      events.put(subtask, event);
    }

    @Override
    public Map<Integer, ReaderInfo> registeredReaders() {
      return readers;
    }

    @Override
    public int currentParallelism() {
      return parallelism;
    }

    @Override
    public SplitEnumeratorMetricGroup metricGroup() {
      throw new UnsupportedOperationException();
    }

    @Override
    public void runInCoordinatorThread(Runnable task) {
      task.run();
    }
  }
}
