package io.kappafleet.cassandra;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.Serializable;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriterStateSerializer;

/** A row frame on its way to Cassandra, and how often it failed. */
final class Upsert implements Serializable {
  private static final long serialVersionUID = 1L;

  final byte[] frame;
  transient int failures;

  Upsert(byte[] frame) {
    this.frame = frame;
  }

  /**
   * Writes buffered upserts for checkpoints. The writer flushes before each, so there are none in
   * practice; the base class wants it all the same.
   */
  static final class Serializer extends AsyncSinkWriterStateSerializer<Upsert> {
    @Override
    protected void serializeRequestToStream(Upsert upsert, DataOutputStream out)
        throws IOException {
      out.write(upsert.frame);
    }

    @Override
    protected Upsert deserializeRequestFromStream(long requestSize, DataInputStream in)
        throws IOException {
      return new Upsert(in.readNBytes(Math.toIntExact(requestSize)));
    }

    @Override
    public int getVersion() {
      return 1;
    }
  }
}
