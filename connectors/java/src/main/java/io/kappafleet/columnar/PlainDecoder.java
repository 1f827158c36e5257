package io.kappafleet.columnar;

import io.kappafleet.columnar.DeclaredFields.Field;
import io.kappafleet.columnar.FieldNames.Name;

/**
 * Decodes the messages that nearly all are: well-formed, without escapes in their texts, and with
 * nothing in them to refuse. One of one sample takes 40 % of the time that Jackson takes.
 *
 * <p>It never says what is wrong with a message, only that it is not for it: {@link JacksonDecoder}
 * then reads it from its start. What it does read has the columns that Jackson would give it, to
 * the last bit; a differential test sees to that.
 *
 * <p>Its methods take the place of a value in the message and return the place behind it, or {@link
 * #UNUSUAL}.
 */
final class PlainDecoder {
  static final int UNUSUAL = PlainJson.UNUSUAL;

  private final MessageSpec spec;
  private final ColumnBatch batch;
  private final FieldNames messageNames;
  private final FieldNames sampleNames;
  private final NumberReader[] messageNumbers;
  private final NumberReader[] sampleNumbers;
  private final PlainBytes schemaId;
  private final PlainJson json = new PlainJson();
  private String key;

  PlainDecoder(MessageSpec spec, DeclaredFields fields, ColumnBatch batch) {
    this.spec = spec;
    this.batch = batch;
    messageNames = new FieldNames(fields.ofMessage().values());
    sampleNames = new FieldNames(fields.ofSamples().values());
    messageNumbers = NumberReader.ofMessage(spec);
    sampleNumbers = NumberReader.ofSamples(spec);
    schemaId =
        PlainBytes.isPlain(spec.schemaId()) ? new PlainBytes('"' + spec.schemaId() + '"') : null;
  }

  /**
   * Reads a message into the open end of the batch.
   *
   * @return whether it could; if not, what is open has to begin anew
   */
  boolean read(byte[] body, String ofKey) {
    json.open(body);
    key = ofKey;
    int at = object(json.blanks(0), messageNames);
    return at != UNUSUAL && json.blanks(at) == body.length && batch.hasId() && isComplete();
  }

  private boolean isComplete() {
    int times = batch.openTimes();
    for (SampleColumn column : batch.samples) {
      if (column.isPresent() && column.added() != times) {
        return false;
      }
    }
    return times > 0;
  }

  private int object(int start, FieldNames names) {
    if (json.byteAt(start) != '{') {
      return UNUSUAL;
    }
    byte[] body = json.body();
    int at = json.blanks(start + 1);
    if (json.byteAt(at) == '}') {
      return at + 1;
    }
    long seen = 0;
    Name before = names.start();
    while (true) {
      Name name = FieldNames.expected(before, body, at);
      if (name != null) {
        at = json.blanks(at + FieldNames.length(name));
      } else {
        int end = json.text(at);
        if (end == UNUSUAL) {
          return UNUSUAL;
        }
        name = names.find(before, body, at + 1, end - 1);
        at = json.colon(end);
        if (at == UNUSUAL) {
          return UNUSUAL;
        }
      }
      if (name == null) {
        at = json.skip(at);
      } else {
        before = name;
        Field field = name.field;
        if ((seen & field.bit()) != 0) {
          return UNUSUAL;
        }
        seen |= field.bit();
        at = value(field, at);
      }
      if (at == UNUSUAL) {
        return UNUSUAL;
      }
      at = json.blanks(at);
      int next = json.byteAt(at);
      if (next == '}') {
        return at + 1;
      }
      if (next != ',') {
        return UNUSUAL;
      }
      at = json.blanks(at + 1);
    }
  }

  private int value(Field field, int at) {
    return switch (field.part()) {
      case SCHEMA ->
          schemaId != null && schemaId.standAt(json.body(), at) ? at + schemaId.length() : UNUSUAL;
      case ID -> id(at);
      case SAMPLES -> object(at, sampleNames);
      case TEXT -> text(at, field.index());
      case INTEGER -> integer(at, field.index());
      case NUMBER -> number(at, field.index());
      case TIMES -> times(at);
      case SAMPLE -> {
        SampleColumn column = batch.samples[field.index()];
        yield column.isBooleans()
            ? booleans(at, column)
            : numbers(at, column, sampleNumbers[field.index()]);
      }
    };
  }

