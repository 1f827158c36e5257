package io.kappafleet.results;

import io.kappafleet.record.RowFrame;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriter;
import org.apache.flink.connector.base.sink.writer.ElementConverter;
import org.apache.flink.connector.base.sink.writer.ResultHandler;
import org.apache.flink.connector.base.sink.writer.config.AsyncSinkWriterConfiguration;

/** Encodes rows, and hands them to the publisher as the base class gives them out. */
final class ResultsWriter extends AsyncSinkWriter<byte[], ResultMessage> {
  private final ResultsPublisher publisher;

  /**
   * @param encoders at the table's index; null for tables of which no rows come
   */
  ResultsWriter(
      WriterInitContext context,
      AsyncSinkWriterConfiguration configuration,
      ResultEncoder[] encoders,
      ResultsPublisher publisher) {
    super(converter(encoders), context, configuration, List.of());
    this.publisher = publisher;
    publisher.register(context.metricGroup());
  }

  private static ElementConverter<byte[], ResultMessage> converter(ResultEncoder[] encoders) {
    return (frame, context) -> {
      int table = frame.length < RowFrame.HEADER_BYTES ? -1 : RowFrame.table(frame);
      if (table < 0 || table >= encoders.length || encoders[table] == null) {
        throw new IllegalStateException(
            "a row names table %d, which is not published".formatted(table));
      }
      try {
        return encoders[table].encode(frame);
      } catch (IOException e) {
        throw new UncheckedIOException(e.getMessage(), e);
      }
    };
  }

  @Override
  protected long getSizeInBytes(ResultMessage message) {
    return message.body().length;
  }

  @Override
  protected void submitRequestEntries(
      List<ResultMessage> messages, ResultHandler<ResultMessage> handler) {
    publisher.send(messages, handler);
  }

  /** Waits until all is confirmed: nothing is left for a checkpoint's state. */
  @Override
  public void flush(boolean endOfInput) throws InterruptedException {
    super.flush(true);
  }

  @Override
  public void close() {
    super.close();
    publisher.close();
  }
}
