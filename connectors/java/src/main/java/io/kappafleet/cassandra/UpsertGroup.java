package io.kappafleet.cassandra;

import io.kappafleet.record.RowFrame;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriterStateSerializer;

/** Row frames that are one statement on their way to Cassandra, and how often they failed. */
final class UpsertGroup implements Serializable {
  private static final long serialVersionUID = 1L;

  private final List<byte[]> frames = new ArrayList<>(1);
  private int bytes;
  transient int failures;

  UpsertGroup(byte[] frame) {
    add(frame);
  }

  void add(byte[] frame) {
    frames.add(frame);
    bytes += frame.length;
  }

  List<byte[]> frames() {
    return frames;
  }

  int bytes() {
    return bytes;
  }

  /** Indexes of the tables, each once. */
  int[] tables() {
    return frames.stream().mapToInt(RowFrame::table).distinct().toArray();
  }

  /**
   * Writes buffered upserts for checkpoints. The writer flushes before each, so there are none in
   * practice; the base class wants it all the same. Nor were there with version 1.
   */
  static final class Serializer extends AsyncSinkWriterStateSerializer<UpsertGroup> {
    @Override
    protected void serializeRequestToStream(UpsertGroup group, DataOutputStream out)
        throws IOException {
      out.writeInt(group.frames.size());
      for (byte[] frame : group.frames) {
        out.writeInt(frame.length);
        out.write(frame);
      }
    }

    @Override
    protected UpsertGroup deserializeRequestFromStream(long requestSize, DataInputStream in)
        throws IOException {
      int count = in.readInt();
      UpsertGroup group = new UpsertGroup(in.readNBytes(in.readInt()));
      for (int i = 1; i < count; i++) {
        group.add(in.readNBytes(in.readInt()));
      }
      return group;
    }

    @Override
    public int getVersion() {
      return 2;
    }
  }
}
