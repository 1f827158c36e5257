package io.kappafleet.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * A table as {@code schemas/*.cql} declares it: its name, its columns in order, its primary key.
 *
 * @param name the table's name, without a keyspace
 * @param columns names and CQL types, in the order in which {@link RowFrame} carries the values
 * @param partitionKey names of the partition key's columns
 * @param clusteringKey names of the clustering columns
 */
public record TableSpec(
    String name, List<Column> columns, List<String> partitionKey, List<String> clusteringKey)
    implements Serializable {

  /** A column: its name and its CQL type ({@code text}, {@code double}, {@code timestamp}, ...). */
  public record Column(String name, String type) implements Serializable {}

  /**
   * Reads {@code [{"name": …, "columns": [[name, type], …], "key": [[…], […]]}, …]}.
   *
   * @throws IllegalArgumentException when the text is not of that form
   */
  public static List<TableSpec> parse(String json) {
    try {
      List<TableSpec> tables = new ArrayList<>();
      for (JsonNode table : new ObjectMapper().readTree(json)) {
        List<Column> columns = new ArrayList<>();
        for (JsonNode column : table.required("columns")) {
          columns.add(new Column(column.required(0).asText(), column.required(1).asText()));
        }
        JsonNode key = table.required("key");
        tables.add(
            new TableSpec(
                table.required("name").asText(),
                List.copyOf(columns),
                texts(key.required(0)),
                texts(key.required(1))));
      }
      return List.copyOf(tables);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("the table specification is not JSON: " + e, e);
    }
  }

  private static List<String> texts(JsonNode array) {
    List<String> names = new ArrayList<>();
    array.forEach(item -> names.add(item.asText()));
    return List.copyOf(names);
  }
}
