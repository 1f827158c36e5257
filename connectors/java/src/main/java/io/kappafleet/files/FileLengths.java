package io.kappafleet.files;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * How long each file of the sink was at a checkpoint.
 *
 * @param byTable bytes by the table's name
 */
record FileLengths(Map<String, Long> byTable) {

  /** Writes the lengths for checkpoints. */
  static final class Serializer implements SimpleVersionedSerializer<FileLengths> {
    private static final int VERSION = 1;

    @Override
    public int getVersion() {
      return VERSION;
    }

    @Override
    public byte[] serialize(FileLengths lengths) throws IOException {
      DataOutputSerializer out = new DataOutputSerializer(256);
      out.writeInt(lengths.byTable().size());
      for (Map.Entry<String, Long> entry : lengths.byTable().entrySet()) {
        out.writeUTF(entry.getKey());
        out.writeLong(entry.getValue());
      }
      return out.getCopyOfBuffer();
    }

    @Override
    public FileLengths deserialize(int version, byte[] serialized) throws IOException {
      if (version != VERSION) {
        throw new IOException(
            "file lengths of version " + version + ", this code reads " + VERSION);
      }
      DataInputDeserializer in = new DataInputDeserializer(serialized);
      int count = in.readInt();
      Map<String, Long> lengths = new TreeMap<>();
      for (int i = 0; i < count; i++) {
        lengths.put(in.readUTF(), in.readLong());
      }
      return new FileLengths(lengths);
    }
  }
}
