package io.kappafleet.columnar;

/**
 * Decodes messages into the columns of a {@link ColumnBatch}, or says why not.
 *
 * <p>A message that is too large or holds a byte 0xFF is refused unread; otherwise the first fault
 * in the order of its bytes decides the reason. Whatever the bytes are, the outcome is a committed
 * message or a {@link Reject}, which depends on no other message, and a refused message leaves no
 * trace.
 */
final class MessageDecoder {
  private final MessageSpec spec;
  private final ColumnBatch batch;
  private final PlainDecoder plain;
  private final JacksonDecoder general;

  MessageDecoder(MessageSpec spec, ColumnBatch batch) {
    this.spec = spec;
    this.batch = batch;
    DeclaredFields fields = new DeclaredFields(spec);
    plain = new PlainDecoder(spec, fields, batch);
    general = new JacksonDecoder(spec, fields, batch);
  }

  /**
   * Adds one message to the batch.
   *
   * @param key the key by which the record was partitioned
   * @throws Reject when the message is refused; the batch is then as it was
   */
  void decode(String key, byte[] body, long arrivalMs, long offset) throws Reject {
    if (body.length > spec.maxMessageBytes()) {
      throw new Reject(
          "too_large", body.length + " bytes, at most " + spec.maxMessageBytes() + " are accepted");
    }
    batch.begin();
    if (!plain.read(body, key)) {
      batch.begin();
      general.read(body, key);
    }
    checkArrival(arrivalMs);
    batch.commit(key, body.length, arrivalMs, offset);
  }

  /** Only the broker's own timestamp decides, so that a replay decides the same. */
  private void checkArrival(long arrivalMs) throws Reject {
    if (arrivalMs <= 0) {
      return;
    }
    long behind = arrivalMs - batch.openTime(0);
    if (spec.allowedLatenessMs() > 0 && behind > spec.allowedLatenessMs()) {
      throw new Reject(
          "too_late",
          "t[0] is " + behind + " ms before the arrival, at most " + spec.allowedLatenessMs());
    }
    long ahead = batch.openTime(batch.openTimes() - 1) - arrivalMs;
    if (ahead > spec.maxAheadMs()) {
      throw new Reject(
          "ahead_of_clock",
          "the last time is " + ahead + " ms after the arrival, at most " + spec.maxAheadMs());
    }
  }
}
