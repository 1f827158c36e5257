package io.kappafleet.rabbitmq;

import io.kappafleet.rabbitmq.SplitProgress.QuietEnd;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.connector.base.source.reader.SingleThreadMultiplexSourceReaderBase;
import org.apache.flink.connector.base.source.reader.splitreader.SplitReader;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.util.FlinkRuntimeException;

/**
 * The reader of one subtask.
 *
 * <p>It also moves the watermarks of quiet streams, which a WatermarkGenerator could not do: a
 * generator isn't told which split it belongs to, that of an empty stream never sees an event to
 * learn it from, and Flink makes one more for the reader itself, whose watermarks would overtake
 * every split. The reader knows its splits, and a split's output takes watermarks from both: the
 * higher one counts. What it emits rests on an answer of the broker (the stream's end at a known
 * time, all of it handed on), so a broker that is away holds the watermark instead of letting it
 * pass unread messages.
 */
final class StreamsReader
    extends SingleThreadMultiplexSourceReaderBase<
        StoredMessage, Tuple5<String, byte[], String, Long, Long>, StreamSplit, SplitState> {
  private final StreamsSettings settings;
  private final Signals signals;
  private final Map<String, SplitState> states = new ConcurrentHashMap<>();

  static StreamsReader create(StreamsSettings settings, SourceReaderContext context) {
    return new StreamsReader(settings, context, new Signals());
  }

  private StreamsReader(StreamsSettings settings, SourceReaderContext context, Signals signals) {
    super(
        () -> connect(settings, signals),
        new LogRecordEmitter(
            new MessageReader(settings.idField()),
            context.metricGroup().counter("recordsRedelivered")),
        context.getConfiguration(),
        context);
    this.settings = settings;
    this.signals = signals;
    signals.reader = this;
    context
        .metricGroup()
        .setPendingRecordsGauge(
            () -> states.values().stream().mapToLong(SplitState::pending).sum());
  }

  private static SplitReader<StoredMessage, StreamSplit> connect(
      StreamsSettings settings, Signals signals) {
    try {
      return new StreamSplitReader(settings, signals);
    } catch (IOException e) {
      throw new FlinkRuntimeException(e.getMessage(), e);
    }
  }

  @Override
  public InputStatus pollNext(ReaderOutput<Tuple5<String, byte[], String, Long, Long>> output)
      throws Exception {
    InputStatus status = super.pollNext(output);
    if (signals.raised) {
      signals.raised = false;
      answerSignals(output);
    }
    return status;
  }

  @Override
  public void handleSourceEvents(SourceEvent event) {
    if (event instanceof AssignmentComplete) {
      signals.assignmentComplete = true;
      signals.raise();
    } else {
      super.handleSourceEvents(event);
    }
  }

  @Override
  protected SplitState initializedState(StreamSplit split) {
    SplitState state = new SplitState(split, new SplitProgress());
    states.put(split.stream(), state);
    MetricGroup group = context.metricGroup().addGroup("stream", split.stream());
    group.gauge("currentOffset", () -> state.next() - 1);
    group.gauge("endOffset", () -> state.progress().endOffset);
    return state;
  }

  @Override
  protected StreamSplit toSplitType(String splitId, SplitState state) {
    return state.snapshot();
  }

  @Override
  protected void onSplitFinished(Map<String, SplitState> finished) {
    finished.keySet().forEach(states::remove);
  }

  private void answerSignals(ReaderOutput<Tuple5<String, byte[], String, Long, Long>> output) {
    if (signals.assignmentComplete && states.isEmpty()) {
      // More subtasks than streams: without this the empty one would hold back all watermarks.
      output.markIdle();
    }
    for (SplitState state : states.values()) {
      QuietEnd end = state.progress().quietEnd;
      if (end == null || state.next() <= end.offset() && end.offset() >= 0) {
        continue;
      }
      state.progress().quietEnd = null;
      SourceOutput<?> split = output.createOutputForSplit(state.split().splitId());
      if (settings.followsClock()) {
        split.emitWatermark(new Watermark(end.atMs() - settings.liveDistanceMs()));
      } else {
        split.markIdle();
      }
    }
  }

  /** From the other threads to the task thread: looked at after each poll, and wakes it up. */
  private static final class Signals implements StreamWatch.Listener {
    private volatile StreamsReader reader;
    private volatile boolean raised;
    private volatile boolean assignmentComplete;

    private void raise() {
      raised = true;
      reader.splitFetcherManager.getQueue().notifyAvailable();
    }

    @Override
    public void endOffset(String stream, long offset) {
      SplitState state = reader.states.get(stream);
      if (state != null) {
        state.progress().endOffset = offset;
      }
    }

    @Override
    public void quietEnd(String stream, long offset, long atMs) {
      SplitState state = reader.states.get(stream);
      if (state != null) {
        state.progress().quietEnd = new QuietEnd(offset, atMs);
        raise();
      }
    }
  }
}
