package io.kappafleet.columnar;

/**
 * How a {@link ColumnBatch} lies in the {@link Arena}: the header's sizes and sections in the order
 * in which {@code connectors/columnar_runtime.py} reads them.
 */
final class BatchSections {
  private BatchSections() {}

  static int sections(ColumnBatch batch) {
    return 5
        + batch.samples.length
        + 2 * batch.dictionaries.length
        + batch.openIntegers.length
        + batch.openNumbers.length;
  }

  /** Sizes, a size for each dictionary, and the place of each section. */
  static int headerWords(ColumnBatch batch) {
    return 4 + batch.dictionaries.length + sections(batch);
  }

  static long bytes(ColumnBatch batch) {
    long perSample = 8;
    for (SampleColumn column : batch.samples) {
      perSample += column.isBooleans() ? 1 : 8;
    }
    long perMessage =
        24
            + 4L * batch.dictionaries.length
            + 8L * batch.openIntegers.length
            + 8L * batch.openNumbers.length;
    long bytes = perSample * batch.sampleCount() + perMessage * batch.messages();
    for (TextDictionary dictionary : batch.dictionaries) {
      bytes += (long) dictionary.size() * TextDictionary.WIDTH;
    }
    return bytes;
  }

  static void write(ColumnBatch batch, long watermark, Arena arena) {
    int messages = batch.messages();
    int samples = batch.sampleCount();
    arena.word(messages);
    arena.word(samples);
    arena.word(batch.keys().size());
    arena.word(watermark);
    arena.put(batch.times(), samples);
    for (SampleColumn column : batch.samples) {
      if (column.isBooleans()) {
        arena.put(column.flags(), samples);
      } else {
        arena.put(column.numbers(), samples);
      }
    }
    arena.put(batch.lengths(), messages);
    arena.put(batch.keyIndex(), messages);
    for (int i = 0; i < batch.dictionaries.length; i++) {
      TextDictionary dictionary = batch.dictionaries[i];
      arena.put(batch.codes(i), messages);
      arena.word(dictionary.size());
      arena.put(dictionary.values(), dictionary.size() * TextDictionary.WIDTH);
    }
    for (int i = 0; i < batch.openIntegers.length; i++) {
      arena.put(batch.integers(i), messages);
    }
    for (int i = 0; i < batch.openNumbers.length; i++) {
      arena.put(batch.numbers(i), messages);
    }
    arena.put(batch.arrivals(), messages);
    arena.put(batch.offsets(), messages);
  }
}
