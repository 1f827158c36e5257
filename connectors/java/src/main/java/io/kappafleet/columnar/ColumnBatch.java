package io.kappafleet.columnar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The columns of one mini-batch while it fills.
 *
 * <p>The {@link MessageDecoder} writes the values of one message into the open end of the columns
 * and either {@link #commit commits} it or begins the next one over it.
 */
final class ColumnBatch {
  /** A boolean that is missing. */
  static final byte UNKNOWN = -1;

  /** An integer that is missing. */
  static final long NO_INTEGER = Long.MIN_VALUE;

  private static final int NO_TEXT = -1;
  private static final int KEPT = 1 << 18;

  final SampleColumn[] samples;
  final TextDictionary[] dictionaries;

  final long[] openIntegers;
  final double[] openNumbers;

  /** The id and the texts of the open message: where their UTF-8 bytes stand. */
  private byte[] openId;

  private int openIdFrom;
  private int openIdLength;
  private final byte[][] openTexts;
  private final int[] openTextFrom;
  private final int[] openTextLengths;

  private long[] times = new long[1024];
  private int timesEnd;
  private int timesNext;

  private int messages;
  private long bytes;
  private int[] lengths = new int[64];
  private int[] keyIndex = new int[64];
  private final int[][] codes;
  private final long[][] integers;
  private final double[][] numbers;
  private long[] arrivals = new long[64];
  private long[] offsets = new long[64];
  private byte[][] bodies = new byte[64][];
  private String[] sources = new String[64];

  private final TextDictionary keyCodes = new TextDictionary();
  private final List<String> keys = new ArrayList<>();

  ColumnBatch(MessageSpec spec) {
    samples = new SampleColumn[spec.samples().size()];
    for (int i = 0; i < samples.length; i++) {
      samples[i] =
          new SampleColumn(spec.samples().get(i).kind() == MessageSpec.SampleField.Kind.BOOLEAN);
    }
    int texts = spec.texts().size();
    dictionaries = new TextDictionary[texts];
    openTexts = new byte[texts][];
    openTextFrom = new int[texts];
    openTextLengths = new int[texts];
    codes = new int[texts][64];
    for (int i = 0; i < texts; i++) {
      dictionaries[i] = new TextDictionary();
    }
    openIntegers = new long[spec.integers().size()];
    integers = new long[openIntegers.length][64];
    openNumbers = new double[spec.numbers().size()];
    numbers = new double[openNumbers.length][64];
  }

  int messages() {
    return messages;
  }

  int sampleCount() {
    return timesEnd;
  }

  /** Bytes of the messages' bodies. */
  long bytes() {
    return bytes;
  }

  List<String> keys() {
    return keys;
  }

  long[] times() {
    return times;
  }

  int[] lengths() {
    return lengths;
  }

  int[] keyIndex() {
    return keyIndex;
  }

  int[] codes(int text) {
    return codes[text];
  }

  long[] integers(int column) {
    return integers[column];
  }

  double[] numbers(int column) {
    return numbers[column];
  }

  long[] arrivals() {
    return arrivals;
  }

  long[] offsets() {
    return offsets;
  }

  byte[] body(int message) {
    return bodies[message];
  }

  String source(int message) {
    return sources[message];
  }

  void clear() {
    Arrays.fill(bodies, 0, messages, null);
    Arrays.fill(sources, 0, messages, null);
    messages = 0;
    bytes = 0;
    timesEnd = 0;
    timesNext = 0;
    if (times.length > KEPT) {
      times = new long[1024];
    }
    for (SampleColumn column : samples) {
      column.clear();
    }
    for (TextDictionary dictionary : dictionaries) {
      dictionary.clear();
    }
    keyCodes.clear();
    keys.clear();
  }

  /** Opens a message, over one that was not committed. */
  void begin() {
    timesNext = timesEnd;
    for (SampleColumn column : samples) {
      column.begin();
    }
    openIdLength = 0;
    Arrays.fill(openTextLengths, NO_TEXT);
    Arrays.fill(openIntegers, NO_INTEGER);
    Arrays.fill(openNumbers, Double.NaN);
  }

  void addTime(long ms) {
    if (timesNext == times.length) {
      times = Arrays.copyOf(times, timesNext * 2);
    }
    times[timesNext++] = ms;
  }

  /** The id of the open message, which is its key: UTF-8, read when it is committed. */
  void openId(byte[] utf8, int from, int length) {
    openId = utf8;
    openIdFrom = from;
    openIdLength = length;
  }

  /** Whether the open message has an id. */
  boolean hasId() {
    return openIdLength > 0;
  }

  /** A text of the open message: UTF-8, read when it is committed. */
  void openText(int text, byte[] utf8, int from, int length) {
    openTexts[text] = utf8;
    openTextFrom[text] = from;
    openTextLengths[text] = length;
  }

  /** How many times the open message has. */
  int openTimes() {
    return timesNext - timesEnd;
  }

  /** One of the times of the open message. */
  long openTime(int index) {
    return times[timesEnd + index];
  }

  /** Makes the open message part of the batch. Every sample column has its length or is absent. */
  void commit(String key, int bodyBytes, long arrivalMs, long offset) {
    if (messages == lengths.length) {
      growMessages();
    }
    int m = messages++;
    bytes += bodyBytes;
    lengths[m] = timesNext - timesEnd;
    timesEnd = timesNext;
    for (SampleColumn column : samples) {
      column.commit(timesEnd);
    }
    for (int i = 0; i < codes.length; i++) {
      int length = openTextLengths[i];
      codes[i][m] =
          length == NO_TEXT ? NO_TEXT : dictionaries[i].code(openTexts[i], openTextFrom[i], length);
    }
    for (int i = 0; i < integers.length; i++) {
      integers[i][m] = openIntegers[i];
    }
    for (int i = 0; i < numbers.length; i++) {
      numbers[i][m] = openNumbers[i];
    }
    arrivals[m] = arrivalMs;
    offsets[m] = offset;
    int index = keyCodes.code(openId, openIdFrom, openIdLength);
    if (index == keys.size()) {
      keys.add(key);
    }
    keyIndex[m] = index;
  }

  /** Keeps what the last message was made of until the batch ends, in case it is refused. */
  void keep(byte[] body, String source) {
    bodies[messages - 1] = body;
    sources[messages - 1] = source;
  }

  private void growMessages() {
    int size = messages * 2;
    lengths = Arrays.copyOf(lengths, size);
    keyIndex = Arrays.copyOf(keyIndex, size);
    arrivals = Arrays.copyOf(arrivals, size);
    offsets = Arrays.copyOf(offsets, size);
    bodies = Arrays.copyOf(bodies, size);
    sources = Arrays.copyOf(sources, size);
    for (int i = 0; i < codes.length; i++) {
      codes[i] = Arrays.copyOf(codes[i], size);
    }
    for (int i = 0; i < integers.length; i++) {
      integers[i] = Arrays.copyOf(integers[i], size);
    }
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = Arrays.copyOf(numbers[i], size);
    }
  }
}
