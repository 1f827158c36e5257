package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Reads one declared number, alone or in an array, and checks its bounds. Null is missing: NaN. */
final class NumberReader {
  /** The number does not stand in an array. */
  static final int NO_INDEX = -1;

  private final String name;
  private final double min;
  private final double max;

  NumberReader(String name, Double min, Double max) {
    this.name = name;
    this.min = min == null ? -Double.MAX_VALUE : min;
    this.max = max == null ? Double.MAX_VALUE : max;
  }

  static NumberReader[] ofMessage(MessageSpec spec) {
    return spec.numbers().stream()
        .map(f -> new NumberReader(f.name(), f.min(), f.max()))
        .toArray(NumberReader[]::new);
  }

  static NumberReader[] ofSamples(MessageSpec spec) {
    return spec.samples().stream()
        .map(f -> new NumberReader(f.name(), f.min(), f.max()))
        .toArray(NumberReader[]::new);
  }

  /** Whether a number is within the bounds. */
  boolean accepts(double number) {
    return number >= min && number <= max;
  }

  void readArray(JsonParser parser, SampleColumn column) throws IOException, Reject {
    for (JsonToken value; (value = parser.nextToken()) != JsonToken.END_ARRAY; ) {
      column.add(read(parser, value, column.added()));
    }
  }

  double read(JsonParser parser, JsonToken value, int index) throws IOException, Reject {
    if (value == JsonToken.VALUE_NUMBER_FLOAT || value == JsonToken.VALUE_NUMBER_INT) {
      return checked(parser.getDoubleValue(), index);
    }
    if (value == JsonToken.VALUE_NULL) {
      return Double.NaN;
    }
    throw new Reject("not_a_number", where(index) + " is " + described(value));
  }

  private double checked(double number, int index) throws Reject {
    if (accepts(number)) {
      return number;
    }
    throw new Reject(
        "out_of_range", where(index) + " = " + number + " is outside " + min + ".." + max);
  }

  private String where(int index) {
    return index == NO_INDEX ? name : name + "[" + index + "]";
  }

  private static String described(JsonToken value) {
    return switch (value) {
      case VALUE_STRING -> "a text";
      case VALUE_TRUE, VALUE_FALSE -> "a boolean";
      case START_ARRAY -> "an array";
      default -> "an object";
    };
  }
}
