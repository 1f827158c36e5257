package io.kappafleet.columnar;

import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** The columnar operator over records alone. */
public final class ColumnarKeyedProcess extends ColumnarOperator
    implements OneInputStreamOperator<Tuple5<String, byte[], String, Long, Long>, byte[]>,
        BoundedOneInput {
  private static final long serialVersionUID = 1L;

  ColumnarKeyedProcess(String specJson) {
    super(specJson);
  }

  @Override
  public void processElement(StreamRecord<Tuple5<String, byte[], String, Long, Long>> element)
      throws Exception {
    take(element.getValue());
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    advance(mark);
  }

  @Override
  public void endInput() throws Exception {
    invokeFinishBundle();
  }
}
