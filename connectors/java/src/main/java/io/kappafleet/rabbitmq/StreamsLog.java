package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Consumer;
import com.rabbitmq.stream.ConsumerFlowStrategy;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.MessageHandler;
import com.rabbitmq.stream.OffsetSpecification;
import io.kappafleet.record.LogRecord;
import io.kappafleet.record.StoredLog;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.java.tuple.Tuple5;

/**
 * What the streams {@code prefix-0}, {@code prefix-1}, ... hold, as {@link RabbitStreamsSource}
 * would give it; keys are empty.
 *
 * @param broker where they are
 * @param prefix of their names
 */
public record StreamsLog(BrokerAddress broker, String prefix) implements StoredLog {
  private static final long serialVersionUID = 1L;

  /** How long a stream that is known to hold more messages may take to deliver one. */
  private static final long PATIENCE_S = 30;

  @Override
  public void read(java.util.function.Consumer<Tuple5<String, byte[], String, Long, Long>> each)
      throws IOException, InterruptedException {
    try (Environment environment = broker.connect()) {
      List<String> streams = new ArrayList<>();
      while (environment.streamExists(prefix + "-" + streams.size())) {
        streams.add(prefix + "-" + streams.size());
      }
      if (streams.isEmpty()) {
        throw new IOException(
            "stream %s-0 does not exist at %s; declare it first"
                .formatted(prefix, broker.describe()));
      }
      // A stream that is wrongly taken for empty would let messages be judged without its rows.
      Map<String, StreamRange> ranges =
          new OffsetProbe(environment).ranges(streams, OffsetProbe.CAREFUL);
      for (String stream : streams) {
        if (!ranges.get(stream).isEmpty()) {
          read(environment, stream, ranges.get(stream).last(), each);
        }
      }
    }
  }

  /** Reads a stream up to an offset, inclusive. */
  private static void read(
      Environment environment,
      String stream,
      long last,
      java.util.function.Consumer<Tuple5<String, byte[], String, Long, Long>> each)
      throws IOException, InterruptedException {
    // Holds the chunks that the client may have at once: the next one comes as these are taken.
    BlockingQueue<Received> received = new LinkedBlockingQueue<>();
    MessageReader reader = new MessageReader("");
    Consumer consumer =
        environment.consumerBuilder().stream(stream)
            .offset(OffsetSpecification.first())
            .noTrackingStrategy()
            .flow()
            .strategy(ConsumerFlowStrategy.creditWhenHalfMessagesProcessed())
            .builder()
            .messageHandler(
                (context, message) ->
                    received.add(
                        new Received(
                            record(reader, (MessageBytes) message, stream, context), context)))
            .build();
    try {
      for (long read = -1; read < last; ) {
        Received next = received.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (next == null) {
          throw new IOException(
              "stream %s delivered nothing within %d s after offset %d, and ends at %d"
                  .formatted(stream, PATIENCE_S, read, last));
        }
        long offset = next.record().f3;
        if (offset > read && offset <= last) { // else a lost link brought it again
          each.accept(next.record());
        }
        read = Math.max(read, offset);
        next.context().processed();
      }
    } finally {
      consumer.close();
    }
  }

  /** A message, and whom to tell that it was taken. */
  private record Received(
      Tuple5<String, byte[], String, Long, Long> record, MessageHandler.Context context) {}

  private static Tuple5<String, byte[], String, Long, Long> record(
      MessageReader reader, MessageBytes message, String stream, MessageHandler.Context context) {
    byte[] bytes = new byte[message.length];
    message.copyTo(bytes, 0);
    LogMessage found = new LogMessage();
    reader.read(bytes, 0, bytes.length, found);
    return LogRecord.of("", found.body, stream, context.offset(), context.timestamp());
  }
}
