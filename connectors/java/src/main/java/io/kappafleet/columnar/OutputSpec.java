package io.kappafleet.columnar;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * Where the rows of one of the function's outputs go.
 *
 * @param name unique; the side output's name for a stream
 * @param rows the function's output that is read; several specs may read the same one
 * @param kind a table's row frames, or a keyed stream of raw rows
 * @param table index of the table
 * @param writeUs field with the write timestamp in microseconds
 * @param columns one entry for each column of the table, in its order
 * @param keyField text field that keys the stream
 * @param keyPrefix where that field is empty, this and the message's key are the stream's key;
 *     empty for an empty key
 * @param eventMs field with the stream record's timestamp
 * @param nulls integer field of a table's rows; where it is not 0, null stands for the columns
 *     without a value; empty for none
 * @param idField text field of a stream's record that gets the message's key; empty for none
 */
record OutputSpec(
    String name,
    String rows,
    Kind kind,
    int table,
    String writeUs,
    List<Column> columns,
    String keyField,
    String keyPrefix,
    String eventMs,
    String nulls,
    String idField) {

  OutputSpec {
    keyPrefix = keyPrefix == null ? "" : keyPrefix;
    nulls = nulls == null ? "" : nulls;
    idField = idField == null ? "" : idField;
  }

  enum Kind {
    @JsonProperty("table")
    TABLE,
    @JsonProperty("stream")
    STREAM
  }

  /** How a column's value comes from a row: from a field, a constant, or a list of names. */
  record Column(Conversion conversion, String field, String constant, List<String> names) {}

  /** Where nothing else is said, the smallest value of the CQL type leaves a column unset. */
  enum Conversion {
    /** The message's key. */
    @JsonProperty("key")
    KEY,
    /** A text field; empty leaves the column unset. */
    @JsonProperty("text")
    TEXT,
    /** A text field; where it is empty, the constant and the message's key. */
    @JsonProperty("text_or_key")
    TEXT_OR_KEY,
    @JsonProperty("int")
    INT,
    @JsonProperty("bigint")
    BIGINT,
    /** NaN leaves the column unset. */
    @JsonProperty("double")
    DOUBLE,
    /** Epoch milliseconds. */
    @JsonProperty("timestamp")
    TIMESTAMP,
    /** Epoch milliseconds to the day in UTC, as text or date. */
    @JsonProperty("day")
    DAY,
    /** Epoch milliseconds to {@code 2026-11}. */
    @JsonProperty("month")
    MONTH,
    /** Epoch milliseconds to {@code 2026}. */
    @JsonProperty("year")
    YEAR,
    /** 0 or 1; a negative value leaves the column unset. */
    @JsonProperty("boolean")
    BOOLEAN,
    /** Index into names; a negative value leaves the column unset. */
    @JsonProperty("enum")
    ENUM,
    @JsonProperty("const")
    CONST,
    /** The wall clock. */
    @JsonProperty("now")
    NOW,
    @JsonProperty("unset")
    UNSET
  }
}
