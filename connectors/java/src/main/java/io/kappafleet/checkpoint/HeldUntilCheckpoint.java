package io.kappafleet.checkpoint;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamElement;
import org.apache.flink.streaming.runtime.streamrecord.StreamElementSerializer;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * Sends records on only when a checkpoint that holds them is complete.
 *
 * <p>An operator that reads two streams does so in another order after a failure, and may then make
 * other records of the same input. Behind this operator nobody sees a record that a restored job
 * might not make again: all that was sent on is in the checkpoint that the job goes on from, and a
 * record that the failed job made after it was never sent. That holds as well for a failed task
 * that does not know of it yet, because its checkpoints are not completed.
 *
 * <p>Records stay in order, and watermarks wait with those before them, so nothing is late because
 * it waited. A record waits for the rest of the checkpoint interval and the checkpoint; a
 * checkpoint holds what came since the one before it. At the end of input all is sent on. A job
 * without checkpoints is never restored, and nothing waits.
 *
 * <p>What waits in a subtask is one element of its state, so that it stays together and in order
 * when the parallelism changes; it is sent on when the job goes on, before all that comes then.
 */
public final class HeldUntilCheckpoint<T> extends AbstractStreamOperator<T>
    implements OneInputStreamOperator<T, T> {
  private static final long serialVersionUID = 1L;

  private final TypeSerializer<T> serializer;

  private transient StreamElementSerializer<T> elements;
  private transient ListState<byte[]> state;
  private transient ArrayDeque<StreamElement> waiting;

  /** How many had come, by the checkpoint that is not known to be complete. */
  private transient TreeMap<Long, Long> cameBefore;

  private transient long came;
  private transient long sent;
  private transient boolean holds;

  HeldUntilCheckpoint(TypeSerializer<T> serializer) {
    this.serializer = serializer;
  }

  /** The records of a stream, as many subtasks as it has. */
  public static <T> SingleOutputStreamOperator<T> of(DataStream<T> records, String name) {
    TypeSerializer<T> serializer =
        records.getType().createSerializer(records.getExecutionConfig().getSerializerConfig());
    return records
        .transform(name, records.getType(), new HeldUntilCheckpoint<>(serializer))
        .setParallelism(records.getParallelism());
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    elements = new StreamElementSerializer<>(serializer);
    waiting = new ArrayDeque<>();
    cameBefore = new TreeMap<>();
    state =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("held", BytePrimitiveArraySerializer.INSTANCE));
    for (byte[] held : state.get()) {
      DataInputDeserializer from = new DataInputDeserializer(held);
      while (from.available() > 0) {
        take(elements.deserialize(from));
      }
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    holds =
        CheckpointingOptions.isCheckpointingEnabled(
            getContainingTask().getEnvironment().getJobConfiguration());
    long restored = came;
    if (restored > 0) {
      // Not at once: the tasks that take it are still being opened.
      getProcessingTimeService().registerTimer(0, now -> send(restored));
    }
  }

  @Override
  public void processElement(StreamRecord<T> record) {
    // Whoever made the record may use it again for the next one.
    take(record.copy(serializer.copy(record.getValue())));
    sendUnlessHeld();
  }

  @Override
  public void processWatermark(Watermark mark) {
    take(mark);
    sendUnlessHeld();
  }

  @Override
  public void processWatermarkStatus(WatermarkStatus status) {
    take(status);
    sendUnlessHeld();
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    DataOutputSerializer held = new DataOutputSerializer(1024);
    for (StreamElement element : waiting) {
      if (element.isRecord()) { // watermarks of a restored job begin anew
        elements.serialize(element, held);
      }
    }
    state.update(held.length() == 0 ? List.of() : List.of(held.getCopyOfBuffer()));
    cameBefore.put(context.getCheckpointId(), came);
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    Map.Entry<Long, Long> last = cameBefore.floorEntry(checkpointId);
    if (last != null) {
      cameBefore.headMap(checkpointId, true).clear();
      send(last.getValue());
    }
  }

  @Override
  public void finish() throws Exception {
    send(came);
    super.finish();
  }

  private void take(StreamElement element) {
    waiting.add(element);
    came++;
  }

  private void sendUnlessHeld() {
    if (!holds) {
      send(came);
    }
  }

  /** Sends on what is among the first {@code until} that have come. */
  private void send(long until) {
    while (sent < until) {
      sent++;
      StreamElement element = waiting.remove();
      if (element.isRecord()) {
        output.collect(element.asRecord());
      } else if (element.isWatermark()) {
        output.emitWatermark(element.asWatermark());
      } else {
        output.emitWatermarkStatus(element.asWatermarkStatus());
      }
    }
  }
}
