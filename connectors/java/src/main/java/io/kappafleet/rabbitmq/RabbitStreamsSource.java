package io.kappafleet.rabbitmq;

import io.kappafleet.record.LogRecord;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.annotation.Nullable;
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
 * RabbitMQ streams as a source of {@link LogRecord}s: every message exactly once with checkpoints,
 * at any parallelism, bounded or for ever.
 *
 * <p>One split per stream, whose next offset is in the checkpoint. Event time is stamped by the
 * source: the header {@code event_time}, else the first sample's time in the body. Give it {@link
 * LogWatermarks}; quiet streams need nothing else.
 */
public final class RabbitStreamsSource
    implements Source<Tuple5<String, byte[], String, Long, Long>, StreamSplit, EnumeratorState>,
        ResultTypeQueryable<Tuple5<String, byte[], String, Long, Long>> {
  private static final long serialVersionUID = 1L;

  private final StreamsSettings settings;

  public RabbitStreamsSource(StreamsSettings settings) {
    this.settings = settings;
  }

  public static Builder builder() {
    return new Builder();
  }

  @Override
  public Boundedness getBoundedness() {
    return settings.bounded() ? Boundedness.BOUNDED : Boundedness.CONTINUOUS_UNBOUNDED;
  }

  @Override
  public SourceReader<Tuple5<String, byte[], String, Long, Long>, StreamSplit> createReader(
      SourceReaderContext context) {
    return StreamsReader.create(settings, context);
  }

  @Override
  public SplitEnumerator<StreamSplit, EnumeratorState> createEnumerator(
      SplitEnumeratorContext<StreamSplit> context) {
    return restoreEnumerator(context, null);
  }

  @Override
  public SplitEnumerator<StreamSplit, EnumeratorState> restoreEnumerator(
      SplitEnumeratorContext<StreamSplit> context, @Nullable EnumeratorState state) {
    return new StreamsEnumerator(settings, context, StreamsEnumerator.fromBroker(settings), state);
  }

  @Override
  public SimpleVersionedSerializer<StreamSplit> getSplitSerializer() {
    return StreamSplitSerializer.INSTANCE;
  }

  @Override
  public SimpleVersionedSerializer<EnumeratorState> getEnumeratorCheckpointSerializer() {
    return new EnumeratorState.Serializer();
  }

  @Override
  public TypeInformation<Tuple5<String, byte[], String, Long, Long>> getProducedType() {
    return LogRecord.TYPE;
  }

  /** Settings one by one; those left out have the value that suits most jobs. */
  public static final class Builder {
    private BrokerAddress broker = BrokerAddress.fromEnvironment();
    private List<String> streams = List.of();
    private String prefix;
    private StartPosition start = StartPosition.FIRST;
    private boolean bounded;
    private final Map<String, Long> stopOffsets = new HashMap<>();
    private String idField = "vehicle_id";
    private int credits = 10;
    private int maxBatchMessages = 8_192;
    private long maxBatchBytes = 4L << 20;
    private long idleMs = 10_000;
    private long liveDistanceMs = 70_000;
    private long lagIntervalMs = 5_000;
    private long discoveryIntervalMs;

    private Builder() {}

    /** Where the broker is; by default what the environment says where the source runs. */
    public Builder broker(BrokerAddress address) {
      broker = address;
      return this;
    }

    /** Reads these streams. */
    public Builder streams(List<String> names) {
      streams = names;
      prefix = null;
      return this;
    }

    /** Reads {@code name-0}, {@code name-1}, ... up to the first that doesn't exist. */
    public Builder prefix(String name) {
      prefix = name;
      streams = List.of();
      return this;
    }

    /** Where to begin without a checkpoint; by default at the first message. */
    public Builder start(StartPosition position) {
      start = position;
      return this;
    }

    /**
     * Ends when every stream was read to the end that it has now. A split that is restored from a
     * savepoint keeps the stop offset (or none) with which it began.
     */
    public Builder bounded() {
      bounded = true;
      return this;
    }

    /** Ends, and reads of this stream only up to this offset, inclusive. */
    public Builder stopAt(String stream, long offset) {
      bounded = true;
      stopOffsets.put(stream, offset);
      return this;
    }

    /** The body's field that holds the key of messages without the header {@code key}. */
    public Builder idField(String name) {
      idField = name;
      return this;
    }

    /** Chunks of a stream that may wait in memory. */
    public Builder credits(int chunks) {
      credits = chunks;
      return this;
    }

    /** A stream without messages for so long is quiet. */
    public Builder idleMs(long ms) {
      idleMs = ms;
      return this;
    }

    /**
     * How far behind the wall clock the watermark of a quiet stream that was read to its end
     * follows; negative to mark such a stream idle instead. Of no effect when bounded.
     */
    public Builder liveDistanceMs(long ms) {
      liveDistanceMs = ms;
      return this;
    }

    /** How often the end of a busy stream is looked up, for the lag metric. */
    public Builder lagIntervalMs(long ms) {
      lagIntervalMs = ms;
      return this;
    }

    /** How often to look for further streams of a prefix; 0, the default, never. */
    public Builder discoveryIntervalMs(long ms) {
      discoveryIntervalMs = ms;
      return this;
    }

    /**
     * @throws IllegalArgumentException when the settings contradict each other
     */
    public RabbitStreamsSource build() {
      return new RabbitStreamsSource(settings());
    }

    StreamsSettings settings() {
      return new StreamsSettings(
          broker,
          streams,
          prefix,
          start,
          bounded,
          stopOffsets,
          idField,
          credits,
          maxBatchMessages,
          maxBatchBytes,
          idleMs,
          liveDistanceMs,
          lagIntervalMs,
          discoveryIntervalMs);
    }
  }
}
