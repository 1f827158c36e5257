package io.kappafleet.columnar;

import io.kappafleet.record.StoredLog;
import java.util.Map;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.streaming.api.operators.BoundedMultiInput;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * The columnar operator over records and, as its second input, reference data that every subtask
 * gets and that may change while the job runs.
 *
 * <p>At each start, the one after a failure included, it first reads what the reference logs hold
 * at that moment to their end: no record is judged before. A row that comes later counts for what
 * is judged after it. The rows are in broadcast state, so they outlive what the logs keep, and a
 * snapshot of {@link ColumnarKeyedProcess} can be gone on from.
 *
 * <p>Time is the records' alone: the second input has none, see {@link ReferenceInput}.
 */
public final class ColumnarBroadcastProcess extends ColumnarOperator
    implements TwoInputStreamOperator<
            Tuple5<String, byte[], String, Long, Long>,
            Tuple5<String, byte[], String, Long, Long>,
            byte[]>,
        BoundedMultiInput {
  private static final long serialVersionUID = 1L;

  private final Map<String, StoredLog> logs;

  private transient References references;
  private transient boolean tellsRejects;

  /**
   * @param logs by the name of the reference, what its stream holds at the start
   */
  ColumnarBroadcastProcess(String specJson, Map<String, StoredLog> logs) {
    super(specJson);
    this.logs = logs;
  }

  @Override
  public void open() throws Exception {
    super.open();
    // Every subtask gets every row, and one of them tells which ones it cannot use.
    tellsRejects = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0;
    references =
        new References(getOperatorStateBackend().getBroadcastState(References.STATE), function());
    references.restore();
    for (Map.Entry<String, StoredLog> log : logs.entrySet()) {
      references.read(log.getKey(), log.getValue());
    }
  }

  @Override
  public void processElement1(StreamRecord<Tuple5<String, byte[], String, Long, Long>> element)
      throws Exception {
    take(element.getValue());
  }

  /** The record's key is the name of the reference. */
  @Override
  public void processElement2(StreamRecord<Tuple5<String, byte[], String, Long, Long>> element)
      throws Exception {
    references.add(element.getValue());
    if (references.isFull()) {
      beforeBundle();
    }
  }

  @Override
  public void setKeyContextElement2(StreamRecord record) {}

  @Override
  void beforeBundle() throws Exception {
    for (References.Refused refused : references.apply()) {
      if (tellsRejects) {
        Tuple5<String, byte[], String, Long, Long> record = refused.record();
        emitReject(record.f1, record.f2, record.f3, record.f4, refused.reason());
      }
    }
  }

  @Override
  public void processWatermark1(Watermark mark) throws Exception {
    advance(mark);
  }

  @Override
  public void processWatermark2(Watermark mark) {}

  @Override
  public void endInput(int inputId) throws Exception {
    invokeFinishBundle();
  }
}
