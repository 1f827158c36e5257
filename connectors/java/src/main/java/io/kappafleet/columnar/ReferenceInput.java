package io.kappafleet.columnar;

import io.kappafleet.record.LogRecord;
import io.kappafleet.record.StoredLog;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * Reference data of one kind as the columnar operator takes it.
 *
 * @param name under which the job's function knows it
 * @param records its messages, as they come
 * @param stored what the same log holds when the job starts
 */
public record ReferenceInput(
    String name, DataStream<Tuple5<String, byte[], String, Long, Long>> records, StoredLog stored) {

  /** The records under the name of the reference, without time. */
  DataStream<Tuple5<String, byte[], String, Long, Long>> timeless() {
    return records
        .transform("reference " + name, LogRecord.TYPE, new Timeless(name))
        .setParallelism(records.getParallelism());
  }

  /**
   * Gives records the name of their reference as key, and takes their time away: the stream is idle
   * from the start, so that it holds no watermark back and does not keep others from being idle.
   */
  static final class Timeless
      extends AbstractStreamOperator<Tuple5<String, byte[], String, Long, Long>>
      implements OneInputStreamOperator<
          Tuple5<String, byte[], String, Long, Long>, Tuple5<String, byte[], String, Long, Long>> {
    private static final long serialVersionUID = 1L;

    private final String name;

    Timeless(String name) {
      this.name = name;
    }

    @Override
    public void open() throws Exception {
      super.open();
      output.emitWatermarkStatus(WatermarkStatus.IDLE);
    }

    @Override
    public void processElement(StreamRecord<Tuple5<String, byte[], String, Long, Long>> element) {
      Tuple5<String, byte[], String, Long, Long> record = element.getValue();
      output.collect(
          new StreamRecord<>(Tuple5.of(name, record.f1, record.f2, record.f3, record.f4)));
    }

    @Override
    public void processWatermark(Watermark mark) {}

    @Override
    public void processWatermarkStatus(WatermarkStatus status) {}
  }
}
