package io.kappafleet.files;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Writes a split for checkpoints and for its way to the reader. */
final class LinesSplitSerializer implements SimpleVersionedSerializer<LinesSplit> {
  static final int VERSION = 1;

  @Override
  public int getVersion() {
    return VERSION;
  }

  @Override
  public byte[] serialize(LinesSplit split) throws IOException {
    DataOutputSerializer out = new DataOutputSerializer(256);
    out.writeInt(split.files().size());
    for (String file : split.files()) {
      out.writeUTF(file);
    }
    out.writeInt(split.fileIndex());
    out.writeLong(split.lineNumber());
    out.writeLong(split.byteOffset());
    return out.getCopyOfBuffer();
  }

  @Override
  public LinesSplit deserialize(int version, byte[] serialized) throws IOException {
    if (version != VERSION) {
      throw new IOException("a file split of version " + version + ", this code reads " + VERSION);
    }
    DataInputDeserializer in = new DataInputDeserializer(serialized);
    int count = in.readInt();
    List<String> files = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      files.add(in.readUTF());
    }
    return new LinesSplit(List.copyOf(files), in.readInt(), in.readLong(), in.readLong());
  }
}
