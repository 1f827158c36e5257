package io.kappafleet.columnar;

import io.kappafleet.columnar.FunctionLayout.TailGrowth;
import java.util.Arrays;
import java.util.List;

/**
 * The variable part of the keys' state, int64 words behind each row: from the stored values to the
 * {@link Arena} before a call, each with room to grow, and back after it.
 *
 * <p>In the arena they are the number of words with all room, the words, and for each key where its
 * words start, how many are in use, which Python changes, and how many there is room for.
 */
final class KeyedTails {
  /** Words in the header. */
  static final int HEADER_WORDS = 5;

  private static final int SECTIONS = 4;

  private final TailGrowth growth;
  private byte[][] stored = new byte[64][];
  private int[] storedAt = new int[64];
  private long[] starts = new long[64];
  private long[] lengths = new long[64];
  private long[] capacities = new long[64];
  private int wordsAt;
  private int lengthsAt;

  KeyedTails(TailGrowth growth) {
    this.growth = growth;
  }

  /** Starts a call with so many keys. */
  void begin(int keys) {
    if (stored.length < keys) {
      int size = Math.max(keys, stored.length * 2);
      stored = new byte[size][];
      storedAt = new int[size];
      starts = new long[size];
      lengths = new long[size];
      capacities = new long[size];
    }
    Arrays.fill(lengths, 0, keys, 0);
  }

  /** Bytes of the room that the tails of these messages' keys get beyond what they have. */
  long room(ColumnBatch batch) {
    return 8L * growth.fixed() * batch.keys().size()
        + 8L * growth.perMessage() * batch.messages()
        + 8L * growth.perSample() * batch.sampleCount();
  }

  /** Notes that what a key has stored from here on is its tail. */
  void take(int key, byte[] value, int from) {
    stored[key] = value;
    storedAt[key] = from;
    lengths[key] = (value.length - from) >> 3;
  }

  /**
   * Writes the sections, behind all others.
   *
   * @param batch the messages of the call, which decide on the room; null for timers
   */
  void lay(int keys, ColumnBatch batch, Arena arena) {
    for (int k = 0; k < keys; k++) {
      capacities[k] = lengths[k] + growth.fixed();
    }
    if (batch != null && (growth.perMessage() > 0 || growth.perSample() > 0)) {
      int[] keyIndex = batch.keyIndex();
      int[] samples = batch.lengths();
      for (int m = 0; m < batch.messages(); m++) {
        capacities[keyIndex[m]] += growth.perMessage() + (long) growth.perSample() * samples[m];
      }
    }
    long words = 0;
    for (int k = 0; k < keys; k++) {
      starts[k] = words;
      words += capacities[k];
    }
    arena.reserve(8 * words + 24L * keys, SECTIONS);
    arena.word(words);
    wordsAt = arena.section((int) (8 * words));
    for (int k = 0; k < keys; k++) {
      if (stored[k] != null) {
        int at = wordsAt + (int) (8 * starts[k]);
        arena.write(at, stored[k], storedAt[k], (int) (8 * lengths[k]));
        stored[k] = null;
      }
    }
    arena.put(starts, keys);
    lengthsAt = arena.put(lengths, keys);
    arena.put(capacities, keys);
  }

  /**
   * How many bytes of a key's tail Python left in use.
   *
   * @throws IllegalStateException when there is no room for so many
   */
  int bytes(int key, List<String> keys, Arena arena) {
    long words = arena.readLong(lengthsAt + 8 * key);
    if (words < 0 || words > capacities[key]) {
      throw new IllegalStateException(
          "the function left a tail of "
              + words
              + " words for key "
              + keys.get(key)
              + ", which has room for "
              + capacities[key]
              + ": its tail_growth declares the room");
    }
    return (int) (8 * words);
  }

  /** Copies a key's tail to the end of the value that will be stored. */
  void read(int key, Arena arena, byte[] into, int from) {
    arena.read(wordsAt + (int) (8 * starts[key]), into, from, into.length - from);
  }
}
