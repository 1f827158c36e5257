package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import io.kappafleet.columnar.DeclaredFields.Field;
import io.kappafleet.columnar.DeclaredFields.Part;
import java.io.IOException;
import java.util.Map;

/**
 * Decodes any message with Jackson, and says what is wrong with those that are refused.
 *
 * <p>Reads into the open end of a {@link ColumnBatch}; of a message that it refuses, the first
 * fault in the order of the bytes decides the reason.
 */
final class JacksonDecoder {
  private final Utf8Json json = new Utf8Json();
  private final MessageSpec spec;
  private final ColumnBatch batch;
  private final Map<String, Field> fields;
  private final Map<String, Field> sampleFields;
  private final NumberReader[] messageNumbers;
  private final NumberReader[] sampleNumbers;
  private final byte[] id = new byte[TextDictionary.WIDTH];
  private final byte[][] texts;

  JacksonDecoder(MessageSpec spec, DeclaredFields declared, ColumnBatch batch) {
    this.spec = spec;
    this.batch = batch;
    fields = declared.ofMessage();
    sampleFields = declared.ofSamples();
    messageNumbers = NumberReader.ofMessage(spec);
    sampleNumbers = NumberReader.ofSamples(spec);
    texts = new byte[spec.texts().size()][TextDictionary.WIDTH];
  }

  /**
   * Reads one message.
   *
   * @throws Reject when it is refused
   */
  void read(byte[] body, String key) throws Reject {
    // Never UTF-8, and Jackson pads names with it: having seen "lat", it takes "\xfflat" for that.
    int at = Utf8.indexOfFf(body);
    if (at >= 0) {
      throw new Reject("not_json", "byte 0xff at " + at);
    }
    try (JsonParser parser = json.open(body)) {
      readMessage(parser, key);
    } catch (JsonProcessingException e) {
      throw new Reject("not_json", describe(e));
    } catch (IOException | RuntimeException e) {
      // A parser's own fault on bytes that nobody thought of must not stop the job either.
      throw new Reject("not_json", "the parser failed: " + e);
    }
  }

  private void readMessage(JsonParser parser, String key) throws IOException, Reject {
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
      seen = once(seen, field);
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
        default -> throw new IllegalStateException("no field of a message: " + field);
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

  private static long once(long seen, Field field) throws Reject {
    if ((seen & field.bit()) != 0) {
      throw new Reject("not_json", "field " + field.name() + " is there twice");
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
    int bytes = encode(parser, id, name);
    if (bytes == 0) {
      throw new Reject("missing_id", name + " is empty");
    }
    if (!textIs(parser, key)) {
      throw new Reject(
          "id_mismatch", name + " is " + parser.getText() + ", the key " + shortened(key));
    }
    batch.openId(id, 0, bytes);
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
    int bytes = encode(parser, texts[index], name);
    if (bytes > 0) {
      batch.openText(index, texts[index], 0, bytes);
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

  private void readSamples(JsonParser parser, JsonToken start) throws IOException, Reject {
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
      seen = once(seen, field);
      if (field.part() == Part.TIMES) {
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

  private void readTimes(JsonParser parser, JsonToken start) throws IOException, Reject {
    if (start != JsonToken.START_ARRAY) {
      throw new Reject("missing_t", "samples.t is not an array");
    }
    long last = Long.MIN_VALUE;
    for (JsonToken value; (value = parser.nextToken()) != JsonToken.END_ARRAY; ) {
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
