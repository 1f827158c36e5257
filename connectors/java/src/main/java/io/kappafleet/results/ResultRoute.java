package io.kappafleet.results;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Which table's rows are published, and which of its columns stand in their routing key.
 *
 * @param table the table's name
 * @param group name of the column with the fleet or area; empty: the table has none
 * @param id name of the column that says of whom or what the row is
 */
record ResultRoute(String table, String group, String id) implements Serializable {

  /**
   * Reads {@code [{"table": …, "group": …, "id": …}, …]}.
   *
   * @throws IllegalArgumentException when the text is not of that form
   */
  static List<ResultRoute> parse(String json) {
    try {
      List<ResultRoute> routes = new ArrayList<>();
      for (JsonNode route : new ObjectMapper().readTree(json)) {
        routes.add(
            new ResultRoute(
                route.required("table").asText(),
                route.required("group").asText(),
                route.required("id").asText()));
      }
      return List.copyOf(routes);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("the routes of results are not JSON: " + e, e);
    }
  }
}
