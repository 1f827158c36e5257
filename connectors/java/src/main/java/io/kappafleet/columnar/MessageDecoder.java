package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Decodes messages into the columns of a {@link ColumnBatch}, or says why not.
 *
 * <p>A message that is too large or holds a byte 0xFF is refused unread; otherwise the first fault
 * in the order of its bytes decides the reason. Whatever the bytes are, the outcome is a committed
 * message or a {@link Reject}, which depends on no other message, and a refused message leaves no
 * trace.
 */
final class MessageDecoder {
  private enum Part {
    SCHEMA,
    ID,
    SAMPLES,
    TEXT,
    INTEGER,
    NUMBER
  }

  /**
   * A declared field: what it is, its index among its kind, and its bit in the set of those seen.
   */
  private record Field(Part part, int index, long bit) {}

  private static final Field TIMES = new Field(Part.SAMPLES, -1, 1);

  private final MessageSpec spec;
  private final ColumnBatch batch;
  private final Map<String, Field> fields = new HashMap<>();
  private final Map<String, Field> sampleFields = new HashMap<>();
  private final NumberReader[] sampleNumbers;
  private final NumberReader[] messageNumbers;
  private final byte[] scratch = new byte[TextDictionary.WIDTH];
  private final SampleParser.Factory json = new SampleParser.Factory();

  MessageDecoder(MessageSpec spec, ColumnBatch batch) {
    this.spec = spec;
    this.batch = batch;
    declare(Part.SCHEMA, List.of("schema"));
    declare(Part.ID, List.of(spec.idField()));
    declare(Part.SAMPLES, List.of("samples"));
    declare(Part.TEXT, spec.texts());
    declare(Part.INTEGER, spec.integers());
    declare(Part.NUMBER, spec.numbers().stream().map(MessageSpec.NumberField::name).toList());
    sampleFields.put("t", TIMES);
    for (int i = 0; i < spec.samples().size(); i++) {
      Field field = new Field(Part.SAMPLES, i, 2L << i);
      if (sampleFields.put(spec.samples().get(i).name(), field) != null) {
        throw new IllegalArgumentException(spec.samples().get(i).name() + " is declared twice");
      }
    }
    messageNumbers =
        spec.numbers().stream()
            .map(f -> new NumberReader(f.name(), f.min(), f.max()))
            .toArray(NumberReader[]::new);
    sampleNumbers =
        spec.samples().stream()
            .map(f -> new NumberReader(f.name(), f.min(), f.max()))
            .toArray(NumberReader[]::new);
  }

