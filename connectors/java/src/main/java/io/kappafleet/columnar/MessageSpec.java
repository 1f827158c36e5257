package io.kappafleet.columnar;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * What a message must look like, and which of its fields become columns.
 *
 * @param schemaId the only value accepted in {@code schema}; a message without the field is
 *     accepted
 * @param idField name of the field that holds the key
 * @param texts message-level texts
 * @param integers message-level integers
 * @param numbers message-level numbers
 * @param samples arrays inside {@code samples}, beside {@code t}, which every message has
 * @param maxIdBytes longest id or text, in bytes of UTF-8
 * @param maxMessageBytes longest message
 * @param earliestMs earliest event time accepted
 * @param latestMs latest event time accepted
 * @param maxAheadMs how far an event time may be ahead of the arrival
 * @param allowedLatenessMs how far it may be behind; 0 is without limit
 */
record MessageSpec(
    String schemaId,
    String idField,
    List<String> texts,
    List<String> integers,
    List<NumberField> numbers,
    List<SampleField> samples,
    int maxIdBytes,
    int maxMessageBytes,
    long earliestMs,
    long latestMs,
    long maxAheadMs,
    long allowedLatenessMs) {

  /** A number and its inclusive bounds; null is without bound. */
  record NumberField(String name, Double min, Double max) {}

  /** An array of samples: numbers with inclusive bounds, or booleans. */
  record SampleField(String name, Kind kind, Double min, Double max) {
    enum Kind {
      @JsonProperty("number")
      NUMBER,
      @JsonProperty("boolean")
      BOOLEAN
    }
  }
}
