package io.kappafleet.files;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Hands the one split to the first reader that comes; the others have nothing to do and end.
 *
 * <p>Its state is the split while no reader holds it: an empty list once it was handed out.
 */
final class LinesEnumerator implements SplitEnumerator<LinesSplit, List<LinesSplit>> {
  private final SplitEnumeratorContext<LinesSplit> context;
  private final List<LinesSplit> unassigned;

  LinesEnumerator(SplitEnumeratorContext<LinesSplit> context, List<LinesSplit> unassigned) {
    this.context = context;
    this.unassigned = new ArrayList<>(unassigned);
  }

  @Override
  public void start() {}

  @Override
  public void handleSplitRequest(int subtaskId, String requesterHostname) {}

  @Override
  public void addSplitsBack(List<LinesSplit> splits, int subtaskId) {
    unassigned.addAll(splits);
  }

  @Override
  public void addReader(int subtaskId) {
    for (LinesSplit split : unassigned) {
      context.assignSplit(split, subtaskId);
    }
    unassigned.clear();
    context.signalNoMoreSplits(subtaskId);
  }

  @Override
  public List<LinesSplit> snapshotState(long checkpointId) {
    return List.copyOf(unassigned);
  }

  @Override
  public void close() {}

  /** Writes the enumerator's state: the splits that no reader holds. */
  static final class StateSerializer implements SimpleVersionedSerializer<List<LinesSplit>> {
    private final LinesSplitSerializer splits = new LinesSplitSerializer();

    @Override
    public int getVersion() {
      return LinesSplitSerializer.VERSION;
    }

    @Override
    public byte[] serialize(List<LinesSplit> state) throws IOException {
      DataOutputSerializer out = new DataOutputSerializer(256);
      out.writeInt(state.size());
      for (LinesSplit split : state) {
        byte[] bytes = splits.serialize(split);
        out.writeInt(bytes.length);
        out.write(bytes);
      }
      return out.getCopyOfBuffer();
    }

    @Override
    public List<LinesSplit> deserialize(int version, byte[] serialized) throws IOException {
      DataInputDeserializer in = new DataInputDeserializer(serialized);
      int count = in.readInt();
      List<LinesSplit> state = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        state.add(splits.deserialize(version, bytes));
      }
      return state;
    }
  }
}