  private void declare(Part part, List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      Field field = new Field(part, i, 1L << fields.size());
      if (fields.put(names.get(i), field) != null) {
        throw new IllegalArgumentException("field " + names.get(i) + " is declared twice");
      }
    }
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
    // Never UTF-8, and Jackson pads names with it: having seen "lat", it takes "\xfflat" for that.
    int at = Utf8.indexOfFf(body);
    if (at >= 0) {
      throw new Reject("not_json", "byte 0xff at " + at);
    }
    batch.begin();
    try (SampleParser parser = json.open(body)) {
      readMessage(parser, key);
    } catch (JsonProcessingException e) {
      throw new Reject("not_json", describe(e));
    } catch (IOException | RuntimeException e) {
      // A parser's own fault on bytes that nobody thought of must not stop the job either.
      throw new Reject("not_json", "the parser failed: " + e);
    }
    checkArrival(arrivalMs);
    batch.commit(key, body.length, arrivalMs, offset);
  }

  private void readMessage(SampleParser parser, String key) throws IOException, Reject {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new Reject("not_json", "the message is not a JSON object");
    }
    long seen = 0;
    boolean identified = false;
    for (String name; (name = parser.nextFieldName()) != null; ) {
      JsonToken value = parser.nextToken();
      Field field = fields.get(name);
      if (field == null) {
        parser.skipChildren();
        continue;
      }
      seen = once(seen, field, name);
      switch (field.part()) {
        case SCHEMA -> checkSchema(parser, value);
        case ID -> {
          checkId(parser, value, key);
          identified = true;
        }
        case SAMPLES -> readSamples(parser, value);
        case TEXT -> readText(parser, value, field.index(), name);
        case INTEGER -> batch.openIntegers[field.index()] = integer(parser, value, name);
        case NUMBER ->
            batch.openNumbers[field.index()] =
                messageNumbers[field.index()].read(parser, value, NumberReader.NO_INDEX);
      }
    }
    if (parser.nextToken() != null) {
      throw new Reject("not_json", "there is more behind the JSON object");
    }
    if (!identified) {
      throw new Reject("missing_id", "there is no " + spec.idField());
    }
    checkSamples();
  }

  private static long once(long seen, Field field, String name) throws Reject {
    if ((seen & field.bit()) != 0) {
      throw new Reject("not_json", "field " + name + " is there twice");
    }
    return seen | field.bit();
  }

  private void checkSchema(JsonParser parser, JsonToken value) throws IOException, Reject {
    if (value != JsonToken.VALUE_STRING || !textIs(parser, spec.schemaId())) {
      String found = value.isScalarValue() ? shortened(parser.getText()) : value.name();
      throw new Reject("wrong_schema", found + " where " + spec.schemaId() + " is expected");
    }
  }

  private void checkId(JsonParser parser, JsonToken value, String key) throws IOException, Reject {
    String name = spec.idField();
    if (value != JsonToken.VALUE_STRING) {
      throw new Reject("missing_id", name + " is not a text");
    }
    int bytes = encode(parser, scratch, name);
    if (bytes == 0) {
      throw new Reject("missing_id", name + " is empty");
    }
    if (!textIs(parser, key)) {
      throw new Reject(
          "id_mismatch", name + " is " + parser.getText() + ", the key " + shortened(key));
    }
  }

  private static boolean textIs(JsonParser parser, String expected) throws IOException {
    int length = parser.getTextLength();
    if (length != expected.length()) {
      return false;
    }
    char[] chars = parser.getTextCharacters();
    int offset = parser.getTextOffset();
    for (int i = 0; i < length; i++) {
      if (chars[offset + i] != expected.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** The UTF-8 bytes of a text that is an id or declared; their number. */
  private int encode(JsonParser parser, byte[] into, String name) throws IOException, Reject {
    int bytes =
        Utf8.encode(
            parser.getTextCharacters(),
            parser.getTextOffset(),
            parser.getTextLength(),
            into,
            spec.maxIdBytes());
    if (bytes == Utf8.TOO_LONG) {
      throw new Reject("id_too_long", name + " has more than " + spec.maxIdBytes() + " bytes");
    }
    if (bytes == Utf8.NOT_TEXT) {
      throw new Reject("not_a_text", name + " holds a character that is no text");
    }
    return bytes;
  }

  private void readText(JsonParser parser, JsonToken value, int index, String name)
      throws IOException, Reject {
    if (value == JsonToken.VALUE_NULL) {
      return;
    }
    if (value != JsonToken.VALUE_STRING) {
      throw new Reject("not_a_text", name + " is not a text");
    }
    int bytes = encode(parser, batch.openTexts[index], name);
    if (bytes > 0) {
      batch.openTextLengths[index] = bytes;
    }
  }

  private static long integer(JsonParser parser, JsonToken value, String name)
      throws IOException, Reject {
    if (value == JsonToken.VALUE_NULL) {
      return ColumnBatch.NO_INTEGER;
    }
    if (value != JsonToken.VALUE_NUMBER_INT) {
      throw new Reject("not_a_number", name + " is not an integer");
    }
    try {
      long integer = parser.getLongValue();
      if (integer != ColumnBatch.NO_INTEGER) {
        return integer;
      }
    } catch (InputCoercionException e) {
      // Too large for 64 bits: told below.
    }
    throw new Reject("out_of_range", name + " does not fit 64 bits");
  }

  private void readSamples(SampleParser parser, JsonToken start) throws IOException, Reject {
    if (start != JsonToken.START_OBJECT) {
      throw new Reject("missing_t", "samples is not an object");
    }
    long seen = 0;
    for (String name; (name = parser.nextFieldName()) != null; ) {
      JsonToken value = parser.nextToken();
      Field field = sampleFields.get(name);
      if (field == null) {
        parser.skipChildren();
        continue;
      }
      seen = once(seen, field, name);
      if (field == TIMES) {
        readTimes(parser, value);
      } else if (value == JsonToken.START_ARRAY) {
        SampleColumn column = batch.samples[field.index()];
        column.start();
        if (column.isBooleans()) {
          readBooleans(parser, column, name);
        } else {
          sampleNumbers[field.index()].readArray(parser, column);
        }
      } else if (value != JsonToken.VALUE_NULL) {
        throw new Reject("not_a_number", name + " is not an array");
      }
    }
  }

  private void readTimes(SampleParser parser, JsonToken start) throws IOException, Reject {
    if (start != JsonToken.START_ARRAY) {
      throw new Reject("missing_t", "samples.t is not an array");
    }
    long last = Long.MIN_VALUE;
    while (true) {
      int from = batch.openTimes();
      boolean full = batch.takeTimes(parser);
      for (int i = from; i < batch.openTimes(); i++) {
        last = checkedTime(batch.openTime(i), i, last);
      }
      if (full) {
        continue;
      }
      JsonToken value = parser.nextToken();
      if (value == JsonToken.END_ARRAY) {
        return;
      }
      int index = batch.openTimes();
      if (value != JsonToken.VALUE_NUMBER_INT) {
        throw new Reject("not_a_number", "t[" + index + "] is not an integer");
      }
      last = checkedTime(longValue(parser, index), index, last);
      batch.addTime(last);
    }
  }

  private static long longValue(JsonParser parser, int index) throws IOException, Reject {
    try {
      return parser.getLongValue();
    } catch (InputCoercionException e) {
      throw new Reject("time_out_of_range", "t[" + index + "] does not fit 64 bits");
    }
  }

  private long checkedTime(long time, int index, long last) throws Reject {
    if (time < spec.earliestMs() || time > spec.latestMs()) {
      throw new Reject(
          "time_out_of_range",
          "t["
              + index
              + "] = "
              + time
              + " is outside "
              + spec.earliestMs()
              + ".."
              + spec.latestMs());
    }
    if (time < last) {
      throw new Reject(
          "time_order", "t[" + index + "] = " + time + " is before " + last + ", the one before");
    }
    return time;
  }

  private static void readBooleans(JsonParser parser, SampleColumn column, String name)
      throws IOException, Reject {
    for (JsonToken value; (value = parser.nextToken()) != JsonToken.END_ARRAY; ) {
      switch (value) {
        case VALUE_TRUE -> column.add((byte) 1);
        case VALUE_FALSE -> column.add((byte) 0);
        case VALUE_NULL -> column.add(ColumnBatch.UNKNOWN);
        default ->
            throw new Reject(
                "not_a_boolean", name + "[" + column.added() + "] is neither true nor false");
      }
    }
  }

  private void checkSamples() throws Reject {
    int times = batch.openTimes();
    if (times == 0) {
      throw new Reject("missing_t", "there is no sample time");
    }
    for (int i = 0; i < batch.samples.length; i++) {
      SampleColumn column = batch.samples[i];
      if (column.isPresent() && column.added() != times) {
        throw new Reject(
            "unequal_lengths",
            spec.samples().get(i).name() + " has " + column.added() + " values, t has " + times);
      }
    }
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

  private static String describe(JsonProcessingException e) {
    // Jackson adds which of its options would have taken it: no help to whoever publishes.
    String told = e.getOriginalMessage().replaceFirst(": enable `[^`]*` to allow.*", "");
    String message = shortened(told.replace('\n', ' '));
    long at = e.getLocation() == null ? -1 : e.getLocation().getByteOffset();
    return at < 0 ? message : message + " at byte " + at;
  }

  private static String shortened(String text) {
    return text.length() <= 200 ? text : text.substring(0, 200) + "...";
  }
}
