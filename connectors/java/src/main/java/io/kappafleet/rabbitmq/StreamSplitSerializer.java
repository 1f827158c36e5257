package io.kappafleet.rabbitmq;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Writes splits into checkpoints; a change of layout needs a new version beside the old one. */
final class StreamSplitSerializer implements SimpleVersionedSerializer<StreamSplit> {
  static final StreamSplitSerializer INSTANCE = new StreamSplitSerializer();
  private static final int VERSION = 1;

  private StreamSplitSerializer() {}

  @Override
  public int getVersion() {
    return VERSION;
  }

  @Override
  public byte[] serialize(StreamSplit split) throws IOException {
    DataOutputSerializer out = new DataOutputSerializer(64);
    write(split, out);
    return out.getCopyOfBuffer();
  }

  @Override
  public StreamSplit deserialize(int version, byte[] bytes) throws IOException {
    requireVersion(version, "split");
    return read(new DataInputDeserializer(bytes));
  }

  static void requireVersion(int version, String what) throws IOException {
    if (version != VERSION) {
      throw new IOException(
          "the checkpoint holds a RabbitMQ streams %s of version %d; this build reads version %d"
              .formatted(what, version, VERSION));
    }
  }

  static void write(StreamSplit split, DataOutputSerializer out) throws IOException {
    out.writeUTF(split.stream());
    out.writeLong(split.next());
    out.writeLong(split.stop());
    out.writeLong(split.notBeforeMs());
  }

  static StreamSplit read(DataInputDeserializer in) throws IOException {
    return new StreamSplit(in.readUTF(), in.readLong(), in.readLong(), in.readLong());
  }
}
