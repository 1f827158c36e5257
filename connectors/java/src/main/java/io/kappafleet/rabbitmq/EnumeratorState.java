package io.kappafleet.rabbitmq;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * What the enumerator keeps in a checkpoint.
 *
 * @param known every stream that ever became a split: those not pending are in the readers' state,
 *     and must not be made again
 * @param pending splits that no reader has
 */
public record EnumeratorState(Set<String> known, List<StreamSplit> pending) {
  public EnumeratorState {
    known = Set.copyOf(known);
    pending = List.copyOf(pending);
  }

  /** Writes the state into checkpoints. */
  static final class Serializer implements SimpleVersionedSerializer<EnumeratorState> {
    @Override
    public int getVersion() {
      return StreamSplitSerializer.INSTANCE.getVersion();
    }

    @Override
    public byte[] serialize(EnumeratorState state) throws IOException {
      DataOutputSerializer out = new DataOutputSerializer(256);
      out.writeInt(state.known.size());
      for (String stream : new TreeSet<>(state.known)) {
        out.writeUTF(stream);
      }
      out.writeInt(state.pending.size());
      for (StreamSplit split : state.pending) {
        StreamSplitSerializer.write(split, out);
      }
      return out.getCopyOfBuffer();
    }

    @Override
    public EnumeratorState deserialize(int version, byte[] bytes) throws IOException {
      StreamSplitSerializer.requireVersion(version, "enumerator state");
      DataInputDeserializer in = new DataInputDeserializer(bytes);
      Set<String> known = new TreeSet<>();
      for (int left = in.readInt(); left > 0; left--) {
        known.add(in.readUTF());
      }
      List<StreamSplit> pending = new ArrayList<>();
      for (int left = in.readInt(); left > 0; left--) {
        pending.add(StreamSplitSerializer.read(in));
      }
      return new EnumeratorState(known, pending);
    }
  }
}