  private int id(int at) {
    int end = json.text(at);
    int length = end - at - 2;
    if (end == UNUSUAL || length == 0 || length > spec.maxIdBytes() || !isKey(at + 1, length)) {
      return UNUSUAL;
    }
    batch.openId(json.body(), at + 1, length);
    return end;
  }

  /** A key of other characters than ASCII is longer in bytes, and left to Jackson. */
  private boolean isKey(int from, int length) {
    if (key.length() != length) {
      return false;
    }
    byte[] body = json.body();
    for (int i = 0; i < length; i++) {
      if (body[from + i] != key.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  private int text(int at, int index) {
    if (json.byteAt(at) == 'n') {
      return json.nothing(at);
    }
    int end = json.text(at);
    int length = end - at - 2;
    if (end == UNUSUAL || length > spec.maxIdBytes()) {
      return UNUSUAL;
    }
    if (length > 0) {
      batch.openText(index, json.body(), at + 1, length);
    }
    return end;
  }

  private int integer(int at, int index) {
    if (json.byteAt(at) == 'n') {
      return json.nothing(at);
    }
    int end = json.integer(at);
    batch.openIntegers[index] = json.lastInteger();
    return end;
  }

  private int number(int at, int index) {
    if (json.byteAt(at) == 'n') {
      return json.nothing(at);
    }
    int end = json.number(at);
    batch.openNumbers[index] = json.lastNumber();
    return messageNumbers[index].accepts(json.lastNumber()) ? end : UNUSUAL;
  }

  private int times(int start) {
    if (json.byteAt(start) != '[') {
      return UNUSUAL;
    }
    long last = spec.earliestMs();
    int at = start;
    do {
      at = json.integer(json.blanks(at + 1));
      long time = json.lastInteger();
      if (at == UNUSUAL || time < last || time > spec.latestMs()) {
        return UNUSUAL;
      }
      batch.addTime(time);
      last = time;
      at = json.blanks(at);
    } while (json.byteAt(at) == ',');
    return json.byteAt(at) == ']' ? at + 1 : UNUSUAL;
  }

  private int numbers(int start, SampleColumn column, NumberReader reader) {
    if (json.byteAt(start) != '[') {
      return json.nothing(start);
    }
    column.start();
    int at = json.blanks(start + 1);
    if (json.byteAt(at) == ']') {
      return at + 1;
    }
    while (true) {
      if (json.byteAt(at) == 'n') {
        at = json.nothing(at);
        column.add(Double.NaN);
      } else {
        at = json.number(at);
        double number = json.lastNumber();
        if (!reader.accepts(number)) {
          return UNUSUAL;
        }
        column.add(number);
      }
      if (at == UNUSUAL) {
        return UNUSUAL;
      }
      at = json.blanks(at);
      int next = json.byteAt(at);
      if (next == ']') {
        return at + 1;
      }
      if (next != ',') {
        return UNUSUAL;
      }
      at = json.blanks(at + 1);
    }
  }

  private int booleans(int start, SampleColumn column) {
    if (json.byteAt(start) != '[') {
      return json.nothing(start);
    }
    column.start();
    int at = json.blanks(start + 1);
    if (json.byteAt(at) == ']') {
      return at + 1;
    }
    while (true) {
      int first = json.byteAt(at);
      at = json.word(at);
      if (at == UNUSUAL) {
        return UNUSUAL;
      }
      column.add(first == 't' ? (byte) 1 : first == 'f' ? (byte) 0 : ColumnBatch.UNKNOWN);
      at = json.blanks(at);
      int next = json.byteAt(at);
      if (next == ']') {
        return at + 1;
      }
      if (next != ',') {
        return UNUSUAL;
      }
      at = json.blanks(at + 1);
    }
  }
}
