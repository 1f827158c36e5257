package io.kappafleet.columnar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Decodes single messages for the tests, and looks at what a batch holds. */
final class Decoding {
  private Decoding() {}

  /** Why the message was refused; null when it was not. */
  static String reason(MessageDecoder decoder, String body, String key, long arrivalMs) {
    return reason(decoder, body.getBytes(StandardCharsets.UTF_8), key, arrivalMs);
  }

  static String reason(MessageDecoder decoder, byte[] body, String key, long arrivalMs) {
    try {
      decoder.decode(key, body, arrivalMs, 5);
      return null;
    } catch (Reject reject) {
      return reject.getMessage();
    }
  }

  /** All columns of a batch. */
  static List<Object> snapshot(ColumnBatch batch) {
    List<Object> all = new ArrayList<>();
    int samples = batch.sampleCount();
    int messages = batch.messages();
    all.add(Arrays.toString(Arrays.copyOf(batch.times(), samples)));
    for (SampleColumn column : batch.samples) {
      all.add(
          column.isBooleans()
              ? Arrays.toString(Arrays.copyOf(column.flags(), samples))
              : Arrays.toString(Arrays.copyOf(column.numbers(), samples)));
    }
    all.add(Arrays.toString(Arrays.copyOf(batch.lengths(), messages)));
    all.add(Arrays.toString(Arrays.copyOf(batch.keyIndex(), messages)));
    for (int i = 0; i < batch.dictionaries.length; i++) {
      all.add(Arrays.toString(Arrays.copyOf(batch.codes(i), messages)));
      int bytes = batch.dictionaries[i].size() * TextDictionary.WIDTH;
      all.add(new String(batch.dictionaries[i].values(), 0, bytes, StandardCharsets.UTF_8));
    }
    all.add(Arrays.toString(Arrays.copyOf(batch.integers(0), messages)));
    all.add(Arrays.toString(Arrays.copyOf(batch.numbers(0), messages)));
    return all;
  }
}
