package io.kappafleet.columnar;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The fields that a specification declares, by name: those of a message, and the arrays in its
 * samples. Everything else in a message is passed over.
 */
final class DeclaredFields {
  enum Part {
    SCHEMA,
    ID,
    SAMPLES,
    TEXT,
    INTEGER,
    NUMBER,
    TIMES,
    SAMPLE
  }

  /**
   * One of them.
   *
   * @param index among those of its kind
   * @param bit in the set of the fields seen in a message, or in its samples
   */
  record Field(String name, Part part, int index, long bit) {}

  private final Map<String, Field> ofMessage = new HashMap<>();
  private final Map<String, Field> ofSamples = new HashMap<>();

  /**
   * @throws IllegalArgumentException when two have the same name
   */
  DeclaredFields(MessageSpec spec) {
    declare(ofMessage, Part.SCHEMA, List.of("schema"));
    declare(ofMessage, Part.ID, List.of(spec.idField()));
    declare(ofMessage, Part.SAMPLES, List.of("samples"));
    declare(ofMessage, Part.TEXT, spec.texts());
    declare(ofMessage, Part.INTEGER, spec.integers());
    declare(
        ofMessage,
        Part.NUMBER,
        spec.numbers().stream().map(MessageSpec.NumberField::name).toList());
    declare(ofSamples, Part.TIMES, List.of("t"));
    declare(
        ofSamples,
        Part.SAMPLE,
        spec.samples().stream().map(MessageSpec.SampleField::name).toList());
  }

  private static void declare(Map<String, Field> fields, Part part, List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      Field field = new Field(names.get(i), part, i, 1L << fields.size());
      if (fields.put(field.name(), field) != null) {
        throw new IllegalArgumentException("field " + field.name() + " is declared twice");
      }
    }
  }

  Map<String, Field> ofMessage() {
    return ofMessage;
  }

  Map<String, Field> ofSamples() {
    return ofSamples;
  }
}
